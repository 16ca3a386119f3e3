"""The loop that decides: sends a batch until every line of it is indexed, known, or poison.

Only what failed is sent again. Nothing is given up: while Elasticsearch cannot or may not take a line, the wait
grows to a minute, the process is not ready, and says why.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptoproxy.common.clients import elastic
from cryptoproxy.common.clients.outcome import Outcome, blamed_field, error_of, outcome_of
from cryptoproxy.common.log import Limited
from cryptoproxy.common.metrics import DatasetMetrics
from cryptoproxy.common.retry import Backoff
from cryptoproxy.common.service import Health
from cryptoproxy.consumer.batch import Batch, DeadLetter
from cryptoproxy.consumer.index.bulk import BulkSender, Item
from cryptoproxy.consumer.index.corrections import Corrections
from cryptoproxy.consumer.index.indices import Indices
from cryptoproxy.datasets import MAX_AHEAD_MS, iso
from cryptoproxy.errors import CryptoProxyError, OperatorError, SizeError, TransientError

log = logging.getLogger(__name__)

PART = "elasticsearch"
SOON_SECONDS = 5.0


@dataclass(slots=True)
class Delivered:
    """The end of a batch: how many lines were written or known, and which are poison."""

    indexed: int = 0
    duplicates: int = 0
    dead: list[DeadLetter] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """The index that each of these was meant for."""
    abandoned: bool = False
    """The batch was given back before its end: its partitions are somebody else's now."""


class Delivery:
    """Thread-safe; used by as many threads as bulk requests may be under way.

    Args:
        corrections: looks at what is there already, where that may differ.
    """

    def __init__(
        self,
        sender: BulkSender,
        indices: Indices,
        health: Health,
        metrics: DatasetMetrics,
        *,
        max_bytes: int,
        now_ms: Callable[[], int],
        backoff: Callable[[], Backoff] = Backoff,
        corrections: Corrections | None = None,
    ) -> None:
        self._max_bytes = max_bytes
        self._corrections = corrections
        self._often = Limited(log, seconds=60)
        self._now_ms = now_ms
        self._backoff = backoff
        self._sender = sender
        self._indices = indices
        self._health = health
        self._metrics = metrics
        self._lock = threading.Lock()
        self._held: set[int] = set()
        """The batches that wait: ready again only when none does."""
        self._proven = threading.Event()

    def deliver(self, batch: Batch, abandon: threading.Event) -> Delivered:
        """Returns when every line has its end, or ``abandon`` is set."""
        result = Delivered()
        waiting = list(range(len(batch.lines)))
        limit = len(waiting)
        """Of lines in one request: halved each time the server says that one was too large."""
        backoff = self._backoff()
        try:
            while waiting and not abandon.is_set():
                size = self._fitting(batch, waiting, limit)
                part, rest = waiting[:size], waiting[size:]
                again, trouble = self._attempt(batch, part, result)
                waiting = [*again, *rest]
                if trouble is None:
                    self._proven.set()
                    backoff.reset()
                    continue
                self._metrics.bulk_retries.labels(_label(trouble)).inc()
                if isinstance(trouble, SizeError) and len(part) > 1:
                    limit = (len(part) + 1) // 2
                    continue
                abandon.wait(self._trouble(batch, trouble, backoff))
        finally:
            self._release(batch)
        result.abandoned = bool(waiting)
        return result

    def verify(self, abandon: threading.Event | None = None) -> None:
        """Returns when Elasticsearch is there and set up as it must be (asked, or proven by a batch meanwhile), or
        ``abandon`` is set."""
        abandon = abandon or threading.Event()
        nothing = Batch()
        backoff = self._backoff()
        try:
            while not (abandon.is_set() or self._proven.is_set()):
                try:
                    with self._sender.translated():
                        self._indices.verify(self._sender.client())
                except (TransientError, OperatorError) as trouble:
                    deadline = time.monotonic() + self._trouble(nothing, trouble, backoff)
                    while (left := deadline - time.monotonic()) > 0 and not self._proven.is_set():
                        if abandon.wait(min(left, 0.5)):
                            break
                else:
                    return
        finally:
            self._release(nothing)

    def _fitting(self, batch: Batch, waiting: list[int], limit: int) -> int:
        """How many of ``waiting`` go into one request: at most ``limit``, and as many as its bytes allow."""
        total = 0
        for count, at in enumerate(waiting[:limit]):
            total += len(batch.lines[at])
            if total > self._max_bytes:
                return max(1, count)
        return min(limit, len(waiting))

    def _attempt(self, batch: Batch, part: list[int], result: Delivered) -> tuple[list[int], CryptoProxyError | None]:
        """Sends ``part`` once. Returns what must be sent again, and what stands in the way."""
        letters: dict[int, DeadLetter] = {}
        try:
            with self._sender.translated():
                client = self._sender.client()
                if batch.ahead:
                    letters |= self._too_far_ahead(client, batch, part)
                refused = self._indices.ensure(client, {batch.indices[at] for at in part if at not in letters})
            for at in part if refused else ():
                if (why := refused.get(batch.indices[at])) is not None:
                    letters[at] = DeadLetter(batch.records[at], "new_index", why)
            sent = [at for at in part if at not in letters] if letters else part
            if sent:
                with self._metrics.bulk_seconds.time():
                    items = self._sender.send([batch.lines[at] for at in sent])
        except (TransientError, SizeError, OperatorError) as error:
            return part, error
        result.refused += [batch.indices[at] for at in letters]
        result.dead += letters.values()
        return self._settle(batch, sent, items, result) if sent else ([], None)

    def _too_far_ahead(self, client: Any, batch: Batch, part: list[int]) -> dict[int, DeadLetter]:
        """What is too far ahead of this clock and of Elasticsearch's. What is ahead of this one alone is no fault of
        the record's."""
        now_ms = self._now_ms()
        late = [at for at in part if batch.ahead.get(at, 0) > now_ms + MAX_AHEAD_MS]
        if not late:
            return {}
        theirs = elastic.now_ms(client)
        if any(batch.ahead[at] <= theirs + MAX_AHEAD_MS for at in late):
            raise OperatorError(
                f"this machine's clock says {iso(now_ms)} and Elasticsearch's {iso(theirs)}: whether "
                f"{_place(batch, late[0])} is of the future cannot be told",
                remedy="Set the clock (NTP); it goes on by itself",
            )
        return {
            at: DeadLetter(
                batch.records[at],
                "contract",
                f"timestamp {iso(batch.ahead[at])} is more than 10 minutes ahead of this clock and of Elasticsearch's",
            )
            for at in late
        }

    def _settle(
        self, batch: Batch, part: list[int], items: Sequence[Item], result: Delivered
    ) -> tuple[list[int], CryptoProxyError | None]:
        again: list[int] = []
        known: list[int] = []
        poison: list[tuple[int, Item]] = []
        trouble: CryptoProxyError | None = None
        for at, item in zip(part, items, strict=True):
            if item.status == 201 or (item.status == 200 and self._indices.replaces and not item.error_type):
                result.indexed += 1
                continue
            outcome = outcome_of(item.status, item.error_type)
            if outcome is Outcome.DUPLICATE:
                known.append(at)
            elif outcome is Outcome.POISON:
                poison.append((at, item))
            else:
                again.append(at)
                trouble = _worse(trouble, batch, at, item)
                if item.status == 404:
                    self._indices.forget(batch.indices[at])
        result.duplicates += len(known)
        if known and self._corrections is not None:
            self._look(self._corrections, batch, known)
        if poison:
            try:
                self._only_while_the_mapping_is_ours(batch, poison)
            except (TransientError, OperatorError) as error:
                return [*again, *(at for at, _ in poison)], error
            for at, item in poison:
                result.refused.append(batch.indices[at])
                result.dead.append(DeadLetter(batch.records[at], item.error_type, _said(item)))
        return again, trouble

    def _look(self, corrections: Corrections, batch: Batch, known: Sequence[int]) -> None:
        """Holds nothing up: these records are at their end."""
        try:
            with self._sender.translated():
                corrections.look(self._sender.client(), batch, known)
        except (TransientError, OperatorError) as error:
            self._often.warning(
                "unseen", f"whether {len(known)} known records came with other values is not seen: {error}"
            )

    def _only_while_the_mapping_is_ours(self, batch: Batch, poison: Sequence[tuple[int, Item]]) -> None:
        """Elasticsearch refused documents as unreadable: with another mapping that would be the index's fault."""
        with self._sender.translated():
            self._indices.ensure(self._sender.client(), {batch.indices[at] for at, _ in poison}, fresh=True)
        for at, item in poison:
            field_name = blamed_field(item.reason)
            if field_name is not None and not self._indices.is_ours(field_name):
                raise OperatorError(
                    f"index {batch.indices[at]} maps {field_name}, which the template does not, and refuses "
                    f"{_place(batch, at)} for it ({item.reason[:300]})",
                    remedy="Give these records an index with the template's mapping, as docs/migration.md says",
                )

    def _trouble(self, batch: Batch, trouble: CryptoProxyError, backoff: Backoff) -> float:
        """Says what stands in the way; the seconds to wait. A single refusal that the next attempt mends soon is no
        reason to be not ready; a second one is."""
        first = not backoff.failures
        seconds = backoff.next(getattr(trouble, "retry_after", None))
        if not first or seconds > SOON_SECONDS or not isinstance(trouble, TransientError):
            self._hold(batch, trouble)
        return seconds

    def _hold(self, batch: Batch, trouble: CryptoProxyError) -> None:
        said = str(trouble)
        if isinstance(trouble, SizeError):
            # A single record of at most 64 KiB: the server's limit is too small, the record is not too large.
            said += ". Raise http.max_content_length of Elasticsearch above 1 MB"
        with self._lock:
            self._held.add(id(batch))
            self._health.hold(PART, said)

    def _release(self, batch: Batch) -> None:
        with self._lock:
            self._held.discard(id(batch))
            if not self._held:
                self._health.release(PART)


def _label(trouble: CryptoProxyError) -> str:
    return type(trouble).__name__.removesuffix("Error").lower()


def _worse(trouble: CryptoProxyError | None, batch: Batch, at: int, item: Item) -> CryptoProxyError:
    """What is said of a batch with several kinds of trouble: what needs a person comes first."""
    if isinstance(trouble, OperatorError):
        return trouble
    if trouble is not None and outcome_of(item.status, item.error_type) is not Outcome.OPERATOR:
        return trouble
    said = f"Elasticsearch answers {_said(item)[:400]} (document of {batch.indices[at]}, {_place(batch, at)})"
    return error_of(item.status, item.error_type, said)


def _said(item: Item) -> str:
    if not item.error_type:
        return f"{item.status} without an error, though only 201 says that the document is stored"
    return f"{item.status} {item.error_type}: {item.reason}"


def _place(batch: Batch, at: int) -> str:
    record = batch.records[at]
    return f"record {record.partition}:{record.offset}"
