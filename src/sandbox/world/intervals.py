"""When bars open: every so many seconds since some moment, or with the month. All UTC, in seconds since 1970."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cryptoproxy.sandbox.world.noise import Ints

DAY = 86_400
MONDAY = 4 * DAY
"""1970 began on a Thursday."""


@dataclass(frozen=True, slots=True)
class BarGrid:
    """One interval; ``seconds`` 0 is the month."""

    seconds: int
    offset: int = 0

    @property
    def level(self) -> int:
        """Of which spans its bars are put together: seconds, minutes or hours."""
        return 1 if 0 < self.seconds < 60 else 60 if 0 < self.seconds < 3600 else 3600

    @property
    def typical(self) -> int:
        """How long a bar is, at most."""
        return self.seconds or 31 * DAY

    def floor(self, second: int) -> int:
        """When the bar opened that this second is in."""
        if self.seconds:
            return second - (second - self.offset) % self.seconds
        return int(np.datetime64(second, "s").astype("datetime64[M]").astype("datetime64[s]").astype(np.int64))

    def end(self, opened: int) -> int:
        return opened + self.seconds if self.seconds else self.floor(opened + 31 * DAY)

    def opens(self, first: int, last: int) -> Ints:
        """All openings in [first, last]."""
        if self.seconds:
            start = first + (self.offset - first) % self.seconds
            return np.arange(start, last + 1, self.seconds, dtype=np.int64)
        months = np.arange(
            np.datetime64(first, "s").astype("datetime64[M]"), np.datetime64(last, "s").astype("datetime64[M]") + 1
        )
        found = months.astype("datetime64[s]").astype(np.int64)
        return found[(found >= first) & (found <= last)]


MONTH, WEEK = BarGrid(0), BarGrid(7 * DAY, MONDAY)
BINANCE: Mapping[str, BarGrid] = {
    "1s": BarGrid(1), "1m": BarGrid(60), "3m": BarGrid(180), "5m": BarGrid(300), "15m": BarGrid(900),
    "30m": BarGrid(1800),
    "1h": BarGrid(3600), "2h": BarGrid(7200), "4h": BarGrid(14_400), "6h": BarGrid(21_600), "8h": BarGrid(28_800),
    "12h": BarGrid(43_200), "1d": BarGrid(DAY), "3d": BarGrid(3 * DAY), "1w": WEEK, "1M": MONTH,
}  # fmt: skip
BYBIT: Mapping[str, BarGrid] = {
    **{str(minutes): BarGrid(60 * minutes) for minutes in (1, 3, 5, 15, 30, 60, 120, 240, 360, 720)},
    "D": BarGrid(DAY), "W": WEEK, "M": MONTH,
}  # fmt: skip


def group(starts: Ints, opens: Ints) -> tuple[Ints, Ints, Ints]:
    """Of spans that begin at ``starts``: which of the bars have any, and of these the first span and the one after
    the last. ``starts`` end with the last bar."""
    at = np.searchsorted(starts, opens)
    until = np.append(at[1:], len(starts))
    there = np.flatnonzero(at < until)
    return there, at[there], until[there]
