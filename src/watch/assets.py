"""What is known of an asset: a place for each kind of its records, with the rows and gauges that rules look at."""

from __future__ import annotations

from typing import Any, NamedTuple

from cryptoproxy.datasets.contracts.candle import STEPS as INTERVALS
from cryptoproxy.datasets.times import DAY_MS, MINUTE_MS
from cryptoproxy.watch.cases import Apart, Case, Leaf, Row
from cryptoproxy.watch.gaps import Gaps
from cryptoproxy.watch.minutes import Minutes

LATE_MS = 10 * MINUTE_MS
"""A record that was fetched so long after its time, and its bar's end, is of the past."""
_LEAST_STEPS = {"trade": 0, "gap": -DAY_MS}
"""From one record to the next, where it is not a millisecond: trades may share one, and gaps are found and mended in
any order."""


class Echo(NamedTuple):
    """A field that another source is held against."""

    field: str
    place: tuple[str, str, str]
    """Source, asset and series."""
    newest: list[Any]
    """Time and value; the time is 0 while there is none."""


class Followed:
    """One kind of record of one asset."""

    __slots__ = (
        "aparts", "asset", "at", "called", "echoes", "gaps", "has_more", "is_stale", "late", "least_stale",
        "least_step", "minutes", "rows", "stale", "step",
    )  # fmt: skip

    def __init__(self, called: str, asset: Asset) -> None:
        self.called = called
        self.asset = asset
        self.at = 0
        name, _, part = called.partition("-")
        self.step = INTERVALS.get(part, 31 * DAY_MS) if name == "candle" else 0
        """A bar's time is its begin; it is there at its end."""
        self.late = LATE_MS + self.step
        self.least_step = _LEAST_STEPS.get(name, 1)
        self.rows: list[Row] = []
        self.aparts: list[Apart] = []
        self.stale: list[Leaf] = []
        self.least_stale = 0
        self.is_stale = False
        self.echoes: list[Echo] = []
        self.minutes: Minutes | None = None
        self.gaps: Gaps | None = None
        self.has_more = False
        """Whether there is anything beside rows."""

    def bound(self) -> None:
        """Anew, after it was loaded."""
        for row in self.rows:
            for probe in row.probes:
                probe.bound()
            row.bound()
        for apart in self.aparts:
            apart.probe.bound()
        self.is_stale = any(leaf.holds for leaf in self.stale)


class Asset:
    """All of one key."""

    __slots__ = ("cases", "followed", "key", "rank", "symbol", "waiting")

    def __init__(self, key: str, symbol: str) -> None:
        self.key = key
        self.symbol = symbol
        self.rank: float | None = None
        self.cases: list[Case] = []
        self.followed: dict[str, Followed] = {}
        self.waiting: set[Case] = set()
