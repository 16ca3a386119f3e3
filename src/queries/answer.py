"""An answer: typed rows that are read once, as Elasticsearch gives them, and the columns that show them."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from cryptoproxy.queries.errors import TooMany
from cryptoproxy.queries.periods import Period
from cryptoproxy.queries.scope import MAX_BUCKETS

R = TypeVar("R")


class Kind(enum.StrEnum):
    """How a value is shown to a person. JSON and CSV have it as it is."""

    TEXT = "text"
    NUMBER = "number"
    COUNT = "count"
    SHARE = "share"
    TIME = "time"
    AGE = "age"
    SPAN = "span"


@dataclass(frozen=True, slots=True)
class Column(Generic[R]):
    """One value of a row. ``name`` is its key in JSON and CSV, ``title`` its head in a table.

    NUMBER: float. COUNT: int. SHARE: a fraction of 1. TIME, AGE, SPAN: ms since 1970, ms, ms.
    """

    name: str
    title: str
    kind: Kind
    of: Callable[[R], Any]


@dataclass(slots=True)
class Answer(Generic[R]):
    """``title`` in words. Iterate once; ``notes`` is complete when all rows are read.

    Raises while it is read what its question's search raises.
    """

    question: str
    title: str
    period: Period
    where: str
    """The source, and what else narrows it."""
    columns: tuple[Column[R], ...]
    rows: Iterator[R]
    notes: list[str] = field(default_factory=list)
    """What a reader must know: an ambiguous symbol, a source without the field. One line each."""
    asked: Any = None
    """The request, with its defaults filled in."""

    def __iter__(self) -> Iterator[R]:
        return self.rows

    def held(self, limit: int = MAX_BUCKETS) -> list[R]:
        """All rows at once.

        Raises:
            TooMany: more than ``limit``.
        """
        found: list[R] = []
        for row in self.rows:
            found.append(row)
            if len(found) > limit:
                raise TooMany(
                    f"the answer has more than {limit} rows; name --symbols or --top, take a longer --interval, "
                    "or read it row by row (--csv, --json)"
                )
        self.rows = iter(found)
        return found

    def cells(self, row: R) -> dict[str, Any]:
        return {column.name: column.of(row) for column in self.columns}
