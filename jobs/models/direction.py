"""Does the next bar close higher? Gradient-boosted trees over the features of all assets, judged before they are taken.

**Walk-forward.** The span is cut into folds by time. A model that was made of all folds before is asked of the next,
of which it knows nothing; the last fold is held out for the choice. Beside it stand two that know nothing: "no change"
says 50 % each time, "same as yesterday" that the last bar's direction comes again. A version is made live only if its
loss on the held-out fold is below that of "no change" and of what is live now, on the same rows, and its mean loss over
all folds below that of "no change" too.

``return_after_fees`` is the mean return of a bar for who follows it, with ``--fee`` paid at each change of side: a
figure to be warned by, and no claim of profit.
"""

from __future__ import annotations

import json
import math

import numpy as np
from choice import decide
from rows import Rows, arguments, as_forest, read
from sklearn.ensemble import GradientBoostingClassifier

from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.settings.home import ENV_FILE
from cryptoproxy.common.start import load_settings
from cryptoproxy.datasets.contracts.candle import STEPS
from cryptoproxy.datasets.times import DAY_MS, Span
from cryptoproxy.lake.store import Store
from cryptoproxy.models.features import FEATURES as KNOWN
from cryptoproxy.models.registry import Registry
from cryptoproxy.models.trees import Forest, probability

NAME = "direction"
FEATURES = list(KNOWN)
KEY = ("source", "asset_id", "quote")
LEAST_ROWS = 200


def classifier(x: np.ndarray, up: np.ndarray) -> GradientBoostingClassifier:
    """The same rows give the same trees."""
    return GradientBoostingClassifier(
        n_estimators=60, max_depth=3, learning_rate=0.05, subsample=0.7, min_samples_leaf=50, random_state=7
    ).fit(x, up)


def forest_of(model: GradientBoostingClassifier) -> Forest:
    """Its sum is the logarithm of the odds; it begins at those of all rows."""
    share = float(np.clip(model.init_.class_prior_[1], 1e-6, 1 - 1e-6))
    return as_forest(
        [each[0].tree_ for each in model.estimators_],
        lambda tree: tree.value[:, 0, 0],
        base=math.log(share / (1 - share)),
        scale=model.learning_rate,
    )


def judged(chance: np.ndarray, rows: Rows, which: np.ndarray, fee: float) -> dict[str, float]:
    """Of what was said of these rows, how much was so."""
    moved = rows.column("next_return")[which]
    up = moved > 0
    sure = np.clip(chance, 1e-6, 1 - 1e-6)
    side = np.where(chance > 0.5, 1.0, -1.0)
    # The same asset at another source is another series.
    assets = np.array([":".join(each) for each in zip(*(rows.column(name)[which] for name in KEY), strict=True)])
    gained = side * moved
    for asset in np.unique(assets):
        mine = assets == asset
        turns = np.diff(side[mine], prepend=0.0) != 0
        gained[mine] -= turns * fee
    return {
        "loss": float(-np.mean(np.where(up, np.log(sure), np.log(1 - sure)))),
        "accuracy": float(np.mean((chance > 0.5) == up)),
        "return_after_fees": float(np.mean(gained)),
    }


def main(words: list[str] | None = None) -> None:
    parser = arguments("Trains, judges and keeps a model of the next bar's direction.")
    parser.add_argument("--folds", type=int, default=6, help="pieces of the span; the last is held out (6)")
    parser.add_argument("--fee", type=float, default=0.001, help="paid at each change of side, a fraction (0.001)")
    given = parser.parse_args(words)
    store, span = Store(load_settings(ENV_FILE).s3), Span(given.begin, given.end)
    registry, now_ms = Registry(store), SystemClock().now_ms()
    rows = read(store, given.part, span, FEATURES, ("next_return",))
    edges = [span.begin_ms + span.length_ms * fold // given.folds // DAY_MS * DAY_MS for fold in range(given.folds)]
    edges.append(span.end_ms)
    up = rows.column("next_return") > 0
    apart = max(DAY_MS, STEPS[given.part])

    walked = []
    for fold in range(1, given.folds):
        # A row's answer is the bar after it: what begins within a bar of the fold is left out of its training.
        known, asked = rows.at_ms < edges[fold] - apart, rows.within(edges[fold], edges[fold + 1])
        if known.sum() < LEAST_ROWS or not asked.any():
            raise SystemExit(
                f"fold {fold} of {given.folds} has {known.sum()} rows before it: take more days or fewer folds"
            )
        forest = forest_of(classifier(rows.x[known], up[known]))
        walked.append(judged(probability(forest, rows.x[asked]), rows, asked, given.fee))
    held, mine = asked, walked[-1]
    last = (rows.column("return_1")[held] > 0) * 0.02 + 0.49
    beside = {
        "no_change": judged(np.full(held.sum(), 0.5), rows, held, given.fee),
        "same_as_yesterday": judged(last, rows, held, given.fee),
    }
    if live := registry.live(f"{NAME}-{given.part}"):
        model = registry.load(f"{NAME}-{given.part}", live, features=FEATURES)
        beside["live"] = judged(probability(model.forest, rows.x[held]), rows, held, given.fee)
    metrics = mine | {f"walk_forward_{name}": float(np.mean([each[name] for each in walked])) for name in mine}
    metrics |= {f"{name}_{what}": each[what] for name, each in beside.items() for what in ("loss", "accuracy")}
    about = registry.add(
        f"{NAME}-{given.part}", forest, features=FEATURES, begin_ms=span.begin_ms, end_ms=int(edges[-2] - apart),
        rows=int(known.sum()), metrics=metrics, now_ms=now_ms,
    )  # fmt: skip
    print(json.dumps({"held_out": {"this": mine} | beside, "walk_forward": walked, "rows": int(held.sum())}, indent=2))
    if given.keep:
        print(f"{about.name} {about.version}: kept; promote.py decides")
    else:
        print(decide(registry, about.name, now_ms=now_ms))


if __name__ == "__main__":
    main()
