"""What is read from the lake, whatever its form: records of a source and a range of slots.

A form is one class with the three methods of :class:`Archive`: ``raw`` (an object per poll), ``daily`` (a Parquet file
per day), ``whole`` (both as one).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from cryptoproxy.lake.span import Span


class Stored(NamedTuple):
    """One record of the lake: the line as it is there, and where."""

    id: str
    slot_ms: int
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


class Archive(Protocol):
    """One form of the lake. Every method raises TransientError or OperatorError while the lake cannot be read."""

    def sources(self) -> list[str]:
        """The sources that the lake has anything of."""

    def hours(self, source: str, span: Span) -> list[int]:
        """The begins of the hours of ``span`` that hold anything, oldest first."""

    def records(self, source: str, span: Span, report: Callable[[Fault], None]) -> Iterator[Stored]:
        """Every record of ``span``, each id once and the oldest slot first; of several copies the one with the smallest
        ``fetched_at``. What is damaged goes to ``report``, and the rest goes on."""


def ignore(_: Fault) -> None:
    """For a second look at what has been reported already."""
