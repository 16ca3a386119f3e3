"""Batch: what a model of the next bar may know when a bar is over: returns, volatility, volume, indicators, calendar.

Every column is of the bar and of bars before it; only ``next_return``, which a model is asked for, is of the one after.
A bar that is missing leaves null where it would have been needed: nothing steps over a hole.
"""

from __future__ import annotations

from typing import Any

from indicators import indicators
from pyspark.sql import Column, Window
from pyspark.sql import functions as F  # noqa: N812 - as everybody calls it
from session import arguments, session, settings, span_of
from tables import records, write_days
from windows import KEY

from cryptoproxy.datasets.contracts.candle import STEPS

LAGS = (1, 2, 3, 6, 12, 24)
BACK = 24
INDICATORS = "rsi:14,macd,bollinger:20"
FEATURES = (
    *(f"return_{lag}" for lag in LAGS), f"volatility_{BACK}", f"volume_{BACK}", "range", "rsi", "macd", "bollinger",
    "hour", "weekday",
)  # fmt: skip


def features(bars: Any, step_ms: int) -> Any:
    order = Window.partitionBy(*KEY).orderBy("timestamp")
    last = order.rowsBetween(1 - BACK, 0)
    ms = F.unix_millis("timestamp")

    def there(column: Column, lag: int) -> Column:
        """``column``, where the bar so many before (after, of a negative one) is just so much earlier."""
        return F.when(F.lag(ms, lag).over(order) == ms - lag * step_ms, column)

    def return_over(lag: int) -> Column:
        return there(F.log(F.col("close") / F.lag("close", lag).over(order)), lag)

    found = indicators(bars, INDICATORS)
    for lag in LAGS:
        found = found.withColumn(f"return_{lag}", return_over(lag))
    whole = there(F.lit(True), BACK - 1)
    found = (
        found.withColumn(f"volatility_{BACK}", F.when(whole, F.stddev_samp("return_1").over(last)))
        .withColumn(f"volume_{BACK}", F.when(whole, F.col("base_volume") / F.avg("base_volume").over(last)))
        .withColumn("range", F.log(F.col("high") / F.col("low")))
        .withColumn("rsi", F.col("rsi_14") / 100)
        .withColumn("macd", F.col("macd_12_26_9_histogram") / F.col("close"))
        .withColumn(
            "bollinger",
            (F.col("close") - F.col("bollinger_20"))
            / F.nullif(F.col("bollinger_20_upper") - F.col("bollinger_20_lower"), F.lit(0.0)),
        )
        .withColumn("hour", F.hour("timestamp"))
        .withColumn("weekday", F.weekday("timestamp"))
        .withColumn("next_return", there(F.log(F.lead("close", 1).over(order) / F.col("close")), -1))
    )
    return found.select(*KEY, "symbol", F.col("timestamp").alias("begin"), "close", *FEATURES, "next_return")


def main(words: list[str] | None = None) -> None:
    parser = arguments("Features of stored candles over days of the lake.")
    parser.set_defaults(dataset="candle-1h")
    given = parser.parse_args(words)
    found, span, (dataset, part) = settings(), span_of(given), given.dataset
    if dataset.name != "candle" or part not in STEPS:
        raise SystemExit("features are of candles of one length: --dataset candle-1h")
    name = f"features-{part}"
    spark = session(name, found)
    rows = features(records(spark, found, dataset, part, span), STEPS[part]).cache()
    where = write_days(rows, found, name)
    whole = rows.dropna(subset=[*FEATURES]).count()
    print(f"{name} {span}: {rows.count()} bars, {whole} of them with every feature, in {where}")
    spark.stop()


if __name__ == "__main__":
    main()
