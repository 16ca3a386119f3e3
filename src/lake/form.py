"""What is read from the lake, whatever its form: records of a source and a span of slots.

A form is one class with the three methods of :class:`Form`: ``raw`` (an object per poll), ``files`` (a table of Parquet
files), ``whole`` (both as one).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple, Protocol

from cryptoproxy.datasets.times import Span
from cryptoproxy.errors import PoisonError


class Stored(NamedTuple):
    """One record of the lake: the line as it is there, and where."""

    id: str
    slot_ms: int
    fetched_at: str
    """Of two copies the one that was fetched first is the better."""
    line: bytes
    key: str
    """Of its object."""
    number: int
    """Of its line or row in the object, from 1."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What can be read from the lake, but not be used: a damaged object, a line that breaks today's contract, a
    document that Elasticsearch refuses."""

    key: str
    number: int | None
    """Of the line; None for the object as a whole."""
    reason: str
    error: str
    line: bytes = b""

    def __str__(self) -> str:
        place = self.key if self.number is None else f"{self.key} line {self.number}"
        return f"{place}: {self.reason}: {self.error}"


class Form(Protocol):
    """Every method raises TransientError or OperatorError while the lake cannot be read."""

    def sources(self) -> list[str]:
        """The sources that the lake has anything of."""

    def hours(self, source: str, span: Span) -> list[int]:
        """The begins of the hours of ``span`` that may hold anything, oldest first. Where none does, none is told."""

    def records(self, source: str, span: Span, report: Callable[[Fault], None]) -> Iterator[Stored]:
        """Every record of ``span``, each id once and the oldest slot first; of several copies the one with the smallest
        ``fetched_at``. What is damaged goes to ``report``, and the rest goes on."""


def ignore(_: Fault) -> None:
    """For a second look at what has been reported already."""


def refuse(fault: Fault) -> None:
    """For who wants all records or an error."""
    raise PoisonError(fault.reason, str(fault))


def lacking(new: Form, old: Form, source: str, span: Span, report: Callable[[Fault], None]) -> list[str]:
    """Ids of ``old`` that ``new`` has not, or has with another line, not fetched earlier. One slot is in memory.

    Args:
        report: told of what in ``old`` cannot be read.
    """
    there = ((each, True) for each in new.records(source, span, ignore))
    asked = ((each, False) for each in old.records(source, span, report))
    found: list[str] = []
    for _, group in groupby(heapq.merge(there, asked, key=_slot), _slot):
        slot = list(group)
        kept = {each.id: each for each, is_new in slot if is_new}
        # Two copies fetched at one moment are equally good; the file has one of them.
        found += (
            each.id
            for each, is_new in slot
            if not is_new and ((has := kept.get(each.id)) is None or each.fetched_at < has.fetched_at)
        )
    return found


def _slot(each: tuple[Stored, bool]) -> int:
    return each[0].slot_ms
