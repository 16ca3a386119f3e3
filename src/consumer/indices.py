"""The index of a period: made or checked before the first write, again after a 404 and each minute.

Without this, a bulk request to an index whose template is gone would silently make one with guessed mappings,
``price`` as long.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from elasticsearch import BadRequestError, Elasticsearch, NotFoundError

from cryptoproxy.common.errors import OperatorError
from cryptoproxy.common.settings.catalogue import Elasticsearch as ElasticsearchSettings
from cryptoproxy.consumer.template import MIGRATION_PAGE, expected_properties, verify, wrong_mapping

CHECK_SECONDS = 60.0


class Indices:
    """Remembers which indices are right. Thread-safe; errors of the client pass through to the loop that decides."""

    def __init__(self, settings: ElasticsearchSettings, *, monotonic: Callable[[], float]) -> None:
        self._settings = settings
        self._monotonic = monotonic
        self._checked: dict[str, float] = {}
        self._lock = threading.Lock()

    def ensure(self, client: Elasticsearch, names: set[str], *, fresh: bool = False) -> None:
        """Makes or checks each of ``names``, at most once a minute unless ``fresh``.

        Raises:
            OperatorError: template missing, mapping or alias wrong.
        """
        with self._lock:
            for name in names:
                now = self._monotonic()
                if fresh or now - self._checked.get(name, float("-inf")) >= CHECK_SECONDS:
                    self._checked.pop(name, None)
                    self._make_or_check(client, name)
                    self._checked[name] = now

    def verify(self, client: Elasticsearch) -> None:
        """What can be said before the first record: template and alias are there and ours.

        Raises:
            OperatorError: they are not.
        """
        verify(client, self._settings)

    def is_ours(self, field: str) -> bool:
        """Whether the template maps ``field``, or Elasticsearch itself does (``_id`` …)."""
        return field.startswith("_") or field.partition(".")[0] in expected_properties()

    def forget(self, name: str) -> None:
        """``name`` answered 404: look again before the next write."""
        with self._lock:
            self._checked.pop(name, None)

    def _make_or_check(self, client: Elasticsearch, name: str) -> None:
        alias = self._settings.alias
        verify(client, self._settings)
        try:
            found = client.indices.get(index=name, features="aliases,mappings")
        except NotFoundError:
            try:
                client.indices.create(index=name)
            except BadRequestError as error:
                if error.error != "resource_already_exists_exception":  # another indexer was faster
                    raise
            found = client.indices.get(index=name, features="aliases,mappings")
        index = found.get(name)
        if index is None:
            raise OperatorError(
                f"{name!r} is an alias, where an index must be", remedy=f"Remove it; see {MIGRATION_PAGE}"
            )
        fault = wrong_mapping(index.get("mappings", {}))
        if fault is not None:
            raise OperatorError(
                f"index {name} has another mapping than the template: {fault}",
                remedy=f"Run `cryptoproxy setup`, which adds missing fields; if that is not enough, reindex it as "
                f"{MIGRATION_PAGE} says. Nothing is written to it meanwhile",
            )
        if alias not in index.get("aliases", {}):
            raise OperatorError(
                f"index {name} lacks the alias {alias}, so readers would not see it",
                remedy=f"Add it: PUT {name}/_alias/{alias}",
            )
