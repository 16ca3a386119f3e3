"""What the road does not carry, asked upstream once for everybody: by the active poller, in its one budget.

An answer is new for as long as its path's line in the upstream's table says, then it is asked for again; identical
questions at once are one. If that fails the last good answer is given and marked, within a limit.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from typing import NamedTuple

from cryptoproxy.common.asking import AskError, NoBudgetError, NotAllowedError, Question, Replied
from cryptoproxy.common.asking.client import DoorClient
from cryptoproxy.common.clock import Clock
from cryptoproxy.common.log import Limited
from cryptoproxy.common.settings import Settings
from cryptoproxy.errors import CryptoProxyError
from cryptoproxy.serve.upstream.cache import Cache
from cryptoproxy.serve.upstream.seam import Fetched, NotFetchedError
from cryptoproxy.upstreams import asked_of
from cryptoproxy.upstreams.asked import Askable, Path

log = logging.getLogger(__name__)

STALE_TIMES = 20
"""What is new for longer than an answer may be stale changes seldom: it may be given for so many times as long, if
there is no newer one to be had."""
REFUSED_SECONDS = 10.0
"""What the upstream refused about a question (an unknown symbol) is told again for so long."""
FAILED_SECONDS = 2.0
"""What has just failed is not asked again."""
MAX_FAILED = 10_000


class _Failed(NamedTuple):
    error: NotFetchedError
    until: float


class Through:
    """As :class:`seam.Asks` has it. Thread-safe.

    Args:
        asked: each upstream's table of paths.
        seconds: for one answer, the wait for the budget included.
        stale: seconds for which the last good answer may be given in any case.
    """

    def __init__(
        self,
        client: DoorClient,
        asked: Mapping[str, Askable],
        *,
        cache: Cache,
        clock: Clock,
        seconds: float,
        stale: float,
    ) -> None:
        self._client = client
        self._asked = asked
        self._cache = cache
        self._clock = clock
        self._seconds = seconds
        self._stale = stale
        self._lock = threading.Lock()
        self._under_way: dict[Question, Future[Replied]] = {}
        self._failed: dict[Question, _Failed] = {}
        self._often = Limited(log, seconds=60, clock=clock.monotonic)

    def get(self, upstream: str, path: str, params: Mapping[str, str]) -> Fetched:
        """Raises:
        NotFetchedError: no answer, and none of before that may be given.
        """
        question = Question.of(upstream, path, params)
        try:
            line = self._asked[upstream].path_of(question)
        except (KeyError, NotAllowedError) as error:
            raise NotFetchedError(f"{upstream} is not asked for {path[:200]} here", unknown=True) from error
        question = line.read(question)
        since_ms = self._clock.now_ms() - round(line.fresh * 1000)
        kept = self._cache.get(question, dear=line.dear, since_ms=since_ms)
        if kept is not None and self._age(kept) < _fresh(line, kept):
            return self._fetched(kept, line)
        try:
            replied, mine = self._asked_once(question, line)
            return self._fetched(replied, line, made=mine)
        except NotFetchedError as error:
            if kept is not None and kept.status == 200 and self._age(kept) < self._longest(line):
                return self._fetched(kept, line, stale=str(error))
            raise

    def close(self) -> None:
        self._client.close()

    def _asked_once(self, question: Question, line: Path) -> tuple[Replied, bool]:
        """Who comes first asks; the others have its answer, or its refusal. And whether this was the first."""
        with self._lock:
            failed = self._failed.get(question)
            if failed is not None and self._clock.monotonic() < failed.until:
                raise failed.error.with_traceback(None)
            future = self._under_way.get(question)
            mine = future is None
            if future is None:
                future = self._under_way[question] = Future()
        if mine:
            try:
                replied = self._ask(question)
                self._cache.put(question, replied, dear=line.dear and replied.status == 200)
                future.set_result(replied)
            except BaseException as error:
                future.set_exception(error)
                raise
            finally:
                with self._lock:
                    del self._under_way[question]
        return future.result(), mine

    def _ask(self, question: Question) -> Replied:
        try:
            replied = self._client.ask(question, seconds=self._seconds)
        except CryptoProxyError as error:
            self._often.warning(type(error).__name__, f"not read through: {question.key[:200]}: {error}")
            raise self._failure(question, error) from error
        with self._lock:
            self._failed.pop(question, None)
        return replied

    def _failure(self, question: Question, error: CryptoProxyError) -> NotFetchedError:
        told = error.retry_after if isinstance(error, AskError) else None
        limited = isinstance(error, NoBudgetError)
        failure = NotFetchedError(_words(question.upstream, error), limited=limited, retry_after=told)
        with self._lock:
            if len(self._failed) >= MAX_FAILED:
                self._failed.clear()
            # A refusal for want of budget holds as long as it says, but somebody may ask for less meanwhile.
            self._failed[question] = _Failed(failure, self._clock.monotonic() + FAILED_SECONDS)
        return failure

    def _age(self, replied: Replied) -> float:
        """Seconds; whatever two clocks say, never below 0."""
        return max(0.0, (self._clock.now_ms() - replied.fetched_at_ms) / 1000)

    def _longest(self, line: Path) -> float:
        return STALE_TIMES * line.fresh if line.fresh > self._stale else self._stale

    def _fetched(self, replied: Replied, line: Path, *, stale: str = "", made: bool = False) -> Fetched:
        return Fetched(
            replied.status,
            replied.headers,
            replied.body,
            self._age(replied),
            fresh=_fresh(line, replied),
            stale=stale,
            made=made,
        )


def _fresh(line: Path, replied: Replied) -> float:
    return line.fresh if replied.status == 200 else min(REFUSED_SECONDS, max(line.fresh, 1.0))


def _words(upstream: str, error: CryptoProxyError) -> str:
    """For somebody who asked for a price: what is wrong, without our own addresses."""
    if isinstance(error, NoBudgetError):
        return f"{upstream} cannot be asked now: what may be asked of it is used up, or it wants to be left alone"
    if isinstance(error, AskError) and error.reason == "failed":
        return f"{upstream} does not answer"
    return "nobody who may ask is active"


def through_of(settings: Settings, clock: Clock) -> Through | None:
    """As the settings have it; None with READ_THROUGH=off."""
    asking = settings.asking
    if not asking.read_through:
        return None
    return Through(
        DoorClient(settings.kafka, asking),
        asked_of(settings.upstreams),
        cache=Cache(asking.folder),
        clock=clock,
        seconds=settings.upstreams.timeout,
        stale=asking.stale,
    )
