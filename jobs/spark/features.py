"""Batch: the features of `cryptoproxy.models.features`, by that code, of every asset over days of the lake."""

from __future__ import annotations

from typing import Any

import pandas as pd
from pyspark.sql import functions as F  # noqa: N812 - as everybody calls it
from session import arguments, session, settings, span_of
from tables import around, records, within, write_days
from windows import KEY

from cryptoproxy.datasets.contracts.candle import STEPS
from cryptoproxy.models.features import ENOUGH_BARS, FEATURES, NEXT
from cryptoproxy.models.features import features as ours
from cryptoproxy.queries.questions.candles import Bar
from cryptoproxy.queries.questions.indicators import talib

BAR = ("open", "high", "low", "close", "base_volume")


def features(bars: Any, step_ms: int) -> Any:
    """Of each asset's bars, in the order of time; null where a feature is not known."""

    def of_asset(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.sort_values("begin", ignore_index=True)
        made = [Bar(*values) for values in frame[["begin_ms", *BAR]].itertuples(index=False)]
        told = ours(made, step_ms, talib())
        kept = frame[[*KEY, "symbol", "begin", "close"]]
        return kept.assign(**{name: told[name] for name in (*FEATURES, NEXT)})

    begin = F.col("timestamp").alias("begin")
    made_of = bars.select(*KEY, "symbol", begin, *BAR, F.unix_millis("timestamp").alias("begin_ms"))
    types = {name: kind for name, kind in made_of.dtypes if name in (*KEY, "symbol", "begin", "close")}
    types |= dict.fromkeys((*FEATURES, NEXT), "double")
    return made_of.groupBy(*KEY).applyInPandas(of_asset, ", ".join(f"`{name}` {kind}" for name, kind in types.items()))


def main(words: list[str] | None = None) -> None:
    parser = arguments("Features of stored candles over days of the lake.")
    parser.set_defaults(dataset="candle-1h")
    given = parser.parse_args(words)
    found, span, (dataset, part) = settings(), span_of(given), given.dataset
    if dataset.name != "candle" or part not in STEPS:
        raise SystemExit("features are of candles of one length: --dataset candle-1h")
    name = f"features-{part}"
    spark = session(name, found)
    # The bars before the first day, as the model at work has them, and the one after the last day for its answer.
    read = around(span, before=ENOUGH_BARS, step_ms=STEPS[part], after=1)
    rows = within(features(records(spark, found, dataset, part, read), STEPS[part]), span).cache()
    where = write_days(rows, found, name)
    whole = rows.dropna(subset=[*FEATURES]).count()
    print(f"{name} {span}: {rows.count()} bars, {whole} of them with every feature, in {where}")
    spark.stop()


if __name__ == "__main__":
    main()
