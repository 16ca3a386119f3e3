"""What a picture is made of, before it is drawn: a chart, with panels below it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from matplotlib.axes import Axes

from cryptoproxy.queries.answer import NothingFound


@dataclass(frozen=True, slots=True)
class Panel:
    """Below the main one, over the same time; ``height`` as a share of that one's."""

    draw: Callable[[Axes], None]
    height: float = 0.3


@dataclass(frozen=True, slots=True)
class Chart:
    """``lines`` is how many bars or lines, ``most`` how many can be read; ``height`` in inches, None by the lines."""

    title: str
    where: str
    lines: int
    draw: Callable[[Axes], None]
    foot: str = ""
    height: float | None = None
    most: int = 40
    below: Sequence[Panel] = ()


R = TypeVar("R")


def shown(rows: Sequence[R], fits: Callable[[R], bool]) -> list[R]:
    """The rows whose values an axis can hold.

    Raises:
        NothingFound: none.
    """
    found = [row for row in rows if fits(row)]
    if not found:
        raise NothingFound("no value is small enough to be drawn")
    return found
