"""What ``/v1`` answers from without the index: this door's memory, and what the brokers say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from cryptoproxy.common.clock import Clock
from cryptoproxy.datasets import from_iso
from cryptoproxy.datasets.times import Span
from cryptoproxy.queries import Answer
from cryptoproxy.queries.answer import Cell, Covers
from cryptoproxy.queries.scope import Seen
from cryptoproxy.serve.houses.house import ROAD
from cryptoproxy.serve.road.newest import Newest
from cryptoproxy.serve.road.newest_stats import NewestStats
from cryptoproxy.serve.views.working import Working

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class FromMemory:
    """See above."""

    newest: Newest
    clock: Clock
    working: Working
    stats: NewestStats = field(default_factory=NewestStats)


def answered(
    question: str,
    title: str,
    *,
    sources: Sequence[str],
    columns: tuple[Cell[Row], ...],
    of: Sequence[Any],
    rows: Iterator[Row],
    now_ms: int,
) -> Answer[Row]:
    """The answer with these rows; ``of``, the records that were looked at, say by their times what it covers."""
    times = [from_iso(each.timestamp) for each in of]
    covers = Covers(Span(min(times, default=now_ms), now_ms + 1))
    if times:
        covers.see(Seen(min(times), max(times)))
    return Answer(
        question=question,
        title=title,
        where=", ".join(sources) or "all sources",
        columns=columns,
        rows=rows,
        covers=covers,
        engine=ROAD,
    )
