"""Questions of our other processes, asked upstream on what is left over; identical ones at once are one.

Who asks first makes the call on its own thread; the others wait for its answer. A refusal of the question itself (an
unknown symbol) is an answer; what the upstream means for all of us (429, a ban) holds in the budget for all.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from typing import cast

import msgspec

from cryptoproxy.common.asking import (
    AskError,
    NoBudgetError,
    NoPollerError,
    NotAllowedError,
    Question,
    Replied,
    UpstreamFailedError,
)
from cryptoproxy.common.asking.words import HISTORY, READ_THROUGH
from cryptoproxy.common.clock import Clock
from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.datasets.codec import UNREADABLE
from cryptoproxy.errors import CryptoProxyError, OperatorError, TransientError
from cryptoproxy.producer.budget import Budget
from cryptoproxy.producer.feeds.fetch import Fetcher
from cryptoproxy.producer.feeds.poll import PollOnce, SlotMissedError, Wait
from cryptoproxy.upstreams.answers.refusals import is_page, not_spoken
from cryptoproxy.upstreams.asked import Askable
from cryptoproxy.upstreams.base import Call, Priority, RefusedError, Response, Source

PRIORITIES = {HISTORY: Priority.HISTORY, READ_THROUGH: Priority.READ_THROUGH}
AT_ONCE = 4
"""Calls under way at one upstream; more wait for one of these."""
MAX_SECONDS = 300.0
AFTER_BAN_SECONDS = 60.0
"""An upstream that has refused is asked by live polls first; others wait as long again, but no longer than this."""
STEP_SECONDS = 0.5
JUST_NOW_SECONDS = 1.0
"""An answer is given for so long to whoever asks the same: doors do not ask at the same instant."""
_TOLD = frozenset({"content-type", "cache-control", "last-modified", "link", "per-page", "total", "age"})


class Desk:
    """Thread-safe.

    Args:
        may_poll: whether this process is the active poller right now.
        stopped: set when the process stops.
        fetcher: makes what sends a call.
    """

    def __init__(
        self,
        asked: Mapping[str, Askable],
        budgets: Mapping[str, Budget],
        *,
        may_poll: Callable[[], bool],
        stopped: Callable[[float], bool],
        metrics: PollerMetrics,
        clock: Clock,
        timeout: float,
        fetcher: Callable[[], Fetcher] = Fetcher,
    ) -> None:
        self._asked = asked
        self._budgets = budgets
        self._may_poll = may_poll
        self._stopped = stopped
        self._metrics = metrics
        self._clock = clock
        self._timeout = timeout
        self._fetcher = fetcher
        self._lock = threading.Lock()
        self._under_way: dict[Question, Future[Replied]] = {}
        """And those that have just ended."""
        self._ended: dict[Question, float] = {}
        """Until when (monotonic seconds) they are kept."""
        self._idle: defaultdict[tuple[str, Priority], list[Reader]] = defaultdict(list)
        self._places = {name: threading.BoundedSemaphore(AT_ONCE) for name in asked}
        self._after: dict[str, float] = {}
        """Before this (monotonic seconds) an upstream that has refused is left to live polls."""

    def ask(self, question: Question, *, priority: str, seconds: float) -> Replied:
        """The upstream's answer.

        Args:
            seconds: for all of it.

        Raises:
            NoBudgetError, UpstreamFailedError, NoPollerError, NotAllowedError: there is none; why.
        """
        upstream = question.upstream if question.upstream in self._asked else "other"
        try:
            replied, outcome = self._shared(question, priority, min(seconds, MAX_SECONDS))
        except AskError as error:
            self._metrics.asked.labels(upstream, error.reason).inc()
            raise
        self._metrics.asked.labels(upstream, outcome).inc()
        return replied

    def _shared(self, question: Question, priority: str, seconds: float) -> tuple[Replied, str]:
        asked, rank = self._asked.get(question.upstream), PRIORITIES.get(priority)
        if asked is None or rank is None:
            raise NotAllowedError(f"there is no upstream {question.upstream!r}, or no priority {priority!r}")
        fresh = asked.path_of(question).fresh
        if not self._may_poll():
            raise NoPollerError("this is not the active poller")
        with self._lock:
            self._forget()
            future = self._under_way.get(question)
            mine = future is None
            if future is None:
                future = self._under_way[question] = Future()
        if not mine:
            try:
                return future.result(timeout=seconds), "shared"
            except TimeoutError as error:
                raise UpstreamFailedError(f"no answer of {question.upstream} within {seconds:.0f} s") from error
        try:
            future.set_result(self._answered(asked, question, rank, seconds))
            kept = min(fresh, JUST_NOW_SECONDS)
        except BaseException as error:
            future.set_exception(error)
            kept = 0.0
            raise
        finally:
            with self._lock:
                self._ended[question] = self._clock.monotonic() + kept
        return future.result(), "answered"

    def _forget(self) -> None:
        """What was answered longer ago."""
        now = self._clock.monotonic()
        for question in [question for question, until in self._ended.items() if until <= now]:
            del self._ended[question], self._under_way[question]

    def _answered(self, asked: Askable, question: Question, rank: Priority, seconds: float) -> Replied:
        """Raises:
        AskError: there is no answer.
        """
        end = self._clock.monotonic() + seconds
        if (wait := self._left_alone(question.upstream)) > 0:
            raise NoBudgetError(f"{question.upstream} has asked to be left alone", retry_after=wait)
        try:
            with self._reader(question.upstream, rank, seconds) as reader:
                if self._wait(0):
                    raise NoPollerError("this is not the active poller any more")
                left_ms = round(max(0.0, end - self._clock.monotonic()) * 1000)
                answer = reader.ask(asked.call(question), self._clock.now_ms() + left_ms, self._wait)
            told = {name: value for name, value in answer.headers.items() if name in _TOLD}
            return Replied(answer.status, told, answer.body, self._clock.now_ms())
        except AskError:
            raise
        except SlotMissedError as error:
            raise _meaning(error) from error
        except RefusedError as error:
            raise NoBudgetError(str(error), retry_after=error.retry_after) from error
        except CryptoProxyError as error:
            raise UpstreamFailedError(str(error)) from error

    def _left_alone(self, upstream: str) -> float:
        """Seconds for which nothing is asked for others."""
        now, banned = self._clock.monotonic(), self._budgets[upstream].ban_ends_in()
        if banned > 0:
            self._after[upstream] = max(self._after.get(upstream, 0.0), now + banned + min(banned, AFTER_BAN_SECONDS))
        return max(0.0, self._after.get(upstream, 0.0) - now)

    @contextmanager
    def _reader(self, upstream: str, rank: Priority, seconds: float) -> Iterator[Reader]:
        """One that nobody else uses."""
        if not self._places[upstream].acquire(timeout=seconds):
            raise NoBudgetError(f"{AT_ONCE} calls to {upstream} are under way for others", retry_after=1.0)
        idle = self._idle[upstream, rank]
        try:
            reader = idle.pop() if idle else self._made(upstream, rank)
            try:
                yield reader
            finally:
                idle.append(reader)
        finally:
            self._places[upstream].release()

    def _made(self, upstream: str, rank: Priority) -> Reader:
        return Reader(
            cast("Source", self._asked[upstream]),
            budget=self._budgets[upstream],
            get=self._fetcher().get,
            clock=self._clock,
            metrics=self._metrics,
            timeout=self._timeout,
            priority=rank,
        )

    def _wait(self, seconds: float) -> bool:
        """True when this process stops, or does not poll any more."""
        until = self._clock.monotonic() + seconds
        while self._may_poll():
            left = until - self._clock.monotonic()
            if left <= 0:
                return False
            if self._stopped(min(left, STEP_SECONDS)):
                break
        return True


class Reader(PollOnce):
    """Asks what others want to know: what the upstream refuses about the question is their answer."""

    def ask(self, call: Call, end_ms: int, wait: Wait) -> Response:
        self._trouble = None  # of another question
        return super().ask(call, end_ms, wait)

    def _answer(self, call: Call, timeout: float) -> Response:
        """Live polls that are answered with a page take it for a gate, and rest. One path's page is not theirs."""
        answer = super()._answer(call, timeout)
        if is_page(answer, now_ms=self.clock.now_ms()):
            raise not_spoken(self.source.upstream, answer.body)
        return answer

    def _checked(self, call: Call, timeout: float, span: float) -> Response:
        answer = super()._checked(call, timeout, span)
        if answer.status == 200:
            try:
                msgspec.json.decode(answer.body, type=msgspec.Raw)
            except UNREADABLE as error:
                raise not_spoken(self.source.upstream, answer.body, error) from error
        return answer

    def _refused_for_good(
        self, call: Call, answer: Response, error: OperatorError, *, span: float, told: float
    ) -> Response:
        if 300 <= answer.status < 400:
            raise TransientError(str(error)) from error
        body = answer.body
        for secret in call.headers.values():
            body = body.replace(secret.encode(), b"********")
        return replace(answer, body=body)


def _meaning(error: SlotMissedError) -> AskError:
    if error.reason == "stopped":
        return NoPollerError("this poller stops, or another one takes over")
    if error.reason in ("budget", "banned"):
        return NoBudgetError(str(error), retry_after=error.retry_after)
    return UpstreamFailedError(str(error), retry_after=error.retry_after)
