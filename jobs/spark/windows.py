"""What one window of an asset comes to. One expression for batch and stream, so that both say the same of it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812 - as everybody calls it

from cryptoproxy.datasets import CANDLE, TICKER, TRADE, Dataset
from cryptoproxy.queries.periods import Interval

KEY = ("source", "asset_id", "quote")
_FOUR_LN_2 = 4 * math.log(2)


class Shape(NamedTuple):
    """Which columns of a dataset are a bar's."""

    open: str
    high: str
    low: str
    close: str
    base: str | None = None
    quote: str | None = None
    serial: tuple[str, ...] = ("timestamp",)
    """What is an id with the key."""
    tie: str | None = None
    """Of two records of one moment the one that is less came first."""


SHAPES = {
    TICKER.name: Shape("price", "price", "price", "price"),
    CANDLE.name: Shape("open", "high", "low", "close", "base_volume", "quote_volume"),
    TRADE.name: Shape(
        "price", "price", "price", "price", "base_volume", "quote_volume", serial=("timestamp", "trade_id"),
        # Bybit's sequence, Binance's aggregate id.
        tie="coalesce(sequence, try_cast(split(trade_id, '-')[0] as bigint))",
    ),
}  # fmt: skip


def shape_of(dataset: Dataset[Any]) -> Shape:
    """
    Raises:
        SystemExit: no windows are made of that dataset.
    """
    shape = SHAPES.get(dataset.name)
    if shape is None:
        raise SystemExit(f"windows are made of {', '.join(SHAPES)}, not of {dataset.name}")
    return shape


def windows(records: DataFrame, dataset: Dataset[Any], length: Interval) -> DataFrame:
    """Windows begin at multiples of their length since 1970, UTC.

    ``base_volume`` and ``quote_volume`` are null where the dataset has none, or a record lacks it, and so is ``vwap``;
    ``range_volatility`` is Parkinson's, of highest and lowest: a standard deviation of the logarithm, per window.

    Raises:
        SystemExit: no windows are made of that dataset.
    """
    shape = shape_of(dataset)
    order = F.col("timestamp") if shape.tie is None else F.struct("timestamp", F.expr(shape.tie))
    grouped = records.groupBy(*KEY, F.window("timestamp", f"{length.ms} milliseconds").alias("window")).agg(
        F.max_by("symbol", "timestamp").alias("symbol"),
        F.count("*").alias("records"),
        F.min_by(shape.open, order).alias("open"),
        F.max(shape.high).alias("high"),
        F.min(shape.low).alias("low"),
        F.max_by(shape.close, order).alias("close"),
        F.avg(shape.close).alias("mean"),
        _sum(shape.base).alias("base_volume"),
        _sum(shape.quote).alias("quote_volume"),
    )
    ratio = F.log(F.col("high") / F.col("low"))
    return grouped.select(
        *KEY,
        "symbol",
        F.col("window.start").alias("begin"),
        F.col("window.end").alias("end"),
        "records",
        "open",
        "high",
        "low",
        "close",
        "mean",
        "base_volume",
        "quote_volume",
        F.when(F.col("base_volume") > 0, F.col("quote_volume") / F.col("base_volume")).alias("vwap"),
        F.sqrt(ratio * ratio / F.lit(_FOUR_LN_2)).alias("range_volatility"),
    )


def _sum(column: str | None) -> Column:
    if column is None:
        return F.max(F.lit(None).cast("double"))
    return F.when(F.count(column) == F.count("*"), F.sum(column))
