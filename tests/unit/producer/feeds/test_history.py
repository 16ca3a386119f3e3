"""History beside live polling, on a clock that the test turns: what it leaves to others, what it waits for, where it goes on."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import CANDLE, TICKER, Feed
from cryptoproxy.datasets.times import DAY_MS
from cryptoproxy.errors import TransientError
from cryptoproxy.producer.budget import Budget
from cryptoproxy.producer.feeds.history.agenda import MOST_TRIES, SAY_SECONDS, Agenda
from cryptoproxy.producer.feeds.history.loop import HistoryLoop
from cryptoproxy.producer.feeds.history.runs import Run
from cryptoproxy.producer.outbox import Outbox
from cryptoproxy.producer.outbox.waiting import DRAINS
from cryptoproxy.sandbox import Sandbox
from cryptoproxy.sandbox.rules.request import Rule
from cryptoproxy.upstreams import histories_of, upstreams_of
from tests.conftest import PATIENCE
from tests.unit.producer.budget.hand_clock import HandClock
from tests.unit.producer.fakes import HandLoop, Metrics

FEED = "binance.candle-1h"
LIVE = Feed("binance", TICKER.name, "")
WORK_SECONDS = 0.25


class HandTopic:
    """The state topic, kept in the test's hands."""

    def __init__(self) -> None:
        self.away = False
        self.told: list[Run] = []
        self.asked: list[Run] = []

    def read(self) -> tuple[list[Run], list[Run]]:
        self._look()
        return list(self.told), list(self.asked)

    def tell(self, runs: Iterable[Run]) -> None:
        self._look()
        self.told = list(runs)

    def send(self, _: Any) -> None:
        self._look()

    def forget(self, _: Iterable[str]) -> None:
        self._look()

    def close(self) -> None: ...

    def _look(self) -> None:
        if self.away:
            raise TransientError("no broker answers")


class SlowOutbox(Outbox):
    """To keep something takes time."""

    clock: HandClock

    def keep(self, *args: Any, **named: Any) -> Any:
        self.clock.turn(WORK_SECONDS)
        return super().keep(*args, **named)


class Bench:
    """One run over ten weeks, two pages for its symbol."""

    def __init__(self, folder: Path, sandbox: Sandbox, clock: HandClock, *, max_bytes: int = 1 << 30) -> None:
        self.folder, self.sandbox, self.clock = folder, sandbox, clock
        self.topic = HandTopic()
        self.active = True
        end_ms = clock.now_ms() // DAY_MS * DAY_MS
        self.topic.asked = [
            Run(id="r", feed=FEED, begin_ms=end_ms - 70 * DAY_MS, end_ms=end_ms, said_ms=1, symbols=["BTCUSDT"])
        ]
        self.settings = Settings.from_texts({"BINANCE_BASE_URL": sandbox.base_url("binance")}).upstreams
        self.budget = Budget(upstreams_of(self.settings)["binance"].limits, folder / "budget", clock=clock, boot="b")
        self.outbox = SlowOutbox(folder, max_bytes=max_bytes, now_ms=clock.now_ms)
        self.outbox.clock = clock
        self.start()

    def start(self) -> None:
        """As after a restart: what is known is on disk, and on the topic."""
        self.agenda = Agenda([], topic=self.topic, folder=self.folder, clock=self.clock)  # type: ignore[arg-type]
        self.history = HistoryLoop(
            histories_of(self.settings),
            self.agenda,
            budgets={"binance": self.budget},
            outbox=self.outbox,
            may_poll=lambda: self.active,
            metrics=Metrics(),
            clock=self.clock,
            timeout=60,
            folder=self.folder,
        )

    def run(self, until: Callable[[], bool]) -> HandLoop:
        loop = HandLoop(self.clock, end=self.clock.monotonic() + 86_400)

        def look() -> None:
            loop.stopped = until()

        loop._before = look
        self.history.run(loop)
        assert loop.stopped, self.agenda.runs
        return loop

    @property
    def found(self) -> Run:
        return self.agenda.runs["r"]

    def ended(self) -> bool:
        return bool(self.agenda.runs) and self.found.ended

    @property
    def calls(self) -> int:
        return sum("/klines?" in each.target for each in self.sandbox.ledger.entries())

    def delivered(self) -> None:
        for drain in DRAINS:
            for entry in self.outbox.oldest(drain):
                self.outbox.done(drain, entry)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def sandbox(clock: HandClock) -> Iterator[Sandbox]:
    with Sandbox(coins=20, clock=clock) as running:
        yield running


@pytest.fixture
def bench(tmp_path: Path, sandbox: Sandbox, clock: HandClock) -> Iterator[Bench]:
    made = Bench(tmp_path, sandbox, clock)
    yield made
    made.outbox.close()


def test_after_each_page_it_is_idle_for_as_long_as_it_has_worked(bench: Bench) -> None:
    loop = bench.run(bench.ended)
    kept = bench.outbox.oldest(DRAINS[0])
    assert bench.found.rows == sum(entry.records for entry in kept) > 1000
    assert sum(each for each in loop.waits if each < 1) == pytest.approx(len(kept) * WORK_SECONDS)


def test_one_that_lost_the_lease_tells_nothing_at_its_stop_that_its_successor_knows_better(bench: Bench) -> None:
    newer = [Run(id="r", feed=FEED, begin_ms=0, end_ms=1, said_ms=2)]
    looks = count()

    def lost() -> bool:
        if bench.active and bench.outbox.count(DRAINS[0]) > 1:
            bench.active, bench.topic.told = False, newer
        return not bench.active and next(looks) >= 2

    bench.run(lost)
    assert bench.topic.told is newer


def test_what_the_file_knows_and_the_topic_does_not_is_told_at_the_next_start(bench: Bench) -> None:
    bench.run(bench.ended)
    bench.agenda.close()
    ended, bench.topic.told = list(bench.topic.told), []
    bench.start()
    bench.run(lambda: bool(bench.topic.told))
    assert [run.ended for run in bench.topic.told] == [run.ended for run in ended] == [True]


def test_who_asks_for_a_run_hears_of_it_before_its_first_page(bench: Bench) -> None:
    told: list[tuple[list[str], int]] = []

    def tell(runs: Iterable[Run]) -> None:
        told.append(([run.id for run in runs], bench.calls))

    bench.topic.tell = tell  # type: ignore[method-assign]
    asked, bench.topic.asked = bench.topic.asked, []
    looks = count()

    def until() -> bool:
        if next(looks) == 5:
            bench.topic.asked = asked
        return bench.ended()

    bench.run(until)
    assert told[0] == (["r"], 0)


def test_while_it_writes_it_holds_nothing_that_a_live_poll_needs(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    fsync = os.fsync

    def live_poll() -> None:
        bench.outbox.require_room(1)
        assert bench.outbox.last_slot(LIVE.name) is None
        assert bench.budget.take(1) == 0
        synced.append(threading.current_thread())

    bench.outbox.last_slot(LIVE.name)

    def while_syncing(descriptor: int) -> None:
        other = threading.Thread(target=live_poll, daemon=True)
        other.start()
        other.join(PATIENCE)
        assert not other.is_alive()
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", while_syncing)
    bench.run(bench.ended)
    assert len(synced) > 3


@pytest.mark.parametrize("status", [429, 418])
def test_after_a_refusal_live_polls_come_first_and_the_symbol_is_not_given_up(
    bench: Bench, sandbox: Sandbox, clock: HandClock, status: int
) -> None:
    sandbox.script.add(
        Rule(path="/klines", first=2, times=MOST_TRIES + 1, status=status, headers={"Retry-After": "30"})
    )
    free: list[float] = []
    """When a live poll might ask again; and then, before history does, one is answered."""
    calls = 0

    def look() -> bool:
        nonlocal calls
        if bench.calls > calls >= 2:
            assert len(free) == calls - 1, "history has asked before a live poll could"
        if bench.calls > calls:
            calls = bench.calls
        elif calls >= 2 and len(free) < calls - 1 and bench.budget.take(1) == 0:
            free.append(clock.monotonic())
        return bench.ended()

    bench.run(look)
    assert len(free) >= MOST_TRIES
    assert not bench.found.walks["BTCUSDT"].failed


def test_a_quarter_of_the_outbox_holds_it_up_and_no_call_is_spent(
    tmp_path: Path, sandbox: Sandbox, clock: HandClock
) -> None:
    bench = Bench(tmp_path, sandbox, clock, max_bytes=400_000)
    bench.outbox.keep(LIVE, b"x" * 120_000 + b"\n", begin_ms=clock.now_ms())
    bench.run(lambda: bool(bench.agenda.runs) and bool(bench.found.held))
    assert "more than a quarter full" in bench.found.held
    assert bench.calls == 0
    bench.delivered()

    def drained() -> bool:
        bench.delivered()
        return bench.ended()

    bench.run(drained)
    assert bench.found.rows > 1000
    bench.outbox.close()


def test_without_the_state_topic_it_goes_on_and_nothing_is_given_up(bench: Bench, clock: HandClock) -> None:
    begun = clock.monotonic()

    def ended() -> bool:
        passed = clock.monotonic() - begun
        bench.topic.away = bool(bench.agenda.runs) and passed < MOST_TRIES * 120
        assert not bench.topic.away or bench.outbox.count(DRAINS[0]) == 0, "the indexer was not told"
        return bench.ended()

    bench.run(ended)
    assert bench.calls > MOST_TRIES
    assert not bench.found.walks["BTCUSDT"].failed
    assert bench.found.rows > 1000


def test_once_announced_it_needs_no_state_topic_and_a_lost_one_costs_nothing(bench: Bench) -> None:
    bench.run(lambda: bool(bench.agenda.runs) and bench.found.rows > 0)
    rows, calls = bench.found.rows, bench.calls
    bench.topic.told, bench.topic.asked = [], []  # made anew, and empty
    bench.start()
    bench.run(bench.ended)
    assert bench.found.rows > rows
    assert bench.calls == calls + 1, "from its cursor, not from the begin"
    kept = [bench.outbox.read(DRAINS[0], entry) or b"" for entry in bench.outbox.oldest(DRAINS[0])]
    ids = [CANDLE.id_of(CANDLE.codec.decode(line, now_ms=2**62)) for content in kept for line in content.splitlines()]
    assert len(ids) == len(set(ids)) == bench.found.rows


def test_a_line_a_minute_tells_how_far_it_is(bench: Bench, clock: HandClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    bench.outbox.keep = lambda *_, **__: clock.turn(SAY_SECONDS)  # type: ignore[method-assign]
    bench.run(bench.ended)
    said = [each.getMessage() for each in caplog.records if "% done" in each.getMessage()]
    assert 1 <= len(said) <= 2
    assert "of 1 symbols left" in said[-1]
