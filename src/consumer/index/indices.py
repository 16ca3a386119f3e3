"""The index of a period: made or checked before the first write, again after a 404 and each minute.

Without this, a bulk request to an index whose template is gone would silently make one with guessed mappings,
``price`` as long. And since every time from 2009 on is allowed in a record, a few hundred odd ones could ask for more
indices than the cluster has room for: those of old periods are made at a bounded rate.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from elasticsearch import AuthorizationException, BadRequestError, Elasticsearch, NotFoundError

from cryptoproxy.common.clients import elastic
from cryptoproxy.common.clock import Clock
from cryptoproxy.common.settings.catalogue import Elasticsearch as ElasticsearchSettings
from cryptoproxy.consumer.index.template import (
    MIGRATION_PAGE,
    narrowed_alias,
    verify,
    widen,
    wrong_mapping,
)
from cryptoproxy.datasets import MAX_AHEAD_MS, Dataset, Part, Period, iso
from cryptoproxy.datasets.documents import mapping
from cryptoproxy.datasets.times import Span
from cryptoproxy.errors import OperatorError

CHECK_SECONDS = 60.0
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


class Indices:
    """Remembers which indices of a dataset are right. Thread-safe; errors of the client pass through to the loop that
    decides."""

    def __init__(
        self,
        settings: ElasticsearchSettings,
        dataset: Dataset[Any],
        *,
        clock: Clock,
        announced: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """
        Args:
            announced: whether an index is in the span of a history run that was announced: such are made at once. Asked
                only of one that would be refused; may raise TransientError or OperatorError.
        """
        self._settings = settings
        self._dataset = dataset
        self._alias = settings.alias_of(dataset)
        self._properties = mapping.properties(dataset)
        self._clock = clock
        self._announced = announced
        self._checked: dict[str, tuple[float, str]] = {}
        """By name: when it was looked at, and why it may not be made; ``""`` if it is there."""
        self._lock = threading.Lock()

    def ensure(self, client: Elasticsearch, names: set[str], *, fresh: bool = False) -> Mapping[str, str]:
        """Makes or checks each of ``names``, at most once a minute unless ``fresh``. Returns those that may not be made
        now, and why.

        Raises:
            OperatorError: template missing, mapping or alias wrong.
        """
        refused = {}
        with self._lock:
            for name in names:
                now = self._clock.monotonic()
                looked_at, why = self._checked.get(name, (float("-inf"), ""))
                if fresh or now - looked_at >= CHECK_SECONDS:
                    self._checked.pop(name, None)
                    found = self._make_or_check(client, name)
                    why = found or ""
                    if found is not None:
                        self._checked[name] = now, found
                if why:
                    refused[name] = why
        return refused

    def verify(self, client: Elasticsearch) -> None:
        """What can be said before the first record: template and alias are there and ours.

        Raises:
            OperatorError: they are not.
        """
        verify(client, self._settings, self._dataset)

    @property
    def replaces(self) -> bool:
        """Whether a newer record replaces the document: then 200, without an error, says that it did."""
        return self._dataset.compacted

    def is_ours(self, field: str) -> bool:
        """Whether the template maps ``field``, or Elasticsearch itself does (``_id`` …)."""
        return field.startswith("_") or field.partition(".")[0] in self._properties

    def forget(self, name: str) -> None:
        """``name`` answered 404: look again before the next write."""
        with self._lock:
            self._checked.pop(name, None)

    def _make_or_check(self, client: Elasticsearch, name: str) -> str | None:
        """Why it may not be made now; ``""`` once it is there; None where its first document is to make it."""
        alias = self._alias
        verify(client, self._settings, self._dataset)
        try:
            found = client.indices.get(index=name)
        except NotFoundError:
            if why := self._too_many(client, name):
                return why
            try:
                client.indices.create(index=name)
            except AuthorizationException:
                # `auto_configure`, the least right that does (docs/security.md), makes one with a document in it only.
                # The template is there, as was just looked; what came of it is looked at before the next write.
                return None
            except BadRequestError as error:
                if error.error != "resource_already_exists_exception":  # another indexer was faster
                    raise
            found = client.indices.get(index=name)
        index = found.get(name)
        if index is None:
            raise OperatorError(
                f"{name!r} is an alias, where an index must be", remedy=f"Remove it; see {MIGRATION_PAGE}"
            )
        fault = wrong_mapping(index.get("mappings", {}), self._properties)
        if fault is not None:
            raise OperatorError(
                f"index {name} has another mapping than the template: {fault}",
                remedy=f"Run `cryptoproxy setup`, which adds missing fields; if that is not enough, reindex it as "
                f"{MIGRATION_PAGE} says. Nothing is written to it meanwhile",
            )
        entry = index.get("aliases", {}).get(alias)
        if entry is None:
            raise OperatorError(
                f"index {name} lacks the alias {alias}, so readers would not see it",
                remedy=f"Add it: PUT {name}/_alias/{alias}",
            )
        if (narrowed := narrowed_alias(entry)) is not None:
            raise OperatorError(f"index {name}: {narrowed}", remedy=widen(name, alias))
        return ""

    def _too_many(self, client: Elasticsearch, name: str) -> str:
        """The index of a period that is not today's is only made while few were made within the hour, by whomever."""
        limit, alias, now_ms = self._settings.new_per_hour, self._alias, self._clock.now_ms()
        today = (
            self._settings.index_of(self._dataset, part, iso(ms))
            for part in self._dataset.parts.values()
            for ms in (now_ms - DAY_MS, now_ms, now_ms + MAX_AHEAD_MS)
        )
        if name in today:
            return ""
        since = elastic.now_ms(client) - HOUR_MS
        there = client.indices.get_settings(index=f"{alias}-*", name="index.creation_date")
        made = sum(int(each["settings"]["index"]["creation_date"]) > since for each in there.values())
        if made < limit or self._announced(name):
            return ""
        return (
            f"{made} indices were made within the hour, and {name} would be one more. If these times are right, raise "
            "ES_NEW_INDICES_PER_HOUR, or bring it in with `cryptoproxy dead-letters replay`"
        )


_BEGINS = {
    Period.DAY: re.compile(r"(\d{4})\.(\d{2})\.(\d{2})\Z"),
    Period.MONTH: re.compile(r"(\d{4})\.(\d{2})\.(01)\Z"),
    Period.YEAR: re.compile(r"(\d{4})\.(01)\.(01)\Z"),
}


def span_of(index: str, settings: ElasticsearchSettings, dataset: Dataset[Any], part: Part) -> Span | None:
    """The slots that ``index`` holds by its name; None for a name that no index of this part has, and where the one
    index of a dataset holds all of it."""
    period = settings.period_of(dataset, part)
    begin_of_name = f"{settings.alias_of(dataset)}-{part.shelf}-" if part.shelf else f"{settings.alias_of(dataset)}-"
    if period is Period.EVER or not index.startswith(begin_of_name):
        return None
    if not (found := _BEGINS[period].match(index, len(begin_of_name))):
        return None
    try:
        begin = datetime(*map(int, found.groups()), tzinfo=UTC)  # type: ignore[misc,arg-type]
    except ValueError:
        return None
    # Into the next one from any day of this one, then back to its first.
    if period is Period.DAY:
        end = begin + timedelta(days=1)
    elif period is Period.MONTH:
        end = (begin + timedelta(days=32)).replace(day=1)
    else:
        end = begin.replace(year=begin.year + 1)
    return Span(int(begin.timestamp()) * 1000, int(end.timestamp()) * 1000)
