"""Bybit: limits by address, the feeds of each of its markets."""

from __future__ import annotations

from functools import partial

from cryptoproxy.common.settings.catalogue import Upstreams
from cryptoproxy.datasets import Feed
from cryptoproxy.upstreams.answers.candles import histories, pollings
from cryptoproxy.upstreams.answers.gathering import unless_all
from cryptoproxy.upstreams.asked import Askable
from cryptoproxy.upstreams.base import Limit, Limits, Polling, Upstream, in_force
from cryptoproxy.upstreams.bybit import refusals
from cryptoproxy.upstreams.bybit.candles import BybitCandles, whole_list
from cryptoproxy.upstreams.bybit.paths import PATHS
from cryptoproxy.upstreams.bybit.streams import streams
from cryptoproxy.upstreams.bybit.symbols import Category, NamedSymbols
from cryptoproxy.upstreams.bybit.tickers import UPSTREAM, Bybit


def upstream(settings: Upstreams) -> Upstream:
    symbols = unless_all(settings.bybit_symbols)
    markets = {f"{UPSTREAM}-{market}": market for market in Category}
    names = NamedSymbols(symbols, [market for name, market in markets.items() if name in settings.sources])
    make = partial(Bybit, base_url=settings.bybit_base_url, symbols=symbols, names=names, api=settings.bybit_api)
    bars = {
        name: partial(
            BybitCandles,
            market,
            base_url=settings.bybit_base_url,
            symbols=settings.bybit_candle_symbols or symbols,
            symbol_list=whole_list(settings.bybit_base_url, market),
        )
        for name, market in markets.items()
    }
    return Upstream(
        limits=Limits(
            upstream=UPSTREAM,
            unit="calls",
            interval_setting="BYBIT_INTERVAL",
            limits=in_force(Limit(window="5s", amount=settings.bybit_calls_per_5s, setting="BYBIT_CALLS_PER_5S")),
        ),
        feeds={
            Feed(name): Polling(make=partial(make, market), interval=settings.bybit_interval or settings.interval)
            for name, market in markets.items()
        }
        | {
            feed: polling
            for name, make_bars in bars.items()
            for feed, polling in pollings(name, BybitCandles, make_bars, "BYBIT_CANDLE_SYMBOLS").items()
        },
        histories={
            feed: past
            for name, make_bars in bars.items()
            for feed, past in histories(name, BybitCandles, make_bars).items()
        },
        streams=streams(settings),
        asked=Askable(
            upstream=UPSTREAM, base_url=settings.bybit_base_url.rstrip("/"), paths=PATHS, check=refusals.check
        ),
    )
