"""What Binance's topics tell: trades, bars, tickers, books, of the same market as its REST."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptoproxy.sandbox.binance.book import IDS, levels, update_id
from cryptoproxy.sandbox.binance.rows import Tickers
from cryptoproxy.sandbox.binance.trades import eight
from cryptoproxy.sandbox.streams.feed import Feed
from cryptoproxy.sandbox.streams.frame import Frame
from cryptoproxy.sandbox.upstream import dump
from cryptoproxy.sandbox.world.book import Book
from cryptoproxy.sandbox.world.counts import first_trade
from cryptoproxy.sandbox.world.intervals import BINANCE, BarGrid
from cryptoproxy.sandbox.world.noise import mix
from cryptoproxy.sandbox.world.pairs import Pair
from cryptoproxy.sandbox.world.tape import Tape
from cryptoproxy.sandbox.world.trades import Aggregate, between

PUSH_S = 2
"""An open bar is told so often, if anything has changed."""
LATE_MS = 2000
"""So late a closed bar is told at most; mostly within a tenth of it."""
_PARTIAL = re.compile(r"^depth(5|10|20)(@1000?ms)?$")


@dataclass(frozen=True, slots=True)
class Traded:
    """One pair and what its topics are made of."""

    pair: Pair
    tape: Tape
    book: Book
    tickers: Tickers

    @property
    def symbol(self) -> str:
        return self.pair.symbol


def make_feed(name: str, traded: Traded) -> Feed | None:
    """The topic ``<symbol>@name``, None where there is none of that name: then it is silent."""
    kind, _, rest = name.partition("_")
    if kind == "kline" and rest in BINANCE:
        return Feed(lambda second: klines(traded, rest, second))
    if name in ("depth", "depth@1000ms"):
        return Feed(lambda second: diffs(traded, second, 10))
    if name == "depth@100ms":
        return Feed(lambda second: diffs(traded, second, 1))
    if found := _PARTIAL.match(name):
        count, every = int(found[1]), 1 if found[2] == "@100ms" else 10
        return Feed(lambda second: partial(traded, second, every, count))
    make = _PLAIN.get(name)
    return None if make is None else Feed(lambda second: make(traded, second))


def agg_trades(traded: Traded, second: int) -> list[Frame]:
    p, s = 10**traded.tape.sizes.price_decimals, 10**traded.tape.sizes.size_decimals
    line = _line(traded, "aggTrade", '"a":%d', '"f":%d,"l":%d,')
    return [
        Frame(
            ms,
            (line % (ms, n, price / p, size / s, first, first + count - 1, ms, "true" if maker else "false")).encode(),
            n,
            n,
        )
        for n, price, size, first, count, ms, maker in _trades(traded, second)
    ]


def trades(traded: Traded, second: int) -> list[Frame]:
    p, s = 10**traded.tape.sizes.price_decimals, 10**traded.tape.sizes.size_decimals
    line = _line(traded, "trade", '"t":%d', "")
    found = []
    for trade in _trades(traded, second):
        price, ms, maker = trade.price / p, trade.ms, "true" if trade.buyer_is_maker else "false"
        found += [
            Frame(ms, (line % (ms, number, price, size / s, ms, maker)).encode(), number, number)
            for number, size in trade.split()
        ]
    return found


def klines(traded: Traded, interval: str, second: int) -> list[Frame]:
    """The bar that has closed, a moment late, and the open one as it was at the beginning of this second."""
    grid, tape = BINANCE[interval], traded.tape
    found = []
    for opened in _closing(grid, second):
        at_ms = grid.end(opened) * 1000 + _late_ms(tape.key, grid, opened)
        if at_ms // 1000 == second:
            number = opened // (grid.seconds or 1)
            found += [
                Frame(at_ms, data, number, number) for data in _bars(traded, interval, opened, grid.end(opened), at_ms)
            ]
    opened = grid.floor(second - 1)
    quiet = opened + (LATE_MS // 1000 + 1 if grid.seconds != 1 else 2)
    if (second + mix(tape.key, 0)) % PUSH_S == 0 and second >= quiet and _moved(tape, second):
        at_ms = second * 1000 + mix(tape.key, second) % 40
        found += [Frame(at_ms, data) for data in _bars(traded, interval, opened, second, at_ms)]
    return sorted(found)


def tickers(traded: Traded, second: int) -> list[Frame]:
    return _each_beat(traded, second, ticker)


def mini_tickers(traded: Traded, second: int) -> list[Frame]:
    return _each_beat(traded, second, mini_ticker)


def all_mini_tickers(all_traded: Sequence[Traded], second: int) -> list[Frame]:
    """The tickers that have changed in the second before."""
    found = [frame.data for traded in all_traded for frame in mini_tickers(traded, second - 1)]
    return [Frame(second * 1000, b"[" + b",".join(found) + b"]")] if found else []


def ticker(row: dict[str, object], at_ms: int) -> bytes:
    """The row of ``/api/v3/ticker/24hr`` by its short names."""
    return dump({"e": "24hrTicker", "E": at_ms, "s": row["symbol"]} | {k: row[name] for k, name in _TICKER.items()})


def mini_ticker(row: dict[str, object], at_ms: int) -> bytes:
    return dump({"e": "24hrMiniTicker", "E": at_ms, "s": row["symbol"]} | {k: row[name] for k, name in _MINI.items()})


def diffs(traded: Traded, second: int, every: int) -> list[Frame]:
    """What has changed in the book, each tenth of a second or each second."""
    found = []
    for tenth in _tenths(traded, second, every):
        bids, asks = traded.book.changes(tenth - every, tenth)
        first, last, at_ms = update_id(tenth - every) + 1, update_id(tenth), tenth * 100
        head = {"e": "depthUpdate", "E": at_ms, "s": traded.symbol, "U": first, "u": last}
        data = dump(head | {"b": levels(bids, traded.pair), "a": levels(asks, traded.pair)})
        found.append(Frame(at_ms, data, first, last))
    return found


def partial(traded: Traded, second: int, every: int, count: int) -> list[Frame]:
    """The best levels; neither symbol nor time is in it."""
    found = []
    for tenth in _tenths(traded, second, every):
        bids, asks = (levels(side, traded.pair) for side in traded.book.top(tenth, count))
        data = dump({"lastUpdateId": update_id(tenth), "bids": bids, "asks": asks})
        found.append(Frame(tenth * 100, data))
    return found


def best(traded: Traded, second: int) -> list[Frame]:
    """The best prices, each time they or their sizes are others."""
    found = []
    tenths = _tenths(traded, second, 1)
    known = traded.book.top(tenths[0] - 1, 1) if tenths else None
    for tenth in tenths:
        sides = traded.book.top(tenth, 1)
        if sides != known:
            [[bid, bid_size]], [[ask, ask_size]] = (levels(side, traded.pair) for side in sides)
            row = {"u": update_id(tenth - 1) + 1 + tenth % IDS, "s": traded.symbol}
            data = dump(row | {"b": bid, "B": bid_size, "a": ask, "A": ask_size})
            found.append(Frame(tenth * 100, data))
        known = sides
    return found


_PLAIN: dict[str, Callable[[Traded, int], list[Frame]]] = {
    "aggTrade": agg_trades,
    "trade": trades,
    "ticker": tickers,
    "miniTicker": mini_tickers,
    "bookTicker": best,
}
_MINI = {"c": "lastPrice", "o": "openPrice", "h": "highPrice", "l": "lowPrice", "v": "volume", "q": "quoteVolume"}
_TICKER = {
    "p": "priceChange", "P": "priceChangePercent", "w": "weightedAvgPrice", "x": "prevClosePrice", "c": "lastPrice",
    "Q": "lastQty", "b": "bidPrice", "B": "bidQty", "a": "askPrice", "A": "askQty", "o": "openPrice",
    "h": "highPrice", "l": "lowPrice", "v": "volume", "q": "quoteVolume", "O": "openTime", "C": "closeTime",
    "F": "firstId", "L": "lastId", "n": "count",
}  # fmt: skip


def _trades(traded: Traded, second: int) -> list[Aggregate]:
    return list(between(traded.tape, second * 1000, second * 1000 + 1000))


def _line(traded: Traded, event: str, number: str, more: str) -> str:
    """A trade as a format: prices and sizes have eight decimals."""
    price, size = (
        f'"%.{decimals}f{"0" * (8 - decimals)}"' if decimals else '"%.0f.00000000"'
        for decimals in (traded.tape.sizes.price_decimals, traded.tape.sizes.size_decimals)
    )
    head = f'{{"e":"{event}","E":%d,"s":"{traded.symbol}",{number},"p":{price},"q":{size},{more}'
    return head + '"T":%d,"m":%s,"M":true}'


def _closing(grid: BarGrid, second: int) -> list[int]:
    """Openings of the bars that may be told as closed in this second."""
    if grid.seconds == 1:
        return [second - 1]
    current = grid.floor(second)
    return [grid.floor(current - 1)] if second - current <= LATE_MS // 1000 else []


def _late_ms(key: int, grid: BarGrid, opened: int) -> int:
    """After its end; of a second's bar within the next second."""
    word = mix(key + 3, opened)
    most = 300 if grid.seconds == 1 or word % 10 else LATE_MS
    return 5 + (word >> 8) % (most - 5)


def _bars(traded: Traded, interval: str, opened: int, now: int, at_ms: int) -> list[bytes]:
    """The bar that opened then as far as it is ``now``; none where there is no trade at all."""
    tape, grid = traded.tape, BINANCE[interval]
    candles = tape.candles(grid, opened, opened, now)
    price, size, worth = (
        _text(decimals) for decimals in (tape.sizes.price_decimals, tape.sizes.size_decimals, tape.quote_decimals)
    )
    found = []
    for row, first in zip(candles.rows(), first_trade(candles.number).tolist(), strict=True):
        start, opening, high, low, close, volume, bought, quote, quote_bought, singles = row
        bar = {
            "t": start * 1000,
            "T": grid.end(start) * 1000 - 1,
            "s": traded.symbol,
            "i": interval,
            "f": first if singles else -1,
            "L": first + singles - 1 if singles else -1,
            "o": price(opening),
            "c": price(close),
            "h": price(high),
            "l": price(low),
            "v": size(volume),
            "n": singles,
            "x": grid.end(start) <= now,
            "q": worth(quote),
            "V": size(bought),
            "Q": worth(quote_bought),
            "B": "0",
        }
        found.append(dump({"e": "kline", "E": at_ms, "s": traded.symbol, "k": bar}))
    return found


def _moved(tape: Tape, second: int) -> bool:
    """Whether anything was traded in the seconds before that one."""
    minute = (second - 1) // 60
    candles = tape.seconds(minute)
    since = max(minute * 60, second - PUSH_S)
    return bool(candles.aggregates[(candles.start >= since) & (candles.start < second)].any())


def _each_beat(traded: Traded, second: int, made: Callable[[dict[str, object], int], bytes]) -> list[Frame]:
    at_ms = traded.pair.beat.last(second * 1000 + 999)
    if traded.pair.delisted is not None or at_ms // 1000 != second:
        return []
    return [Frame(at_ms, made(json.loads(traded.tickers.row(traded.pair, at_ms)), at_ms))]


def _tenths(traded: Traded, second: int, every: int) -> Sequence[int]:
    """Those of a second at which something is told; none while nobody can trade."""
    return range(second * 10, second * 10 + 10, every) if traded.tape.alive(second) else ()


def _text(decimals: int) -> Callable[[int], str]:
    return lambda units: eight(units, decimals)
