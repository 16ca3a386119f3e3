"""CoinGecko ``/coins/{id}/market_chart``: the price at each midnight, as tickers of the past.

They are points and no bars, so they are what a poll at that moment would have told: price, market cap, volume of 24 h.
Only whole days are taken. Closer points are stamped some seconds beside their hour, other answers have other stamps,
and the last one is "now": a record of such a moment would get a new id with each answer, and none that a live poll
gives. A point of midnight has the id that a live poll of that slot has.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from cryptoproxy.datasets import Feed, Ticker, iso
from cryptoproxy.datasets.codec import UNREADABLE
from cryptoproxy.datasets.times import DAY_MS, MINUTE_MS, Span
from cryptoproxy.errors import TransientError
from cryptoproxy.upstreams.answers.bars import BarReader, Stamped
from cryptoproxy.upstreams.answers.candles import time_of
from cryptoproxy.upstreams.answers.refusals import not_spoken
from cryptoproxy.upstreams.answers.rows import members
from cryptoproxy.upstreams.answers.values import Number
from cryptoproxy.upstreams.base import Call, Rejected, Response, SymbolList
from cryptoproxy.upstreams.coingecko.coins import Coins, started
from cryptoproxy.upstreams.coingecko.plans import Plan
from cryptoproxy.upstreams.coingecko.tickers import NAME
from cryptoproxy.upstreams.history import Page, Start

SETTLED_AFTER_MS = 40 * MINUTE_MS
"""A day's point is final from 00:35 on."""
REACH_DAYS = 365
"""Of plans that do not pay."""


class _Point(Stamped, array_like=True, gc=False):
    value: Number = None


_points = BarReader(NAME, _Point)
_name = re.compile(rb'"(prices|market_caps|total_volumes)"\s{0,8}:')


class CoinGeckoCharts:
    """The past of the tickers of ``coingecko``, a point a day."""

    feed = Feed(NAME)
    upstream = NAME
    symbol_list: SymbolList | None = None
    step_ms = DAY_MS

    def __init__(self, *, coins: Coins, ids: Sequence[str] = ()) -> None:
        self._coins = coins
        self.symbols = tuple(dict.fromkeys(ids))

    def spelled(self, symbol: str) -> str:
        return symbol

    def reach_ms(self, now_ms: int) -> int:
        return 0 if self._coins.plan is Plan.PRO else now_ms - REACH_DAYS * DAY_MS

    def last_ms(self, now_ms: int) -> int:
        return now_ms - SETTLED_AFTER_MS

    def next_ms(self, begin_ms: int) -> int:
        return begin_ms + DAY_MS

    def used(self, answer: Response) -> int | None:
        return None

    def page_ms(self, now_ms: int) -> int:
        return now_ms

    def start_call(self, symbol: str) -> Call:
        return self._coins.names_calls([symbol])[0]

    def start(self, symbol: str, answer: Response) -> Start:
        return started(symbol, answer)

    def call(self, symbol: str, span: Span, *, now_ms: int) -> Call:
        days = -(-(now_ms - span.begin_ms) // DAY_MS) or 1
        if self._coins.plan is not Plan.PRO:
            days = min(days, REACH_DAYS)
        return self._coins.call(f"{symbol}/market_chart", days=str(days), interval="daily", precision="full")

    def check(self, answer: Response, *, now_ms: int) -> None:
        if self._coins.knows(answer.body):
            self._coins.check(answer, now_ms=now_ms)

    def page(self, symbol: str, start: Start, span: Span, answer: Response, *, now_ms: int) -> Page:
        if not self._coins.knows(answer.body):
            return Page([], covered_ms=span.end_ms)
        try:
            chart = _members(answer.body)
            prices, rejected = _points.read(chart["prices"])
        except (*UNREADABLE, ValueError, KeyError) as error:
            raise not_spoken(NAME, answer.body, error) from error
        settled_ms = time_of(answer, now_ms=now_ms) - SETTLED_AFTER_MS
        caps, volumes = (
            {point.stamp_ms: point.value for point in (_points.read(told)[0] if told != b"null" else ())}
            for told in (chart.get(name, b"null") for name in ("market_caps", "total_volumes"))
        )
        records: dict[int, Ticker] = {}
        for point in prices:
            stamp = point.stamp_ms
            if stamp % DAY_MS or stamp not in span or stamp > settled_ms:
                continue
            if stamp in records:
                rejected.append(Rejected("duplicate", symbol, f"{iso(stamp)} once more"))
            elif point.value is None or point.value <= 0:
                rejected.append(Rejected("no_price", symbol, f"{iso(stamp)}: price {point.value}"))
            else:
                records[stamp] = self._ticker(symbol, start, point.value, stamp, now_ms)
                records[stamp].market_cap = caps.get(stamp) or None
                records[stamp].volume_24h = volumes.get(stamp)
        if rejected and not prices:
            raise not_spoken(NAME, answer.body, rejected[0].detail)
        if prices and not records and not rejected and all(each.stamp_ms < span.begin_ms for each in prices):
            raise TransientError(
                f"not what coingecko speaks: a chart of {symbol} that ends before {iso(span.begin_ms)}"
            )
        begins = sorted(each.stamp_ms for each in prices if each.stamp_ms in span and each.stamp_ms % DAY_MS == 0)
        return Page([records[stamp] for stamp in sorted(records)], rejected, begins, span.end_ms)

    def _ticker(self, symbol: str, start: Start, price: float, stamp: int, now_ms: int) -> Ticker:
        return Ticker(
            source=NAME,
            asset_id=symbol,
            symbol=start.symbol or symbol,
            name=start.name or symbol,
            quote=self._coins.quote,
            price=price,
            timestamp=iso(stamp),
            fetched_at=iso(now_ms),
            fetch_delay_ms=now_ms - stamp,
            interval_ms=DAY_MS,  # the next point is a day later: nobody misses what was never to be had
        )


def _members(body: bytes) -> dict[str, bytes]:
    """As :func:`members`; where a quote or bracket too many in a point hides their ends, by the names that follow: a
    point holds no text.

    Raises:
        ValueError: no object, or one without an end.
    """
    try:
        return members(body)
    except ValueError:
        if not body.rstrip().endswith(b"}"):
            raise
        _, *parts = _name.split(body.rstrip()[:-1], maxsplit=3)
        return {name.decode(): points.strip(b" \t\r\n,") for name, points in zip(parts[::2], parts[1::2], strict=True)}
