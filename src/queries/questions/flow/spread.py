"""What it costs to trade at once: the spread between best bid and best ask, over the slots of each step.

In basis points of mid, so that assets compare: 1 is 0.01 %. Slots are evenly spaced, so their mean is one over time.
"""

from __future__ import annotations

from cryptoproxy.datasets import BOOK
from cryptoproxy.queries.answer import Cell, Look, asset_columns, data_columns
from cryptoproxy.queries.questions.flow.steps import Measure, Step, Steps

MEASURES = (
    Measure("avg", "spread_bps"),
    Measure("min", "spread_bps"),
    Measure("max", "spread_bps"),
    Measure("avg", "spread"),
    Measure("avg", "mid"),
)
DATASET = BOOK


def columns(_: Steps) -> tuple[Cell[Step], ...]:
    return (
        *asset_columns(lambda row: row.asset),
        Cell("begin", "begin (UTC)", Look.TIME, lambda row: row.begin_ms),
        Cell("slots", "slots", Look.COUNT, lambda row: row.records),
        Cell("spread_bps", "spread, bps", Look.NUMBER, lambda row: row.values[0]),
        Cell("lowest_bps", "lowest", Look.NUMBER, lambda row: row.values[1]),
        Cell("highest_bps", "highest", Look.NUMBER, lambda row: row.values[2]),
        Cell("spread", "in quote", Look.PRICE, lambda row: row.values[3]),
        Cell("mid", "mid", Look.PRICE, lambda row: row.values[4]),
        *data_columns(lambda row: row.seen),
    )


def title(request: Steps) -> str:
    return f"Spread of order books, mean of each {request.every.words}"
