"""CoinGecko ``/coins/{id}/ohlc``: all bars of the last days in one answer, without volumes.

How far back is asked decides how long a bar is: a day gives half hours, 7 to 30 days four hours, more four days. A bar
is **stamped by its end**, which is moved to its begin here, and the last one is open and stamped in the future. The
answer is made anew every 15 minutes; so a bar is taken for closed when there is a later one, and live ones are asked
for when every older answer must be gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from cryptoproxy.datasets.times import DAY_MS, MINUTE_MS, Span
from cryptoproxy.upstreams.answers.bars import Bar, BarGathering, BarReader
from cryptoproxy.upstreams.answers.candles import Candles
from cryptoproxy.upstreams.base import Call, Response
from cryptoproxy.upstreams.coingecko.coins import Coins, names_in, started
from cryptoproxy.upstreams.coingecko.plans import Plan
from cryptoproxy.upstreams.coingecko.tickers import NAME, chunks
from cryptoproxy.upstreams.history import Start

_DAYS = {"30m": (1,), "4h": (7, 14, 30), "4d": (90, 180, 365)}
"""What may be asked for to get bars of this length; other numbers are refused."""
_MAX = "max"
"""All there is, for plans that pay."""

_reader = BarReader(NAME, Bar)


class CoinGeckoCandles(Candles):
    """``coingecko.candle-<interval>``.

    Args:
        ids: the coins.
    """

    intervals: ClassVar = {each: each for each in _DAYS}
    delay_ms = 16 * MINUTE_MS

    def __init__(self, interval: str, *, coins: Coins, ids: Sequence[str] = ()) -> None:
        super().__init__(
            source=NAME, upstream=NAME, interval=interval, symbols=ids, quotes=coins.quote, symbol_list=None
        )
        self._coins = coins
        self.before = len(list(chunks(self.symbols)))

    def calls(self, turn: int | None = None) -> Sequence[Call]:
        return [*self._coins.names_calls(self.symbols), *super().calls()]

    def spelled(self, symbol: str) -> str:
        return symbol

    def _newest(self, symbol: str) -> Call:
        return self._coins.call(f"{symbol}/ohlc", days=str(_DAYS[self.interval][0]), precision="full")

    def call(self, symbol: str, span: Span, *, now_ms: int) -> Call:
        choice = _DAYS[self.interval]
        age_ms = now_ms - span.begin_ms
        days = next((str(days) for days in choice if age_ms <= days * DAY_MS), str(choice[-1]))
        if age_ms > choice[-1] * DAY_MS and self._reaches_all:
            days = _MAX
        return self._coins.call(f"{symbol}/ohlc", days=days, precision="full")

    def _take(self, body: bytes, symbol: str, name: str, bars: BarGathering) -> list[int]:
        rows, rejected = _reader.read(body)
        bars.rejected += rejected
        newest = max((row.stamp_ms for row in rows), default=0)
        for row in rows:
            if row.stamp_ms < newest:
                candle = bars.candle(symbol, name, self._coins.quote, row, row.stamp_ms - self.step_ms)
                if candle is not None:
                    bars.records.append(candle)
        return [row.stamp_ms - self.step_ms for row in rows]

    def _called(self, bodies: Sequence[bytes]) -> Mapping[str, str]:
        return {coin: symbol for coin, (symbol, _) in names_in(bodies).items()}

    def _is_unknown(self, body: bytes) -> bool:
        return not self._coins.knows(body)

    def _refused(self, answer: Response, *, now_ms: int) -> None:
        self._coins.check(answer, now_ms=now_ms)

    @property
    def _reaches_all(self) -> bool:
        return self.interval == "4d" and self._coins.plan is Plan.PRO

    def reach_ms(self, now_ms: int) -> int:
        return 0 if self._reaches_all else now_ms - _DAYS[self.interval][-1] * DAY_MS

    def page_ms(self, now_ms: int) -> int:
        """One answer has all."""
        return now_ms

    def _covered(self, span: Span, begins: Sequence[int]) -> int:
        return span.end_ms

    def start_call(self, symbol: str) -> Call:
        return self._coins.names_calls([symbol])[0]

    def start(self, symbol: str, answer: Response) -> Start:
        return started(symbol, answer)
