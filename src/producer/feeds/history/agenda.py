"""Which history is to be walked next, by whom it is asked for, and what others are told of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from cryptoproxy.common import announcement
from cryptoproxy.common.clock import Clock
from cryptoproxy.common.log import Limited
from cryptoproxy.common.retry import Backoff
from cryptoproxy.datasets import Feed
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, MINUTE_MS, Span, from_person
from cryptoproxy.errors import CryptoProxyError, TransientError
from cryptoproxy.producer.feeds.history.report import now_at, share_done
from cryptoproxy.producer.feeds.history.runs import Run, RunsFile, RunsTopic, merged

log = logging.getLogger(__name__)

LOOK_SECONDS = TELL_SECONDS = 3.0
"""So often the state topic is read and written."""
SAY_SECONDS = 60.0
AGAIN_SECONDS = 60.0
"""After what only a person can mend."""
MOST_TRIES = 10
"""So often a page is tried before its symbol is given up, and said."""
AGAIN_MS, AGAIN_AFTER_START_MS = DAY_MS, MINUTE_MS
"""So often what HISTORY names is walked up to now, what live polling has missed with it; sooner after a start."""


@dataclass
class _Trouble:
    """Of one run, since its last page."""

    tries: int = 0
    until: float = 0.0
    backoff: Backoff = field(default_factory=lambda: Backoff(first=1.0, cap=60.0))


class Agenda:
    """For one thread. All of it is on disk after each change, and on the state topic a little later.

    Args:
        wanted: feed and since, as HISTORY has them.
        folder: where the file is.
    """

    def __init__(self, wanted: Sequence[tuple[str, str]], *, topic: RunsTopic, folder: Path, clock: Clock) -> None:
        self._wanted = wanted
        self._topic = topic
        self._file = RunsFile(folder)
        self._clock = clock
        self.runs: dict[str, Run] = {}
        self._announced: dict[str, tuple[Span, int]] = {}
        self._troubles: dict[str, _Trouble] = {}
        self._often = Limited(log, seconds=60, clock=clock.monotonic)
        self._looked = self._told = float("-inf")
        self._said: dict[str, float] = {}
        self._changed = False

    # --- what there is to do

    def take_over(self) -> None:
        """From the poller before this one.

        Raises:
            TransientError, OperatorError: the state topic cannot be read: another poller may have come farther.
        """
        told, asked = self._topic.read()
        self.runs = merged(self._file.load(), told, asked)
        self._announced = {}
        self._looked = self._clock.monotonic()
        self._changed, self._told = bool(self.runs), float("-inf")  # the file may know more than was told
        self._extend_wanted(AGAIN_AFTER_START_MS)
        if open_runs := [run for run in self.runs.values() if not run.ended]:
            log.info("history: %d runs to go on with: %s", len(open_runs), ", ".join(run.feed for run in open_runs))

    def look(self) -> None:
        """What commands have asked for meanwhile. Kafka away holds up nothing: they ask again when it is back."""
        now = self._clock.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        try:
            _, asked = self._topic.read()
        except CryptoProxyError as error:
            self._often.warning("unread", f"what is asked for of history cannot be read: {error}")
            asked = []
        for run in asked:
            if run.id not in self.runs:
                log.info("history of %s is asked for: %s", run.feed, Span(run.begin_ms, run.end_ms))
                self.runs[run.id] = run
                self._changed, self._told = True, float("-inf")
            elif run.stopped and not self.runs[run.id].ended:
                self.runs[run.id].stopped = True
                self.end(self.runs[run.id], "stopped by hand")
        self._extend_wanted(AGAIN_MS)

    def _extend_wanted(self, again_ms: int) -> None:
        """Runs of the settings: made once, and taken up again up to now each day and at each take-over."""
        now_ms = self._clock.now_ms()
        for feed, since in self._wanted:
            run = self.runs.get(f"setting:{feed}")
            if run is None or run.since != since:
                begin_ms = from_person(since, now_ms=now_ms)
                self.runs[f"setting:{feed}"] = Run(
                    id=f"setting:{feed}", feed=feed, begin_ms=begin_ms, end_ms=now_ms, said_ms=now_ms, since=since
                )
            elif run.ended and now_ms - run.ended_ms >= again_ms:
                walks = {symbol: replace(each, done=False, failed=False, why="") for symbol, each in run.walks.items()}
                self.runs[run.id] = replace(run, end_ms=now_ms, ended_ms=0, stopped=False, walks=walks)

    def next(self) -> Run | None:
        """The first that somebody has asked for, then those of the settings; none that has to wait."""
        now = self._clock.monotonic()
        waiting = [run for run in self.runs.values() if not run.ended and self._trouble(run).until <= now]
        return min(waiting, key=lambda run: bool(run.since), default=None)

    # --- what became of it

    def hold(self, run: Run, why: str) -> None:
        """It does not go on now."""
        self._changed = self._changed or run.held != why
        run.held = why

    def advanced(self, run: Run, seconds: float) -> None:
        """A page of it is kept. Raises as :meth:`RunsFile.save`."""
        run.held, run.seconds = "", run.seconds + seconds
        self._troubles.pop(run.id, None)
        self._save()
        self._say(run)

    def _say(self, run: Run) -> None:
        """One line a minute for each run: its pages have none."""
        now = self._clock.monotonic()
        if now - self._said.setdefault(run.id, now) < SAY_SECONDS:
            return
        self._said[run.id] = now
        log.info(
            "history of %s: %d records by %d calls; at %s of %s, %.0f %% done, %d of %d symbols left",
            run.feed, run.rows, run.calls, now_at(run), Span(run.begin_ms, run.end_ms), 100 * share_done(run),
            sum(1 for each in run.walks.values() if not each.done), len(run.walks),
        )  # fmt: skip

    def failed(self, run: Run, error: CryptoProxyError, *, ours: bool = False) -> None:
        """What passes is waited for, while other runs go on; a page that fails again and again costs its symbol, not
        the run. What is ``ours`` (disk, Kafka) costs nothing. Raises as :meth:`RunsFile.save`."""
        self.hold(run, str(error))
        self._often.warning(run.id, f"history of {run.feed}: {error}")
        trouble = self._trouble(run)
        transient = isinstance(error, TransientError)
        trouble.until = self._clock.monotonic() + (trouble.backoff.next() if transient else AGAIN_SECONDS)
        trouble.tries += transient and not ours
        symbol = run.under_way
        if trouble.tries >= MOST_TRIES and symbol:
            log.warning("history of %s: %s is given up: %s", run.feed, symbol, error)
            run.walks[symbol] = replace(run.walks[symbol], done=True, failed=True, why=f"given up: {error}")
            self._troubles.pop(run.id)
            self._save()

    def end(self, run: Run, why: str = "") -> None:
        """Nothing of it is left to do. Raises as :meth:`RunsFile.save`."""
        run.ended_ms, run.held = self._clock.now_ms(), why
        self._said.pop(run.id, None)
        log.info(
            "history of %s ends%s: %d records of %d symbols by %d calls",
            run.feed, f" ({why})" if why else "", run.rows, len(run.walks), run.calls,
        )  # fmt: skip
        self._save()
        self._told = float("-inf")

    def _trouble(self, run: Run) -> _Trouble:
        return self._troubles.setdefault(run.id, _Trouble())

    def _save(self) -> None:
        self._changed = True
        self._file.save(self.runs.values())

    # --- what others are told

    def announce(self, run: Run, feed: Feed) -> None:
        """Before its first record: the indexer makes indices of old periods at a bounded rate, but for these.

        Raises:
            TransientError, OperatorError: the state topic did not take it.
        """
        span, said_ms = self._announced.get(feed.name, (Span(run.begin_ms, run.end_ms), 0))
        wide = Span(min(span.begin_ms, run.begin_ms), max(span.end_ms, run.end_ms))
        now_ms = self._clock.now_ms()
        if said_ms and wide == span and now_ms - said_ms < HOUR_MS:
            return
        word = announcement.announced(feed.name, feed.dataset, feed.part, wide, now_ms=now_ms)
        self._topic.send({word.key.decode(): word.value})
        self._announced[feed.name] = wide, now_ms

    def tell(self, *, now: bool = False) -> None:
        """How all of it stands, from time to time. Kafka away holds up nothing: the file knows."""
        at = self._clock.monotonic()
        if not self._changed or (at - self._told < TELL_SECONDS and not now):
            return
        self._told = at
        try:
            self._topic.tell(self.runs.values())
            self._topic.forget(run.id for run in self.runs.values() if run.ended)
            self._changed = False
        except CryptoProxyError as error:
            self._often.warning("untold", f"how far history has come is not told: {error}")

    def lose(self) -> None:
        """Another poller goes on, and tells: what this one has not told is older."""
        self._changed = False

    def close(self) -> None:
        """At a stop: a planned handover walks nothing twice."""
        self.tell(now=True)
        self._topic.close()
