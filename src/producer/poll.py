"""One poll: all its calls within the slot, each attempt in the budget before it is sent; a poll is whole or nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import tenacity

from common.clock import Clock
from common.errors import PoisonError, TransientError
from common.metrics import PollerMetrics
from common.record import encode
from common.retry import Backoff
from producer.fetch import check_clock
from producer.sources.base import Answer, BannedError, Call, Poll, Rejected, Source

RETRY_CAP_SECONDS = 10.0


class Budget(Protocol):
    """What a poll asks of its upstream's budget (``producer.budget``)."""

    def take(self, cost: int) -> float:
        """0 when granted and counted; else the seconds to wait before asking again."""

    def reported(self, used: int) -> None:
        """What the upstream says is used."""

    def ban(self, seconds: float, why: str) -> None:
        """Nothing is granted for so long."""


class Polled(NamedTuple):
    """A poll ready to be kept. ``content`` is its records' bytes, each with a newline."""

    poll: Poll
    content: bytes
    records: int
    rejected: list[Rejected]
    seconds: float
    response_bytes: int


class SlotMissedError(TransientError):
    """The slot is over, or what it waits for comes after its end. ``reason`` is a metric label."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class PollOnce:
    """Polls one source; used by that source's thread alone.

    Args:
        get: one HTTP GET (``Fetcher.get``).
        sleep: waits so many seconds; True when the process stops meanwhile.
        timeout: seconds for one answer.
    """

    def __init__(
        self,
        source: Source,
        *,
        budget: Budget,
        get: Callable[..., Answer],
        clock: Clock,
        sleep: Callable[[float], bool],
        metrics: PollerMetrics,
        timeout: float,
    ) -> None:
        self._source = source
        self._budget = budget
        self._get = get
        self._clock = clock
        self._sleep = sleep
        self._metrics = metrics
        self._timeout = timeout

    def poll(self, slot_ms: int, end_ms: int) -> Polled:
        """Fetches, normalises and encodes the poll of ``slot_ms``; tries again as long as the slot lasts.

        Raises:
            SlotMissedError: not fetched by ``end_ms``; its text says why.
            OperatorError: a wrong key, a wrong clock: only a person can mend it.
        """
        begun = self._clock.monotonic()
        answers: dict[int, Answer] = {}
        backoff = Backoff(first=0.2, cap=min(RETRY_CAP_SECONDS, (end_ms - slot_ms) / 4000))
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_worth_another_try),
            wait=lambda _: backoff.next(),
            stop=lambda state: self._clock.now_ms() + state.upcoming_sleep * 1000 >= end_ms,
            sleep=self._wait,
            reraise=True,
        )
        try:
            poll = retrying(self._whole, answers, slot_ms, end_ms)
        except SlotMissedError:
            raise
        except BannedError as error:
            raise SlotMissedError("banned", str(error)) from error
        except TransientError as error:
            raise SlotMissedError("failed", str(error)) from error
        content, refused = _encoded(poll)
        return Polled(
            poll,
            b"".join(content),
            len(content),
            [*poll.rejected, *refused],
            self._clock.monotonic() - begun,
            sum(len(answer.body) for answer in answers.values()),
        )

    def _whole(self, answers: dict[int, Answer], slot_ms: int, end_ms: int) -> Poll:
        """One try: the calls that have no answer yet, then all answers read together."""
        for number, call in enumerate(self._source.calls()):
            if number not in answers:
                answers[number] = self.ask(call, end_ms)
        try:
            return self._source.read(
                [answers[number].body for number in sorted(answers)],
                slot_ms=slot_ms,
                fetched_at_ms=self._clock.now_ms(),
            )
        except TransientError:
            answers.clear()  # not what the upstream speaks: all of it again
            raise

    def ask(self, call: Call, end_ms: int) -> Answer:
        """One attempt at one call, counted before it is sent.

        Raises:
            SlotMissedError: the budget grants nothing before ``end_ms``.
            TransientError, BannedError, OperatorError: as the source reads the answer.
        """
        while (seconds := self._budget.take(call.cost)) > 0:
            if self._clock.now_ms() + seconds * 1000 >= end_ms:
                raise SlotMissedError(
                    "budget", f"{self._source.upstream}'s budget grants the next call in {seconds:.0f} s"
                )
            self._wait(seconds)
        timeout = min(self._timeout, max(0.1, (end_ms - self._clock.now_ms()) / 1000))
        status = "none"
        try:
            answer = self._get(call, timeout=timeout)
            status = str(answer.status)
        finally:
            self._metrics.calls.labels(self._source.upstream, status).inc()
        now_ms = self._clock.now_ms()
        used = self._source.used(answer)
        if used is not None:
            self._budget.reported(used)
        try:
            self._source.check(answer, now_ms=now_ms)
        except TransientError as error:
            # What the upstream asks for holds beyond this slot, and for every source of that upstream.
            if error.retry_after is not None:
                self._budget.ban(error.retry_after, str(error))
            raise
        check_clock(answer, now_ms=now_ms)
        return answer

    def _wait(self, seconds: float) -> None:
        if self._sleep(seconds):
            raise SlotMissedError("stopped", "the process stops")


def _worth_another_try(error: BaseException) -> bool:
    return isinstance(error, TransientError) and not isinstance(error, SlotMissedError | BannedError)


def _encoded(poll: Poll) -> tuple[list[bytes], list[Rejected]]:
    lines: list[bytes] = []
    refused: list[Rejected] = []
    for record in poll.records:
        try:
            lines.append(encode(record) + b"\n")
        except PoisonError as error:
            refused.append(Rejected(error.reason, record.asset_id, str(error)))
    return lines, refused
