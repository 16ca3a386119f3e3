"""What the dashboards share: how numbers look, how assets are told apart, what a symbol is ranked by."""

from __future__ import annotations

from collections.abc import Sequence

from kibana import names
from kibana.builders.columns import Column, Json, largest, top
from kibana.builders.controls import Control

MILLISECONDS: Json = {"id": "number", "params": {"decimals": 0, "suffix": " ms"}}
"""Whole numbers. All others take the data view's format, which is right for small ones, too."""

DEFAULT_SOURCE = "coingecko"
CHANGE_24H = "change_24h: *"
"""Records with a change over 24 hours, in percent: every source sends one, for most of its assets."""


def traded() -> Column:
    """What assets are ranked by where nothing nearer is at hand: their traded volume, which every source sends."""
    return largest("volume_24h", "24 h volume, in quote")


def markets(size: int = 10, *, by: Column | None = None, label: str = "Symbol") -> Column:
    """Symbols, each source and quote apart: BTCUSDT is another thing at each source, and BTC in EUR another price. A
    symbol may still stand for several assets of one source (a coin and its bridged copies): see ``assets``.
    """
    return top("symbol", size, label, by=by or traded(), apart=("source", "quote"))


def symbols(size: int = 10, *, label: str = "Symbol") -> Column:
    """Only beside ``sources``, which keeps markets apart."""
    return top("symbol", size, label, by=traded())


def assets(size: int, *, by: Column | None = None, ascending: bool = False, apart: Sequence[str] = ()) -> Column:
    """Within one source, one value is one asset. ``apart``: see :func:`~kibana.builders.columns.top`."""
    return top("asset_id", size, "Asset", by=by or traded(), ascending=ascending, apart=apart)


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
    """To the dashboards, as Markdown."""
    titles = {
        names.MARKET: "Market",
        names.CANDLES: "Candles",
        names.TRADES: "Trades",
        names.BOOKS: "Order book",
        names.MARKET_WIDE: "Market-wide",
        names.VOLATILITY: "Volatility",
        names.ALERTS: "Alerts",
        names.USAGE: "Usage",
        names.PIPELINE: "Pipeline",
    }
    return " · ".join(f"**{title}**" if name == here else f"[{title}](#/view/{name})" for name, title in titles.items())
