"""How much stands in the book within so many basis points of mid, on each side, over the slots of each step.

Of slots at which all of it is known: how many these are is told. Imbalance is by the sizes of the best 20 levels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cryptoproxy.datasets import BOOK
from cryptoproxy.datasets.contracts.book import BANDS
from cryptoproxy.queries.answer import Cell, Look, asset_columns
from cryptoproxy.queries.notes import Noting
from cryptoproxy.queries.questions.flow.steps import Measure, Step, Steps

DATASET = BOOK
DEFAULT = BANDS[0]


def measures(within: int) -> tuple[Measure, ...]:
    """Raises:
    ValueError: no band that records tell of.
    """
    if within not in BANDS:
        raise ValueError(f"records tell of depth within {', '.join(map(str, BANDS))} basis points, not {within}")
    bids, asks = f"bid_depth_{within}bps", f"ask_depth_{within}bps"
    return (
        Measure("avg", bids),
        Measure("avg", asks),
        Measure("min", bids),
        Measure("min", asks),
        Measure("value_count", bids),
        Measure("value_count", asks),
        Measure("avg", "imbalance"),
    )


def noted(rows: Iterable[Step], request: Steps, watch: Noting) -> Iterator[Step]:
    """Says of how many slots the depth is not known."""
    slots = lacking = 0
    for row in rows:
        slots += row.records
        lacking += row.records - round(min(row.values[4] or 0, row.values[5] or 0))
        yield row
    if lacking:
        watch.more.append(
            f"at {lacking} of {slots} slots {request.measures[0].field} or {request.measures[1].field} is not known: "
            "the upstream shows fewer levels (BINANCE_BOOK_LEVELS, BYBIT_BOOK_LEVELS)"
        )


def columns(_: Steps) -> tuple[Cell[Step], ...]:
    return (
        *asset_columns(lambda row: row.asset),
        Cell("begin", "begin (UTC)", Look.TIME, lambda row: row.begin_ms),
        Cell("slots", "slots", Look.COUNT, lambda row: row.records),
        Cell("bids", "bids, mean", Look.NUMBER, lambda row: row.values[0]),
        Cell("asks", "asks, mean", Look.NUMBER, lambda row: row.values[1]),
        Cell("lowest_bids", "bids, least", Look.NUMBER, lambda row: row.values[2]),
        Cell("lowest_asks", "asks, least", Look.NUMBER, lambda row: row.values[3]),
        Cell("known_bids", "known", Look.COUNT, lambda row: round(row.values[4] or 0)),
        Cell("known_asks", "known", Look.COUNT, lambda row: round(row.values[5] or 0)),
        Cell("imbalance", "imbalance", Look.SHARE, lambda row: row.values[6]),
    )


def title(request: Steps) -> str:
    band = request.measures[0].field.removeprefix("bid_depth_").removesuffix("bps")
    return f"Depth of order books within {band} basis points of mid, in quote, mean of each {request.every.words}"
