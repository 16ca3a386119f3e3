"""The upstreams, each a module (or a few) that is pure: which calls make a poll, what an answer means, the records.

| module | tells |
|---|---|
| ``base`` | the seam: what the poller may ask of any source |
| ``config`` | what the sources are built from |
| ``coingecko``, ``coingecko_calls``, ``coingecko_refusals`` | CoinGecko's rows; its pages, ids and plans; its errors |
| ``binance``, ``binance_symbols``, ``binance_refusals`` | the same of Binance, and its list of pairs |
| ``bybit``, ``bybit_shapes``, ``bybit_symbols``, ``bybit_refusals`` | the same of Bybit, in both its shapes |
| ``rows``, ``numbers``, ``times`` | an array into typed rows, odd ones apart; numbers; times |
| ``gathering`` | rows into a poll, each asset once, why a row is no record, whether all is there |
| ``quotes`` | the quote currency of a symbol |
| ``refusals``, ``retry_after`` | what a status means by itself; how long to wait |

To add an upstream: a module with a class that is a :class:`~producer.sources.base.Source`, its fields in
``config``, and a line in :data:`SOURCES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from cryptoproxy.producer.sources.base import Source
from cryptoproxy.producer.sources.binance import Binance
from cryptoproxy.producer.sources.bybit import Bybit, Market
from cryptoproxy.producer.sources.coingecko import CoinGecko
from cryptoproxy.producer.sources.config import SourceConfig

__all__ = ["SOURCES", "SourceConfig", "SourceKind"]


@dataclass(frozen=True, slots=True)
class SourceKind:
    """One line of the table. ``upstream`` names the budget that its calls count in."""

    upstream: str
    build: Callable[[SourceConfig], Source]


def _coingecko(config: SourceConfig) -> Source:
    return CoinGecko(
        base_url=config.coingecko_base_url,
        top_n=config.coingecko_top_n,
        ids=config.coingecko_ids,
        quote=config.coingecko_quote,
        plan=config.coingecko_plan,
        api_key=config.coingecko_api_key,
    )


def _binance(config: SourceConfig) -> Source:
    return Binance(base_url=config.binance_base_url, symbols=config.binance_symbols)


def _bybit(market: Market, config: SourceConfig) -> Source:
    return Bybit(
        market,
        base_url=config.bybit_base_url,
        symbols=config.bybit_symbols,
        names=config.bybit_names,
        api=config.bybit_api,
    )


SOURCES: Mapping[str, SourceKind] = MappingProxyType(
    {
        "coingecko": SourceKind("coingecko", _coingecko),
        "binance": SourceKind("binance", _binance),
        "bybit-linear": SourceKind("bybit", partial(_bybit, Market.LINEAR)),
        "bybit-inverse": SourceKind("bybit", partial(_bybit, Market.INVERSE)),
        "bybit-spot": SourceKind("bybit", partial(_bybit, Market.SPOT)),
    }
)
"""The record's ``source`` to what makes it."""
