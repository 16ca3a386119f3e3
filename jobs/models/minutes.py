"""Which minutes of a price are strange? The isolation forest that rules of `watch` ask (`forest-score`, docs/watch.md).

A row is what watch itself makes of an asset's last minutes, by its own code, out of the stored bars of a minute, or of
the tickers where there are none. Nobody tells which minutes were strange, so on the last fifth of the span, of which it
knows nothing, it is asked two things: how many minutes it calls strange (at most twice as many as ``--share``), and how
many of the jumps of twelve sigmas that are put in there, one an hour, it finds. It is made live if what is live calls
too many strange by now, or finds fewer of these jumps, or as many with more false alarms.
"""

from __future__ import annotations

import math
from array import array
from collections import defaultdict
from typing import NamedTuple

import numpy as np
from anomaly import SAMPLES, forest_of, isolation
from choice import decide
from rows import arguments

from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.settings.home import ENV_FILE
from cryptoproxy.common.start import load_settings
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, Span
from cryptoproxy.lake.store import Store
from cryptoproxy.models.registry import Registry
from cryptoproxy.models.trees import Forest, anomaly
from cryptoproxy.queries import periods
from cryptoproxy.queries.answer import Covers
from cryptoproxy.queries.lake.engine import Lake
from cryptoproxy.queries.notes import Noting
from cryptoproxy.queries.questions import candles
from cryptoproxy.queries.scope import Scope
from cryptoproxy.watch.figures.learned import FEATURES, Recent

NAME = "minutes"
JUMP = 12.0


class Minutes(NamedTuple):
    """Rows as 32-bit floats, a column for each of ``FEATURES``."""

    known: np.ndarray
    held: np.ndarray
    """Of the days that are held out."""
    jumps: np.ndarray
    """Of the same, each with a jump in its last minute."""


def read(lake: Lake, span: Span, edge_ms: int, sources: tuple[str, ...]) -> Minutes:
    """Day by day, so that a month of all assets fits into memory."""
    recents: defaultdict[object, Recent] = defaultdict(Recent)
    known, held, jumps = array("f"), array("f"), array("f")
    for day in span.parts(DAY_MS):
        scope = Scope(day, sources)
        asked = candles.Candles(scope, periods.interval("1m"))
        for found in candles.rows(lake, asked, Noting(scope, "", Covers(day))):
            recent, bar = recents[found.asset], found.bar
            if bar.begin_ms >= edge_ms and bar.begin_ms % HOUR_MS == 0:
                jumps.extend(_jumped(recent, bar.begin_ms, bar.close))
            if row := recent.take(bar.begin_ms, bar.close):
                (known if bar.begin_ms < edge_ms else held).extend(row.scaled)
    return Minutes(*(np.array(each, dtype=np.float32).reshape(-1, len(FEATURES)) for each in (known, held, jumps)))


def _jumped(recent: Recent, at_ms: int, price: float) -> list[float]:
    """The row that this minute would be with a jump in it, if there is one."""
    known, copy = recent.dump(), Recent()
    copy.load(known)
    row = copy.take(at_ms, price * math.exp(JUMP * math.sqrt(known[1])))
    return [] if row is None else list(row.scaled)


def judged(forest: Forest, samples: int, threshold: float, rows: Minutes) -> dict[str, float]:
    """On the days that are held out."""
    return {
        "share_held_out": float(np.mean(anomaly(forest, rows.held, samples) >= threshold)),
        "jumps_found": float(np.mean(anomaly(forest, rows.jumps, samples) >= threshold)),
    }


def main(words: list[str] | None = None) -> None:
    parser = arguments("Trains, judges and keeps the model of strange minutes that watch asks.", part=False)
    parser.add_argument("--source", action="append", default=[], help="only of this one; may be told more than once")
    parser.add_argument("--share", type=float, default=0.001, help="of minutes that may be called strange (0.001)")
    given = parser.parse_args(words)
    store, span = Store(load_settings(ENV_FILE).s3), Span(given.begin, given.end)
    registry, now_ms, lake = Registry(store), SystemClock().now_ms(), Lake(store)
    edge_ms = (span.begin_ms + span.length_ms * 4 // 5) // DAY_MS * DAY_MS
    try:
        rows = read(lake, span, edge_ms, tuple(given.source))
    finally:
        lake.close()
    if len(rows.known) < SAMPLES or not len(rows.held) or not len(rows.jumps):
        raise SystemExit(
            f"{len(rows.known)} minutes to make it of and {len(rows.held)} to judge it by: take more days, of a source "
            "that is polled each minute or has bars of one"
        )
    model = isolation(rows.known)
    forest, samples = forest_of(model), int(model.max_samples_)
    threshold = float(np.quantile(anomaly(forest, rows.known, samples), 1 - given.share))
    metrics = judged(forest, samples, threshold, rows) | {"share": given.share}
    if live := registry.live(NAME):
        about, other = registry.load(NAME, live, features=list(FEATURES))
        said = about.settings
        if "threshold" in said:  # one of a person's own may have none, and cannot be held against
            beside = judged(other, int(said["samples"]), said["threshold"], rows)
            metrics |= {f"live_{name}": value for name, value in beside.items()}
    about = registry.add(
        NAME, forest, features=list(FEATURES), begin_ms=span.begin_ms, end_ms=edge_ms, rows=len(rows.known),
        metrics=metrics, settings={"samples": float(samples), "threshold": threshold}, now_ms=now_ms,
    )  # fmt: skip
    if given.keep:
        print(f"{NAME} {about.version}: kept; promote.py decides")
    else:
        print(decide(registry, NAME, now_ms=now_ms))
    print(f"in a rule: forest-score: {threshold:.3f}, model: {NAME}")


if __name__ == "__main__":
    main()
