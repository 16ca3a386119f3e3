"""Rows that a model is made of: what the job ``features`` has written, read without Spark; what the models share."""

from __future__ import annotations

import argparse
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cryptoproxy.common.clock import SystemClock
from cryptoproxy.datasets.times import DAY_MS, Span, from_person, written
from cryptoproxy.lake.store import Store
from cryptoproxy.models.trees import Forest, joined


class Rows(NamedTuple):
    """In the order of time."""

    table: pa.Table
    at_ms: np.ndarray
    x: np.ndarray
    """A column for each feature, as 32-bit floats."""

    def column(self, name: str) -> np.ndarray:
        return self.table.column(name).to_numpy()

    def of(self, which: np.ndarray) -> Rows:
        """Those of them alone."""
        return Rows(self.table.filter(pa.array(which)), self.at_ms[which], self.x[which])

    def within(self, begin_ms: int, end_ms: int) -> np.ndarray:
        """Which of them."""
        return (self.at_ms >= begin_ms) & (self.at_ms < end_ms)


def read(store: Store, part: str, span: Span, features: list[str], also: tuple[str, ...] = ()) -> Rows:
    """Rows of ``span`` that have each of these.

    Raises:
        SystemExit: there are none.
    """
    base = f"{store.settings.prefix}/spark/features-{part}/".removeprefix("/")
    days = {f"day={written(day)[:10]}" for day in span.begins(DAY_MS)}
    tables = [
        pq.read_table(pa.BufferReader(store.get(key)))
        for key in store.keys(base)
        if key.endswith(".parquet") and key[len(base) :].partition("/")[0] in days
    ]
    if not tables:
        raise SystemExit(f"no features of {part} in {span}: run jobs/spark/features.py first")
    table = pa.concat_tables(tables).sort_by([("begin", "ascending"), ("asset_id", "ascending")])
    there = np.ones(len(table), dtype=bool)
    for name in (*features, *also):
        there &= np.isfinite(table.column(name).to_numpy(zero_copy_only=False).astype(np.float64))
    table = table.filter(pa.array(there))
    if not len(table):
        raise SystemExit(f"no row of {span} has every feature: {', '.join(features)}")
    at_ms = table.column("begin").cast(pa.timestamp("ms", tz="UTC")).cast(pa.int64()).to_numpy()
    x = np.column_stack([table.column(name).to_numpy() for name in features]).astype(np.float32)
    return Rows(table, at_ms, x)


def as_forest(trees: Any, values: Any, *, base: float = 0.0, scale: float = 1.0, columns: Any = None) -> Forest:
    """scikit-learn's trees as ours.

    Args:
        values: of a tree, what its nodes add.
        columns: of each tree, which features it was given; all of them without.
    """
    made = []
    for number, tree in enumerate(trees):
        own = np.arange(tree.n_features) if columns is None else columns[number]
        feature = np.where(tree.children_left < 0, -1, own[np.maximum(tree.feature, 0)])
        made.append(
            {
                "feature": feature, "threshold": tree.threshold, "left": tree.children_left,
                "right": tree.children_right, "value": values(tree),
            }
        )  # fmt: skip
    return joined(made, base=base, scale=scale)


def arguments(says: str, *, part: bool = True) -> argparse.ArgumentParser:
    def day(text: str) -> int:
        found = from_person(text, now_ms=SystemClock().now_ms())
        return found - found % DAY_MS

    parser = argparse.ArgumentParser(description=says)
    if part:
        parser.add_argument("--part", default="1h", help="of which bars: features-1h (1h)")
    parser.add_argument("--from", dest="begin", type=day, required=True, help="first day, UTC: 2026-07-03, 365d (ago)")
    parser.add_argument("--to", dest="end", type=day, required=True, help="end, not included")
    parser.add_argument("--keep", action="store_true", help="leave it to promote.py whether it is made live")
    return parser
