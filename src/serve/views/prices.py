"""``/v1/prices``: the newest price of everything, from memory: what a list of prices shows, searched and in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cryptoproxy.datasets import Ticker, from_iso
from cryptoproxy.queries import Answer, NothingFound
from cryptoproxy.queries.answer import Cell, Look
from cryptoproxy.queries.asking import Names, names_in, sources_in
from cryptoproxy.queries.scope import ALL, finite
from cryptoproxy.serve.views.memory import FromMemory, answered

SORTS = ("market_cap_rank", "market_cap", "volume_24h", "change_1h", "change_24h", "change_7d", "price", "symbol")


def prices(
    live: FromMemory,
    *,
    source: str = ALL,
    quote: Names = (),
    assets: Names = (),
    search: str = "",
    sort: str = "-volume_24h",
    top: int | None = None,
) -> Answer[Ticker]:
    """``search``: a part of symbol, name or id. ``sort``: one of :data:`SORTS`, downwards with ``-`` before it; what
    lacks it comes last."""
    field, downwards = sort.removeprefix("-"), sort.startswith("-")
    if field not in SORTS:
        raise ValueError(f"sort={sort} is none of {', '.join(SORTS)}, with - before it or without")
    sources = sources_in(source) or tuple(live.newest.sources)
    quotes, ids, words = {each.upper() for each in names_in(quote)}, set(names_in(assets)), search.strip().lower()
    found = [
        each
        for name in sources
        for each in live.newest.tickers(name)
        if (not quotes or each.quote.upper() in quotes)
        and (not ids or each.asset_id in ids)
        and (not words or words in f"{each.symbol} {each.name} {each.asset_id}".lower())
    ]
    there = [each for each in found if value(each, field) is not None]
    there.sort(key=lambda each: value(each, field), reverse=downwards)
    there += [each for each in found if value(each, field) is None]
    now_ms = live.clock.now_ms()
    return answered(
        "prices",
        "The newest price of each asset",
        sources=sources,
        columns=columns(now_ms),
        of=there,
        rows=_rows(there[:top], bool(sources)),
        now_ms=now_ms,
    )


def _rows(tickers: list[Ticker], any_source: bool) -> Iterator[Ticker]:
    if not tickers:
        raise NothingFound("no asset is called so" if any_source else "nothing has been polled yet")
    yield from tickers


def value(ticker: Ticker, name: str) -> Any:
    """A field; changes in percent, also where the source tells fractions."""
    fraction = {"change_1h": ticker.price_1h_pcnt, "change_24h": ticker.price_24h_pcnt}.get(name)
    found = getattr(ticker, name)
    return finite(fraction * 100) if found is None and fraction is not None else found


def columns(now_ms: int) -> tuple[Cell[Ticker], ...]:
    def field(name: str, title: str, kind: Look = Look.NUMBER) -> Cell[Ticker]:
        return Cell(name, title, kind, lambda row: value(row, name))

    return (
        field("symbol", "symbol", Look.TEXT),
        field("source", "source", Look.TEXT),
        field("asset_id", "asset", Look.TEXT),
        field("quote", "quote", Look.TEXT),
        field("name", "name", Look.TEXT),
        field("price", "price, in quote", Look.PRICE),
        *(field(f"change_{each}", f"{each} change, %") for each in ("1h", "24h", "7d")),
        field("high_24h", "24 h high", Look.PRICE),
        field("low_24h", "24 h low", Look.PRICE),
        field("volume_24h", "24 h volume"),
        field("market_cap", "market cap"),
        field("market_cap_rank", "rank", Look.COUNT),
        Cell("timestamp", "as of (UTC)", Look.TIME, lambda row: from_iso(row.timestamp)),
        Cell("age_ms", "age", Look.AGE, lambda row: max(0, now_ms - from_iso(row.timestamp))),
        Cell("interval_ms", "interval", Look.SPAN, lambda row: row.interval_ms),
    )
