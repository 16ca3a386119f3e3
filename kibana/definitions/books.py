"""Dashboard Order book: spread, depth and imbalance of one asset's book, and its levels as they are now."""

from __future__ import annotations

from typing import Any

from cryptoproxy.datasets import BOOK
from kibana import names
from kibana.builders.charts import table, tiles, xy
from kibana.builders.columns import Column, Json, average, largest, last, over_time, records, smallest, top
from kibana.builders.controls import single
from kibana.builders.dashboard import Dashboard, Row
from kibana.builders.panels import drawing, note, question
from kibana.definitions import shared

_BIDS, _ASKS = "#1a9988", "#cc4444"

ABOUT = note(
    "about",
    f"{shared.links(names.BOOKS)}\n\n"
    "The order book of **one** asset at each slot (a second): choose source and asset above. A slot whose book was "
    "not proven has no record, so a gap in a line is a gap. Spreads are in basis points of mid (1 is 0.01 %); depth "
    "is price times size, in quote, and empty where the upstream does not show all of it.",
)


def _assets() -> Column:
    return top("asset_id", 4, "Asset", by=largest("mid", "Mid"), apart=("source", "quote"))


NOW = question(
    "now",
    "What does it cost to trade now?",
    tiles(
        _assets(),
        last("spread_bps", "Spread, basis points"),
        beside=last("mid", "mid"),
    ),
    help_text="Spread and mid of the newest slot.",
    dataset=BOOK,
)

SPREAD = question(
    "spread",
    "How wide is the spread? (basis points)",
    xy(
        "line",
        x=over_time(),
        split=_assets(),
        y=[average("spread_bps", "Mean"), largest("spread_bps", "Widest")],
        y_title="Spread, basis points of mid",
    ),
    help_text="Best ask less best bid, over the slots of each step.",
    dataset=BOOK,
)

DEPTH = question(
    "depth",
    "How much stands near its price?",
    xy(
        "line",
        x=over_time(),
        split=_assets(),
        y=[
            average("bid_depth_10bps", "Bids within 10 bps"),
            average("ask_depth_10bps", "Asks within 10 bps"),
            average("bid_depth_50bps", "Bids within 50 bps"),
            average("ask_depth_50bps", "Asks within 50 bps"),
        ],
        y_title="Depth, in quote",
    ),
    help_text="Mean of the slots at which all of it is known.",
    dataset=BOOK,
)

IMBALANCE = question(
    "imbalance",
    "Who waits, buyers or sellers?",
    xy(
        "line",
        x=over_time(),
        split=_assets(),
        y=[average("imbalance", "Imbalance")],
        y_title="-1: all asks; 1: all bids",
    ),
    help_text="Bids less asks, of both, by the sizes of the best 20 levels; mean of each step.",
    dataset=BOOK,
)


def _levels() -> Json:
    """Of the newest record under the dashboard's controls."""
    transform: list[Any] = [
        {"calculate": "datum._source.bids", "as": "bids"},
        {"calculate": "datum._source.asks", "as": "asks"},
        {"flatten": ["bids", "asks"], "as": ["bid", "ask"]},
        {"fold": ["bid", "ask"], "as": ["side", "level"]},
        {"filter": "isArray(datum.level)"},
        {"calculate": "datum.level[0]", "as": "price"},
        {"calculate": "datum.level[1]", "as": "size"},
    ]
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "data": {
            "url": {
                "%context%": True,
                "%timefield%": "timestamp",
                "index": BOOK.alias,
                "body": {"size": 1, "sort": [{"timestamp": "desc"}], "_source": ["bids", "asks"]},
            },
            "format": {"property": "hits.hits"},
        },
        "transform": transform,
        "mark": {"type": "bar", "size": 5, "tooltip": True},
        "encoding": {
            "x": {"field": "price", "type": "quantitative", "scale": {"zero": False}, "title": "Price, in quote"},
            "y": {"field": "size", "type": "quantitative", "title": "Size, in base units"},
            "color": {
                "field": "side",
                "type": "nominal",
                "title": None,
                "scale": {"domain": ["bid", "ask"], "range": [_BIDS, _ASKS]},
            },
        },
        "config": {"axis": {"labelLimit": 80}},
    }


LEVELS = drawing(
    "levels",
    "How does the book stand now?",
    _levels(),
    help_text="The best 20 levels of each side at the newest slot of the time shown.",
)

STORED = question(
    "stored",
    "Which books are there?",
    table(
        rows=[top("source", 10, "Source"), top("asset_id", 100, "Asset"), top("quote", 10, "Quote")],
        metrics=[
            records("Slots"),
            last("mid", "Mid"),
            last("spread_bps", "Spread, bps"),
            average("spread_bps", "Mean spread, bps"),
            last("bid_depth_10bps", "Bids within 10 bps"),
            last("ask_depth_10bps", "Asks within 10 bps"),
            smallest("timestamp", "From"),
            largest("timestamp", "To"),
        ],
    ),
    help_text="In the time shown, and under what is chosen above.",
    dataset=BOOK,
)


def dashboard() -> Dashboard:
    return Dashboard(
        id=names.BOOKS,
        title="Crypto prices: Order book",
        description="One asset's order book: spread, depth, imbalance, levels.",
        opens_on="now-1h",
        refresh_seconds=30,
        controls=single(BOOK, source="binance", asset_id="BTCUSDT", quote=""),
        rows=[
            Row(5, [ABOUT]),
            Row(7, [NOW]),
            Row(12, [SPREAD]),
            Row(12, [DEPTH]),
            Row(9, [IMBALANCE]),
            Row(12, [LEVELS]),
            Row(16, [STORED]),
        ],
    )
