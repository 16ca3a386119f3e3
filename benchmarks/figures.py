"""A measured figure, what it should be, and the few statistics that are needed. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure should reach: a bound, which way, and the aim beyond it, where there is one."""

    bound: float
    at_least: bool
    aim: float | None = None

    def reached(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        return f"{sign} {self.bound:g}" + ("" if self.aim is None else f" (aim {self.aim:g})")


def at_least(bound: float, aim: float | None = None) -> Target:
    return Target(bound, at_least=True, aim=aim)


def at_most(bound: float, aim: float | None = None) -> Target:
    return Target(bound, at_least=False, aim=aim)


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the summary. ``rounds`` are the values that ``value`` is the median (or the said percentile) of."""

    name: str
    value: float
    unit: str = ""
    target: Target | None = None
    rounds: tuple[float, ...] = ()
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """None for a figure without a target."""
        return None if self.target is None else self.target.reached(self.value)


@dataclass(slots=True)
class Report:
    """What one benchmark found: figures, and whether the machine was quiet enough to believe them."""

    benchmark: str
    figures: list[Figure] = field(default_factory=list)
    disturbed: str = ""
    """Why not, in words; empty when all rounds were quiet."""
    facts: dict[str, object] = field(default_factory=dict)
    """Sizes and counts that a figure depends on: two results compare only where these are the same."""

    def add(
        self,
        name: str,
        values: Sequence[float] | float,
        unit: str = "",
        target: Target | None = None,
        note: str = "",
    ) -> Figure:
        """A figure: the median of ``values``, or the one value."""
        rounds = (float(values),) if isinstance(values, (int, float)) else tuple(values)
        figure = Figure(name, median(rounds), unit, target, rounds, note)
        self.figures.append(figure)
        return figure


def median(values: Iterable[float]) -> float:
    """Raises:
    ValueError: there are none.
    """
    return percentile(values, 50)


def percentile(values: Iterable[float], percent: float) -> float:
    """Linear between the two nearest ranks, as most tools have it.

    Raises:
        ValueError: there are no values.
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values")
    rank = (len(ordered) - 1) * percent / 100
    low = math.floor(rank)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (rank - low)
