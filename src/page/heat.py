"""A heat map's tiles: rectangles whose areas are as the values, as near to squares as they can be.

"Squarified treemaps" (Bruls, Huizing, van Wijk, 2000): rows are laid along the shorter side, and a row takes one more
as long as its worst tile gets no longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Tile(NamedTuple):
    """Left, top, right, bottom, within the map's width and height."""

    x: float
    y: float
    x2: float
    y2: float


def tiles(values: Sequence[float], width: float, height: float) -> list[Tile]:
    """One for each value, in their order. Values above 0, the largest first."""
    if not values:
        return []
    scale = width * height / sum(values)
    areas = [value * scale for value in values]
    placed: list[Tile] = []
    x = y = 0.0
    while len(placed) < len(areas):
        rest = areas[len(placed) :]
        side = max(min(width - x, height - y), 1e-9)  # what floats leave of the last one
        count = 1
        while count < len(rest) and _worst(rest[: count + 1], side) <= _worst(rest[:count], side):
            count += 1
        row = rest[:count]
        thick = sum(row) / side
        along_height = height - y <= width - x
        at = y if along_height else x
        for area in row:
            to = at + area / thick
            placed.append(Tile(x, at, x + thick, to) if along_height else Tile(at, y, to, y + thick))
            at = to
        if along_height:
            x += thick
        else:
            y += thick
    return placed


def _worst(row: Sequence[float], side: float) -> float:
    """The longest tile of a row: its longer side by its shorter one."""
    total = sum(row)
    return max(max(side * side * area / (total * total), total * total / (side * side * area)) for area in row)
