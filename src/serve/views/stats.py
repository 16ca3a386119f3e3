"""``/v1/stats``: how each asset stands, as watch tells it each minute: last price, changes, volatility, indicators; all
from memory.
"""

from __future__ import annotations

from cryptoproxy.datasets import Stats, from_iso
from cryptoproxy.queries import Answer, NothingFound
from cryptoproxy.queries.answer import Cell, Look
from cryptoproxy.queries.asking import Names, names_in, sources_in
from cryptoproxy.queries.scope import ALL
from cryptoproxy.serve.views.memory import FromMemory, answered


def stats(
    live: FromMemory,
    *,
    source: str = ALL,
    quote: Names = (),
    assets: Names = (),
    top: int | None = None,
) -> Answer[Stats]:
    """Who moves most comes first."""
    if top is not None and top < 1:
        raise ValueError("top must be at least 1")
    sources = sources_in(source)
    quotes, ids = {each.upper() for each in names_in(quote)}, set(names_in(assets))
    found = [
        each
        for each in live.stats.all()
        if (not sources or each.source in sources)
        and (not quotes or each.quote.upper() in quotes)
        and (not ids or each.asset_id in ids)
    ]
    if not found:
        raise NothingFound("watch has told of none of these: `cryptoproxy watch` makes the dataset stats")
    found.sort(key=lambda each: (-(each.volatility_24h or each.volatility_1h or 0.0), each.symbol))
    return answered(
        "stats",
        "How each asset stands",
        sources=sources,
        columns=columns(),
        of=found,
        rows=iter(found[:top]),
        now_ms=live.clock.now_ms(),
    )


def columns() -> tuple[Cell[Stats], ...]:
    def field(name: str, title: str, kind: Look = Look.NUMBER) -> Cell[Stats]:
        return Cell(name, title, kind, lambda row: getattr(row, name))

    return (
        field("symbol", "symbol", Look.TEXT),
        field("source", "source", Look.TEXT),
        field("asset_id", "asset", Look.TEXT),
        field("quote", "quote", Look.TEXT),
        field("price", "price, in quote", Look.PRICE),
        *(field(f"change_{each}", f"{each} change, %") for each in ("1m", "5m", "1h", "24h")),
        *(field(f"volatility_{each}", f"{each} volatility, %") for each in ("1h", "24h")),
        *(field(each, each.upper().replace("_", " "), Look.PRICE) for each in ("sma_20", "ema_12", "ema_26")),
        field("rsi_14", "RSI 14"),
        Cell("timestamp", "up to (UTC)", Look.TIME, lambda row: from_iso(row.timestamp)),
    )
