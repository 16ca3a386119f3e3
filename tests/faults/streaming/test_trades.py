"""Trades by stream, one fault after the other: each trade is there once by its id, or lies in a gap that is written down, and
there is no other gap."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from cryptoproxy.datasets import TRADE, Gap, Trade
from cryptoproxy.datasets.times import moment_of
from cryptoproxy.sandbox import Rule, StreamRule
from tests.conftest import wait_until
from tests.faults.conftest import Report
from tests.faults.past import Past
from tests.faults.rig import Engines
from tests.faults.streaming.trial import Step, Trial, trial
from tests.faults.test_stream_faults import SYMBOLS

pytestmark = pytest.mark.long

AGG = "aggTrade"
CUT = StreamRule(topic="@aggTrade|publicTrade", cut=9, times=1)

BINANCE: dict[str, list[Step]] = {
    "cut within a frame": [[CUT]],
    "reset": [[StreamRule(topic=AGG, cut=0, reset=True, times=1)]],
    "closed": [[StreamRule(topic=AGG, close=1011, times=1)]],
    "half-open": [[StreamRule(topic=AGG, half_open=True, times=1)]],
    "stall": [[StreamRule(topic=AGG, stall=4.0, times=1)]],
    "its end announced": [[StreamRule(topic=AGG, shutdown=1.0, times=1)]],
    "a slow line, and then cut by the upstream": [[StreamRule(topic=AGG, drip=600, times=1)]],
    "hole of one": [[StreamRule(topic="btcusdt@aggTrade", hole=1, times=1)]],
    "hole of 400": [[StreamRule(topic="btcusdt@aggTrade", hole=400, times=1)]],
    "holes of each symbol": [[StreamRule(topic=f"{each.lower()}@aggTrade", hole=9, times=1) for each in SYMBOLS]],
    "a hole that nobody can fill": [[StreamRule(topic="ethusdt@aggTrade", hole=5, everywhere=True, times=1)]],
    "duplicates": [[StreamRule(topic=AGG, twice=True, times=50)]],
    "out of order": [[StreamRule(topic=AGG, behind=3, times=20)]],
    "two seconds late": [[StreamRule(topic=AGG, late=2.0, times=10)]],
    "garbage": [[StreamRule(topic=AGG, rewrite="garbage", times=5)]],
    "half a document": [[StreamRule(topic=AGG, rewrite="half", times=5)]],
    "a subscription refused": [
        [CUT, StreamRule(topic="ethusdt", refuse=True, times=3)],
        [StreamRule(topic="btcusdt@aggTrade", cut=9, times=1)],
    ],
    "a subscription that stays silent": [
        [CUT, StreamRule(topic="bnbusdt", ignore=True, times=1)],
        [StreamRule(topic="btcusdt@aggTrade", cut=9, times=1)],
    ],
    "banned on connect": [[CUT, Rule(path="/stream", status=418, retry_after=2, times=1)]],
    "REST bans while a hole waits": [
        [
            StreamRule(topic="btcusdt@aggTrade", hole=20, times=1),
            Rule(path="/api/v3/aggTrades", status=418, retry_after=2, times=1),
        ]
    ],
    "REST fails while a hole waits": [
        [
            StreamRule(topic="btcusdt@aggTrade", hole=20, times=1),
            Rule(path="/api/v3/aggTrades", status=500, times=2),
            Rule(path="/api/v3/aggTrades", rewrite="garbage", times=1),
        ]
    ],
}
"""What goes wrong; its steps one after the other."""

BYBIT: dict[str, list[Step]] = {
    "cut within a frame": [[CUT]],
    "reset": [[StreamRule(topic="publicTrade", cut=0, reset=True, times=1)]],
    "closed": [[StreamRule(topic="publicTrade", close=1011, times=1)]],
    "half-open": [[StreamRule(topic="publicTrade", half_open=True, times=1)]],
    "stall": [[StreamRule(topic="publicTrade", stall=4.0, times=1)]],
    "duplicates": [[StreamRule(topic="publicTrade", twice=True, times=50)]],
    "out of order": [[StreamRule(topic="publicTrade", behind=3, times=10)]],
    "garbage": [[StreamRule(topic="publicTrade", rewrite="garbage", times=2)]],
    "frames that name nothing": [[StreamRule(topic="publicTrade", body="}{", times=5)]],
    "a slow line, and then cut by the upstream": [[StreamRule(topic="publicTrade", drip=600, times=1)]],
    "a subscription refused": [
        [CUT, StreamRule(topic="ETHUSDT", refuse=True, times=1)],
        [StreamRule(topic="publicTrade.BTCUSDT", cut=9, times=1)],
    ],
    "banned on connect": [[CUT, Rule(path="/v5/public/", status=403, retry_after=2, times=1)]],
    "REST refuses while a break waits": [
        [CUT, Rule(path="/v5/market/recent-trade", status=403, retry_after=2, times=1)]
    ],
}


def said(trade: Trade) -> object:
    return trade.price, trade.base_volume, trade.side, trade.timestamp


# --- Binance: ids go up by one, so what there is can be asked for


@pytest.fixture(scope="module")
def binance(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    with trial(engines, tmp_path_factory.mktemp("trades"), lambda rig: Trial(rig, "binance.trade", TRADE)) as made:
        yield made


def number_of(trade: Trade) -> int:
    return int(trade.trade_id.partition("-")[0])


def last_numbers(world: Trial) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in world.records():
        found[each.asset_id] = max(found.get(each.asset_id, 0), number_of(each))
    return found


def newest_numbers(world: Trial) -> dict[str, int]:
    """As the sandbox has them now."""
    return {each: world.get("binance", "/api/v3/aggTrades", symbol=each, limit=1)[-1]["a"] for each in SYMBOLS}


def lacking(world: Trial) -> set[tuple[str, int, int]]:
    """Symbol, first and last number of each gap that is open."""
    return {
        (gap.asset_id, int(str(gap.after_id).partition("-")[0]) + 1, int(str(gap.before_id).partition("-")[0]) - 1)
        for gap in world.open_gaps()
    }


def kept_back(world: Trial) -> set[tuple[str, int, int]]:
    """The same of what nobody was told and nobody can ask for: the ledger's truth."""
    return {
        (each.topic.partition("@")[0].upper(), each.first, each.last)
        for each in world.rig.sandbox.streams.ledger.kept_back()
        if each.everywhere
    }


@pytest.mark.parametrize("fault", BINANCE)
def test_trades_of_binance(fault: str, binance: Trial, report: Report) -> None:
    world = binance
    with world.watched():
        before = world.judged or last_numbers(world)
        seconds = world.suffer(BINANCE[fault])
        upto = newest_numbers(world)
        truth = {
            f"binance:{symbol}:USDT:{each}"
            for symbol in SYMBOLS
            for each in world._aggregates(symbol, before[symbol] + 1, upto[symbol])
        }
        wait_until(lambda: truth <= {TRADE.id_of(each) for each in world.records()}, what="all trades on the topic")
        wait_until(lambda: lacking(world) == kept_back(world), what="the gaps that the ledger has, and no other")
        back = seconds()
        world.wait_for_lake(truth)
        foreign = {
            TRADE.id_of(each)
            for each in world.records()
            if before[each.asset_id] < number_of(each) <= upto[each.asset_id]
        } - truth
        assert not foreign
        world.judged = upto
    report(world.found(truth, said), back)


# --- Bybit: its newest trades are all that there is


@pytest.fixture(scope="module")
def bybit(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    with trial(engines, tmp_path_factory.mktemp("bybit"), lambda rig: Trial(rig, "bybit-linear.trade", TRADE)) as made:
        yield made


def is_in(gap: Gap, symbol: str, at_ms: int) -> bool:
    return gap.asset_id == symbol and moment_of(gap.timestamp) <= at_ms <= moment_of(gap.until)


def traded_in(gap: Gap, past: Past) -> dict[str, int]:
    return past.trades(gap.asset_id, moment_of(gap.timestamp), moment_of(gap.until) + 1)


@pytest.mark.parametrize("fault", BYBIT)
def test_trades_of_bybit(fault: str, bybit: Trial, past: Past, report: Report) -> None:
    world = bybit
    with world.watched():
        begin_ms = world.judged.get("all") or min(world.newest().values())
        seconds = world.suffer(BYBIT[fault])
        world.judged["all"] = end_ms = time.time_ns() // 1_000_000
        wait_until(lambda: min(world.newest().values()) > end_ms, what="newer trades of each symbol")
        truth = {
            name: (symbol, at_ms) for symbol in SYMBOLS for name, at_ms in past.trades(symbol, begin_ms, end_ms).items()
        }

        def there() -> set[str]:
            return {each.trade_id for each in world.records()}

        def unaccounted() -> list[object]:
            """Lost trades that lie in no gap, and gaps in which none was lost."""
            ours, gaps = there(), world.open_gaps()
            lost = [truth[name] for name in truth.keys() - ours]
            outside = [each for each in lost if not any(is_in(gap, *each) for gap in gaps)]
            return [*outside, *(gap for gap in gaps if not traded_in(gap, past).keys() - ours)]

        try:
            wait_until(lambda: not unaccounted(), what="what lacks lies in gaps, and gaps hold what lacks")
        finally:
            print(unaccounted()[:20])
        back = seconds()
        ours = there()
        ids = {f"bybit-linear:{symbol}:USDT:{name}" for name, (symbol, _) in truth.items() if name in ours}
        world.wait_for_lake(ids)
    report(world.found(ids, said), back)
