"""An answer: typed rows that are read once, as Elasticsearch gives them, the columns that show them, and the time that
they cover; and what keeps a question from its answer, beside Elasticsearch's own failures (``common.errors``).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Generic, TypeVar

from cryptoproxy.datasets.times import Span
from cryptoproxy.errors import CryptoProxyError, OperatorError
from cryptoproxy.queries.periods import ends, words_of, written
from cryptoproxy.queries.scope import MAX_BUCKETS, AssetRef, Seen

R = TypeVar("R")


class NothingFound(CryptoProxyError):  # noqa: N818 - it is no error of the program
    """No record answers the question; the text says which part of it has none."""


class TooMany(CryptoProxyError):  # noqa: N818
    """The answer is larger than what is held in memory; the text says how to narrow the question."""


class Look(enum.StrEnum):
    """How a value is shown to a person. JSON and CSV have it as it is."""

    TEXT = "text"
    NUMBER = "number"
    PRICE = "price"
    """A number that is looked up, not compared: with more digits."""
    COUNT = "count"
    SHARE = "share"
    TIME = "time"
    AGE = "age"
    SPAN = "span"


@dataclass(frozen=True, slots=True)
class Cell(Generic[R]):
    """One value of a row. ``name`` is its key in JSON and CSV, ``title`` its head in a table.

    ``in_table``: also in a table, which is only so wide.

    NUMBER, PRICE: float. COUNT: int. SHARE: a fraction of 1. TIME, AGE, SPAN: ms since 1970, ms, ms. None is empty.
    """

    name: str
    title: str
    kind: Look
    of: Callable[[R], Any]
    in_table: bool = True


def asset_columns(of: Callable[[R], AssetRef]) -> tuple[Cell[R], ...]:
    """The symbol that a person looks for, and the three that tell assets apart."""
    return (
        Cell("symbol", "symbol", Look.TEXT, lambda row: of(row).symbol),
        Cell("source", "source", Look.TEXT, lambda row: of(row).source),
        Cell("asset_id", "asset", Look.TEXT, lambda row: of(row).asset_id),
        Cell("quote", "quote", Look.TEXT, lambda row: of(row).quote),
    )


DATA_COLUMNS = ("data_from", "data_to", "covered")


def data_columns(of: Callable[[R], Seen], *, covered: Callable[[R], float | None] | None = None) -> tuple[Cell[R], ...]:
    """Which time a row covers; a table has them only where rows differ.

    ``covered``: the share of the period that there are records of.
    """
    share = (Cell("covered", "covered", Look.SHARE, covered),) if covered else ()
    return (
        Cell("data_from", "data from (UTC)", Look.TIME, lambda row: of(row).first_ms),
        Cell("data_to", "data to (UTC)", Look.TIME, lambda row: of(row).last_ms),
        *share,
    )


@dataclass(slots=True)
class Covers:
    """From the first to the last record that an answer's rows are made of; complete when all rows are read."""

    asked: Span
    first_ms: int | None = None
    last_ms: int | None = None

    def see(self, seen: Seen) -> None:
        self.first_ms = seen.first_ms if self.first_ms is None else min(self.first_ms, seen.first_ms)
        self.last_ms = seen.last_ms if self.last_ms is None else max(self.last_ms, seen.last_ms)

    def __str__(self) -> str:
        """The time of the data first: it is what the numbers are of."""
        if self.first_ms is None or self.last_ms is None:
            return f"asked for {words_of(self.asked)}"
        until = "" if self.first_ms == self.last_ms else f" to {written(self.last_ms)}"
        return f"data of {written(self.first_ms)}{until} UTC; asked for {' to '.join(ends(self.asked))}"


@dataclass(slots=True)
class Answer(Generic[R]):
    """``title`` in words. Iterate once; ``notes`` and ``covers`` are complete when all rows are read.

    Raises while it is read what its question's search raises.
    """

    question: str
    title: str
    where: str
    """The source, and what else narrows it."""
    columns: tuple[Cell[R], ...]
    rows: Iterator[R]
    covers: Covers
    notes: list[str] = field(default_factory=list)
    """What a reader must know: an ambiguous symbol, a source without the field. One line each."""
    asked: Any = None
    """The request, with its defaults filled in."""
    engine: str = "es"
    """What has answered: ``es`` or ``lake``."""

    @property
    def period(self) -> Span:
        """What was asked for; ``covers`` is what there is of it."""
        return self.covers.asked

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
                self.rows = chain(found, self.rows)
                raise TooMany(
                    f"the answer has more than {limit} rows; name --symbols or --top, take a longer --interval, "
                    "or read it row by row (--csv, --json)"
                )
        self.rows = iter(found)
        return found

    def cells(self, row: R) -> dict[str, Any]:
        return {column.name: column.of(row) for column in self.columns}

    def to_arrow(self) -> Any:
        """All rows that are not read yet as a ``pyarrow.Table``: a column each, times as UTC milliseconds."""
        import pyarrow as pa

        moment = pa.timestamp("ms", tz="UTC")
        types = {
            Look.TEXT: pa.string(),
            Look.TIME: moment,
            **dict.fromkeys((Look.COUNT, Look.AGE, Look.SPAN), pa.int64()),
        }
        rows = list(self.rows)
        return pa.table(
            {each.name: pa.array(map(each.of, rows), types.get(each.kind, pa.float64())) for each in self.columns}
        )

    def to_pandas(self) -> Any:
        """The same as a ``pandas.DataFrame``; pandas must be installed."""
        return self.to_arrow().to_pandas()

    def to_polars(self) -> Any:
        """The same as a ``polars.DataFrame``; Polars must be installed.

        Raises:
            OperatorError: it is not.
        """
        try:
            import polars
        except ImportError as error:
            raise OperatorError("Polars is not installed", remedy="pip install polars") from error
        return polars.from_arrow(self.to_arrow())
