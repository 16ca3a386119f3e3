"""All that the sources need to be built, as plain values: whoever knows the settings fills it in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cryptoproxy.producer.sources import binance, bybit
from cryptoproxy.producer.sources.coingecko_calls import Plan


def _no_key() -> str | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceConfig:
    """The defaults are the program's own. ``None`` as CoinGecko's address is the plan's own address, empty symbols
    are the whole market, empty ids the top N."""

    coingecko_base_url: str | None = None
    coingecko_plan: Plan = Plan.KEYLESS
    coingecko_api_key: Callable[[], str | None] = _no_key
    coingecko_top_n: int = 50
    coingecko_ids: tuple[str, ...] = ()
    coingecko_quote: str = "usd"

    binance_base_url: str = binance.BASE_URL
    binance_symbols: tuple[str, ...] = binance.DEFAULT_SYMBOLS

    bybit_base_url: str = bybit.BASE_URL
    bybit_symbols: tuple[str, ...] = ()
    bybit_names: bybit.NamedSymbols | None = None
    """The same names, where several of Bybit's markets are polled."""
    bybit_api: bybit.Api = bybit.Api.V5
