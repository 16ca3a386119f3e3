"""`python -m benchmarks.anomalies`: what the scores of watch find of shocks in made-up series, and how often they err.

A price is sampled each minute: its volatility comes and goes (a GARCH-like mean of its own squares), its returns have
fat tails (Student's t with 4 degrees). Into it come jumps of so many of the sigmas of that minute. A volume is
lognormal around a level, which is half as high again for four hours. Found is what is alerted on within ten minutes of
its begin (a shift of level: within an hour); any other alert is false. The naive rule is held against the mean and the
standard deviation of 24 hours: three sigmas. No engines are needed.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from cryptoproxy.watch.rulebook.conditions import gauge

MINUTE_MS, DAY = 60_000, 1_440
DAYS, SERIES, JUMP = 14, 12, 12.0
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


def judged(
    make: Callable[[], object], threshold: float, made: Sequence[tuple[Series, list[int]]], within: int
) -> tuple[float, float]:
    """Share of the shocks that were found, and false alarms per day and series. An alert begins where the score comes
    to the threshold, and ends where it is below it."""
    found = shocks = wrong = 0
    for values, at in made:
        begun = list(_begins(make(), threshold, values))
        shocks += len(at)
        found += sum(any(begin <= each < begin + within for each in begun) for begin in at)
        # What a shift leaves behind, its end, is no false alarm either.
        wrong += sum(not any(begin <= each < begin + max(within, 300) for begin in at) for each in begun)
    return found / shocks, wrong / DAYS / len(made)


def _begins(made: object, threshold: float, values: Series) -> Iterator[int]:
    holds, take = False, made.take  # type: ignore[attr-defined]
    for minute, value in enumerate(values):
        score = take(minute * MINUTE_MS, value)
        if math.isnan(score):
            continue
        now = score >= threshold
        if now and not holds:
            yield minute
        holds = now


def figures() -> Iterator[tuple[str, float, float]]:
    """Name, share found, false alarms per day and series."""
    jumps = [prices(random.Random(seed)) for seed in range(SERIES)]
    shifts = [volumes(random.Random(seed)) for seed in range(SERIES)]
    day = DAY * MINUTE_MS
    change = ("change", MINUTE_MS)
    for name, make, threshold in (
        ("jumps, naive three sigmas", lambda: ThreeSigmas(of_change=True), 3.0),
        ("jumps, robust-score 10", lambda: gauge(("robust", change, day)), 10.0),
        ("jumps, volatility-score 6", lambda: gauge(("volatility", 60)), 6.0),
    ):
        yield name, *judged(make, threshold, jumps, 10)
    for name, make, threshold in (
        ("shifts, naive three sigmas", lambda: ThreeSigmas(of_change=False), 3.0),
        ("shifts, level-shift 15", lambda: gauge(("level", 720)), 15.0),
    ):
        yield name, *judged(make, threshold, shifts, 60)


if __name__ == "__main__":
    for each in figures():
        print(f"{each[0]:30} found {each[1]:.0%}, false alarms {each[2]:.2f} a day")
