"""What Bybit's topics tell: trades, bars, tickers, books, of the same market as its REST."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from cryptoproxy.sandbox.bybit import kline
from cryptoproxy.sandbox.bybit.instruments import Instrument
from cryptoproxy.sandbox.bybit.kline import units
from cryptoproxy.sandbox.bybit.trades import SEQUENCE, book_ids, exec_id, level, size_text
from cryptoproxy.sandbox.streams.feed import Feed
from cryptoproxy.sandbox.streams.frame import Frame
from cryptoproxy.sandbox.upstream import dump
from cryptoproxy.sandbox.world.book import Book, Level, Sides, change_id
from cryptoproxy.sandbox.world.intervals import BYBIT
from cryptoproxy.sandbox.world.noise import mix
from cryptoproxy.sandbox.world.tape import Tape
from cryptoproxy.sandbox.world.trades import Aggregate, between

BATCH_MS = 10
"""Trades of so long come in one frame, at most so many:"""
MOST_TRADES = 1024
PUSH_S = 1
LATE_MS = 1500
"""So late a closed bar is told at most."""
LEVELS = (1, 50, 200, 1000)
REPEAT_TENTHS = 30
"""After so long without a change the best prices are told again, under the same number."""
CONTRACT = (
    "symbol", "tickDirection", "price24hPcnt", "lastPrice", "prevPrice24h", "highPrice24h", "lowPrice24h",
    "prevPrice1h", "markPrice", "indexPrice", "openInterest", "openInterestValue", "turnover24h", "volume24h",
    "nextFundingTime", "fundingRate", "bid1Price", "bid1Size", "ask1Price", "ask1Size",
)  # fmt: skip
SPOT = (
    "symbol", "lastPrice", "highPrice24h", "lowPrice24h", "prevPrice24h", "volume24h", "turnover24h", "price24hPcnt",
    "usdIndexPrice",
)  # fmt: skip
"""Spot tickers have no best prices."""


@dataclass(frozen=True, slots=True)
class Traded:
    """One instrument and what its topics are made of; ``ticker`` gives the row of REST at a moment."""

    instrument: Instrument
    tape: Tape
    book: Book
    ticker: Callable[[int], dict[str, str]]

    @property
    def symbol(self) -> str:
        return self.instrument.symbol

    @property
    def spot(self) -> bool:
        return self.instrument.category == "spot"


def make_feed(kind: str, traded: Traded) -> Feed | None:
    """The topic ``kind.<symbol>``; None where there is none of that kind."""
    name, _, rest = kind.partition(".")
    if name == "kline" and rest in BYBIT:
        return Feed(lambda second: klines(traded, rest, second))
    if kind == "publicTrade":
        return Feed(lambda second: trades(traded, second))
    if kind == "tickers":
        return Feed(lambda second: tickers(traded, second), lambda now_ms: [_ticker(traded, now_ms)])
    if name == "orderbook" and rest.isdigit() and int(rest) in LEVELS:
        count = int(rest)
        make = bests if count == 1 else deltas
        return Feed(lambda second: make(traded, second, count), lambda now_ms: [snapshot(traded, now_ms // 100, count)])
    return None


def trades(traded: Traded, second: int) -> list[Frame]:
    """In frames of a hundredth of a second."""
    tape, symbol = traded.tape, traded.symbol
    before, way = tape.price_ticks(second), "ZeroPlusTick"
    rows: list[tuple[int, int, dict[str, object]]] = []
    for trade in between(tape, second * 1000, second * 1000 + 1000):
        for number, size in trade.split():
            way = _direction(trade.price - before, way)
            before = trade.price
            rows.append((trade.ms, number, _trade(traded, trade, number, size, way)))
    found = []
    for _, group in groupby(rows, lambda row: row[0] // BATCH_MS):
        batch = list(group)
        for at in range(0, len(batch), MOST_TRADES):
            part = batch[at : at + MOST_TRADES]
            ts = part[-1][0]
            data = {"topic": f"publicTrade.{symbol}", "type": "snapshot", "ts": ts, "data": [row for *_, row in part]}
            found.append(Frame(ts, dump(data), part[0][1], part[-1][1]))
    return found


def klines(traded: Traded, interval: str, second: int) -> list[Frame]:
    """The bar that has closed, a moment late, and the open one, each second in which anything was traded."""
    grid, tape = BYBIT[interval], traded.tape
    found = []
    current = grid.floor(second)
    if second - current <= LATE_MS // 1000:
        opened = grid.floor(current - 1)
        word = mix(tape.key + 3, opened)
        at_ms = current * 1000 + 5 + (word >> 8) % ((LATE_MS if word % 10 == 0 else 300) - 5)
        if at_ms // 1000 == second:
            data = _bar(traded, interval, opened, current, at_ms)
            found += [Frame(at_ms, each, opened // (grid.seconds or 1), opened // (grid.seconds or 1)) for each in data]
    opened = grid.floor(second - 1)
    if second - opened > LATE_MS // 1000 + 1 and _moved(tape, second):
        at_ms = second * 1000 + mix(tape.key, second) % 40
        found += [Frame(at_ms, each) for each in _bar(traded, interval, opened, second, at_ms)]
    return sorted(found)


def tickers(traded: Traded, second: int) -> list[Frame]:
    """Spot whole, contracts by what has changed."""
    at_ms = traded.instrument.pair.beat.last(second * 1000 + 999)
    if at_ms // 1000 != second:
        return []
    if traded.spot:
        return [_ticker(traded, at_ms)]
    now, before = (_fields(traded, ms) for ms in (at_ms, at_ms - traded.instrument.pair.beat.period_ms))
    changed = {name: value for name, value in now.items() if name == "symbol" or before[name] != value}
    return [_ticker_frame(traded, at_ms, "delta", changed)]


def snapshot(traded: Traded, tenth: int, count: int) -> Frame:
    return _book(traded, tenth, count, "snapshot", sides=traded.book.top(tenth, count))


def bests(traded: Traded, second: int, count: int) -> list[Frame]:
    """Level 1: always whole, again after three seconds without a change."""
    found: list[Frame] = []
    for tenth in _tenths(traded, second):
        sides = traded.book.top(tenth, count)
        if sides != traded.book.top(tenth - 1, count):
            found.append(_book(traded, tenth, count, "snapshot", sides=sides))
        elif tenth % REPEAT_TENTHS == 0 and all(
            sides == traded.book.top(tenth - n, count) for n in range(2, REPEAT_TENTHS)
        ):
            found.append(_book(traded, tenth, count, "snapshot", sides=sides, since=_unchanged(traded, tenth, sides)))
    return found


def deltas(traded: Traded, second: int, count: int) -> list[Frame]:
    """Of the best so many levels what was added, changed or is gone."""
    tenths = _tenths(traded, second)
    found, known = [], traded.book.top(second * 10 - 1, count) if tenths else ([], [])
    for tenth in tenths:
        sides = traded.book.top(tenth, count)
        changed = tuple(_difference(old, new) for old, new in zip(known, sides, strict=True))
        found.append(_book(traded, tenth, count, "delta", sides=(changed[0], changed[1])))
        known = sides
    return found


def _direction(moved: int, before: str) -> str:
    if moved:
        return "PlusTick" if moved > 0 else "MinusTick"
    return before if before.startswith("Zero") else f"Zero{before}"


def _trade(traded: Traded, trade: Aggregate, number: int, size: int, way: str) -> dict[str, object]:
    row: dict[str, object] = {
        "T": trade.ms,
        "s": traded.symbol,
        "S": "Sell" if trade.buyer_is_maker else "Buy",
        "v": size_text(traded.instrument, traded.tape, trade.price, size),
        "p": units(trade.price, traded.tape.sizes.price_decimals),
    }
    if not traded.spot:
        row["L"] = way
    row |= {"i": exec_id(traded.instrument, traded.tape, number), "BT": False, "RPI": False}
    return row | {"seq": SEQUENCE + trade.number}


def _bar(traded: Traded, interval: str, opened: int, now: int, at_ms: int) -> list[bytes]:
    """The bar that opened then as far as it is ``now``; none where there is no trade at all."""
    grid, tape = BYBIT[interval], traded.tape
    rows = tape.candles(grid, opened, opened, now).rows()
    found = []
    for start, opening, high, low, close, volume, turnover in kline.texts(
        rows, tape, inverse=traded.instrument.category == "inverse"
    ):
        end = grid.end(int(start) // 1000)
        bar = {"start": int(start), "end": end * 1000 - 1, "interval": interval, "open": opening, "close": close}
        bar |= {"high": high, "low": low, "volume": volume, "turnover": turnover}
        bar |= {"confirm": end <= now, "timestamp": at_ms}
        topic = f"kline.{interval}.{traded.symbol}"
        shape: dict[str, object] = {"topic": topic, "data": [bar], "ts": at_ms}
        found.append(dump({"type": "snapshot"} | shape if traded.spot else shape | {"type": "snapshot"}))
    return found


def _moved(tape: Tape, second: int) -> bool:
    minute = (second - 1) // 60
    candles = tape.seconds(minute)
    return bool(candles.aggregates[(candles.start >= second - PUSH_S) & (candles.start < second)].any())


def _fields(traded: Traded, at_ms: int) -> dict[str, str]:
    """A ticker by what its topic tells of it."""
    row = traded.ticker(at_ms)
    if traded.spot:
        return {name: row[name] for name in SPOT}
    up = float(row["lastPrice"]) >= float(row["prevPrice1h"])
    row = row | {"tickDirection": "PlusTick" if up else "MinusTick"}
    return {name: row[name] for name in CONTRACT}


def _ticker(traded: Traded, now_ms: int) -> Frame:
    at_ms = traded.instrument.pair.beat.last(now_ms)
    return _ticker_frame(traded, at_ms, "snapshot", _fields(traded, at_ms))


def _ticker_frame(traded: Traded, at_ms: int, kind: str, fields: dict[str, str]) -> Frame:
    topic, sequence = f"tickers.{traded.symbol}", SEQUENCE + at_ms // 100
    shape = {"topic": topic, "type": kind, "data": fields, "cs": sequence, "ts": at_ms}
    if traded.spot:
        shape = {"topic": topic, "ts": at_ms, "type": kind, "cs": sequence, "data": fields}
    return Frame(at_ms, dump(shape))


def _book(traded: Traded, tenth: int, count: int, kind: str, *, sides: Sides, since: int | None = None) -> Frame:
    bids, asks = ([level(traded.instrument, traded.tape, each) for each in side] for side in sides)
    ids, ts = book_ids(tenth), tenth * 100
    if since is not None:
        ids["u"] = change_id(since)
    topic = f"orderbook.{count}.{traded.symbol}"
    data = {"s": traded.symbol, "b": bids, "a": asks, **ids}
    shape = {"topic": topic, "type": kind, "ts": ts, "data": data, "cts": ts - 3}
    if traded.spot:
        shape = {"topic": topic, "ts": ts, "type": kind, "data": data, "cts": ts - 3}
    return Frame(ts, dump(shape), ids["u"], ids["u"])


def _unchanged(traded: Traded, tenth: int, sides: Sides) -> int:
    """The tenth since which the best prices are these; looked for within a minute."""
    since = tenth
    while tenth - since < 600 and traded.book.top(since - 1, 1) == sides:
        since -= 1
    return since


def _difference(old: list[Level], new: list[Level]) -> list[Level]:
    was, now = dict(old), dict(new)
    gone = [(price, 0) for price in was if price not in now]
    return gone + [each for each in new if was.get(each[0]) != each[1]]


def _tenths(traded: Traded, second: int) -> Sequence[int]:
    """Those of a second; none while nobody can trade."""
    return range(second * 10, second * 10 + 10) if traded.tape.alive(second) else ()
