"""One poll: all its calls within the slot, each attempt in the budget before it is sent; a poll is whole or nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple

import tenacity

from cryptoproxy.common.clock import Clock
from cryptoproxy.common.log import Limited
from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.common.retry import Backoff
from cryptoproxy.datasets import DATASETS, Feed
from cryptoproxy.errors import OperatorError, TransientError
from cryptoproxy.producer.budget import Budget, priority_of
from cryptoproxy.producer.feeds.fetch import check_clock
from cryptoproxy.producer.feeds.lines import Lines, lines_of
from cryptoproxy.producer.feeds.refused import Refused
from cryptoproxy.producer.outbox import Entry, Outbox, Piece
from cryptoproxy.upstreams.answers.refusals import retry_after
from cryptoproxy.upstreams.base import (
    BannedError,
    Call,
    CutError,
    IncompleteError,
    Poll,
    Priority,
    RefusedError,
    Rejected,
    Response,
    Source,
)  # fmt: skip

log = logging.getLogger(__name__)

RETRY_CAP_SECONDS = 10.0
SPREAD = 0.75
"""So much of the slot that is left is used for the tries that the budget has for it."""
LAST_SECONDS = 0.1
"""A try so shortly before the slot's end would be given up, and hide the real reason behind that."""
_NO_MORE = float("inf")

Wait = Callable[[float], bool]
"""Waits so many seconds; True, and at once, when the process stops."""


class CallAnswer(NamedTuple):
    """What the upstream said to one call of a poll."""

    call: Call
    body: bytes
    fetched_at_ms: int


class Polled(NamedTuple):
    """A poll ready to be kept."""

    feed: Feed
    slot_ms: int
    parts: list[Lines]
    """What becomes an entry each; of tickers it is one."""
    rejected: list[Rejected]
    seconds: float
    """From its start to its last answer."""
    arrived: float
    """When that was, in monotonic seconds."""
    answers: Sequence[CallAnswer]
    """As they came."""

    @property
    def response_bytes(self) -> int:
        return sum(len(each.body) for each in self.answers)

    @property
    def records(self) -> int:
        return sum(part.records for part in self.parts)

    @property
    def bytes(self) -> int:
        """Of all records."""
        return sum(len(part.content) for part in self.parts)

    def keep(self, outbox: Outbox, *, before_drains: Callable[[Entry], None] = lambda _: None) -> None:
        """Keeps it, all or nothing; the slot counts as polled with its last entry, of which ``before_drains`` is told.
        Raises as :meth:`Outbox.keep_all`."""
        *others, last = self.parts or [Lines(self.slot_ms, b"", 0)]
        pieces = [Piece(self.feed, part.content, part.begin_ms) for part in others]
        pieces.append(Piece(self.feed, last.content, last.begin_ms, self.slot_ms))

        def entered(entry: Entry) -> None:
            if entry.slot_ms == self.slot_ms:
                before_drains(entry)

        outbox.keep_all(pieces, before_drains=entered)


class SlotMissedError(TransientError):
    """The slot is over, or what it waits for comes after its end. ``reason`` is a metric label."""

    def __init__(self, reason: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after=retry_after)
        self.reason = reason


@dataclass(eq=False)
class PollOnce:
    """Polls one source; used by one thread at a time.

    Args:
        get: one HTTP GET (``Fetcher.get``).
        timeout: seconds for one answer.
        priority: of its calls in the budget; without, that of a poll of its dataset.
    """

    source: Source
    _: KW_ONLY
    budget: Budget
    get: Callable[..., Response]
    clock: Clock
    metrics: PollerMetrics
    timeout: float
    priority: Priority | None = None

    def __post_init__(self) -> None:
        self._limited = Limited(log, seconds=10, clock=self.clock.monotonic)
        self._trouble: BaseException | None = None
        """What the last attempt failed of; None since one has worked."""
        self._refused = Refused(self.clock.monotonic)
        self._sent = 0
        """What the attempts of the present poll have cost."""
        self.calls = 0
        """Requests sent so far."""
        feed = self.source.feed
        self._tells_interval = "interval_ms" in DATASETS[feed.dataset].record.__struct_fields__
        self._priority = priority_of(feed) if self.priority is None else self.priority

    def poll(self, slot_ms: int, end_ms: int, wait: Wait, *, turn: int = 0, interval_ms: int | None = None) -> Polled:
        """Fetches, normalises and encodes the poll of ``slot_ms``; tries again as long as the slot lasts.

        ``turn``: of the slot, see :meth:`Source.calls`. ``interval_ms``: when the next slot is planned, which the
        records then tell if their contract has it; None where none is.

        Raises:
            SlotMissedError: not fetched by ``end_ms``; its text says why.
            OperatorError: a wrong key, a wrong clock: only a person can mend it. What was refused for that is not
                sent in each slot: see :class:`Refused`.
        """
        begun = self.clock.monotonic()
        end = _End(end_ms, self.clock, span=(end_ms - slot_ms) / 1000)
        answers: dict[int, CallAnswer] = {}
        backoff = Backoff(first=0.2, cap=min(RETRY_CAP_SECONDS, (end_ms - slot_ms) / 4000))
        self._sent = 0
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_worth_another_try),
            wait=lambda _: max(backoff.next(), self._pause(answers, turn, end)),
            stop=lambda state: state.upcoming_sleep >= end.left() - LAST_SECONDS,
            before_sleep=self._say,
            sleep=lambda seconds: _wait(wait, seconds),
            reraise=True,
        )
        try:
            poll, arrived = retrying(self._whole, answers, slot_ms, turn, end, wait)
        except SlotMissedError:
            raise
        except TransientError as error:
            self._trouble = error
            raise SlotMissedError("failed", str(error)) from error
        if self._tells_interval:
            for record in poll.records:
                record.interval_ms = interval_ms  # type: ignore[attr-defined]
        self._trouble = None
        parts, refused = lines_of(self.source.feed, poll.records)
        if refused and not parts:
            raise SlotMissedError("failed", f"not a single record: {refused[0].asset_id}: {refused[0].detail}")
        return Polled(
            self.source.feed,
            slot_ms,
            parts,
            [*poll.rejected, *refused],
            arrived - begun,
            arrived,
            [answers[number] for number in sorted(answers)],
        )

    def _whole(
        self, answers: dict[int, CallAnswer], slot_ms: int, turn: int, end: _End, wait: Wait
    ) -> tuple[Poll, float]:
        """One try: the calls that have no answer yet, then all answers read together."""
        calls = self.source.calls(turn)
        for call in calls:
            self._refused.require_not(call)  # before any of them: a poll is all its calls
        for number, call in enumerate(calls):
            if number not in answers:
                answers[number] = CallAnswer(call, self._ask(call, end, wait).body, self.clock.now_ms())
        arrived, fetched_at_ms = self.clock.monotonic(), self.clock.now_ms()
        bodies = [answers[number].body for number in sorted(answers)]
        try:
            return self.source.read(bodies, slot_ms=slot_ms, fetched_at_ms=fetched_at_ms), arrived
        except IncompleteError as error:
            for number in error.pages:
                answers.pop(number, None)
            raise
        except TransientError:
            answers.clear()  # not what the upstream speaks: all of it again
            raise

    def _pause(self, answers: dict[int, CallAnswer], turn: int, end: _End) -> float:
        """Seconds at least to the next try, so that the tries that the budget has for this slot reach to its end, each
        twice as far from the one before: 6, 13 and 30 s for three in a minute."""
        calls = self.source.calls(turn)
        missing = [call.cost for number, call in enumerate(calls) if number not in answers]
        beyond = self._sent + sum(missing) - sum(call.cost for call in calls)
        spare = self.budget.spare() - beyond
        if spare < 0:
            return _NO_MORE
        tries = spare // max(missing) + 1
        return SPREAD * end.left() / float(2 ** min(tries, 30) - 1)

    def _say(self, state: tenacity.RetryCallState) -> None:
        """One line for each attempt that failed and is followed by another, but not many."""
        self._trouble = state.outcome.exception() if state.outcome else None
        self._limited.warning(
            "failed", f"{self.source.feed.name}: {self._trouble}; tried again in {state.upcoming_sleep:.1f} s"
        )

    def ask(self, call: Call, end_ms: int, wait: Wait) -> Response:
        """One attempt at one call, counted before it is sent.

        Raises:
            SlotMissedError: the budget grants nothing before ``end_ms``, or the answer came later.
            TransientError, OperatorError: as the source reads the answer. After a ban it is a SlotMissedError, too.
        """
        self._refused.require_not(call)
        return self._ask(call, _End(end_ms, self.clock), wait)

    def ban_ends_in(self) -> float:
        """Seconds for which nothing may be sent to this upstream; 0 without a ban."""
        return self.budget.ban_ends_in()

    def _ask(self, call: Call, end: _End, wait: Wait) -> Response:
        while (seconds := self.budget.take(call.cost, priority=self._priority)) > 0:
            if seconds >= end.left():
                raise self._not_granted(seconds)
            _wait(wait, seconds)
        if (left := end.left()) <= 0:
            raise SlotMissedError("late", f"the slot was over before {self.source.upstream} could be asked")
        try:
            answer = self._checked(call, min(self.timeout, left), end.span)
        except BannedError as error:
            self._trouble = error
            raise self._not_granted(self.budget.ban_ends_in()) from error
        if end.left() < 0:
            raise SlotMissedError("late", f"{self.source.upstream} answered {-end.left():.1f} s after the slot's end")
        return answer

    def _checked(self, call: Call, timeout: float, span: float) -> Response:
        """Sends it, and tells the budget what the answer says of that."""
        self._sent += call.cost
        cut: CutError | None = None
        try:
            answer = self._answer(call, timeout)
        except CutError as error:
            answer, cut = error.had, error
        now_ms = self.clock.now_ms()
        used = self.source.used(answer)
        if used is not None:
            self.budget.reported(used)
        try:
            self.source.check(answer, now_ms=now_ms)
            if cut is not None:
                raise cut
        except TransientError as error:
            # What the upstream asks for holds beyond this slot, and for every source of that upstream.
            if error.retry_after:
                least = error.least if isinstance(error, RefusedError) else 0.0
                self.budget.ban(error.retry_after, str(error), least=least)
            raise
        except OperatorError as error:
            # Bybit tells when its limit is reset in every answer: here only who asks for a wait is heard.
            asks = {"retry-after": answer.headers.get("retry-after", "")}
            if told := retry_after(asks, now_ms=now_ms):
                self.budget.ban(told, str(error))
            return self._refused_for_good(call, answer, error, span=span, told=told or 0.0)
        self._refused.answered(call)
        self.budget.answered()
        check_clock(answer, now_ms=now_ms)
        return answer

    def _refused_for_good(
        self, call: Call, answer: Response, error: OperatorError, *, span: float, told: float
    ) -> Response:
        """Raises ``error``: it is not asked again for a while."""
        self._refused.add(call, error, span=span, told=told)
        raise error

    def _not_granted(self, seconds: float) -> SlotMissedError:
        """The next call is granted in so many seconds, which is too late: for what real reason."""
        upstream, later = self.source.upstream, f"the next call is granted in {seconds:.0f} s"
        if self.budget.ban_ends_in() > 0:
            why = f"{upstream} asked us to wait ({self.budget.ban_reason()}); {later}"
            return SlotMissedError("banned", why, retry_after=seconds)
        if self._trouble is not None:  # the budget was used up by attempts that failed of this
            return SlotMissedError("failed", f"{self._trouble}; {later}", retry_after=seconds)
        return SlotMissedError("budget", f"{upstream} has no budget left; {later}", retry_after=seconds)

    def _answer(self, call: Call, timeout: float) -> Response:
        self.calls += 1
        status = "none"
        try:
            answer = self.get(call, timeout=timeout)
            status = str(answer.status)
        finally:
            self.metrics.calls.labels(self.source.upstream, status).inc()
        return answer


class _End:
    """The end of a slot: by the wall clock, or by the monotonic one if the former is set back meanwhile."""

    def __init__(self, end_ms: int, clock: Clock, *, span: float = 60.0) -> None:
        self._end_ms = end_ms
        self._clock = clock
        self.span = span
        """Seconds from the begin of that slot, or from one attempt to the next where there are no slots."""
        self._at = clock.monotonic() + (end_ms - clock.now_ms()) / 1000

    def left(self) -> float:
        """Seconds; below 0 when it is over."""
        return min((self._end_ms - self._clock.now_ms()) / 1000, self._at - self._clock.monotonic())


def _wait(wait: Wait, seconds: float) -> None:
    if wait(seconds):
        raise SlotMissedError("stopped", "the process stops")


def _worth_another_try(error: BaseException) -> bool:
    return isinstance(error, TransientError) and not isinstance(error, SlotMissedError)
