"""Which slots of a source should be there, and how many are missing.

Slots are multiples of a source's interval, and each record tells its own (``interval_ms``), so what was polled before a
change is held against the interval of then. Records that do not tell it have the most common gap among the slots
around them; a person's word overrules both. A slot is expected from the source's first record on, until a minute (or
an interval, if that is longer) before the period's end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from cryptoproxy.datasets.times import Span

ENOUGH = 20
"""Slots that settle the interval; with fewer, it is looked for further back."""
AROUND = 10
"""Gaps on either side of a slot that its interval is read from, where its record does not tell it."""
GRACE_MS = 60_000


@dataclass(frozen=True, slots=True)
class SlotGrid:
    """Of a source's newest slots: the interval now, where it is from, and how many records a slot has."""

    interval_ms: int | None
    origin: str
    """``told`` by a person, ``recorded`` in the records, or ``inferred`` from them."""
    assets: int
    """In the newest slot that is whole."""
    records: int
    """The most in one slot."""


class Slot(NamedTuple):
    at_ms: int
    interval_ms: int | None
    """What its records tell."""


class Polled(NamedTuple):
    """A slot with how many records it has."""

    at_ms: int
    interval_ms: int | None
    records: int


def with_intervals(slots: Sequence[Slot], grid: SlotGrid) -> list[tuple[int, int]]:
    """(slot, interval) of each slot. ``grid`` has an interval.

    A person's interval holds for all, and slots become those of it. Else a slot has what its records tell, or the most
    common gap among those around it.
    """
    assert grid.interval_ms is not None  # noqa: S101 - else nothing is expected
    if grid.origin == "told":
        every = grid.interval_ms
        return [(slot, every) for slot in sorted({each.at_ms // every * every for each in slots})]
    gaps = [later.at_ms - earlier.at_ms for earlier, later in pairwise(slots)]
    if len(slots) < ENOUGH:
        return [(slot.at_ms, slot.interval_ms or grid.interval_ms) for slot in slots]
    if all(each.interval_ms for each in slots):
        return [(slot, interval_ms) for slot, interval_ms in slots if interval_ms]
    around = [
        most_common(Counter(gaps[max(0, place - AROUND) : place + AROUND + 1])) or grid.interval_ms
        for place in range(len(slots))
    ]
    # Where the interval changes, this may be a slot too early; the longer one counts there.
    return [
        (slot.at_ms, slot.interval_ms or max(around[max(0, place - 1)], around[place]))
        for place, slot in enumerate(slots)
    ]


def gaps(slots: Sequence[tuple[int, int]], period: Span, *, first_ms: int, interval_ms: int) -> tuple[int, int]:
    """(missing, expected) slots, each part of the period held against its own interval.

    Args:
        slots: with their intervals, in the order of time.
        first_ms: the source's first record ever: nothing is expected before.
        interval_ms: of the source now; for a period without any slot.
    """
    begin = max(period.begin_ms, first_ms)
    last, every = slots[-1] if slots else (begin - 1, interval_ms)
    end = period.end_ms - max(GRACE_MS, every)
    missing = max(0, end // every - last // every)
    if slots:
        missing += max(0, _between(begin - 1, *slots[0]))
    for (slot, own), (following, its) in pairwise(slots):
        # The interval was changed somewhere between: nobody can tell when, so the longer one counts.
        missing += _between(slot, following, max(own, its))
    present = sum(1 for slot, _ in slots if slot <= end)
    return missing, missing + present


def _between(after: int, before: int, every: int) -> int:
    """Multiples of ``every`` between two moments, both left out."""
    return max(0, (before - 1) // every - after // every)


def most_common(gaps: Counter[int]) -> int | None:
    """Of two gaps equally common the shorter: longer ones come of missing slots."""
    return min(gaps, key=lambda gap: (-gaps[gap], gap)) if gaps else None
