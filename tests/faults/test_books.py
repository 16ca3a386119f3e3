"""Order books: each record is the book of its slot, and each slot without one lies in a gap that is written down, whatever is
lost, crossed, stalled or killed meanwhile."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest

from cryptoproxy.datasets import BOOK, GAP, Book, Gap, from_iso
from cryptoproxy.sandbox import Rule, StreamRule
from tests.books import require_true
from tests.conftest import wait_until
from tests.faults import evidence
from tests.faults.conftest import Report
from tests.faults.rig import Rig

pytestmark = pytest.mark.long

SYMBOLS = ("BTCUSDT", "ETHUSDT")
COINS = 50
"""Of the rig's sandbox."""
STEP_MS = 200


@dataclass
class Found:
    """What the table takes."""

    records: int
    lost: int
    doubled: int
    again: int


class World:
    """A rig whose pollers keep the books of one source."""

    def __init__(self, rig: Rig, source: str) -> None:
        self.rig = rig
        self.source = source
        rig.texts |= {
            "SOURCES": f"{source}.book",
            "BINANCE_WS_URL": rig.sandbox.stream_url("binance"),
            "BYBIT_WS_URL": rig.sandbox.stream_url("bybit"),
            "BINANCE_STREAM_SYMBOLS": ",".join(SYMBOLS),
            "BYBIT_STREAM_SYMBOLS": ",".join(SYMBOLS),
            "STREAM_BATCH_SECONDS": "0.2",
            "BOOK_INTERVAL": f"{STEP_MS / 1000:g}",
            "KAFKA_TOPICS": f"book={rig.name}.books,gap={rig.name}.gaps",
        }
        rig.set_up()
        rig.make_topics(BOOK, GAP)

    def books(self) -> list[Book]:
        settings = self.rig.settings
        return [BOOK.codec.decode(each.value) for each in evidence.on_topic(settings, settings.kafka.topic_of(BOOK))]

    def gaps(self) -> list[Gap]:
        return evidence.gaps_told(self.rig.settings)

    def wait_for(self, count: int) -> None:
        """So many slots of each symbol are on the topic."""
        wait_until(
            lambda: all(sum(book.asset_id == symbol for book in self.books()) >= count for symbol in SYMBOLS),
            what=f"{count} slots of each symbol",
        )

    def judge(self, *expected: str) -> Found:
        """Every slot from the first to the last record has its book, or lies in one gap, for a reason of ``expected``."""
        books, gaps = self.books(), self.gaps()
        once = {BOOK.id_of(book): book for book in books}
        require_true(sorted(once.values(), key=lambda book: book.timestamp), COINS)
        assert not [gap for gap in gaps if gap.why not in expected]  # what is mended between two slots is none
        assert {(gap.kind, gap.state) for gap in gaps} <= {("book", "open")}
        for symbol in SYMBOLS:
            told = {from_iso(book.timestamp) for book in once.values() if book.asset_id == symbol}
            lacking: list[int] = []
            for gap in {GAP.id_of(gap): gap for gap in gaps if gap.asset_id == symbol}.values():
                slots = range(from_iso(gap.timestamp) + STEP_MS, from_iso(gap.until), STEP_MS)
                assert gap.records == len(slots)
                # Some may have been told since the books were read.
                lacking += [slot for slot in slots if slot < max(told)]
            assert sorted([*told, *lacking]) == list(range(min(told), max(told) + STEP_MS, STEP_MS))
        return Found(len(once), 0, 0, len(books) - len(once))


@pytest.mark.parametrize("source", ["binance", "bybit-linear"])
def test_holes_and_frames_that_come_twice(source: str, rig: Rig, report: Report) -> None:
    world = World(rig, source)
    rig.sandbox.add(
        StreamRule(topic="(?i)btcusdt", first=40, every=70, hole=2),
        StreamRule(topic="(?i)ethusdt", first=40, every=90, hole=1),
        StreamRule(topic="(?i)usdt", every=9, twice=True),
    )
    rig.start().wait_ready()
    world.wait_for(60)
    report(world.judge("hole"), None)


@pytest.mark.parametrize("source", ["binance", "bybit-linear"])
def test_crossed_frames_and_snapshots(source: str, rig: Rig, report: Report) -> None:
    world = World(rig, source)
    rig.sandbox.add(
        StreamRule(topic="(?i)usdt", first=60, last=70, rewrite="crossed"),
        Rule(path="/api/v3/depth", every=2, rewrite="crossed"),
    )
    rig.start().wait_ready()
    wait_until(world.gaps, what="a gap")
    world.wait_for(45)
    report(world.judge("crossed"), None)


def test_a_stall_of_14_s_tells_nothing_old_as_new(rig: Rig, report: Report) -> None:
    world = World(rig, "binance")
    rig.sandbox.add(StreamRule(topic="btcusdt", nth=60, stall=14.0))
    poller = rig.start()
    poller.wait_ready()
    world.wait_for(110)
    began = time.monotonic()
    # What comes after it comes all at once: prices may have moved beyond what was known, before a snapshot is there.
    report(world.judge("silent", "beyond"), time.monotonic() - began)


def test_the_holder_is_killed_and_the_time_until_the_next_one_is_a_gap(rig: Rig, report: Report) -> None:
    world = World(rig, "bybit-linear")
    poller = rig.start("poller-0")
    poller.wait_ready()
    world.wait_for(5)
    rig.kill(poller)
    rig.start("poller-1").wait_ready()
    wait_until(lambda: len(world.gaps()) >= len(SYMBOLS), what="a gap of each symbol")
    report(world.judge("handover"), None)
