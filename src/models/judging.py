"""Predictions held against what came: by model and version, beside two that know nothing. Pure.

*No change* says 50 % each time, which costs ``ln 2``; *same as before* says that the last bar's direction comes again.
A model that is worth anything has a smaller loss than the first and is right more often than the second; on one day
either may be luck.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cryptoproxy.datasets import Prediction, from_iso, key
from cryptoproxy.datasets.contracts.candle import STEPS
from cryptoproxy.models.scoring import LATE_MS

NO_CHANGE_LOSS = math.log(2)
_SURE = 1e-6
Closes = Mapping[tuple[str, int], float]
"""By key and begin in ms."""


@dataclass(slots=True, kw_only=True)
class Judged:
    """Of one version. Shares are fractions of 1, and None where nothing could be judged."""

    model: str
    version: str
    said: int = 0
    late: int = 0
    """Said when the bar was under way for long; not judged."""
    judged: int = 0
    """Of which the bars before, at and after are known."""
    right: int = 0
    same_right: int = 0
    """How often "same as before" would have been."""
    up: int = 0
    """How often it did close higher."""
    lost: float = 0.0

    @property
    def loss(self) -> float | None:
        return self.lost / self.judged if self.judged else None

    @property
    def accuracy(self) -> float | None:
        return self.right / self.judged if self.judged else None

    @property
    def same_accuracy(self) -> float | None:
        return self.same_right / self.judged if self.judged else None

    @property
    def verdict(self) -> str:
        """In words, without more than the figures hold."""
        if self.loss is None or self.accuracy is None or self.same_accuracy is None:
            return "nothing to judge yet"
        better = (self.loss < NO_CHANGE_LOSS) + (self.accuracy > max(0.5, self.same_accuracy))
        return ("no better than knowing nothing", "mixed", "better than knowing nothing, on these bars")[better]


def judged(predictions: Iterable[Prediction], closes: Closes) -> list[Judged]:
    """
    Args:
        predictions: each id once.
        closes: of their bars, and of two bars before the first.
    """
    found: dict[tuple[str, str], Judged] = {}
    for each in sorted(predictions, key=lambda each: (each.model, each.version)):
        own = found.setdefault((each.model, each.version), Judged(model=each.model, version=each.version))
        own.said += 1
        name, at, step = key(each), from_iso(each.timestamp), STEPS[each.interval]
        if from_iso(each.fetched_at) > at + LATE_MS:
            own.late += 1
            continue
        before, last, came = (closes.get((name, at + back * step)) for back in (-2, -1, 0))
        if before is None or last is None or came is None:
            continue
        up = came > last
        chance = min(max(each.chance, _SURE), 1 - _SURE)
        own.judged += 1
        own.up += up
        own.right += (each.chance > 0.5) == up
        own.same_right += (last > before) == up
        own.lost -= math.log(chance if up else 1 - chance)
    return list(found.values())
