"""Binance: limits by weight, its feeds."""

from __future__ import annotations

from functools import partial

from cryptoproxy.common.settings.catalogue import Upstreams
from cryptoproxy.datasets import Feed
from cryptoproxy.upstreams.answers.candles import histories, pollings
from cryptoproxy.upstreams.answers.gathering import unless_all
from cryptoproxy.upstreams.asked import Askable
from cryptoproxy.upstreams.base import Limit, Limits, Polling, Upstream, in_force
from cryptoproxy.upstreams.binance import refusals
from cryptoproxy.upstreams.binance.candles import BinanceCandles, whole_list
from cryptoproxy.upstreams.binance.paths import PATHS
from cryptoproxy.upstreams.binance.streams import streams
from cryptoproxy.upstreams.binance.tickers import NAME, Binance, used_weight

SLOW_ABOVE = 0.9
"""Of the weight. Others behind our address use it too, and going on at the limit ends in a ban."""


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
        streams=streams(settings),
        asked=Askable(
            upstream=NAME,
            base_url=settings.binance_base_url.rstrip("/"),
            paths=PATHS,
            check=refusals.check,
            used=used_weight,
        ),
    )
