"""Local books against a naive market that remembers every book it ever had: whatever is lost, doubled or late, a book that
is proven is the market's at that change, as far as it says that it is known."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cryptoproxy.datasets import BOOK, Book, from_iso
from cryptoproxy.datasets.contracts.book import BANDS, LEVELS
from cryptoproxy.upstreams.base import Response
from cryptoproxy.upstreams.binance.streams.books import BinanceBook
from cryptoproxy.upstreams.bybit.streams.books import BybitBook
from cryptoproxy.upstreams.streaming import books
from cryptoproxy.upstreams.streaming.book_stream import BookStream
from cryptoproxy.upstreams.streaming.books import BookChange, BookOwner, LocalBook
from cryptoproxy.upstreams.streaming.ladder import Side
from cryptoproxy.upstreams.streaming.stream import Left
from tests.unit.upstreams.test_book_stream import binance, bybit

Sizes = dict[int, int]
NOW_MS = 1_795_168_800_000
ASSET = BookOwner("binance", "X", "USDT")


class Market:
    """Two sides that never cross, and what they were after each change."""

    def __init__(self, depth: int) -> None:
        self.bids: Sizes = {1000 - n: n % 3 + 1 for n in range(depth)}
        self.asks: Sizes = {1001 + n: n % 4 + 1 for n in range(depth)}
        self.number = 1
        self.was: dict[int, tuple[Sizes, Sizes]] = {}
        self._remember()

    def _remember(self) -> None:
        self.was[self.number] = (dict(self.bids), dict(self.asks))

    def change(self, bid: bool, offset: int, size: int) -> None:
        """At ``offset`` from the other side's best price, so that nothing crosses."""
        mine, best = (self.bids, min(self.asks, default=1001)) if bid else (self.asks, max(self.bids, default=1000))
        price = best - offset if bid else best + offset
        if size:
            mine[price] = size
        else:
            mine.pop(price, None)
        self.number += 1
        self._remember()


def shown(side: Sizes, *, bid: bool, most: int) -> Sizes:
    return {price: side[price] for price in sorted(side, reverse=bid)[:most]}


def difference(before: Mapping[int, int], after: Mapping[int, int]) -> list[tuple[float, float]]:
    return [
        (float(price), float(after.get(price, 0)))
        for price in {*before, *after}
        if before.get(price, 0) != after.get(price, 0)
    ]


def require_true(book: LocalBook, bids: Sizes, asks: Sizes) -> None:
    """As far as the book says that it is known, it is that."""
    assert book.ladder is not None
    for side, real, sign in ((book.ladder.bids, bids, -1), (book.ladder.asks, asks, 1)):
        end = side.known_to
        known = {price: size for price, size in real.items() if end is None or sign * price <= sign * end}
        assert dict(side.first(10_000)) == known
    record = books.record(book, ASSET, slot_ms=NOW_MS, fetched_at_ms=NOW_MS, interval_ms=1000)
    assert (record is None) == (not book.ladder.bids or not book.ladder.asks)
    if record is None:
        return
    assert BOOK.codec.decode(BOOK.codec.encode(record)) == record
    assert record.bids == [(price, bids[price]) for price in sorted(bids, reverse=True)][: len(record.bids)]
    assert record.asks == [(price, asks[price]) for price in sorted(asks)][: len(record.asks)]
    mid = Fraction(max(bids) + min(asks), 2)
    assert (record.mid, record.spread) == (mid, min(asks) - max(bids))
    for band in BANDS:
        for side, real, sign, found in (
            (book.ladder.bids, bids, -1, getattr(record, f"bid_depth_{band}bps")),
            (book.ladder.asks, asks, 1, getattr(record, f"ask_depth_{band}bps")),
        ):
            edge = mid * (10_000 + sign * band) / 10_000
            depth = sum(price * size for price, size in real.items() if sign * price <= sign * edge)
            reaches = side.known_to is None or sign * edge <= sign * side.known_to
            assert found == (depth if reaches else None), "the whole depth or none, never a smaller one"


CHANGE = st.tuples(st.booleans(), st.integers(1, 30), st.integers(0, 3))
CHANGES = st.lists(CHANGE, min_size=1, max_size=4)


# --- Binance


STEP = st.one_of(
    st.tuples(st.just("frame"), CHANGES),
    st.tuples(st.just("frame"), CHANGES),
    st.tuples(st.just("lost"), CHANGES),
    st.tuples(st.just("again"), st.integers(0, 5)),
    st.tuples(st.just("ask"), st.none()),
    st.tuples(st.just("answer"), st.none()),
    st.tuples(st.just("answer"), st.none()),
    st.tuples(st.just("lose"), st.sampled_from(["cut", "silent", "hole"])),
)


class Spot:
    """Binance with its frames and snapshots."""

    def __init__(self, depth: int, levels: int) -> None:
        self.market, self.levels = Market(depth), levels
        self.frames: list[BookChange] = []
        self.answers: list[bytes] = []

    def frame(self, changes: Sequence[tuple[bool, int, int]]) -> BookChange:
        bids, asks, first = dict(self.market.bids), dict(self.market.asks), self.market.number + 1
        for each in changes:
            self.market.change(*each)
        told = [
            [(float(p), float(now.get(p, 0))) for p in {*was, *now}]
            for was, now in ((bids, self.market.bids), (asks, self.market.asks))
        ]
        self.frames.append(BookChange("X", *told, first, self.market.number, NOW_MS))
        return self.frames[-1]

    def snapshot(self) -> bytes:
        bids, asks = (
            [[str(price), str(size)] for price, size in shown(side, bid=bid, most=self.levels).items()]
            for side, bid in ((self.market.bids, True), (self.market.asks, False))
        )
        return msgspec.json.encode({"lastUpdateId": self.market.number, "bids": bids, "asks": asks})


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([3, 60, 130]), st.lists(STEP, max_size=40))
@example(130, [("frame", [(True, 1, 1)]), ("ask", None), ("frame", [(False, 9, 0)]), ("answer", None)])
def test_a_proven_book_of_binance_is_the_markets(depth: int, steps: list[tuple[str, object]]) -> None:
    spot, book = Spot(depth, 100), BinanceBook()
    for kind, what in steps:
        if kind == "frame":
            book.take(spot.frame(what))  # type: ignore[arg-type]
        elif kind == "lost":
            spot.frame(what)  # type: ignore[arg-type]
        elif kind == "again" and spot.frames:
            book.take(spot.frames[-1 - what % len(spot.frames)])  # type: ignore[operator]
        elif kind == "ask":
            spot.answers.append(spot.snapshot())
        elif kind == "answer" and spot.answers:
            book.load(spot.answers.pop(0), spot.levels)
        elif kind == "lose":
            book.lose(str(what))
        if book.proven:
            require_true(book, *spot.market.was[book.update_id])
    # From here on nothing is lost: it is proven again, with the newest change.
    book.take(spot.frame([(True, 2, 2)]))
    if book.wants_snapshot:
        book.load(spot.snapshot(), spot.levels)
    assert book.proven
    assert book.update_id == spot.market.number
    require_true(book, spot.market.bids, spot.market.asks)


# --- Bybit


BYBIT_STEP = st.one_of(
    st.tuples(st.just("frame"), CHANGES),
    st.tuples(st.just("frame"), CHANGES),
    st.tuples(st.just("frame"), CHANGES),
    st.tuples(st.just("lost"), CHANGES),
    st.tuples(st.just("again"), st.integers(0, 5)),
    st.tuples(st.just("restart"), st.none()),
    st.tuples(st.just("subscribe"), st.none()),
    st.tuples(st.just("lose"), st.sampled_from(["cut", "silent", "hole"])),
)


class Linear:
    """Bybit, which shows so many levels."""

    def __init__(self, depth: int, most: int) -> None:
        self.market, self.most, self.u, self.sequence = Market(depth), most, 100, 100
        self.deltas: list[BookChange] = []
        self.was: dict[int, tuple[Sizes, Sizes]] = {}

    def _shown(self) -> tuple[Sizes, Sizes]:
        return (
            shown(self.market.bids, bid=True, most=self.most),
            shown(self.market.asks, bid=False, most=self.most),
        )

    def _numbered(self, bids: object, asks: object, *, whole: bool) -> BookChange:
        self.was[self.u] = (dict(self.market.bids), dict(self.market.asks))
        return BookChange("X", bids, asks, self.u, self.u, NOW_MS, self.sequence, whole, self.most)  # type: ignore[arg-type]

    def delta(self, changes: Sequence[tuple[bool, int, int]]) -> BookChange:
        before = self._shown()
        for each in changes:
            self.market.change(*each)
        self.u, self.sequence = self.u + 1, self.sequence + len(changes)
        told = (difference(was, now) for was, now in zip(before, self._shown(), strict=True))
        self.deltas.append(self._numbered(*told, whole=False))
        return self.deltas[-1]

    def snapshot(self, *, fresh: bool = False) -> BookChange:
        if fresh:
            self.u, self.sequence = 1, self.sequence + 7
        return self._numbered(*([*map(_floats, side.items())] for side in self._shown()), whole=True)


def _floats(level: tuple[int, int]) -> tuple[float, float]:
    return float(level[0]), float(level[1])


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([2, 5, 40]), st.sampled_from([1, 5, 30]), st.lists(BYBIT_STEP, max_size=40))
def test_a_proven_book_of_bybit_is_the_markets(depth: int, most: int, steps: list[tuple[str, object]]) -> None:
    linear, book = Linear(depth, most), BybitBook()
    for kind, what in steps:
        if kind == "frame":
            book.take(linear.delta(what))  # type: ignore[arg-type]
        elif kind == "lost":
            linear.delta(what)  # type: ignore[arg-type]
        elif kind == "again" and linear.deltas:
            book.take(linear.deltas[-1 - what % len(linear.deltas)])  # type: ignore[operator]
        elif kind in ("restart", "subscribe"):
            book.take(linear.snapshot(fresh=kind == "restart"))
        elif kind == "lose":
            book.lose(str(what))
        if book.proven:
            require_true(book, *linear.was[book.update_id])
    book.take(linear.delta([(True, 2, 2)]))
    if not book.proven:
        book.take(linear.snapshot())
    assert book.proven
    assert book.update_id == linear.u
    require_true(book, linear.market.bids, linear.market.asks)


# --- slots


WHAT = ["deliver", "deliver", "first", "first", "lose", "ask", "ask", "answer", "answer", "cut", "begin"]
TIMED = st.tuples(
    st.sampled_from([130, 130, 130, 400, 400, 1050, 12_100]),
    st.one_of(st.tuples(st.just("change"), CHANGES), st.tuples(st.sampled_from(WHAT), st.none())),
)
"""After so many ms. Lists without a least size would be mostly of five."""


class Wire:
    """A stream of one symbol, its market, and what is on the way between them."""

    def __init__(self, stream: BookStream[Any], topic: str) -> None:
        self.stream, self.topic = stream, topic
        self.now_ms = NOW_MS + 37  # never a slot
        self.was: list[tuple[int, Sizes, Sizes]] = []
        self.frames: deque[bytes] = deque()
        self.answers: deque[tuple[Any, bytes]] = deque()
        stream.begin(Left(), now_ms=self.now_ms)

    def remember(self, market: Market) -> None:
        self.was.append((self.now_ms, dict(market.bids), dict(market.asks)))

    def step(self, what: str) -> None:
        if what == "deliver":
            self.stream.take({self.topic: list(self.frames)}, now_ms=self.now_ms)
            self.frames.clear()
        elif what == "first" and self.frames:
            self.stream.take({self.topic: [self.frames.popleft()]}, now_ms=self.now_ms)
        elif what == "lose" and self.frames:
            self.frames.popleft()
        elif what == "answer" and self.answers:
            ask, body = self.answers.popleft()
            self.stream.answered(ask, Response(200, {}, body), now_ms=self.now_ms)
        elif what == "cut":
            self.frames.clear()
            self.stream.cut([self.topic], now_ms=self.now_ms)

    def require_true(self) -> int:
        """Of what was told, each is the market at its slot; how many there are."""
        records = self.stream.collect(now_ms=self.now_ms).records
        for record in records:
            assert isinstance(record, Book)
            slot_ms = from_iso(record.timestamp)
            _, bids, asks = [each for each in self.was if each[0] <= slot_ms][-1]
            assert [price for price, _ in record.bids] == sorted(bids, reverse=True)[: len(record.bids)]
            assert [tuple(level) for level in record.bids] == [(price, bids[price]) for price, _ in record.bids]
            assert [tuple(level) for level in record.asks] == [(price, asks[price]) for price in sorted(asks)][
                : len(record.asks)
            ]
        return len(records)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([5, 60, 130]), st.lists(TIMED, min_size=25, max_size=60))
def test_each_slot_of_binance_that_is_told_is_the_market_at_that_moment(
    depth: int, steps: list[tuple[int, tuple[str, Any]]]
) -> None:
    wire, spot = Wire(binance("btcusdt"), "btcusdt@depth@100ms"), Spot(depth, 100)
    wire.remember(spot.market)

    def step(after_ms: int, what: str, changes: Any) -> int:
        wire.now_ms += after_ms
        if what == "change":
            made = spot.frame(changes)
            wire.remember(spot.market)
            frame = {"s": "BTCUSDT", "U": made.first, "u": made.last, "b": made.bids, "a": made.asks, "E": wire.now_ms}
            wire.frames.append(msgspec.json.encode(frame))
        elif what == "ask":
            wire.answers.extend((ask, spot.snapshot()) for ask in wire.stream.asks(now_ms=wire.now_ms))
        wire.step(what)
        return wire.require_true()

    for after_ms, (what, changes) in steps:
        step(after_ms, what, changes)
    # From here on all goes well.
    wire.frames.clear()
    wire.answers.clear()
    told = 0
    for _ in range(80):
        for what, changes in (
            ("change", [(True, 2, 2), (False, 2, 2)]),
            ("deliver", None),
            ("ask", None),
            ("answer", None),
        ):
            told += step(310, what, changes)
    assert told


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([5, 60]), st.lists(TIMED, min_size=25, max_size=60))
def test_each_slot_of_bybit_that_is_told_is_the_market_at_that_moment(
    depth: int, steps: list[tuple[int, tuple[str, Any]]]
) -> None:
    topic = "orderbook.50.BTCUSDT"
    wire, linear = Wire(bybit(), topic), Linear(depth, 50)
    wire.remember(linear.market)

    def put(change: BookChange, changed_ms: int) -> None:
        data = {"s": "BTCUSDT", "b": change.bids, "a": change.asks, "u": change.last, "seq": change.sequence}
        kind = "snapshot" if change.whole else "delta"
        frame = {"topic": topic, "type": kind, "ts": wire.now_ms, "cts": changed_ms, "data": data}
        wire.frames.append(msgspec.json.encode(frame))

    def step(after_ms: int, what: str, changes: Any) -> int:
        wire.now_ms += after_ms
        if what == "change":
            made = linear.delta(changes)
            wire.remember(linear.market)
            put(made, wire.now_ms)
        elif what == "begin":
            linear.market.change(True, 2, len(wire.was) % 4)
            wire.remember(linear.market)
            put(linear.snapshot(fresh=True), wire.now_ms)
        elif what == "lose" and wire.frames and b'"u":1,' in wire.frames[0]:
            what = "deliver"  # lost behind another such one, it is told by no number
        wire.step(what)
        if what == "cut" or wire.stream.renew(now_ms=wire.now_ms):
            put(linear.snapshot(), wire.was[-1][0])
        return wire.require_true()

    put(linear.snapshot(), wire.now_ms)
    for after_ms, (what, changes) in steps:
        step(after_ms, what, changes)
    told = 0
    for _ in range(80):
        for what, changes in (("change", [(True, 2, 2), (False, 2, 2)]), ("deliver", None)):
            told += step(310, what, changes)
    assert told


# --- one side by itself


@given(
    st.booleans(),
    st.integers(1, 8),
    st.booleans(),
    st.dictionaries(st.integers(1, 20), st.integers(1, 5), max_size=12),
    st.lists(st.tuples(st.integers(1, 20), st.integers(0, 5)), max_size=30),
)
def test_a_side_is_sorted_with_each_price_once(
    bid: bool, most: int, moves: bool, levels: Sizes, changes: list[tuple[int, int]]
) -> None:
    side = Side(-1 if bid else 1, shown(levels, bid=bid, most=most).items(), most=most, moves=moves)
    side.change(changes)
    prices = [price for price, _ in side.first(100)]
    assert prices == sorted(set(prices), reverse=bid)
    assert len(prices) == len(side) <= (most if moves else 20)
    assert side.best == (prices[0] if prices else None)
    assert side.first(LEVELS) == side.first(100)[:LEVELS]
