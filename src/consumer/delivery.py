"""The loop that decides: sends a batch until every line of it is indexed, known, or poison.

Only what failed is sent again. Nothing is given up: while Elasticsearch cannot or may not take a line, the wait
grows to a minute, the process is not ready, and says why.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from common.errors import CryptoProxyError, OperatorError, SizeError, TransientError
from common.metrics import IndexerMetrics
from common.retry import Backoff
from common.service import Health
from consumer.batch import Batch, DeadLetter
from consumer.bulk import Answer, BulkSender
from consumer.indices import Indices
from consumer.outcome import Kind, kind_of, remedy_for

PART = "elasticsearch"


@dataclass(slots=True)
class Delivered:
    """The end of a batch: how many lines were written or known, and which are poison."""

    indexed: int = 0
    duplicates: int = 0
    dead: list[DeadLetter] = field(default_factory=list)
    abandoned: bool = False
    """The batch was given back before its end: its partitions are somebody else's now."""


class Delivery:
    """Thread-safe; one per process, used by as many threads as bulk requests may be under way."""

    def __init__(
        self, sender: BulkSender, indices: Indices, health: Health, metrics: IndexerMetrics, *, max_bytes: int
    ) -> None:
        self._max_bytes = max_bytes
        self._sender = sender
        self._indices = indices
        self._health = health
        self._metrics = metrics
        self._lock = threading.Lock()
        self._held: set[int] = set()
        """The batches that wait: ready again only when none does."""

    def deliver(self, batch: Batch, abandon: threading.Event) -> Delivered:
        """Returns when every line has its end, or ``abandon`` is set."""
        result = Delivered()
        waiting = list(range(len(batch.lines)))
        size = len(waiting)
        backoff = Backoff()
        while waiting:
            size = self._fitting(batch, waiting, size)
            part, rest = waiting[:size], waiting[size:]
            again, trouble = self._attempt(batch, part, result)
            waiting = [*again, *rest]
            if trouble is None:
                backoff.reset()
                continue
            self._metrics.bulk_retries.labels(_label(trouble)).inc()
            if isinstance(trouble, SizeError) and len(part) > 1:
                size = (len(part) + 1) // 2
                continue
            self._hold(batch, trouble)
            if abandon.wait(backoff.next(getattr(trouble, "retry_after", None))):
                result.abandoned = True
                break
        self._release(batch)
        return result

    def _fitting(self, batch: Batch, waiting: list[int], size: int) -> int:
        """How many of ``waiting`` go into one request: at most ``size``, and as many as its bytes allow."""
        total = 0
        for count, at in enumerate(waiting[:size]):
            total += len(batch.lines[at])
            if total > self._max_bytes:
                return max(1, count)
        return min(size, len(waiting))

    def _attempt(self, batch: Batch, part: list[int], result: Delivered) -> tuple[list[int], CryptoProxyError | None]:
        """Sends ``part`` once. Returns what must be sent again, and what stands in the way."""
        try:
            with self._sender.translated():
                self._indices.ensure(self._sender.client(), {batch.indices[at] for at in part})
            with self._metrics.bulk_seconds.time():
                answers = self._sender.send([batch.lines[at] for at in part])
        except (TransientError, SizeError, OperatorError) as error:
            return part, error
        return self._settle(batch, part, answers, result)

    def _settle(
        self, batch: Batch, part: list[int], answers: Sequence[Answer], result: Delivered
    ) -> tuple[list[int], CryptoProxyError | None]:
        again: list[int] = []
        poison: list[tuple[int, Answer]] = []
        trouble: CryptoProxyError | None = None
        for at, answer in zip(part, answers, strict=True):
            if answer.status == 201:  # the ordinary case first
                result.indexed += 1
                continue
            kind = kind_of(answer.status, answer.error_type)
            if kind is Kind.INDEXED:
                result.indexed += 1
            elif kind is Kind.DUPLICATE:
                result.duplicates += 1
            elif kind is Kind.POISON:
                poison.append((at, answer))
            else:
                again.append(at)
                trouble = _worse(trouble, kind, answer, batch.indices[at])
                if answer.status == 404:
                    self._indices.forget(batch.indices[at])
        if poison:
            try:
                self._only_while_the_mapping_is_ours({batch.indices[at] for at, _ in poison})
            except (TransientError, OperatorError) as error:
                return [*again, *(at for at, _ in poison)], error
            result.dead += [
                DeadLetter(
                    batch.records[at], answer.error_type, f"{answer.status} {answer.error_type}: {answer.reason}"
                )
                for at, answer in poison
            ]
        return again, trouble

    def _only_while_the_mapping_is_ours(self, indices: set[str]) -> None:
        """Elasticsearch refused documents as unreadable: with another mapping that would be the index's fault."""
        with self._sender.translated():
            self._indices.ensure(self._sender.client(), indices, fresh=True)

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


def _worse(trouble: CryptoProxyError | None, kind: Kind, answer: Answer, index: str) -> CryptoProxyError:
    """What is said of a batch with several kinds of trouble: what needs a person comes first."""
    if isinstance(trouble, OperatorError):
        return trouble
    said = f"Elasticsearch answers {answer.status} {answer.error_type} for a document of {index}: {answer.reason[:300]}"
    if kind is Kind.TRANSIENT:
        return TransientError(said)
    return OperatorError(said, remedy=remedy_for(answer.status, answer.error_type))
