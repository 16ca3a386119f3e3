"""How strange a window is: its return in robust sigmas of its asset's returns before it, by the figure that rules of
`watch` ask (`robust-score`)."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812 - as everybody calls it
from pyspark.sql.types import DoubleType, StringType, StructField, StructType
from windows import KEY

from cryptoproxy.queries.periods import Interval
from cryptoproxy.watch.figures.gauge import figures
from cryptoproxy.watch.figures.ranks import SAMPLES, RobustScore
from cryptoproxy.watch.figures.windows import Change

SCORE, STATE = "robust_score", "state"


def scored(rows: DataFrame, length: Interval, states: DataFrame | None = None) -> DataFrame:
    """Windows with ``robust_score``, without its sign, of the last 120 of their asset: null after fewer than 20
    returns, and where the window before it lacks. ``state`` is for :func:`states_of`.

    Args:
        states: of all windows before these; without, these are the first.
    """
    if states is None:
        states = rows.select(*KEY, F.lit(None).cast("string").alias(STATE)).limit(0)
    columns, length_ms = [*rows.columns, SCORE, STATE], length.ms

    def of_asset(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.sort_values("begin", ignore_index=True)
        gauge = RobustScore(Change(length_ms), SAMPLES * length_ms)
        if isinstance(known := frame[STATE].iloc[0], str):
            gauge.load(json.loads(known))
        samples: Any = zip(frame["begin_ms"].tolist(), frame["close"].tolist(), strict=True)
        told = figures(gauge, samples)
        state = [*[None] * (len(told) - 1), json.dumps(gauge.dump())]
        return frame.assign(**{SCORE: told, STATE: state})[columns]

    known = rows.withColumn("begin_ms", F.unix_millis("begin")).join(states, [*KEY], "left")
    schema = StructType([*rows.schema, StructField(SCORE, DoubleType()), StructField(STATE, StringType())])
    return known.groupBy(*KEY).applyInPandas(of_asset, schema)


def states_of(told: DataFrame, states: DataFrame | None) -> DataFrame:
    """What must be known to go on: of each asset of :func:`scored` windows, and of those that had none now."""
    own = told.where(F.col(STATE).isNotNull()).select(*KEY, STATE)
    return own if states is None else own.unionByName(states.join(own, [*KEY], "left_anti"))
