"""Each question asked of both engines over the same synthetic records: what differs by column, and what each takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elasticsearch import Elasticsearch as Client
from rich.console import Console

from benchmarks.queries.lake_engine import written
from benchmarks.queries.measure import EndOfData, asked_of
from benchmarks.queries.synthetic import Year
from cryptoproxy.queries import Answer, Queries
from cryptoproxy.queries.lake.engine import Lake

SAME = 1e-9
"""Relative: the last digits of sums that were added up in another order."""


@dataclass(frozen=True, slots=True)
class Compared:
    """``differ``: of columns that are not the same, the largest relative difference; infinite where it is no number.
    ``seconds``, like ``rows``: of Elasticsearch, of the lake; nothing of this question was cached before."""

    name: str
    seconds: tuple[float, float]
    rows: tuple[int, int]
    cells: int
    differ: dict[str, float]


def compared(client: Client, alias: str, folder: Path, year: Year, since: str, console: Console) -> Iterator[Compared]:
    with written(folder, year, console.print) as store:
        lake = Lake(store)
        clock = EndOfData(year.end_ms)
        elastic = Queries(client, index=alias, clock=clock, request_cache=False)
        duck = Queries(client, index=alias, lake=lake, engine="lake", clock=clock)
        for name, ask in asked_of(since).items():
            yield _compared(f"{name}, {since}", _asked(ask, elastic), _asked(ask, duck))
        lake.close()


Asked = tuple[float, list[dict[str, Any]]]


def _asked(ask: Callable[[Queries], Answer[Any]], queries: Queries) -> Asked:
    began = time.monotonic()
    answer = ask(queries)
    rows = [answer.cells(row) for row in answer]  # asked for as they are read
    return time.monotonic() - began, rows


def _compared(name: str, elastic: Asked, lake: Asked) -> Compared:
    (one_seconds, one), (other_seconds, other) = elastic, lake
    differ: dict[str, float] = {}
    cells = 0
    for left, right in zip(one, other, strict=False):
        for column in left.keys() | right.keys():
            cells += 1
            far = _apart(left.get(column), right.get(column))
            if far > SAME:
                differ[column] = max(far, differ.get(column, 0.0))
    return Compared(name, (one_seconds, other_seconds), (len(one), len(other)), cells, differ)


def _apart(one: Any, other: Any) -> float:
    if one == other:
        return 0.0
    if isinstance(one, int | float) and isinstance(other, int | float):
        return abs(one - other) / max(abs(one), abs(other))
    return float("inf")
