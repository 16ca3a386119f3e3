"""`python -m benchmarks.anomalies`: what the scores of watch find of shocks, and how often they err.

A price is sampled each minute: its volatility comes and goes (a GARCH-like mean of its own squares), its returns have
fat tails (Student's t with 4 degrees). Into it come jumps of so many of the sigmas of that minute. A volume is
lognormal around a level, which is half as high again for four hours. Beside these there are returns as they were
recorded (`recorded_minutes.json`), put together anew in pieces of half an hour, with jumps of the same kind.

Found is what is alerted on within ten minutes of its begin (a shift of level: within an hour); any other alert is
false. Each threshold is chosen on made-up series of their own: the lowest with at most `MOST_FALSE` false alarms a day.
What is told is of others: made-up ones that it was not chosen on, and the recorded. The naive rule is held against the
mean and the standard deviation of 24 hours, and its threshold is three. No engines are needed.
"""

from __future__ import annotations

import json
import math
import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from cryptoproxy.models.trees import ARRAYS, Forest, expected_depth, joined
from cryptoproxy.watch.figures.learned import FORESTS, Asked, Recent
from cryptoproxy.watch.rulebook.conditions import gauge

MINUTE_MS, DAY = 60_000, 1_440
DAYS, SERIES, JUMP = 14, 12, 12.0
MOST_FALSE = 1.0
Series = list[float]


class ThreeSigmas:
    """The naive one: how many standard deviations from the mean of the samples of 24 hours."""

    def __init__(self, *, of_change: bool) -> None:
        self._of_change = of_change
        self._last = math.nan
        self._past: deque[float] = deque(maxlen=DAY)
        self._sum = self._squares = 0.0

    def take(self, at: int, value: float) -> float:
        figure = (value / self._last - 1) * 100 if self._of_change else value
        self._last = value
        if math.isnan(figure):
            return math.nan
        count, score = len(self._past), math.nan
        if count > 60:
            mean = self._sum / count
            variance = self._squares / count - mean * mean
            score = abs(figure - mean) / math.sqrt(variance) if variance > 0 else math.nan
        if count == DAY:
            old = self._past[0]
            self._sum, self._squares = self._sum - old, self._squares - old * old
        self._past.append(figure)
        self._sum, self._squares = self._sum + figure, self._squares + figure * figure
        return score


def prices(dice: random.Random) -> tuple[Series, list[int]]:
    """Samples, and the minutes of the jumps: three a day."""
    values, shocks, price, variance, last = [], [], 100.0, 1e-6, 0.0
    at = sorted(dice.sample(range(DAY, DAYS * DAY, 30), 3 * (DAYS - 1)))
    for minute in range(DAYS * DAY):
        variance = 2e-8 + 0.10 * last * last + 0.88 * variance
        student = dice.gauss(0, 1) / math.sqrt(dice.gammavariate(2, 1) / 2) / math.sqrt(2)
        last = math.sqrt(variance) * student
        jump = 0.0
        if at and minute == at[0]:
            shocks.append(at.pop(0))
            jump = math.copysign(JUMP * math.sqrt(variance), dice.random() - 0.5)
        price *= math.exp(last + jump)
        values.append(price)
    return values, shocks


def volumes(dice: random.Random) -> tuple[Series, list[int]]:
    """Samples, and the minutes where the level rises: one each second day, for four hours."""
    at = [day * DAY + dice.randrange(DAY - 300) for day in range(1, DAYS, 2)]
    high = {minute for begin in at for minute in range(begin, begin + 240)}
    values = [math.exp(dice.gauss(0, 0.25)) * (1.5 if minute in high else 1.0) for minute in range(DAYS * DAY)]
    return values, at


def recorded(dice: random.Random) -> tuple[Series, list[int]]:
    """Samples whose returns were recorded, and the minutes of the jumps: three a day, of so many sigmas of a day."""
    closes = json.loads(Path(__file__).with_name("recorded_minutes.json").read_text())["closes"]
    returns = [math.log(after / before) for before, after in pairwise(closes)]
    sigma = math.sqrt(sum(each * each for each in returns) / len(returns))
    put: Series = []
    while len(put) < DAYS * DAY:
        begin = dice.randrange(len(returns) - 30)
        put += returns[begin : begin + 30]
    at = sorted(dice.sample(range(DAY, DAYS * DAY, 30), 3 * (DAYS - 1)))
    for minute in at:
        put[minute] += math.copysign(JUMP * sigma, dice.random() - 0.5)
    return [100.0 * math.exp(each) for each in accumulate(put[: DAYS * DAY])], at


def rows_of(values: Series) -> list[Sequence[float]]:
    """What a learned score is asked of a series."""
    recent = Recent()
    found = (recent.take(minute * MINUTE_MS, value) for minute, value in enumerate(values))
    return [each.scaled for each in found if each is not None]


def isolation(rows: Sequence[Sequence[float]], dice: random.Random, *, trees: int = 50, samples: int = 256) -> Forest:
    """As scikit-learn makes it: each tree of a few rows, cut at random until each is alone or it is deep enough."""
    deepest = math.ceil(math.log2(samples))

    def grown(some: list[Sequence[float]]) -> dict[str, Any]:
        tree: dict[str, list[Any]] = {name: [] for name in ARRAYS[1:]}

        def grow(left: list[Sequence[float]], depth: int) -> int:
            node = len(tree["feature"])
            for name, value in zip(ARRAYS[1:], (-1, 0.0, -1, -1, depth + expected_depth(len(left))), strict=True):
                tree[name].append(value)
            column = dice.randrange(len(left[0])) if left else 0
            low, high = (min(each[column] for each in left), max(each[column] for each in left)) if left else (0, 0)
            if depth < deepest and low < high:
                cut = dice.uniform(low, high)
                tree["feature"][node], tree["threshold"][node] = column, cut
                tree["left"][node] = grow([each for each in left if each[column] <= cut], depth + 1)
                tree["right"][node] = grow([each for each in left if each[column] > cut], depth + 1)
            return node

        grow(some, 0)
        return {name: np.array(values) for name, values in tree.items()}

    return joined([grown(dice.sample(list(rows), samples)) for _ in range(trees)])


Scored = list[tuple[Series, list[int]]]
"""Of each series the scores of its minutes, and where its shocks are."""


def scored(make: Callable[[], Any], made: Sequence[tuple[Series, list[int]]]) -> Scored:
    found = []
    for values, at in made:
        take = make().take
        found.append(([take(minute * MINUTE_MS, value) for minute, value in enumerate(values)], at))
    return found


def judged(of: Scored, threshold: float, within: int) -> tuple[float, float]:
    """Share of the shocks that were found, and false alarms per day and series. An alert begins where the score comes
    to the threshold, and ends where it is below it."""
    found = shocks = wrong = 0
    for scores, at in of:
        begun = list(_begins(scores, threshold))
        shocks += len(at)
        found += sum(any(begin <= each < begin + within for each in begun) for begin in at)
        # What a shift leaves behind, its end, is no false alarm either.
        wrong += sum(not any(begin <= each < begin + max(within, 300) for begin in at) for each in begun)
    return found / shocks, wrong / DAYS / len(of)


def _begins(scores: Series, threshold: float) -> Iterator[int]:
    holds = False
    for minute, score in enumerate(scores):
        if math.isnan(score):
            continue
        now = score >= threshold
        if now and not holds:
            yield minute
        holds = now


def chosen(of: Scored, grid: Sequence[float], within: int) -> float:
    """The lowest that errs seldom enough, else the highest."""
    return next((each for each in grid if judged(of, each, within)[1] <= MOST_FALSE), grid[-1])


def figures() -> Iterator[tuple[str, float, list[tuple[float, float]]]]:
    """Name, threshold; of the series it was chosen on, of others, and of the recorded (jumps only): share found, false
    alarms per day and series."""
    jumps, others = ([prices(random.Random(seed + i)) for i in range(SERIES)] for seed in (0, 1_000))
    real = [recorded(random.Random(i)) for i in range(SERIES)]
    shifts, other_shifts = ([volumes(random.Random(seed + i)) for i in range(SERIES)] for seed in (0, 1_000))
    dice = random.Random(5)
    learned = [row for seed in range(2_000, 2_003) for row in rows_of(prices(random.Random(seed))[0])]
    forest = isolation(learned, dice)
    FORESTS["made", "here"] = Asked("here", [getattr(forest, each).tolist() for each in ARRAYS], expected_depth(256))
    day, change = DAY * MINUTE_MS, ("change", MINUTE_MS)
    sigmas = [each / 2 for each in range(6, 61)]
    shares = [each / 250 for each in range(100, 250)]
    for name, spec, grid, within in (
        ("jumps, naive", None, [3.0], 10),
        ("jumps, robust-score, change: 1m, within: 24h", ("robust", change, day), sigmas, 10),
        ("jumps, volatility-score, samples: 60", ("volatility", 60), sigmas, 10),
        ("jumps, half-space-score, samples: 500", ("half-spaces", 500), shares, 10),
        ("jumps, forest-score", ("isolation", "made", "here"), shares, 10),
        ("shifts, naive", None, [3.0], 60),
        ("shifts, level-shift, samples: 720", ("level", 720), sigmas, 60),
    ):
        sets = (jumps, others, real) if within == 10 else (shifts, other_shifts)

        def make(spec: Any = spec, within: int = within) -> Any:
            return ThreeSigmas(of_change=within == 10) if spec is None else gauge(spec)

        first, *rest = (scored(make, each) for each in sets)
        threshold = chosen(first, grid, within)
        yield name, threshold, [judged(each, threshold, within) for each in (first, *rest)]


if __name__ == "__main__":
    print("share found, false alarms a day: where it was chosen; on others; on recorded returns")
    for name, threshold, told in figures():
        print(f"{name:46} {threshold:6.3f}  " + "  ".join(f"{found:5.0%} {wrong:6.2f}" for found, wrong in told))
