"""Pages of bars: so many from a moment on, or so many up to one, whatever holes there are between."""

from __future__ import annotations

from collections.abc import Sequence

from cryptoproxy.sandbox.world.intervals import BarGrid
from cryptoproxy.sandbox.world.tape import Tape

Row = tuple[int, ...]
"""As ``Candles.rows`` gives it."""


def oldest(tape: Tape, grid: BarGrid, first: int, last: int, *, limit: int, now: int) -> Sequence[Row]:
    """The first so many bars that open in [first, last], seconds, and have begun."""
    start, end = _bounds(tape, grid, first, last, now)
    rows: list[Row] = []
    while start <= end and len(rows) < limit:
        until = min(end, start + (limit - len(rows)) * grid.typical - 1)
        rows += tape.candles(grid, start, until, now).rows()
        start = until + 1
    return rows[:limit]


def newest(tape: Tape, grid: BarGrid, first: int, last: int, *, limit: int, now: int) -> Sequence[Row]:
    """The last so many, oldest first all the same."""
    start, end = _bounds(tape, grid, first, last, now)
    rows: list[Row] = []
    while start <= end and len(rows) < limit:
        since = max(start, end - (limit - len(rows)) * grid.typical + 1)
        rows = tape.candles(grid, since, end, now).rows() + rows
        end = since - 1
    return rows[-limit:]


def _bounds(tape: Tape, grid: BarGrid, first: int, last: int, now: int) -> tuple[int, int]:
    end = now if tape.delisted is None else min(now, tape.delisted)
    return max(first, grid.floor(tape.listed)), min(last, end - 1)
