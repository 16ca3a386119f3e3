"""Minutes of the tickers of one asset: at the first ticker of a new one, the bar of the one that ended, and stats.

Both follow from the tickers alone, in their order: so whoever goes through them again comes to the same records, and
they are sent in the transaction in which the place in the topics is kept, as alerts are.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any

from cryptoproxy.datasets import Candle, Stats, from_iso, iso
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, MINUTE_MS
from cryptoproxy.watch.figures.gauge import NAN
from cryptoproxy.watch.figures.indicators import Average, Rsi
from cryptoproxy.watch.figures.windows import Change
from cryptoproxy.watch.words import number

CHANGES = {"change_1m": MINUTE_MS, "change_5m": 5 * MINUTE_MS, "change_1h": HOUR_MS, "change_24h": DAY_MS}
VOLATILITIES = {"volatility_1h": HOUR_MS, "volatility_24h": DAY_MS}
_BUCKETS = 60
_FROM = 3 * MINUTE_MS
"""A return over more than that is none of a minute."""


class Moves:
    """Realised volatility of a window in percent: the root of the sum of its squared returns."""

    __slots__ = ("_buckets", "_window")

    def __init__(self, window_ms: int) -> None:
        self._window = window_ms
        self._buckets: deque[list[float]] = deque()
        """Begin and sum of each step."""

    def take(self, at: int, square: float) -> float:
        """NaN until half of the window is known."""
        buckets, step = self._buckets, self._window // _BUCKETS
        if not buckets or at >= buckets[-1][0] + step:
            while buckets and buckets[0][0] <= at - self._window:
                buckets.popleft()
            buckets.append([at - at % step, 0.0])
        buckets[-1][1] += square
        if buckets[0][0] > at - self._window // 2:
            return NAN
        return math.sqrt(sum([each[1] for each in buckets])) * 100.0

    def dump(self) -> list[Any]:
        return list(self._buckets)

    def load(self, known: list[Any]) -> None:
        self._buckets = deque(map(list, known))


class Minutes:
    """Of one asset at one source.

    Args:
        key: ``coingecko:bitcoin:USD``.
        bars: whether bars are wanted.
        stats: whether stats are.
    """

    __slots__ = ("_bar", "_changes", "_indicators", "_key", "_last", "_moves", "bars", "stats", "symbol")

    def __init__(self, key: str, symbol: str, *, bars: bool, stats: bool) -> None:
        self._key = key
        self.symbol = symbol
        self.bars, self.stats = bars, stats
        self._bar: list[float] = []
        """Of the minute that is under way: begin, open, high, low, close."""
        self._last: tuple[int, float] | None = None
        """The last price of the minute before it."""
        self._changes = {name: Change(window) for name, window in CHANGES.items()} if stats else {}
        self._moves = {name: Moves(window) for name, window in VOLATILITIES.items()} if stats else {}
        self._indicators = _indicators() if stats else {}

    def take(self, at: int, price: float, fetched_at: str) -> list[Candle | Stats]:
        """What has come to its end with this ticker; tickers come in the order of their times."""
        bar, begin = self._bar, at - at % MINUTE_MS
        if bar and begin == bar[0]:
            if price > bar[2]:
                bar[2] = price
            elif price < bar[3]:
                bar[3] = price
            bar[4] = price
            return []
        self._bar = [begin, price, price, price, price]
        made: list[Candle | Stats] = []
        if bar and self.bars:
            made.append(self._candle(bar, fetched_at))
        if self.stats:
            made.append(self._stats(at, price, fetched_at))
        return made

    def _candle(self, bar: list[float], fetched_at: str) -> Candle:
        source, asset_id, quote = self._key.split(":")
        begin, opened, high, low, close = bar
        return Candle(
            source=source, asset_id=asset_id, symbol=self.symbol, quote=quote, interval="1m", timestamp=iso(int(begin)),
            fetched_at=iso(max(from_iso(fetched_at), int(begin) + MINUTE_MS)),
            open=opened, high=high, low=low, close=close, origin="derived",
        )  # fmt: skip

    def _stats(self, at: int, price: float, fetched_at: str) -> Stats:
        source, asset_id, quote = self._key.split(":")
        figures = {name: each.take(at, price) for name, each in self._changes.items()}
        last, self._last = self._last, (at, price)
        if last is not None and at - last[0] <= _FROM:
            square = math.log(price / last[1]) ** 2
            figures |= {name: each.take(at, square) for name, each in self._moves.items()}
        else:  # minutes lack: they would be taken for one
            self._indicators = _indicators()
        figures |= {name: each.take(at, price) for name, each in self._indicators.items()}
        return Stats(
            source=source, asset_id=asset_id, symbol=self.symbol, quote=quote, timestamp=iso(at), fetched_at=fetched_at,
            price=price, **{name: number(value) for name, value in figures.items()},
        )  # fmt: skip

    # --- across a restart
    def dump(self) -> list[Any]:
        """All that it knows."""
        figures: dict[str, Any] = {**self._changes, **self._moves, **self._indicators}
        return [self._bar, self._last, {name: each.dump() for name, each in figures.items()}]

    def load(self, known: list[Any]) -> None:
        """The reverse."""
        self._bar, last, figures = known
        self._last = tuple(last) if last else None
        mine: dict[str, Any] = {**self._changes, **self._moves, **self._indicators}
        for name, each in mine.items():
            if name in figures:
                each.load(figures[name])


def _indicators() -> dict[str, Average | Rsi]:
    return {
        "sma_20": Average(20),
        "ema_12": Average(12, exponential=True),
        "ema_26": Average(26, exponential=True),
        "rsi_14": Rsi(14),
    }
