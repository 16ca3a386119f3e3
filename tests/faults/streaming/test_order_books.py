"""Order books by stream, one fault after the other: each slot has the true book, or lies in a gap for just that reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cryptoproxy.datasets import BOOK, Book, from_iso
from cryptoproxy.sandbox import Rule, StreamRule
from tests.books import require_true
from tests.conftest import wait_until
from tests.faults.conftest import Report
from tests.faults.past import COINS
from tests.faults.rig import Engines, Rig
from tests.faults.streaming.trial import Step, Trial, trial

pytestmark = pytest.mark.long

STEP_MS = 200
SYMBOLS = ("BTCUSDT", "ETHUSDT")
MORE = 10
"""Slots of each symbol behind the fault."""


def faults(btc: str, connect: str) -> dict[str, tuple[set[str], list[Step]]]:
    """What goes wrong, and why a gap may say that slots lack.

    Args:
        btc: the topic of BTC's book.
        connect: the path of a handshake.
    """
    each = "(?i)usdt"
    cut = StreamRule(topic=each, cut=9, times=1)
    return {
        "hole": ({"hole"}, [[StreamRule(topic=btc, hole=2, times=1)]]),
        "duplicates": (set(), [[StreamRule(topic=each, twice=True, times=30)]]),
        "out of order": ({"hole"}, [[StreamRule(topic=btc, behind=2, times=1)]]),
        "garbage": ({"hole"}, [[StreamRule(topic=each, rewrite="garbage", times=2)]]),
        "half a document": ({"hole"}, [[StreamRule(topic=each, rewrite="half", times=2)]]),
        "crossed frames": ({"crossed"}, [[StreamRule(topic=btc, rewrite="crossed", times=3)]]),
        "cut within a frame": ({"cut", "hole"}, [[cut]]),
        "reset": ({"cut", "hole"}, [[StreamRule(topic=each, cut=0, reset=True, times=1)]]),
        "half-open": ({"cut", "hole"}, [[StreamRule(topic=each, half_open=True, times=1)]]),
        "stall": ({"cut", "hole"}, [[StreamRule(topic=each, stall=4.0, times=1)]]),
        "a slow line, and then cut by the upstream": (
            {"cut", "hole", "silent"},
            [[StreamRule(topic=each, drip=2_000, times=1)]],
        ),
        "banned on connect": ({"cut", "hole", "silent"}, [[cut, Rule(path=connect, status=403, times=1)]]),
    }


BINANCE = {
    **faults("btcusdt@depth", "/stream"),
    "a crossed snapshot": (
        {"hole", "crossed"},
        [[StreamRule(topic="btcusdt@depth", hole=2, times=1), Rule(path="/api/v3/depth", rewrite="crossed", times=1)]],
    ),
    "REST bans while a snapshot is wanted": (
        {"hole", "silent", "beyond"},  # in the meantime prices may move beyond what is known
        [
            [
                StreamRule(topic="btcusdt@depth", hole=2, times=1),
                Rule(path="/api/v3/depth", status=418, retry_after=2, times=1),
            ]
        ],
    ),
}
BYBIT = faults("orderbook.200.BTCUSDT", "/v5/public/")


def made(source: str) -> Callable[[Rig], Trial]:
    symbols = ",".join(SYMBOLS)
    texts = {"BINANCE_STREAM_SYMBOLS": symbols, "BYBIT_STREAM_SYMBOLS": symbols, "BOOK_INTERVAL": f"{STEP_MS / 1000:g}"}
    return lambda rig: Trial(rig, f"{source}.book", BOOK, **texts)


@pytest.fixture(scope="module")
def binance(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    with trial(engines, tmp_path_factory.mktemp("books"), made("binance")) as world:
        yield world


@pytest.fixture(scope="module")
def bybit(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    with trial(engines, tmp_path_factory.mktemp("books"), made("bybit-linear")) as world:
        yield world


def said(book: Book) -> object:
    return tuple(book.bids), tuple(book.asks)


def judged(world: Trial, report: Report, whys: set[str], steps: list[Step]) -> None:
    """Every slot since the case began has its book, or lies in one gap, which says how many it holds."""
    with world.watched():
        begin = world.judged or world.newest()
        seconds, ended = world.suffer(steps), world.newest()
        until = {symbol: ended[symbol] + MORE * STEP_MS for symbol in SYMBOLS}
        wait_until(
            lambda: all(world.newest()[each] >= until[each] for each in SYMBOLS), what="new slots of each symbol"
        )
        back = seconds()
        upto = world.newest()
        ours = {
            BOOK.id_of(each): each
            for each in world.records()
            if begin[each.asset_id] < from_iso(each.timestamp) <= upto[each.asset_id]
        }
        require_true(sorted(ours.values(), key=lambda each: each.timestamp), COINS)
        wait_until(lambda: not unexplained(world, ours.values(), begin, upto), what="slots or gaps")
        assert {gap.why for gap in gaps_since(world, begin)} <= whys
        world.wait_for_lake(set(ours))
        world.judged = upto
    report(world.found(set(ours), said), back)


def gaps_since(world: Trial, begin: dict[str, int]) -> list[Any]:
    return [each for each in world.open_gaps() if from_iso(each.timestamp) >= begin[each.asset_id]]


def unexplained(world: Trial, books: Any, begin: dict[str, int], upto: dict[str, int]) -> set[tuple[str, int]]:
    """Slots that are neither told nor in a gap, or are both."""
    wanted = {(each, slot) for each in SYMBOLS for slot in range(begin[each] + STEP_MS, upto[each] + STEP_MS, STEP_MS)}
    told = {(each.asset_id, from_iso(each.timestamp)) for each in books}
    lacking: set[tuple[str, int]] = set()
    for gap in gaps_since(world, begin):
        slots = range(from_iso(gap.timestamp) + STEP_MS, from_iso(gap.until), STEP_MS)
        assert gap.records == len(slots)
        lacking |= {(gap.asset_id, slot) for slot in slots if slot <= upto[gap.asset_id]}
    return (wanted - told - lacking) | (told & lacking)


@pytest.mark.parametrize("fault", BINANCE)
def test_books_of_binance(fault: str, binance: Trial, report: Report) -> None:
    judged(binance, report, *BINANCE[fault])


@pytest.mark.parametrize("fault", BYBIT)
def test_books_of_bybit(fault: str, bybit: Trial, report: Report) -> None:
    judged(bybit, report, *BYBIT[fault])


@pytest.mark.parametrize("source", ["binance", "bybit-linear"])
def test_books_while_the_clock_is_1_3_s_behind_the_exchange(
    source: str, engines: Engines, tmp_path: Path, report: Report
) -> None:
    with trial(engines, tmp_path, made(source), behind=1.3) as world:
        judged(world, report, set(), [[StreamRule(topic="(?i)usdt", times=200)]])
