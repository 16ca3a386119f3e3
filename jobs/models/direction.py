"""Does an asset's next bar close higher? Gradient-boosted trees of each asset, judged before they are taken.

**Walk-forward.** The span is cut into folds by time. What was made of all folds before is asked of the next, of which
it knows nothing; the last fold is held out for the choice. Beside it stand two that know nothing: "no change" says 50 %
each time, "same as yesterday" that the last bar's direction comes again. An asset's trees are taken only if their loss
on the held-out fold is below that of "no change" and of what is live now, on the same rows, and their mean loss over
all folds below that of "no change" too. A version is all assets' trees: of who has no better ones now, those that are
live are in it again; of who has none, nothing is said at work.

``return_after_fees`` is the mean return of a bar for who follows it, with ``--fee`` paid at each change of side: a
figure to be warned by, and no claim of profit.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from choice import better, decide
from rows import Rows, arguments, as_forest, read
from sklearn.ensemble import GradientBoostingClassifier

from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.settings.home import ENV_FILE
from cryptoproxy.common.start import load_settings
from cryptoproxy.datasets.contracts.candle import STEPS
from cryptoproxy.datasets.times import DAY_MS, Span
from cryptoproxy.lake.store import Store
from cryptoproxy.models.features import FEATURES as KNOWN
from cryptoproxy.models.registry import Model, OfAsset, Registry
from cryptoproxy.models.trees import Forest, probability, together

NAME = "direction"
FEATURES = list(KNOWN)
KEY = ("source", "asset_id", "quote")
LEAST_ROWS = 150
Figures = dict[str, float]


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


def judged(chance: np.ndarray, moved: np.ndarray, fee: float) -> Figures:
    """Of what was said of these bars of one asset, how much was so."""
    up = moved > 0
    sure = np.clip(chance, 1e-6, 1 - 1e-6)
    side = np.where(chance > 0.5, 1.0, -1.0)
    turns = np.diff(side, prepend=0.0) != 0
    return {
        "loss": float(-np.mean(np.where(up, np.log(sure), np.log(1 - sure)))),
        "accuracy": float(np.mean((chance > 0.5) == up)),
        "return_after_fees": float(np.mean(side * moved - turns * fee)),
    }


def cut(span: Span, folds: int) -> list[int]:
    """Where folds begin, at midnight, and where the last one ends."""
    return [*(span.begin_ms + span.length_ms * fold // folds // DAY_MS * DAY_MS for fold in range(folds)), span.end_ms]


class Made(NamedTuple):
    forest: Forest
    rows: int
    metrics: Figures


def walked(rows: Rows, edges: list[int], apart_ms: int, fee: float, live: Forest | None) -> Made | None:
    """What was made of all folds but the last, judged; None where one of them is too small, or all went one way.

    Args:
        rows: of one asset.
        apart_ms: a row's answer is the bar after it, so what begins so shortly before a fold is not known there.
    """
    moved, each = rows.column("next_return"), []
    up = moved > 0
    for begin_ms, end_ms in pairwise(edges[1:]):
        known, held = rows.at_ms < begin_ms - apart_ms, rows.within(begin_ms, end_ms)
        if known.sum() < LEAST_ROWS or not held.any() or up[known].all() or not up[known].any():
            return None
        forest = forest_of(classifier(rows.x[known], up[known]))
        each.append(judged(probability(forest, rows.x[held]), moved[held], fee))
    beside = {
        "no_change": np.full(held.sum(), 0.5),
        "same_as_yesterday": (rows.column("return_1")[held] > 0) * 0.02 + 0.49,
    }
    if live is not None:
        beside["live"] = probability(live, rows.x[held])
    metrics = each[-1] | {f"walk_forward_{name}": float(np.mean([fold[name] for fold in each])) for name in each[-1]}
    for name, chance in beside.items():
        metrics |= {f"{name}_{what}": value for what, value in judged(chance, moved[held], fee).items()}
    return Made(forest, int(known.sum()), metrics)


def version(made: dict[str, Made], live: Model | None) -> tuple[Forest, dict[str, OfAsset]]:
    """All assets' trees, and which are whose: what was made now where it is better, else what is live, if there is."""
    forests, assets, first = [], {}, 0
    for asset, own in made.items():
        is_better, before = better(own.metrics)[0], live.of(asset) if live is not None else None
        forest, since = own.forest, ""
        if not is_better and live is not None and before is not None:
            forest, since = before, (live.about.assets[asset].since if live.about.assets else "") or live.about.version
        assets[asset] = OfAsset(
            first=first, count=len(forest.roots), asked=is_better or bool(since), since=since, metrics=own.metrics
        )
        forests.append(forest)
        first += len(forest.roots)
    return together(forests), assets


def main(words: list[str] | None = None) -> None:
    parser = arguments("Trains, judges and keeps models of each asset's next bar's direction.")
    parser.add_argument("--folds", type=int, default=6, help="pieces of the span; the last is held out (6)")
    parser.add_argument("--fee", type=float, default=0.001, help="paid at each change of side, a fraction (0.001)")
    given = parser.parse_args(words)
    store, span = Store(load_settings(ENV_FILE).s3), Span(given.begin, given.end)
    registry, now_ms, name = Registry(store), SystemClock().now_ms(), f"{NAME}-{given.part}"
    rows = read(store, given.part, span, FEATURES, ("next_return",))
    edges = cut(span, given.folds)
    apart_ms = max(DAY_MS, STEPS[given.part])
    live = registry.load(name, newest, features=FEATURES) if (newest := registry.live(name)) else None

    made: dict[str, Made] = {}
    keys = np.array([":".join(each) for each in zip(*(rows.column(column) for column in KEY), strict=True)])
    for asset in np.unique(keys).tolist():
        own = walked(rows.of(keys == asset), edges, apart_ms, given.fee, live.of(asset) if live else None)
        if own is None:
            print(f"  {asset}: a fold has fewer than {LEAST_ROWS} rows before it, none of its own, or all go one way")
        else:
            made[asset] = own
            print(f"  {asset}: {better(own.metrics)[1]}")
    if not made:
        raise SystemExit("no asset has rows enough: take more days or fewer folds")
    forest, assets = version(made, live)
    told = sorted(set.intersection(*(set(own.metrics) for own in made.values())))
    about = registry.add(
        name, forest, features=FEATURES, begin_ms=span.begin_ms, end_ms=int(edges[-2] - apart_ms),
        rows=sum(own.rows for own in made.values()), assets=assets, now_ms=now_ms,
        metrics={each: float(np.mean([own.metrics[each] for own in made.values()])) for each in told},
    )  # fmt: skip
    if given.keep:
        print(f"{about.name} {about.version}: kept; promote.py decides")
    else:
        print(decide(registry, about.name, now_ms=now_ms))


if __name__ == "__main__":
    main()
