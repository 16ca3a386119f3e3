"""Batch: what `cryptoproxy query indicators` says, by its own code, of every asset over days of the lake."""

from __future__ import annotations

from typing import Any

import pandas as pd
from session import arguments, session, settings, span_of
from tables import around, records, within, write_days
from windows import KEY

from cryptoproxy.datasets.contracts.candle import STEPS
from cryptoproxy.datasets.times import DAY_MS
from cryptoproxy.queries.questions import indicators as ours
from cryptoproxy.queries.questions.candles import Bar

MONTH_MS = 31 * DAY_MS
BAR = ("open", "high", "low", "close", "base_volume", "quote_volume")


def indicators(bars: Any, words: str) -> Any:
    """Of each asset's bars, in the order of time; columns as `query indicators` names them, null while one warms up."""
    which = [ours.indicator(each) for each in words.split(",")]
    columns = [name for each in which for name in each.columns]

    def of_asset(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.sort_values("timestamp", ignore_index=True)
        made = [Bar(0, *values) for values in frame[["open", "high", "low", "close"]].itertuples(index=False)]
        found = ours.calculated(ours.talib(), which, made)
        return frame.assign(**{name: pd.Series(found[name], dtype="float64") for name in columns})

    kept = bars.select(*KEY, "symbol", "timestamp", *BAR)
    schema = ", ".join(f"`{each.name}` {each.dataType.simpleString()}" for each in kept.schema)
    return kept.groupBy(*KEY).applyInPandas(of_asset, f"{schema}, " + ", ".join(f"`{each}` double" for each in columns))


def main(words: list[str] | None = None) -> None:
    parser = arguments("Indicators of stored candles over days of the lake.")
    parser.set_defaults(dataset="candle-1h")
    parser.add_argument("--with", dest="which", default=ours.DEFAULT, help=f"as `query indicators` ({ours.DEFAULT})")
    given = parser.parse_args(words)
    found, span, (dataset, part) = settings(), span_of(given), given.dataset
    if dataset.name != "candle":
        raise SystemExit("indicators are of candles: --dataset candle-1h")
    name = f"indicators-{part}"
    spark = session(name, found)
    before = max(ours.indicator(each).back for each in given.which.split(","))
    read = around(span, before=before, step_ms=STEPS.get(part, MONTH_MS))
    rows = indicators(records(spark, found, dataset, part, read), given.which)
    rows = within(rows.withColumnRenamed("timestamp", "begin"), span).cache()
    where = write_days(rows, found, name)
    print(f"{name} {span}: {rows.count()} bars of {rows.select(*KEY).distinct().count()} assets in {where}")
    spark.stop()


if __name__ == "__main__":
    main()
