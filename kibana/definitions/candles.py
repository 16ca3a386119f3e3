"""Dashboard Candles: one asset's closed bars. Drawn by Vega-Lite, since Lens knows no candlestick.

A bar's interval, source and asset are chosen above, one of each: bars of two intervals on one axis would say nothing.
"""

from __future__ import annotations

from typing import Any

from cryptoproxy.datasets import CANDLE
from kibana import names
from kibana.builders.charts import table, tiles
from kibana.builders.columns import Json, largest, last, smallest, top, total
from kibana.builders.controls import single
from kibana.builders.dashboard import Dashboard, Row
from kibana.builders.panels import drawing, note, question
from kibana.definitions import shared

MOST_BARS = 1000
_RISES = "datum.close >= datum.open"
_UP, _DOWN = "#1a9988", "#cc4444"
_TIME: Json = {"field": "timestamp", "type": "temporal", "title": None}

ABOUT = note(
    "about",
    f"{shared.links(names.CANDLES)}\n\n"
    "Closed bars of **one** asset: choose source, asset and interval above. A bar stands at its open time. The newest "
    f"{MOST_BARS} bars of the time shown are drawn; for a longer time choose a longer interval. Prices and volumes are "
    "in the asset's quote currency. A bar appears when it has ended, never before.",
)


def _bars(*fields: str) -> Json:
    """The bars in the dashboard's time and under its controls, oldest first."""
    return {
        "url": {
            "%context%": True,
            "%timefield%": "timestamp",
            "index": CANDLE.alias,
            "body": {
                "size": MOST_BARS,
                "sort": [{"timestamp": "desc"}],
                "_source": ["timestamp", *fields],
            },
        },
        "format": {"property": "hits.hits"},
    }


def _spec(data: Json, *fields: str, **rest: Any) -> Json:
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "data": data,
        "transform": [
            {"calculate": "toDate(datum._source.timestamp)", "as": "timestamp"},
            *({"calculate": f"datum._source.{name}", "as": name} for name in fields),
            *rest.pop("transform", []),
        ],
        "config": {"axis": {"labelLimit": 80}},
        **rest,
    }


def _colour() -> Json:
    return {"condition": {"test": _RISES, "value": _UP}, "value": _DOWN}


PRICES = ("open", "high", "low", "close")

CANDLES = drawing(
    "candles",
    "How did its price run?",
    _spec(
        _bars(*PRICES),
        *PRICES,
        encoding={
            "x": _TIME,
            "color": _colour(),
            "tooltip": [
                {"field": "timestamp", "type": "temporal", "timeUnit": "utcyearmonthdatehoursminutes"},
                *({"field": name, "type": "quantitative"} for name in PRICES),
            ],
        },
        layer=[
            {
                "mark": "rule",
                "encoding": {
                    "y": {"field": "low", "type": "quantitative", "scale": {"zero": False}, "title": "Price, in quote"},
                    "y2": {"field": "high"},
                },
            },
            {
                "mark": {"type": "bar", "size": 4},
                "encoding": {"y": {"field": "open", "type": "quantitative"}, "y2": {"field": "close"}},
            },
        ],
    ),
    help_text="Open, high, low and close of each closed bar.",
)

VOLUME = drawing(
    "volume",
    "How much was traded?",
    _spec(
        _bars("open", "close", "quote_volume"),
        "open",
        "close",
        "quote_volume",
        mark={"type": "bar", "size": 4, "tooltip": True},
        encoding={
            "x": _TIME,
            "y": {"field": "quote_volume", "type": "quantitative", "title": "Volume, in quote"},
            "color": _colour(),
        },
    ),
    help_text="Volume of each closed bar, in quote. CoinGecko's bars have none.",
)

SINCE_BEGIN = drawing(
    "since-begin",
    "How far is it from where it began? (%)",
    _spec(
        _bars("close"),
        "close",
        transform=[
            {
                "sort": [{"field": "timestamp"}],
                "window": [{"op": "first_value", "field": "close", "as": "first"}],
                "frame": [None, None],
            },
            {"calculate": "(datum.close / datum.first - 1) * 100", "as": "change"},
        ],
        layer=[
            {"mark": {"type": "rule", "color": "#999999"}, "encoding": {"y": {"datum": 0}}},
            {
                "mark": {"type": "line", "tooltip": True},
                "encoding": {
                    "x": _TIME,
                    "y": {"field": "change", "type": "quantitative", "title": "Change since the begin, %"},
                },
            },
        ],
    ),
    help_text="Change of the close since the first bar of the time shown, in percent.",
)

NOW = question(
    "now",
    "What does it cost now?",
    tiles(
        top("asset_id", 4, "Asset", by=largest("quote_volume", "Volume, in quote"), apart=("source", "quote")),
        last("close", "Last close"),
        beside=largest("timestamp", "opened at"),
    ),
    help_text="The close of the newest bar, and when that bar was opened.",
    dataset=CANDLE,
)

STORED = question(
    "stored",
    "Which bars are there?",
    table(
        rows=[
            top("source", 10, "Source"),
            top("asset_id", 100, "Asset"),
            top("interval", 20, "Interval"),
            top("quote", 10, "Quote"),
        ],
        metrics=[
            smallest("timestamp", "From"),
            largest("timestamp", "To"),
            last("close", "Last close"),
            smallest("low", "Lowest"),
            largest("high", "Highest"),
            total("quote_volume", "Volume, in quote"),
        ],
    ),
    help_text="In the time shown, and under what is chosen above.",
    dataset=CANDLE,
)


def dashboard() -> Dashboard:
    return Dashboard(
        id=names.CANDLES,
        title="Crypto prices: Candles",
        description="Closed bars of one asset: price, volume, change.",
        opens_on="now-7d",
        refresh_seconds=60,
        controls=single(CANDLE, source="binance", asset_id="BTCUSDT", interval="1h", quote=""),
        rows=[
            Row(5, [ABOUT]),
            Row(7, [NOW]),
            Row(18, [CANDLES]),
            Row(8, [VOLUME]),
            Row(12, [SINCE_BEGIN]),
            Row(16, [STORED]),
        ],
    )
