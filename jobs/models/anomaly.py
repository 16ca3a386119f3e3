"""Which bars are strange? An isolation forest over the features of all assets. (The one that rules of `watch` ask is of
minutes: minutes.py.)

Nobody tells which bars were strange, so it is judged by what it would do: on the last fifth of the span, of which it
knows nothing, it may call at most twice as many strange as it was set to (``--share``). Else it is kept and not made
live.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from choice import decide
from rows import arguments, as_forest, read
from sklearn.ensemble import IsolationForest

from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.settings.home import ENV_FILE
from cryptoproxy.common.start import load_settings
from cryptoproxy.datasets.times import DAY_MS, Span
from cryptoproxy.lake.store import Store
from cryptoproxy.models.registry import Registry
from cryptoproxy.models.trees import Forest, anomaly, expected_depth

NAME = "anomaly"
FEATURES = ["return_1", "return_3", "return_24", "volatility_24", "volume_24", "range"]
SAMPLES, TREES = 256, 100


def isolation(x: np.ndarray) -> IsolationForest:
    """The same rows give the same trees."""
    return IsolationForest(n_estimators=TREES, max_samples=min(SAMPLES, len(x)), random_state=7).fit(x)


def forest_of(model: IsolationForest) -> Forest:
    """A leaf tells its depth, and for the rows that it still holds how much deeper they would have gone."""

    def depths(tree: Any) -> np.ndarray:
        depth = np.zeros(tree.node_count)
        for node in range(tree.node_count):  # a node's children come after it
            for child in (tree.children_left[node], tree.children_right[node]):
                if child >= 0:
                    depth[child] = depth[node] + 1
        return depth + np.array([expected_depth(int(count)) for count in tree.n_node_samples])

    return as_forest([each.tree_ for each in model.estimators_], depths, columns=model.estimators_features_)


def main(words: list[str] | None = None) -> None:
    parser = arguments("Trains, judges and keeps a model of strange bars.")
    parser.add_argument("--share", type=float, default=0.002, help="of bars that may be called strange (0.002)")
    given = parser.parse_args(words)
    store, span = Store(load_settings(ENV_FILE).s3), Span(given.begin, given.end)
    registry, now_ms = Registry(store), SystemClock().now_ms()
    rows = read(store, given.part, span, FEATURES)
    edge = (span.begin_ms + span.length_ms * 4 // 5) // DAY_MS * DAY_MS
    known, held = rows.at_ms < edge, rows.at_ms >= edge
    if known.sum() < SAMPLES or not held.any():
        raise SystemExit(f"{known.sum()} rows to make it of and {held.sum()} to judge it by: take more days")
    model = isolation(rows.x[known])
    forest, samples = forest_of(model), int(model.max_samples_)
    threshold = float(np.quantile(anomaly(forest, rows.x[known], samples), 1 - given.share))
    found = float(np.mean(anomaly(forest, rows.x[held], samples) > threshold))
    about = registry.add(
        f"{NAME}-{given.part}", forest, features=FEATURES, begin_ms=span.begin_ms, end_ms=edge, rows=int(known.sum()),
        metrics={"share_held_out": found, "share": given.share},
        settings={"samples": float(samples), "threshold": threshold}, now_ms=now_ms,
    )  # fmt: skip
    if given.keep:
        print(f"{about.name} {about.version}: kept; promote.py decides")
    else:
        print(decide(registry, about.name, now_ms=now_ms))


if __name__ == "__main__":
    main()
