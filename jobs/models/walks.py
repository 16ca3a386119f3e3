"""How often luck passes: `direction`'s trees made of random walks, whose next bar nobody can know, and judged as assets
are. The same walks each time."""

from __future__ import annotations

import argparse

import numpy as np
import pyarrow as pa
from choice import better
from direction import FEATURES, cut, walked
from rows import Rows

from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, Span
from cryptoproxy.models.features import ENOUGH_BARS, NEXT, features
from cryptoproxy.queries.questions.candles import Bar
from cryptoproxy.queries.questions.indicators import talib

BEGIN = 1_788_220_800_000
"""2026-09-01."""
FOLDS, FEE = 6, 0.001
"""What `direction` has by itself."""


def walk(number: int, count: int) -> list[Bar]:
    """Of an hour each, a move of 0.6 % being one sigma."""
    dice = np.random.default_rng(number)
    close = 100.0 * np.exp(np.cumsum(dice.normal(0, 0.006, count + 1)))
    volume = dice.gamma(2, 50, count)
    return [
        Bar(BEGIN + (at - ENOUGH_BARS) * HOUR_MS, open_, max(open_, end) * 1.001, min(open_, end) * 0.999, end, base)
        for at, (open_, end, base) in enumerate(zip(close.tolist(), close[1:].tolist(), volume.tolist(), strict=False))
    ]


def rows_of(bars: list[Bar]) -> Rows:
    """As `rows.read` would find them: those after the first ``ENOUGH_BARS``, the last one having no next."""
    told = features(bars, HOUR_MS, talib())
    kept = {name: told[name][ENOUGH_BARS:-1] for name in (*FEATURES, NEXT)}
    at_ms = np.array([each.begin_ms for each in bars[ENOUGH_BARS:-1]])
    return Rows(pa.table(kept), at_ms, np.column_stack([kept[name] for name in FEATURES]).astype(np.float32))


def main(words: list[str] | None = None) -> int:
    """How many pass."""
    parser = argparse.ArgumentParser(description="Makes models of random walks and judges them as those of assets.")
    parser.add_argument("--walks", type=int, default=100)
    parser.add_argument("--days", type=int, default=60, help="of each (60)")
    given = parser.parse_args(words)
    span = Span(BEGIN, BEGIN + given.days * DAY_MS)
    edges, said = cut(span, FOLDS), []
    for number in range(given.walks):
        rows = rows_of(walk(number, ENOUGH_BARS + given.days * 24 + 1))
        made = walked(rows, edges, DAY_MS, FEE, None)
        if made is None:
            raise SystemExit("too few rows: take more days")
        said.append(made.metrics)
    passed = sum(better(each)[0] for each in said)
    held_out = sum(each["loss"] < each["no_change_loss"] for each in said)
    after = float(np.mean([each["return_after_fees"] for each in said]))
    print(
        f"{passed} of {given.walks} random walks of {given.days} days pass; {held_out} are better than no change in the"
        f" held-out fold alone; {after:+.3%} a bar after fees for who follows them"
    )
    return passed


if __name__ == "__main__":
    main()
