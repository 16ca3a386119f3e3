"""Streams that the upstream breaks on order: of Binance each trade is there or lies in a gap, of which there are as many as
the ledger says; of Bybit each lost trade lies in a gap."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from cryptoproxy.datasets import CANDLE, GAP, TRADE, Dataset, Gap, Trade
from cryptoproxy.datasets.times import moment_of
from cryptoproxy.lake.objects import lines_of
from cryptoproxy.lake.store import Store
from cryptoproxy.sandbox import Rule, StreamRule
from tests.conftest import wait_until
from tests.faults import evidence
from tests.faults.conftest import Report, Say, seeded
from tests.faults.past import Past
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
        StreamRule(topic="aggTrade", cut=0),  # each, or it may be the one that a stall has had replaced
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
            "KAFKA_TOPICS": f"trade={rig.name}.trades,gap={rig.name}.gaps,candle={rig.name}.ohlcv,book={rig.name}.books",
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
    """Nothing comes any more, all is delivered, and nothing lacks between the first trade and the last."""
    wait_until(lambda: no_hole(world), what="no hole")
    poller.terminate()
    drain(world)


def drain(world: World) -> None:
    """A process for each outbox, to which nothing new comes, delivers what is left. It can ask for nothing either: what it
    mends while the judge reads one topic after the other would be there on one and not yet on the other."""
    for outbox in sorted(world.rig.outboxes()):
        nowhere = {f"{name}_WS_URL": "ws://127.0.0.1:9" for name in ("BINANCE", "BYBIT")}
        nowhere |= {f"{name}_BASE_URL": "http://127.0.0.1:9" for name in ("BINANCE", "BYBIT")}
        world.rig.start(f"drain-{outbox.name}", test=ALONE, OUTBOX_DIR=str(outbox), **nowhere)
    wait_until(lambda: not world.rig.left(), what="empty outboxes")


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


@pytest.mark.long
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


def within(trades: Sequence[Trade], past: Past) -> dict[str, tuple[str, int]]:
    """Symbol and time, by id, of what Bybit has traded between the first and the last of these, symbol by symbol."""
    found: dict[str, tuple[str, int]] = {}
    for symbol in SYMBOLS:
        times = [moment_of(each.timestamp) for each in trades if each.asset_id == symbol]
        traded = past.trades(symbol, min(times) + 1, max(times))
        found |= {name: (symbol, at_ms) for name, at_ms in traded.items()}
    return found


@pytest.mark.long
@pytest.mark.parametrize("number", range(10))
@pytest.mark.parametrize("machines", [1, 2])
def test_each_trade_of_bybit_that_is_lost_lies_in_a_gap(
    rig: Rig, machines: int, number: int, past: Past, report: Report, say: Say
) -> None:
    """What the outbox of another machine brings later may lie in a gap as well: there the gap cannot know of it."""
    chance = seeded(say, f"streams of Bybit, {machines} machines, kills at random, run {number}")
    world = World(rig, "bybit-linear.trade", TRADE)
    poller = world.start("poller-0", OUTBOX_DIR=str(rig.folder / "outbox-0"))
    wait_until(lambda: len({each.asset_id for each in world.on_topic(TRADE)}) == len(SYMBOLS))
    world.carry_out([StreamRule(topic="publicTrade", cut=9, times=1)])
    for number in range(1, 4):
        threading.Event().wait(chance.uniform(0.2, 2.0))
        rig.kill(poller)
        threading.Event().wait(chance.uniform(0.0, 3.0))
        poller = world.start(f"poller-{number}", OUTBOX_DIR=str(rig.folder / f"outbox-{number % machines}"))
    world.carry_out([StreamRule(topic="publicTrade", rewrite="garbage", times=1)])
    before = len(world.on_topic(TRADE))
    wait_until(lambda: len(world.on_topic(TRADE)) > before + 100)
    poller.terminate()
    drain(world)

    trades = world.on_topic(TRADE)
    there = {each.trade_id for each in trades}
    lost = {name: found for name, found in within(trades, past).items() if name not in there}
    gaps = [(gap.asset_id, moment_of(gap.timestamp), moment_of(gap.until)) for gap in world.open_gaps()]
    outside = [each for each in lost.values() if not any(g[0] == each[0] and g[1] <= each[1] <= g[2] for g in gaps)]
    assert not outside, (sorted(outside), sorted(gaps), world.on_topic(GAP))
    empty = [g for g in gaps if not any(g[0] == each[0] and g[1] <= each[1] <= g[2] for each in lost.values())]
    assert machines > 1 or not empty, (empty, sorted(lost.values()), world.on_topic(GAP))
    assert world.in_lake(TRADE) >= {TRADE.id_of(each) for each in trades}
    report(Found(len(there), 0, 0, len(trades) - len(there)), None)


@pytest.mark.long
def test_bybit_s_connections_are_replaced_before_they_end(rig: Rig, past: Past, report: Report) -> None:
    """Ids are not contiguous there: that nothing is lost at the seam is seen by REST alone, and no gap may be told."""
    world = World(rig, "bybit-linear.trade", TRADE)
    patch = {"cryptoproxy.upstreams.bybit.streams.venue.BybitVenue.life_seconds": 3.0}
    poller = rig.start(test=ALONE | {"TEST_PATCH": json.dumps(patch)})
    ledger = rig.sandbox.streams.ledger
    wait_until(lambda: len({each.asset_id for each in world.on_topic(TRADE)}) == len(SYMBOLS))
    wait_until(lambda: sum(bool(each.closed_ms) for each in ledger.connections()) >= 8, what="eight connections over")
    after = len(world.on_topic(TRADE))
    wait_until(lambda: len(world.on_topic(TRADE)) > after + 100)
    poller.terminate()
    drain(world)
    trades = world.on_topic(TRADE)
    there = {each.trade_id for each in trades}
    assert within(trades, past).keys() <= there
    assert not world.on_topic(GAP)
    assert world.in_lake(TRADE) >= {TRADE.id_of(each) for each in trades}
    report(Found(len(there), 0, 0, len(trades) - len(there)), None)


@pytest.mark.long
def test_the_holder_is_killed_and_another_machine_goes_on(binance: World, report: Report) -> None:
    """By the lease: the second poller stands by, and streams when the first one is gone."""
    rig = binance.rig
    first = rig.start("first")
    wait_until(lambda: len({each.asset_id for each in binance.on_topic(TRADE)}) == len(SYMBOLS))
    second = rig.start("second", OUTBOX_DIR=str(rig.folder / "outbox-2"))
    second.wait_reason("standing by: another poller is active")
    for holder, other in ((first, "third"), (second, "fourth")):
        before = len(binance.on_topic(TRADE))
        wait_until(lambda before=before: len(binance.on_topic(TRADE)) > before + 200)  # type: ignore[misc]
        rig.kill(holder)
        killed = len(binance.on_topic(TRADE))
        began = time.monotonic()
        wait_until(lambda killed=killed: len(binance.on_topic(TRADE)) > killed + 500)  # type: ignore[misc]
        seconds = time.monotonic() - began
        if other == "third":
            rig.start(other, OUTBOX_DIR=str(holder.outbox))
    wait_until(lambda: no_hole(binance), what="no hole")
    for poller in rig.pollers:
        if poller.running:
            poller.terminate()
    drain(binance)
    wait_until(lambda: not binance.open_gaps(), what="no gap open")
    report(judged(binance), seconds)


CLOSING = '"x":true'


@pytest.mark.long
def test_closed_candles_of_which_frames_are_late_lost_or_garbage(rig: Rig, report: Report) -> None:
    world = World(rig, "binance.candle-1s@stream", CANDLE)
    poller = world.start()
    wait_until(lambda: len({each.asset_id for each in world.on_topic(CANDLE, "1s")}) == len(SYMBOLS))
    for rules in (
        [StreamRule(topic="btcusdt@kline_1s", frame=CLOSING, late=4.5, times=2)],
        [StreamRule(topic="kline_1s", frame=CLOSING, rewrite="garbage", times=2)],
        [StreamRule(topic="kline_1s", frame=CLOSING, twice=True, times=3)],
        [StreamRule(topic="kline_1s", cut=5, times=1)],
        [Rule(path="/api/v3/klines", status=500, times=1), StreamRule(topic="kline_1s", cut=0, reset=True, times=1)],
    ):
        world.carry_out(rules)
    began = time.monotonic()
    newest = max(each.timestamp for each in world.on_topic(CANDLE, "1s"))
    wait_until(lambda: {symbol for symbol, times in bars(world).items() if times[-1] > newest} == set(SYMBOLS))
    wait_until(lambda: not missing(world), what="no bar missing")
    seconds = time.monotonic() - began
    poller.terminate()
    drain(world)
    assert not missing(world)
    assert not world.open_gaps()
    found = world.on_topic(CANDLE, "1s")
    ids = {CANDLE.id_of(each) for each in found}
    assert world.in_lake(CANDLE) >= ids
    report(Found(len(ids), 0, 0, len(found) - len(ids)), seconds)


def bars(world: World) -> dict[str, list[str]]:
    """The times of each pair's bars, in order."""
    found: dict[str, set[str]] = {}
    for each in world.on_topic(CANDLE, "1s"):
        found.setdefault(each.asset_id, set()).add(each.timestamp)
    return {symbol: sorted(times) for symbol, times in found.items()}


def missing(world: World) -> list[int]:
    """Bars that the sandbox has between our first and last one, and we have not; or that say something else."""
    lacking: list[int] = []
    ours = {(each.asset_id, moment_of(each.timestamp)): each for each in world.on_topic(CANDLE, "1s")}
    for symbol, times in bars(world).items():
        begin_ms, end_ms = moment_of(times[0]), moment_of(times[-1])
        while begin_ms <= end_ms:
            rows = world.get(
                "binance",
                "/api/v3/klines",
                symbol=symbol,
                interval="1s",
                startTime=begin_ms,
                endTime=end_ms,
                limit=1000,
            )
            for row in rows:
                mine = ours.get((symbol, row[0]))
                if mine is None or (mine.close, mine.base_volume, mine.trades) != (
                    float(row[4]),
                    float(row[5]),
                    row[8],
                ):
                    lacking.append(row[0])
            if not rows:
                break
            begin_ms = rows[-1][0] + 1
    return lacking


@pytest.mark.long
@pytest.mark.parametrize("seconds", [3, 120])
def test_the_holder_is_stopped_and_goes_on(binance: World, seconds: int, report: Report) -> None:
    """SIGSTOP: what came meanwhile is read late, or the connection is gone by then."""
    poller = binance.start()
    wait_until(lambda: len({each.asset_id for each in binance.on_topic(TRADE)}) == len(SYMBOLS))
    poller.signal(signal.SIGSTOP)
    threading.Event().wait(seconds)
    poller.signal(signal.SIGCONT)
    began, before = time.monotonic(), len(binance.on_topic(TRADE))
    wait_until(lambda: len(binance.on_topic(TRADE)) > before + 100)
    wait_until(lambda: no_hole(binance), what="no hole")
    taken = time.monotonic() - began
    wait_until(lambda: not binance.open_gaps(), what="no gap open")
    stopped(binance, poller)
    report(judged(binance), taken)
