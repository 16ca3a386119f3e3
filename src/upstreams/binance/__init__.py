"""Binance: limits by weight, its feeds."""

from __future__ import annotations

from functools import partial

from cryptoproxy.common.settings.catalogue import Upstreams
from cryptoproxy.datasets import BOOK, TRADE, Feed
from cryptoproxy.errors import SettingsError
from cryptoproxy.upstreams.base import Limit, Limits, Polling, Upstream, in_force
from cryptoproxy.upstreams.binance.books import BinanceBooks
from cryptoproxy.upstreams.binance.candles import BinanceCandles, whole_list
from cryptoproxy.upstreams.binance.tickers import NAME, Binance
from cryptoproxy.upstreams.binance.trades import BinanceTrades
from cryptoproxy.upstreams.binance.venue import BinanceVenue
from cryptoproxy.upstreams.candles import histories, pollings
from cryptoproxy.upstreams.gathering import unless_all

SLOW_ABOVE = 0.9
"""Of the weight. Others behind our address use it too, and going on at the limit ends in a ban."""


def _trades(settings: Upstreams) -> BinanceTrades:
    symbols = settings.binance_stream_symbols or unless_all(settings.binance_symbols)
    if not symbols:
        raise SettingsError(
            [f"{BinanceTrades.feed.name} is a stream for each symbol: name them by BINANCE_STREAM_SYMBOLS"]
        )
    return BinanceTrades(
        venue=BinanceVenue(ws_url=settings.binance_ws_url, base_url=settings.binance_base_url),
        base_url=settings.binance_base_url,
        symbols=symbols,
        symbol_list=whole_list(settings.binance_base_url),
    )


def _books(settings: Upstreams) -> BinanceBooks:
    symbols = settings.binance_stream_symbols or unless_all(settings.binance_symbols)
    if not symbols:
        raise SettingsError([f"{NAME}.book is a stream for each symbol: name them by BINANCE_STREAM_SYMBOLS"])
    return BinanceBooks(
        venue=BinanceVenue(ws_url=settings.binance_ws_url, base_url=settings.binance_base_url),
        base_url=settings.binance_base_url,
        symbols=symbols,
        symbol_list=whole_list(settings.binance_base_url),
        levels=int(settings.binance_book_levels),
        interval_ms=round(settings.book_interval * 1000),
    )


def upstream(settings: Upstreams) -> Upstream:
    bars = partial(
        BinanceCandles,
        base_url=settings.binance_base_url,
        symbols=settings.binance_candle_symbols or unless_all(settings.binance_symbols),
        symbol_list=whole_list(settings.binance_base_url),
    )
    return Upstream(
        limits=Limits(
            upstream=NAME,
            unit="weight",
            interval_setting="BINANCE_INTERVAL",
            limits=in_force(
                Limit(
                    window="minute",
                    amount=settings.binance_weight_per_minute,
                    setting="BINANCE_WEIGHT_PER_MINUTE",
                    slow_above=SLOW_ABOVE,
                )
            ),
        ),
        feeds={
            Feed(NAME): Polling(
                make=lambda: Binance(base_url=settings.binance_base_url, symbols=unless_all(settings.binance_symbols)),
                interval=settings.binance_interval,
            ),
            **pollings(NAME, BinanceCandles, bars, "BINANCE_CANDLE_SYMBOLS"),
        },
        histories=histories(NAME, BinanceCandles, bars),
        streams={
            Feed(NAME, TRADE.name): partial(_trades, settings),
            Feed(NAME, BOOK.name): partial(_books, settings),
        },
    )
