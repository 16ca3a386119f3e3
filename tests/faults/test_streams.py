"""Trades by stream: each one of the exchange is on the topic and in the lake, once by its id, whatever was cut or killed
while they flowed; what is not to be had lies in a gap that is written down."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from cryptoproxy.datasets import GAP, TRADE, Gap
from cryptoproxy.lake.objects import lines_of
from cryptoproxy.lake.store import Store
from tests.conftest import wait_until
from tests.exchange import Exchange
from tests.faults import evidence
from tests.faults.conftest import Report, Say, seeded
from tests.faults.process import PollerProcess
from tests.faults.rig import Rig

ALONE = {"TEST_ALONE": "1"}
SYMBOLS = ("BTCUSDT", "ETHUSDT", "BNBUSDT")


class Flow:
    """Trades of all symbols, some hundred a second, until it is stopped.

    Args:
        most: trades of a turn, of which there are 50 a second.
    """

    def __init__(self, exchange: Exchange, *, seed: int = 1, most: int = 12) -> None:
        self._exchange = exchange
        self._random = random.Random(seed)
        self._most = most
        self._stop = threading.Event()
        self.hidden = False
        """Whether no frame tells of what is traded now."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.02):
            symbol = self._random.choice(SYMBOLS)
            self._exchange.trade(symbol, self._random.randint(1, self._most), silently=self.hidden)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        for symbol in SYMBOLS:  # what frames passed over at the very end shows with the next one
            self._exchange.trade(symbol)


@dataclass
class Found:
    """What the judge's table takes."""

    records: int
    lost: int
    doubled: int
    again: int


class World:
    """A rig whose pollers stream from an exchange in the test's hands."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.exchange = Exchange()
        self.flow: Flow | None = None
        self._topic: evidence.Topic | None = None
        http = self.exchange.url.replace("ws://", "http://")
        rig.texts |= {
            "SOURCES": "binance.trade",
            "BINANCE_WS_URL": self.exchange.url,
            "BINANCE_BASE_URL": http,
            "BINANCE_STREAM_SYMBOLS": ",".join(SYMBOLS),
            "STREAM_BATCH_SECONDS": "0.2",
            "KAFKA_TOPICS": f"trade={rig.name}.trades,gap={rig.name}.gaps",
        }
        rig.set_up()
        rig.make_topics(TRADE, GAP)

    def wait_streaming(self, poller: PollerProcess) -> None:
        poller.wait_ready()
        wait_until(lambda: self.exchange.connections == 1, what="one connection")

    def begin(self, seed: int = 1, *, most: int = 12) -> None:
        """The flow, after a first trade of each symbol: what is behind that must not be lost."""
        for symbol in SYMBOLS:
            self.exchange.trade(symbol)
        self.flow = Flow(self.exchange, seed=seed, most=most)

    def on_topic(self) -> list[str]:
        if self._topic is None:
            settings = self.rig.settings
            decode: Callable[[bytes], str] = lambda value: TRADE.id_of(TRADE.codec.decode(value))  # noqa: E731
            self._topic = evidence.Topic(settings, settings.kafka.topic_of(TRADE), decode)
        return self._topic.read()

    def in_lake(self) -> set[str]:
        store = Store(self.rig.settings.s3)
        keys = store.keys(f"{store.settings.prefix}/v1/trade/raw/")
        return {TRADE.id_of(TRADE.codec.decode(line)) for key in keys for line in lines_of(key, store.get(key))}

    def gaps(self) -> list[Gap]:
        return evidence.gaps_told(self.rig.settings)

    def truth(self) -> set[str]:
        return {
            f"binance:{symbol}:USDT:{row['a']}-{row['f']}"
            for symbol, rows in self.exchange.trades.items()
            for row in rows
        }

    def close(self) -> None:
        for poller in self.rig.pollers:
            poller.close()  # one that is frozen would never let the exchange end its connection
        self.exchange.close()
        if self._topic is not None:
            self._topic.close()

    def judge(self) -> Found:
        """All that was traded is there, and no gap is left open."""
        if self.flow is not None:
            self.flow.stop()
        truth = self.truth()
        wait_until(lambda: truth <= set(self.on_topic()), what="all trades on the topic")
        wait_until(lambda: not self.rig.left(), what="empty outboxes")
        topic, lake = self.on_topic(), self.in_lake()
        assert set(topic) == truth
        assert lake == truth
        states = Counter((gap.asset_id, gap.timestamp, gap.state) for gap in self.gaps())
        opened = {key[:2] for key in states if key[2] == "open"}
        assert opened == {key[:2] for key in states if key[2] == "mended"}
        return Found(len(truth), len(truth - set(topic)), 0, len(topic) - len(set(topic)))


@pytest.fixture
def world(rig: Rig) -> Iterator[World]:
    made = World(rig)
    yield made
    made.close()


def test_cut_connections_holes_and_trades_told_twice(
    world: World, request: pytest.FixtureRequest, report: Report
) -> None:
    poller = world.rig.start(test=ALONE)
    world.wait_streaming(poller)
    world.begin()
    assert world.flow
    for _ in range(3):
        before = len(world.exchange.subscribed)
        world.exchange.cut()
        wait_until(lambda before=before: len(world.exchange.subscribed) > before)  # type: ignore[misc]
        world.flow.hidden = True
        traded = len(world.truth())
        wait_until(lambda traded=traded: len(world.truth()) > traded + 50)  # type: ignore[misc]
        world.flow.hidden = False
        for row in world.exchange.trades["BTCUSDT"][-20:]:
            world.exchange.send("BTCUSDT", row)
    began = time.monotonic()
    report(world.judge(), time.monotonic() - began)


@pytest.mark.long
def test_kafka_frozen_while_trades_flow(world: World, report: Report) -> None:
    poller = world.rig.start(test=ALONE)
    world.wait_streaming(poller)
    world.begin()
    wait_until(world.on_topic)
    world.rig.engines.kafka.suspend()
    try:
        traded = len(world.truth())
        wait_until(lambda: len(world.truth()) > traded + 1_000)
    finally:
        world.rig.engines.kafka.resume()
    began = time.monotonic()
    report(world.judge(), time.monotonic() - began)


@pytest.mark.long
def test_a_clock_that_is_1_3_s_behind_the_exchange(world: World, report: Report) -> None:
    world.exchange.ahead_ms = 1_300
    poller = world.rig.start(test=ALONE)
    world.wait_streaming(poller)
    world.begin()
    wait_until(lambda: len(world.truth()) > 200)
    found = world.judge()
    settings = world.rig.settings
    early = [
        record
        for each in evidence.on_topic(settings, settings.kafka.topic_of(TRADE))
        if (record := TRADE.codec.decode(each.value)).fetched_at < record.timestamp
    ]
    assert not early
    report(found, None)


def kills(world: World, chance: random.Random, count: int) -> None:
    """SIGKILL at random moments; the next process begins with the outbox of the last one, or with none."""
    poller = world.rig.start("poller-0", test=ALONE)
    world.wait_streaming(poller)
    world.begin(chance.randrange(10_000))
    for number in range(1, count + 1):
        pause = chance.uniform(0.05, 1.5)
        threading.Event().wait(pause)
        world.rig.kill(poller)
        outbox = str(world.rig.folder / f"outbox-{number}") if chance.random() < 0.5 else str(poller.outbox)
        poller = world.rig.start(f"poller-{number}", test=ALONE, OUTBOX_DIR=outbox)
        world.wait_streaming(poller)
    for outbox in {each.outbox for each in world.rig.pollers} - {poller.outbox}:
        # Each machine comes back in the end, and delivers what it had.
        world.rig.start(f"late-{outbox.name}", test=ALONE, OUTBOX_DIR=str(outbox), BINANCE_WS_URL="ws://127.0.0.1:9")


@pytest.mark.long
def test_the_holder_is_killed_20_times_at_random(world: World, report: Report, say: Say) -> None:
    kills(world, seeded(say, "streams, 20 kills at random"), 20)
    began = time.monotonic()
    report(world.judge(), time.monotonic() - began)
