"""The exchanges' own lists of symbols: by the active poller, once a day, and never in a poll's way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from cryptoproxy.datasets import Feed
from cryptoproxy.errors import OperatorError, TransientError
from cryptoproxy.producer.feeds.poll import PollOnce
from cryptoproxy.producer.feeds.symbols import AGAIN_SECONDS, FIRST_WAIT_SECONDS, FRESH_SECONDS, SymbolLists, load
from cryptoproxy.upstreams.answers.quotes import Quotes
from cryptoproxy.upstreams.base import Call, Rejected, RephrasedError
from cryptoproxy.upstreams.binance.symbols import quote_of
from tests.unit.producer.budget.hand_clock import HandClock
from tests.unit.producer.fakes import FakeBudget, FakeSource, FakeUpstream, HandLoop, Metrics, Step


class FakeList:
    """``pages`` calls; ``refuses`` is what taking it over raises. A page names symbols, which are all in USD."""

    def __init__(self, pages: int = 1, refuses: Exception | None = None) -> None:
        self.pages = pages
        self.refuses = refuses
        self.loaded: list[list[bytes]] = []
        self.quotes = Quotes(quote_of)
        self.rejected: list[Rejected] = []
        self.listed: frozenset[str] = frozenset()
        self._asked = 0

    def next_call(self, previous: bytes | None) -> Call | None:
        self._asked = 0 if previous is None else self._asked + 1
        return Call(f"list-{self._asked}") if self._asked < self.pages else None

    def load(self, bodies: Sequence[bytes]) -> int:
        if self.refuses:
            raise self.refuses
        self.loaded.append(list(bodies))
        self.listed = frozenset(symbol for body in bodies for symbol in body.decode().split())
        self.quotes.learn(dict.fromkeys(self.listed, "USD"))
        return len(bodies)


class Bench:
    folder: Path

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
        self.lists = SymbolLists(
            [source], {source.feed.name: asker}, may_poll=lambda: self.active, clock=self.clock, folder=self.folder
        )

    def run(self, seconds: float) -> None:
        self.lists.run(HandLoop(self.clock, end=self.clock.monotonic() + seconds))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(Bench, "folder", tmp_path / "symbols", raising=False)
    return tmp_path / "symbols"


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
    assert "no list of symbols, so new ones wait whose quote nothing else tells: 503" in caplog.text
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


def test_feeds_that_share_a_list_have_it_asked_for_once_and_all_wait_for_it(tmp_path: Path) -> None:
    bench = Bench(FakeList(), b"one")
    bars = FakeSource(symbols=bench.symbols)
    bars.feed = Feed("coingecko", "candle", "1m")
    asker = bench.lists._ask["coingecko"]
    lists = SymbolLists(
        [FakeSource(symbols=bench.symbols), bars],
        {"coingecko": asker, bars.feed.name: asker},
        may_poll=lambda: True,
        clock=bench.clock,
        folder=tmp_path,
    )
    loop = HandLoop(bench.clock)
    lists.wait_for_first(bars.feed.name, loop.wait)
    assert loop.waits
    lists.run(HandLoop(bench.clock, end=bench.clock.monotonic() + 10))
    assert len(bench.symbols.loaded) == 1
    loop.waits.clear()
    lists.wait_for_first(bars.feed.name, loop.wait)
    assert loop.waits == []


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


def test_a_symbol_that_nothing_tells_makes_the_list_be_read_anew_at_once(caplog: pytest.LogCaptureFixture) -> None:
    symbols = FakeList()
    bench = Bench(symbols, b"BTCUSD", b"BTCUSD DOTUSD")
    bench.run(60)
    assert len(symbols.loaded) == 1
    assert [symbols.quotes.of(each) for each in ("BTCUSD", "DOTUSD", "GONEUSD")] == ["USD", None, None]
    bench.run(2)
    assert [symbols.quotes.of(each) for each in ("DOTUSD", "GONEUSD")] == ["USD", "UNKNOWN"]
    assert "nothing tells the quote of GONEUSD: it is UNKNOWN for good" in caplog.text
    bench.run(600)
    assert len(symbols.loaded) == 2, "once a day again"


def test_what_waits_for_a_list_that_fails_is_not_guessed_and_asks_once_a_minute() -> None:
    symbols = FakeList()
    bench = Bench(symbols, *[TransientError("503")] * 5, b"DOTUSD")
    assert symbols.quotes.of("DOTUSD") is None
    bench.run(59)
    assert (len(bench.upstream.asked), symbols.quotes.of("DOTUSD")) == (1, None)
    bench.run(300)
    assert (len(bench.upstream.asked), symbols.quotes.of("DOTUSD")) == (6, "USD")


def test_what_waits_for_a_list_that_is_refused_is_unknown() -> None:
    symbols = FakeList(refuses=OperatorError("404", remedy="Look at the address"))
    assert symbols.quotes.of("DOTUSD") is None
    Bench(symbols).run(2)
    assert symbols.quotes.of("DOTUSD") == "UNKNOWN"


def test_the_last_list_is_known_after_a_restart_and_so_is_what_was_unknown() -> None:
    symbols = FakeList()
    bench = Bench(symbols, b"BTCUSD", b"BTCUSD")
    assert symbols.quotes.of("DOTUSD") is None
    bench.run(30)
    restarted = FakeList()
    Bench(restarted, *[TransientError("503")] * 3).run(30)
    assert [restarted.quotes.of(each) for each in ("BTCUSD", "DOTUSD", "NEWUSD")] == ["USD", "UNKNOWN", None]
    listed = FakeList()
    Bench(listed, b"BTCUSD DOTUSD NEWUSD").run(30)
    assert [listed.quotes.of(each) for each in ("DOTUSD", "NEWUSD")] == ["UNKNOWN", "USD"], "an asset has one id"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"asked":"list-0","quotes":{"A":7}}', b"\xff"])
def test_a_kept_list_that_is_damaged_is_said_and_asked_for_anew(
    content: bytes, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder.mkdir()
    (folder / "coingecko.json").write_bytes(content)
    symbols = FakeList()
    bench = Bench(symbols, b"BTCUSD")
    assert "the quotes are asked for anew" in caplog.text
    bench.run(2)
    assert symbols.quotes.of("BTCUSD") == "USD"
    assert b'"BTCUSD":"USD"' in (folder / "coingecko.json").read_bytes()


def test_the_kept_list_of_another_exchange_is_not_taken(folder: Path) -> None:
    folder.mkdir()
    (folder / "coingecko.json").write_bytes(b'{"asked":"https://elsewhere","quotes":{"BTCUSD":"TUSD"}}')
    symbols = FakeList()
    Bench(symbols)
    assert symbols.quotes.known == {}


def test_a_disk_that_refuses_costs_no_list(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder.write_bytes(b"not a folder")
    symbols = FakeList()
    Bench(symbols, b"BTCUSD").run(30)
    assert symbols.quotes.of("BTCUSD") == "USD"
    assert caplog.text.count("the quotes are not kept") == 1


def test_a_list_that_was_refused_for_what_was_asked_is_asked_for_in_another_way_at_once() -> None:
    symbols = FakeList()
    bench = Bench(symbols, RephrasedError("not all of them"), b"BTCUSD")
    bench.run(2)
    assert len(symbols.loaded) == 1


def test_rows_of_the_list_that_cannot_be_read_are_named(caplog: pytest.LogCaptureFixture) -> None:
    symbols = FakeList()
    symbols.rejected = [Rejected("bad_row", "ODDUSDT", "half an emoji")]
    with caplog.at_level("INFO"):
        Bench(symbols, b"BTCUSD").run(2)
    assert "1 rows of its list cannot be read" in caplog.text
    assert "the list of symbols: ODDUSDT is no record (bad_row): half an emoji" in caplog.text


def test_a_symbol_whose_row_in_the_list_cannot_be_read_goes_on_waiting() -> None:
    symbols = FakeList()
    symbols.rejected = [Rejected("bad_row", "DOTUSD", "half an emoji")]
    assert symbols.quotes.of("DOTUSD") is None
    bench = Bench(symbols, b"BTCUSD", b"BTCUSD DOTUSD")
    bench.run(30)
    assert (len(bench.upstream.asked), symbols.quotes.of("DOTUSD")) == (1, None)
    bench.run(60)
    assert symbols.quotes.of("DOTUSD") == "USD"


def test_what_a_stream_hears_of_and_its_exchange_does_not_list_is_named(caplog: pytest.LogCaptureFixture) -> None:
    symbols = FakeList()
    symbols.rejected = [Rejected("bad_row", "ODDUSDT", "half an emoji")]
    bench = Bench(symbols, b"BTCUSD")
    bench.lists._heard = {"coingecko": ["BTCUSD", "NOPEUSD", "ODDUSDT"], "another": ["GONEUSD"]}
    bench.run(2)
    assert "coingecko: its exchange does not list NOPEUSD: misspelled, or delisted" in caplog.text
    assert "GONEUSD" not in caplog.text
