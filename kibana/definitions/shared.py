"""What the dashboards share: how numbers look, how assets are told apart, what a symbol is ranked by."""

from __future__ import annotations

from kibana import names
from kibana.builders.columns import Column, Json, largest, top
from kibana.builders.controls import Control

PERCENT: Json = {"id": "number", "params": {"decimals": 2, "suffix": " %"}}
"""For fields that hold percent."""
FRACTION: Json = {"id": "percent", "params": {"decimals": 2}}
"""For fields that hold a fraction (``*_pcnt``)."""
SHORT: Json = {"id": "number", "params": {"decimals": 2, "compact": True}}
"""1.23B"""
MILLISECONDS: Json = {"id": "number", "params": {"decimals": 0, "suffix": " ms"}}
# Prices have no format here: they take the data view's, which shows 0.00001234 as well as 97,000.00.

DEFAULT_SOURCE = "coingecko"
CHANGE_24H = "change_24h: *"
"""Records with a change in percent: CoinGecko's and Binance's. Bybit sends a fraction, ``price_24h_pcnt``."""


def traded() -> Column:
    """What assets are ranked by where nothing nearer is at hand: their traded volume, which every source sends."""
    return largest("volume_24h", "24 h volume, in quote")


def symbols(size: int = 10, *, label: str = "Symbol") -> Column:
    """A symbol may stand for several assets (a coin and its bridged copies): see ``assets``."""
    return top("symbol", size, label, by=traded())


def assets(size: int, *, by: Column | None = None, ascending: bool = False) -> Column:
    """Within one source, one value is one asset."""
    return top("asset_id", size, "Asset", by=by or traded(), ascending=ascending)


def sources(*, label: str = "Source") -> Column:
    """All of them. Beside an asset or a symbol it keeps the markets apart: BTCUSDT is another thing in each."""
    return top("source", 10, label)


def quotes() -> Column:
    return top("quote", 10, "Quote")


def which_assets(*, source: str | None) -> tuple[Control, ...]:
    """The lists above the dashboards about assets; ``source`` is chosen from the start."""
    first = Control("source", "Source", (source,), single=True) if source else Control("source", "Source")
    return first, Control("symbol", "Symbol"), Control("quote", "Quote"), Control("asset_id", "Asset")


def links(here: str) -> str:
    """To the three dashboards, as Markdown."""
    titles = {names.MARKET: "Market", names.VOLATILITY: "Volatility", names.PIPELINE: "Pipeline"}
    return " · ".join(f"**{title}**" if name == here else f"[{title}](#/view/{name})" for name, title in titles.items())
