"""One poll: all its calls within the slot, each attempt in the budget before it is sent; a poll is whole or nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import tenacity

from cryptoproxy.common.clock import Clock
from cryptoproxy.common.errors import PoisonError, TransientError
from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.common.record import encode
from cryptoproxy.common.retry import Backoff
from cryptoproxy.producer.fetch import check_clock
from cryptoproxy.producer.sources.base import Answer, BannedError, Call, Poll, Rejected, Source

RETRY_CAP_SECONDS = 10.0

Wait = Callable[[float], bool]
"""Waits so many seconds; True, and at once, when the process stops."""


class Budget(Protocol):
    """What a poll asks of its upstream's budget (``producer.budget``)."""

    def take(self, cost: int) -> float:
        """0 when granted and counted; else the seconds to wait before asking again."""

    def reported(self, used: int) -> None:
        """What the upstream says is used."""

    def ban(self, seconds: float, why: str) -> None:
        """Nothing is granted for so long."""

    def ban_ends_in(self) -> float:
        """Seconds; 0 without a ban."""


class Polled(NamedTuple):
    """A poll ready to be kept. ``content`` is its records' bytes, each with a newline."""

    poll: Poll
    content: bytes
    records: int
    rejected: list[Rejected]
    seconds: float
    """From its start to its last answer."""
    arrived: float
    """When that was, in monotonic seconds."""
    response_bytes: int


class SlotMissedError(TransientError):
    """The slot is over, or what it waits for comes after its end. ``reason`` is a metric label."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class PollOnce:
    """Polls one source; used by one thread at a time.

    Args:
        get: one HTTP GET (``Fetcher.get``).
        timeout: seconds for one answer.
    """

    def __init__(
        self,
        source: Source,
        *,
        budget: Budget,
        get: Callable[..., Answer],
        clock: Clock,
        metrics: PollerMetrics,
        timeout: float,
    ) -> None:
        self._source = source
        self._budget = budget
        self._get = get
        self._clock = clock
        self._metrics = metrics
        self._timeout = timeout
        self.calls = 0
        """Requests sent so far."""

    def poll(self, slot_ms: int, end_ms: int, wait: Wait, *, interval_ms: int | None = None) -> Polled:
        """Fetches, normalises and encodes the poll of ``slot_ms``; tries again as long as the slot lasts.

        ``interval_ms``: when the next slot is planned, which the records then tell; None where none is.

        Raises:
            SlotMissedError: not fetched by ``end_ms``; its text says why.
            OperatorError: a wrong key, a wrong clock: only a person can mend it.
        """
        begun = self._clock.monotonic()
        end = _End(end_ms, self._clock)
        answers: dict[int, Answer] = {}
        backoff = Backoff(first=0.2, cap=min(RETRY_CAP_SECONDS, (end_ms - slot_ms) / 4000))
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_worth_another_try),
            wait=lambda _: backoff.next(),
            stop=lambda state: state.upcoming_sleep >= end.left(),
            sleep=lambda seconds: _wait(wait, seconds),
            reraise=True,
        )
        try:
            poll, arrived = retrying(self._whole, answers, slot_ms, end, wait)
        except SlotMissedError:
            raise
        except BannedError as error:
            raise SlotMissedError("banned", str(error)) from error
        except TransientError as error:
            raise SlotMissedError("failed", str(error)) from error
        for record in poll.records:
            record.interval_ms = interval_ms
        content, refused = _encoded(poll)
        return Polled(
            poll,
            b"".join(content),
            len(content),
            [*poll.rejected, *refused],
            arrived - begun,
            arrived,
            sum(len(answer.body) for answer in answers.values()),
        )

    def _whole(self, answers: dict[int, Answer], slot_ms: int, end: _End, wait: Wait) -> tuple[Poll, float]:
        """One try: the calls that have no answer yet, then all answers read together."""
        for number, call in enumerate(self._source.calls()):
            if number not in answers:
                answers[number] = self._ask(call, end, wait)
        arrived, fetched_at_ms = self._clock.monotonic(), self._clock.now_ms()
        bodies = [answers[number].body for number in sorted(answers)]
        try:
            return self._source.read(bodies, slot_ms=slot_ms, fetched_at_ms=fetched_at_ms), arrived
        except TransientError:
            answers.clear()  # not what the upstream speaks: all of it again
            raise

    def ask(self, call: Call, end_ms: int, wait: Wait) -> Answer:
        """One attempt at one call, counted before it is sent.

        Raises:
            SlotMissedError: the budget grants nothing before ``end_ms``, or the answer came later.
            TransientError, BannedError, OperatorError: as the source reads the answer.
        """
        return self._ask(call, _End(end_ms, self._clock), wait)

    def ban_ends_in(self) -> float:
        """Seconds for which nothing may be sent to this upstream; 0 without a ban."""
        return self._budget.ban_ends_in()

    def _ask(self, call: Call, end: _End, wait: Wait) -> Answer:
        upstream = self._source.upstream
        while (seconds := self._budget.take(call.cost)) > 0:
            if seconds >= end.left():
                banned = self._budget.ban_ends_in() > 0
                raise SlotMissedError(
                    "banned" if banned else "budget",
                    f"{upstream} {'asked us to wait' if banned else 'has no budget left'}; "
                    f"the next call is granted in {seconds:.0f} s",
                )
            _wait(wait, seconds)
        if (left := end.left()) <= 0:
            raise SlotMissedError("late", f"the slot was over before {upstream} could be asked")
        answer = self._answer(call, min(self._timeout, left))
        now_ms = self._clock.now_ms()
        used = self._source.used(answer)
        if used is not None:
            self._budget.reported(used)
        try:
            self._source.check(answer, now_ms=now_ms)
        except TransientError as error:
            # What the upstream asks for holds beyond this slot, and for every source of that upstream.
            if error.retry_after:
                self._budget.ban(error.retry_after, str(error))
            raise
        check_clock(answer, now_ms=now_ms)
        if end.left() < 0:
            raise SlotMissedError("late", f"{upstream} answered {-end.left():.1f} s after the slot's end")
        return answer

    def _answer(self, call: Call, timeout: float) -> Answer:
        self.calls += 1
        status = "none"
        try:
            answer = self._get(call, timeout=timeout)
            status = str(answer.status)
        finally:
            self._metrics.calls.labels(self._source.upstream, status).inc()
        return answer


class _End:
    """The end of a slot: by the wall clock, or by the monotonic one if the former is set back meanwhile."""

    def __init__(self, end_ms: int, clock: Clock) -> None:
        self._end_ms = end_ms
        self._clock = clock
        self._at = clock.monotonic() + (end_ms - clock.now_ms()) / 1000

    def left(self) -> float:
        """Seconds; below 0 when it is over."""
        return min((self._end_ms - self._clock.now_ms()) / 1000, self._at - self._clock.monotonic())


def _wait(wait: Wait, seconds: float) -> None:
    if wait(seconds):
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
