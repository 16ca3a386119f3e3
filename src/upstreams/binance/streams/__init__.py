"""The streams of Binance, a line for each feed.

| module | tells |
|---|---|
| ``venue`` | where the streams lead to, and what a frame is |
| ``trades``, ``candles``, ``tickers``, ``books`` | what frames hold, and which calls mend |
| ``frames`` | frames made of what we have |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from cryptoproxy.common.settings.catalogue import Upstreams
from cryptoproxy.datasets import BOOK, CANDLE, TRADE, Feed
from cryptoproxy.errors import SettingsError
from cryptoproxy.upstreams.answers.gathering import unless_all
from cryptoproxy.upstreams.binance.candles import BinanceCandles, whole_list
from cryptoproxy.upstreams.binance.streams.books import BinanceBooks
from cryptoproxy.upstreams.binance.streams.candles import BinanceCandleStream
from cryptoproxy.upstreams.binance.streams.tickers import BinanceTickerStream
from cryptoproxy.upstreams.binance.streams.trades import BinanceTrades
from cryptoproxy.upstreams.binance.streams.venue import BinanceVenue
from cryptoproxy.upstreams.binance.tickers import NAME
from cryptoproxy.upstreams.streaming.stream import Stream


def streams(settings: Upstreams) -> Mapping[Feed, Callable[[], Stream]]:
    """What makes each of them."""
    base_url = settings.binance_base_url
    venue = BinanceVenue(ws_url=settings.binance_ws_url, base_url=base_url)
    symbol_list = whole_list(base_url)

    def symbols() -> Sequence[str]:
        if found := settings.binance_stream_symbols or unless_all(settings.binance_symbols):
            return found
        raise SettingsError(["a stream is one for each symbol: name those of Binance by BINANCE_STREAM_SYMBOLS"])

    def trades() -> Stream:
        return BinanceTrades(venue=venue, base_url=base_url, symbols=symbols(), symbol_list=symbol_list)

    def candles(interval: str) -> Callable[[], Stream]:
        return lambda: BinanceCandleStream(
            venue, BinanceCandles(interval, base_url=base_url, symbols=symbols(), symbol_list=symbol_list)
        )

    def tickers() -> Stream:
        interval_ms = round(settings.binance_interval * 1000)
        return BinanceTickerStream(venue=venue, symbols=symbols(), symbol_list=symbol_list, interval_ms=interval_ms)

    def books() -> Stream:
        return BinanceBooks(
            venue=venue,
            base_url=base_url,
            symbols=symbols(),
            symbol_list=symbol_list,
            levels=int(settings.binance_book_levels),
            interval_ms=round(settings.book_interval * 1000),
        )

    return {
        Feed(NAME): tickers,
        Feed(NAME, TRADE.name): trades,
        Feed(NAME, BOOK.name): books,
        **{Feed(NAME, CANDLE.name, interval): candles(interval) for interval in BinanceCandles.intervals},
    }
