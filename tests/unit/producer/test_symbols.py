"""The exchanges' own lists of symbols: by the active poller, once a day, and never in a poll's way."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cryptoproxy.common.errors import OperatorError, TransientError
from cryptoproxy.producer.poll import PollOnce
from cryptoproxy.producer.sources.base import Call
from cryptoproxy.producer.symbols import AGAIN_SECONDS, FIRST_WAIT_SECONDS, FRESH_SECONDS, SymbolLists, load
from tests.unit.producer.budget.hand_clock import HandClock
from tests.unit.producer.fakes import FakeBudget, FakeSource, FakeUpstream, HandLoop, Metrics, Step


class FakeList:
    """``pages`` calls; ``refuses`` is what taking it over raises."""

    def __init__(self, pages: int = 1, refuses: Exception | None = None) -> None:
        self.pages = pages
        self.refuses = refuses
        self.loaded: list[list[bytes]] = []
        self._asked = 0

    def next_call(self, previous: bytes | None) -> Call | None:
        self._asked = 0 if previous is None else self._asked + 1
        return Call(f"list-{self._asked}") if self._asked < self.pages else None

    def load(self, bodies: Sequence[bytes]) -> int:
        if self.refuses:
            raise self.refuses
        self.loaded.append(list(bodies))
        return len(bodies)


class Bench:
    def __init__(self, symbols: FakeList, *steps: Step) -> None:
        self.clock = HandClock()
        self.symbols = symbols
        self.upstream = FakeUpstream(*steps, clock=self.clock)
        self.active = True
        source = FakeSource(symbols=symbols)
        self.budget = FakeBudget()
        asker = PollOnce(
            source, budget=self.budget, get=self.upstream.get, clock=self.clock, metrics=Metrics(), timeout=10
        )
        self.lists = SymbolLists([source], {source.name: asker}, may_poll=lambda: self.active, clock=self.clock)

    def run(self, seconds: float) -> None:
        self.lists.run(HandLoop(self.clock, end=self.clock.monotonic() + seconds))


def test_a_list_is_loaded_at_the_start_and_then_once_a_day() -> None:
    bench = Bench(FakeList(pages=2), b"one", b"two")
    bench.run(10)
    assert bench.symbols.loaded == [[b"one", b"two"]]
    bench.run(FRESH_SECONDS - 60)
    assert len(bench.symbols.loaded) == 1
    bench.run(120)
    assert len(bench.symbols.loaded) == 2


def test_a_list_that_could_not_be_had_is_tried_again_sooner_and_said(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(FakeList(), TransientError("503"))
    bench.run(10)
    assert "no list of symbols, quotes come from their suffixes until it is there: 503" in caplog.text
    assert bench.symbols.loaded == []
    bench.run(AGAIN_SECONDS)
    assert len(bench.symbols.loaded) == 1


def test_only_the_active_poller_asks() -> None:
    bench = Bench(FakeList(), b"one")
    bench.active = False
    bench.run(1000)
    assert bench.upstream.asked == []
    bench.active = True
    bench.run(2)
    assert len(bench.upstream.asked) == 1


def test_a_source_waits_for_the_first_attempt_but_not_for_ever() -> None:
    bench = Bench(FakeList(), b"one")
    loop = HandLoop(bench.clock)
    began = bench.clock.monotonic()
    bench.lists.wait_for_first("coingecko", loop.wait)
    assert bench.clock.monotonic() - began == pytest.approx(FIRST_WAIT_SECONDS, abs=0.2)
    assert max(loop.waits) <= 1, "the watchdog would not see it turn"
    bench.run(2)
    loop.waits.clear()
    bench.lists.wait_for_first("coingecko", loop.wait)
    bench.lists.wait_for_first("a source without a list", loop.wait)
    assert loop.waits == []


def test_a_stop_ends_that_wait() -> None:
    bench = Bench(FakeList(), b"one")
    loop = HandLoop(bench.clock)
    loop.stopped = True
    bench.lists.wait_for_first("coingecko", loop.wait)
    assert len(loop.waits) == 1


@pytest.mark.parametrize("error", [TransientError("not such a list"), OperatorError("refused", remedy="Mend it")])
def test_what_is_no_list_changes_nothing(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    clock = HandClock()
    upstream = FakeUpstream(b"garbage", clock=clock)
    assert not load("binance", FakeList(refuses=error), lambda call: upstream.get(call, timeout=1))
    assert str(error) in caplog.text


def test_a_source_whose_upstream_wants_to_be_left_alone_does_not_wait_for_its_list() -> None:
    """It would seem ready while nothing is polled. When that is over it waits for the list as it would have at first."""
    bench = Bench(FakeList())
    waits: list[float] = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        bench.clock.turn(seconds)
        return False

    bench.budget.ban(60, "418")
    bench.lists.wait_for_first("coingecko", wait)
    assert not waits
    bench.clock.turn(61)
    bench.budget.bans.clear()
    bench.lists.wait_for_first("coingecko", wait)
    assert FIRST_WAIT_SECONDS - 1 < sum(waits) < FIRST_WAIT_SECONDS + 1
    waits.clear()
    bench.lists.wait_for_first("coingecko", wait)
    assert not waits, "only once"
