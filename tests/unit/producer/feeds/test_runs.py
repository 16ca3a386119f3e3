"""History runs: what two places know of one, what is kept, what is said of it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import from_iso
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, Span
from cryptoproxy.errors import OperatorError, SettingsError
from cryptoproxy.producer.feeds.history.report import estimate, is_whole, share_done, summary
from cryptoproxy.producer.feeds.history.runs import KEPT_ENDED, Run, RunsFile, merged
from cryptoproxy.producer.feeds.history.walk import Cursor
from cryptoproxy.upstreams import histories_of, upstreams_of, wanted_of
from cryptoproxy.upstreams.binance.candles import BinanceCandles
from cryptoproxy.upstreams.bybit.candles import BybitCandles

BEGIN, END = from_iso("2026-01-01T00:00:00.000Z"), from_iso("2026-11-01T00:00:00.000Z")


def run(name: str = "a", **fields) -> Run:
    return Run(**{"id": name, "feed": "binance.candle-1d", "begin_ms": BEGIN, "end_ms": END, "said_ms": END, **fields})


def test_of_each_symbol_the_cursor_counts_that_has_come_farther():
    ours = run(walks={"A": Cursor(at_ms=5, rows=5), "B": Cursor(at_ms=9, done=True)}, seconds=3.0)
    theirs = run(walks={"A": Cursor(at_ms=7, rows=7), "B": Cursor(at_ms=2), "C": Cursor()}, seconds=2.0)
    found = merged([ours], [theirs])["a"]
    assert {symbol: each.at_ms for symbol, each in found.walks.items()} == {"A": 7, "B": 9, "C": 0}
    assert (found.seconds, found.ended) == (3.0, False)
    assert merged([theirs], [ours]) == {"a": msgspec.structs.replace(found, walks=dict(sorted(found.walks.items())))}


def test_a_run_that_is_only_asked_for_takes_nothing_from_one_that_has_ended():
    done = run(walks={"A": Cursor(at_ms=9, done=True)}, ended_ms=END + 1)
    assert merged([done], [run()])["a"] == done


def test_runs_come_in_the_order_in_which_they_were_said_and_old_ones_are_forgotten():
    many = [run(f"r{n}", said_ms=n, ended_ms=n + 1) for n in range(KEPT_ENDED + 5)]
    found = merged([run("open", said_ms=-1), run("set", since="365d", ended_ms=1, said_ms=-2)], many)
    assert list(found) == ["set", "open", *(f"r{n}" for n in range(5, KEPT_ENDED + 5))]


def test_runs_outlive_a_restart_and_a_damaged_file_is_no_end(tmp_path: Path):
    kept = RunsFile(tmp_path)
    assert kept.load() == []
    runs = [run(walks={"A": Cursor(at_ms=7, holes=[(1, 2)], rejected={"no_price": 3})})]
    kept.save(runs)
    assert RunsFile(tmp_path).load() == runs
    (tmp_path / "history" / "runs.json").write_bytes(b"{")
    assert kept.load() == []
    (tmp_path / "history" / "runs.json").unlink()
    (tmp_path / "history").rmdir()
    (tmp_path / "history").write_text("in the way")
    with pytest.raises(OperatorError, match="cannot be written"):
        kept.save(runs)


def test_the_summary_says_what_is_there_and_what_is_not():
    hole = from_iso("2026-06-28T02:00:00.000Z")
    walks = {
        "BTCUSDT": Cursor(
            at_ms=END, due_ms=END, first_ms=BEGIN, rows=7292, done=True, holes=[(hole, hole + 3 * HOUR_MS)], calls=9
        ),
        "ETHUSDT": Cursor(at_ms=END, due_ms=END, first_ms=BEGIN, rows=3, done=True, rejected={"changed": 2}, calls=2),
        "GONE": Cursor(done=True, failed=True, why="binance has nothing of it", calls=1),
    }
    found = run(walks=walks, seconds=4.2)
    assert list(summary(found)) == [
        "BTCUSDT: 7292 records from 2026-01-01 to 2026-11-01; not there, asked twice: 2026-06-28T02:00Z to "
        "2026-06-28T05:00Z",
        "ETHUSDT: 3 records from 2026-01-01 to 2026-11-01; no records: 2 changed",
        "GONE: 0 records; binance has nothing of it",
        "binance.candle-1d: 7295 records of 2 symbols (1 have none) by 12 calls in 4 s",
    ]
    assert not is_whole(found)
    del found.walks["GONE"]
    assert is_whole(found), "a real hole lacks at the upstream, not here"


def test_of_many_symbols_only_those_are_named_of_which_there_is_something_to_say():
    walks = {f"C{n}USDT": Cursor(done=True, rows=1, first_ms=BEGIN, due_ms=END) for n in range(600)}
    walks["ODD"] = Cursor(done=True, why="given up: no answer")
    assert [line.partition(":")[0] for line in summary(run(walks=walks))] == ["ODD", "binance.candle-1d"]


def test_the_share_that_is_done_counts_all_symbols_alike():
    half = BEGIN + (END - BEGIN) // 2
    assert share_done(run()) == 0.0
    assert share_done(run(walks={"A": Cursor(done=True), "B": Cursor(at_ms=half), "C": Cursor()})) == 0.5


def test_an_estimate_asks_nothing_and_is_an_upper_bound():
    upstreams = upstreams_of(Settings.from_texts({}).upstreams)
    span = Span(END - 1500 * DAY_MS, END)
    found = estimate(BinanceCandles("1d"), ["A", "B"], span, upstreams["binance"].limits, now_ms=END)
    assert (found.calls, found.cost, found.rows) == (2 * 3, 2 * 3 * 2, 2 * 1499)
    assert found.seconds == pytest.approx(0.12)
    found = estimate(BybitCandles("linear", "1m"), ["A"], span, upstreams["bybit"].limits, now_ms=END)
    assert (found.calls, found.seconds) == (1 + 2160, pytest.approx(2161 / 60, rel=0.01))


def test_history_names_feeds_that_have_one():
    def wanted(text: str) -> list[tuple[str, str]]:
        return wanted_of(Settings.from_texts({"HISTORY": text}).upstreams)

    assert wanted("binance.candle-1d=2017-08-01,coingecko=365d") == [
        ("binance.candle-1d", "2017-08-01"),
        ("coingecko", "365d"),
    ]
    assert wanted_of(Settings.from_texts({}).upstreams) == []
    with pytest.raises(SettingsError, match=r"HISTORY knows no binance\.candle-1D; there are binance\.candle-1"):
        wanted("binance.candle-1D=365d")
    for wrong in ("binance.candle-1d", "binance.candle-1d=", "binance.candle-1d=soon"):
        with pytest.raises(SettingsError, match=r"which is not like binance\.candle-1d=2017-08-01"):
            wanted(wrong)


def test_every_feed_of_the_past_is_made_from_the_settings():
    settings = Settings.from_texts({"COINGECKO_IDS": "bitcoin", "BYBIT_CANDLE_SYMBOLS": "btcusdt"}).upstreams
    every = {name: make() for name, make in histories_of(settings).items()}
    assert all(past.feed.name == name for name, past in every.items())
    assert every["coingecko"].symbols == every["coingecko.candle-4h"].symbols == ("bitcoin",)
    assert every["binance.candle-1mo"].symbols == ("BTCUSDT", "ETHUSDT")
    assert every["bybit-inverse.candle-1h"].symbols == ("BTCUSDT",)
