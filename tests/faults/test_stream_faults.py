"""Streams that the upstream breaks on order: of Binance each trade is there or lies in a gap, of which there are as many as
the ledger says; of Bybit each lost trade lies in a gap."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from cryptoproxy.datasets import GAP, TRADE, Dataset, Gap, Trade
from cryptoproxy.lake.objects import lines_of
from cryptoproxy.lake.store import Store
from cryptoproxy.sandbox import Rule, StreamRule
from tests.conftest import wait_until
from tests.faults import evidence
from tests.faults.conftest import Report
from tests.faults.process import PollerProcess
from tests.faults.rig import Rig

ALONE = {"TEST_ALONE": "1"}
SYMBOLS = ("BTCUSDT", "ETHUSDT", "BNBUSDT")

BROKEN: dict[str, Sequence[StreamRule | Rule]] = {
    "hole": [StreamRule(topic="btcusdt@aggTrade", hole=7, times=1)],
    "hole while REST bans": [
        Rule(path="/api/v3/aggTrades", status=418, retry_after=2, times=1),
        StreamRule(topic="ethusdt@aggTrade", hole=20, times=1),
    ],
    "twice": [StreamRule(topic="aggTrade", twice=True, times=30)],
    "another order": [StreamRule(topic="aggTrade", behind=3, times=5)],
    "garbage": [StreamRule(topic="aggTrade", rewrite="garbage", times=2)],
    "half a frame": [StreamRule(topic="aggTrade", rewrite="half", times=2)],
    "cut within a frame": [StreamRule(topic="aggTrade", cut=9, times=1)],
    "reset": [StreamRule(topic="aggTrade", cut=0, reset=True, times=1)],
    "closed": [StreamRule(topic="aggTrade", close=1006 + 5, times=1)],
    "end announced": [StreamRule(topic="aggTrade", shutdown=1.0, times=1)],
    "stall": [StreamRule(topic="aggTrade", stall=3.0, times=1)],
    "ban on connect": [
        Rule(path="/stream", status=503, times=2),
        StreamRule(topic="aggTrade", cut=0, times=1),
    ],
}
"""What goes wrong, one after the other."""


@dataclass
class Found:
    """What the judge's table takes."""

    records: int
    lost: int
    doubled: int
    again: int


class World:
    """A rig whose pollers stream from its sandbox."""

    def __init__(self, rig: Rig, sources: str, *datasets: Dataset[Any]) -> None:
        self.rig = rig
        rig.texts |= {
            "SOURCES": sources,
            "BINANCE_WS_URL": rig.sandbox.stream_url("binance"),
            "BYBIT_WS_URL": rig.sandbox.stream_url("bybit"),
            "BINANCE_STREAM_SYMBOLS": ",".join(SYMBOLS),
            "BYBIT_STREAM_SYMBOLS": ",".join(SYMBOLS),
            "STREAM_BATCH_SECONDS": "0.2",
            "KAFKA_TOPICS": f"trade={rig.name}.trades,gap={rig.name}.gaps,candle={rig.name}.ohlcv",
        }
        rig.make_topics(GAP, *datasets)

    def start(self, name: str = "poller", **texts: str) -> PollerProcess:
        poller = self.rig.start(name, test=ALONE, **texts)
        poller.wait_ready()
        return poller

    def on_topic(self, dataset: Dataset[Any], part: str = "") -> list[Any]:
        settings = self.rig.settings
        return [
            dataset.codec.decode(each.value)
            for each in evidence.on_topic(settings, settings.kafka.topic_of(dataset, part))
        ]

    def in_lake(self, dataset: Dataset[Any]) -> set[str]:
        store = Store(self.rig.settings.s3)
        keys = store.keys(f"{store.settings.prefix}/v1/{dataset.name}/")
        return {dataset.id_of(dataset.codec.decode(line)) for key in keys for line in lines_of(key, store.get(key))}

    def open_gaps(self) -> list[Gap]:
        gaps = self.on_topic(GAP)
        mended = {(gap.asset_id, gap.timestamp) for gap in gaps if gap.state == "mended"}
        return [gap for gap in gaps if gap.state == "open" and (gap.asset_id, gap.timestamp) not in mended]

    def get(self, upstream: str, path: str, **params: object) -> Any:
        return requests.get(f"{self.rig.sandbox.base_url(upstream)}{path}", params=params, timeout=60).json()  # type: ignore[arg-type]

    def carry_out(self, rules: Sequence[StreamRule | Rule]) -> None:
        """Each of these happens as often as it shall, and goes."""
        box = self.rig.sandbox
        box.add(*rules)
        for script, kind in ((box.script, Rule), (box.streams.script, StreamRule)):
            times = sum(rule.times or 1 for rule in rules if isinstance(rule, kind))
            wait_until(lambda script=script, times=times: script.fired() >= times, what=f"{rules} carried out")  # type: ignore[misc]
        box.script.clear()
        box.streams.script.clear()

    def truth(self, trades: Iterable[Trade]) -> dict[str, set[str]]:
        """Of each pair what the sandbox has between the first and the last trade that we have."""
        spans: dict[str, list[int]] = {}
        for trade in trades:
            spans.setdefault(trade.asset_id, []).append(int(trade.trade_id.partition("-")[0]))
        return {symbol: self._aggregates(symbol, min(ids), max(ids)) for symbol, ids in spans.items()}

    def _aggregates(self, symbol: str, first: int, last: int) -> set[str]:
        found: set[str] = set()
        while first <= last:
            rows = self.get("binance", "/api/v3/aggTrades", symbol=symbol, fromId=first, limit=1000)
            found |= {f"{row['a']}-{row['f']}" for row in rows if row["a"] <= last}
            if not rows:
                break
            first = rows[-1]["a"] + 1
        return found


def judged(world: World) -> Found:
    """Binance's trades: none lacks that the sandbox has, none is foreign, and lake and topic are the same."""
    trades = world.on_topic(TRADE)
    truth = {f"binance:{symbol}:USDT:{each}" for symbol, ids in world.truth(trades).items() for each in ids}
    topic = [TRADE.id_of(each) for each in trades]
    assert set(topic) == truth, (sorted(truth - set(topic))[:5], sorted(set(topic) - truth)[:5])
    wait_until(lambda: not world.rig.left() or None, what="empty outboxes")
    lake = world.in_lake(TRADE)
    assert lake >= truth
    return Found(len(truth), len(truth - set(topic)), 0, len(topic) - len(set(topic)))


@pytest.fixture
def binance(rig: Rig) -> World:
    return World(rig, "binance.trade", TRADE)


def stopped(world: World, poller: PollerProcess) -> None:
    """Nothing comes any more, all is delivered, and what is delivered has no hole but those that are written down."""
    wait_until(lambda: no_hole(world), what="no hole")
    poller.stop()
    finish = world.start("last", SOURCES="coingecko")
    wait_until(lambda: not world.rig.left(), what="empty outboxes")
    finish.stop()


def no_hole(world: World) -> bool:
    trades = world.on_topic(TRADE)
    topic = {f"{each.asset_id}:{each.trade_id}" for each in trades}
    return len({each.asset_id for each in trades}) == len(SYMBOLS) and all(
        f"{symbol}:{each}" in topic for symbol, ids in world.truth(trades).items() for each in ids
    )


def test_what_a_stream_of_trades_may_suffer_one_after_the_other(binance: World, report: Report) -> None:
    poller = binance.start()
    wait_until(lambda: len({each.asset_id for each in binance.on_topic(TRADE)}) == len(SYMBOLS))
    for rules in BROKEN.values():
        binance.carry_out(rules)
    began = time.monotonic()
    wait_until(lambda: no_hole(binance), what="no hole")
    seconds = time.monotonic() - began
    wait_until(lambda: not binance.open_gaps(), what="no gap open")
    stopped(binance, poller)
    report(judged(binance), seconds)


def test_what_nobody_has_is_a_gap_and_nothing_else_is(binance: World, report: Report) -> None:
    poller = binance.start()
    wait_until(lambda: len({each.asset_id for each in binance.on_topic(TRADE)}) == len(SYMBOLS))
    binance.carry_out([StreamRule(topic="btcusdt@aggTrade", hole=5, everywhere=True, times=1)])
    (kept,) = wait_until(binance.rig.sandbox.streams.ledger.kept_back)
    wait_until(lambda: poller.said("binance.trade: BTCUSDT lacks 5 records"))
    wait_until(lambda: poller.metric("gaps_opened") >= 1)
    stopped(binance, poller)
    gaps = binance.open_gaps()
    assert [(gap.asset_id, gap.records) for gap in gaps] == [("BTCUSDT", 5)]
    first, last = (int(str(each).partition("-")[0]) for each in (gaps[0].after_id, gaps[0].before_id))
    assert (first + 1, last - 1) == (kept.first, kept.last)
    report(judged(binance), None)
