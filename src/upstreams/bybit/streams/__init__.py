"""The streams of Bybit, those of each market.

| module | tells |
|---|---|
| ``venue`` | where the streams lead to, and what a frame is |
| ``trades``, ``candles``, ``books`` | what frames hold, and which calls mend |
| ``breaks`` | what may lack of a symbol whose ids tell nothing of what lies between them |
| ``shown`` | a book as it is shown, in the very texts that came |
| ``frames`` | frames made of what we have |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from cryptoproxy.common.settings.catalogue import Upstreams
from cryptoproxy.datasets import BOOK, CANDLE, TRADE, Feed
from cryptoproxy.errors import SettingsError
from cryptoproxy.upstreams.answers.gathering import unless_all
from cryptoproxy.upstreams.bybit.candles import BybitCandles, whole_list
from cryptoproxy.upstreams.bybit.streams.books import BybitBooks
from cryptoproxy.upstreams.bybit.streams.candles import BybitCandleStream
from cryptoproxy.upstreams.bybit.streams.trades import BybitTrades
from cryptoproxy.upstreams.bybit.streams.venue import BybitVenue
from cryptoproxy.upstreams.bybit.symbols import Category
from cryptoproxy.upstreams.streaming.stream import Stream


def streams(settings: Upstreams) -> Mapping[Feed, Callable[[], Stream]]:
    """What makes each of them."""
    return {feed: make for market in Category for feed, make in _of(market, settings).items()}


def _of(market: Category, settings: Upstreams) -> Mapping[Feed, Callable[[], Stream]]:
    base_url = settings.bybit_base_url
    venue = BybitVenue(market, ws_url=settings.bybit_ws_url, base_url=base_url)
    symbol_list = whole_list(base_url, market)

    def symbols() -> Sequence[str]:
        if found := settings.bybit_stream_symbols or unless_all(settings.bybit_symbols):
            return found
        raise SettingsError(["a stream is one for each symbol: name those of Bybit by BYBIT_STREAM_SYMBOLS"])

    def trades() -> Stream:
        return BybitTrades(market, venue=venue, base_url=base_url, symbols=symbols(), symbol_list=symbol_list)

    def candles(interval: str) -> Callable[[], Stream]:
        return lambda: BybitCandleStream(
            venue, BybitCandles(market, interval, base_url=base_url, symbols=symbols(), symbol_list=symbol_list)
        )

    def books() -> Stream:
        return BybitBooks(
            market,
            venue=venue,
            symbols=symbols(),
            symbol_list=symbol_list,
            levels=int(settings.bybit_book_levels),
            interval_ms=round(settings.book_interval * 1000),
        )

    return {
        Feed(venue.name, TRADE.name): trades,
        Feed(venue.name, BOOK.name): books,
        **{Feed(venue.name, CANDLE.name, interval): candles(interval) for interval in BybitCandles.intervals},
    }
