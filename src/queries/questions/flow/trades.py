"""What was traded: volume, the mean price weighed by it (VWAP), and who pressed, buyers or sellers, in each step.

The side is the taker's: who took what stood in the book. Pressure is bought less sold, of all: -1 to 1, in quote.
"""

from __future__ import annotations

from cryptoproxy.datasets import TRADE
from cryptoproxy.queries.answer import Cell, Look, asset_columns
from cryptoproxy.queries.questions.flow.steps import Measure, Step, Steps

MEASURES = (
    Measure("sum", "base_volume"),
    Measure("sum", "quote_volume"),
    Measure("sum", "quote_volume", "buy"),
    Measure("sum", "quote_volume", "sell"),
    Measure("min", "price"),
    Measure("max", "price"),
    Measure("max", "quote_volume"),
)
DATASET = TRADE


def vwap(step: Step) -> float | None:
    """None where nothing of any size was traded, or it does not fit into a double."""
    base, quote, *_ = step.values
    return quote / base if base and quote is not None else None


def pressure(step: Step) -> float | None:
    _, _, bought, sold, *_ = step.values
    if bought is None or sold is None or not bought + sold:
        return None
    return (bought - sold) / (bought + sold)


def columns(_: Steps) -> tuple[Cell[Step], ...]:
    return (
        *asset_columns(lambda row: row.asset),
        Cell("begin", "begin (UTC)", Look.TIME, lambda row: row.begin_ms),
        Cell("trades", "trades", Look.COUNT, lambda row: row.records),
        Cell("base_volume", "base volume", Look.NUMBER, lambda row: row.values[0]),
        Cell("quote_volume", "quote volume", Look.NUMBER, lambda row: row.values[1]),
        Cell("vwap", "VWAP", Look.PRICE, vwap),
        Cell("lowest", "lowest", Look.PRICE, lambda row: row.values[4]),
        Cell("highest", "highest", Look.PRICE, lambda row: row.values[5]),
        Cell("bought", "bought", Look.NUMBER, lambda row: row.values[2]),
        Cell("sold", "sold", Look.NUMBER, lambda row: row.values[3]),
        Cell("pressure", "pressure", Look.SHARE, pressure),
        Cell("largest", "largest trade", Look.NUMBER, lambda row: row.values[6], False),
    )


def title(request: Steps) -> str:
    return f"Trades of each {request.every.words}: volume, VWAP, pressure of takers; bought and sold in quote"
