"""An answer as text: JSON and CSV with numbers as they are, times in ISO 8601, every row written as it comes; a table
for the terminal, where what is the same in every row is said once, above it.

Notes and the time that is covered are in the JSON itself, after the rows, as they are known then; beside CSV, whose
rows each tell their own time, notes belong to standard error.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator, Sequence
from io import StringIO
from typing import Any, TypeVar

from rich.console import Group, JustifyMethod
from rich.table import Table
from rich.text import Text

from cryptoproxy.common.cells import cell
from cryptoproxy.datasets import iso
from cryptoproxy.errors import visible
from cryptoproxy.queries.answer import DATA_COLUMNS, Answer, Cell, Look
from cryptoproxy.queries.periods import Interval, age, written

R = TypeVar("R")
Write = Callable[[str], Any]
_SAID_ONCE = ("source", "quote", "mean_over", "made_of")
_SAID_AS = {"mean_over": "mean over {}", "made_of": "made of {}"}
_LARGE = ((1e12, "T"), (1e9, "B"), (1e6, "M"))
_HUGE, _TINY = 1e16, 1e-10
"""Beyond these a number is shown with its exponent."""


def write_json(answer: Answer[R], write: Write) -> None:
    """One object; its rows a line each, so that the text is read by people and line tools as well."""
    head = {
        "question": answer.question,
        "title": answer.title,
        "source": answer.where,
        "engine": answer.engine,
        "period": {"from": iso(answer.period.begin_ms), "to": iso(answer.period.end_ms)},
    }
    written = False
    for cells in _cells(answer):
        write(",\n" if written else json.dumps(head, ensure_ascii=False)[:-1] + ', "rows": [\n')
        write(f"  {json.dumps(cells, ensure_ascii=False, allow_nan=False)}")
        written = True
    write("\n" if written else json.dumps(head, ensure_ascii=False)[:-1] + ', "rows": [')
    covers = answer.covers
    data = {
        "from": None if covers.first_ms is None else iso(covers.first_ms),
        "to": None if covers.last_ms is None else iso(covers.last_ms),
    }
    write(f'], "data": {json.dumps(data)}, "notes": {json.dumps(answer.notes, ensure_ascii=False)}}}\n')


def write_csv(answer: Answer[R], write: Write) -> None:
    names = [column.name for column in answer.columns]
    header = True
    for cells in _cells(answer):
        lines = StringIO()
        writer = csv.writer(lines, lineterminator="\n")
        if header:
            writer.writerow(names)
            header = False
        writer.writerow(map(cell, cells.values()))
        write(lines.getvalue())


def _cells(answer: Answer[R]) -> Iterator[dict[str, Any]]:
    times = {column.name for column in answer.columns if column.kind is Look.TIME}
    for row in answer:
        cells = answer.cells(row)
        yield {name: iso(value) if name in times and value is not None else value for name, value in cells.items()}


# ---- a table


def table(answer: Answer[R], rows: Sequence[R]) -> Group:
    """Two lines above it, which may be longer than it is wide: what is told, of where and of which time."""
    said = _said_once(answer, rows)
    alike = _covered_alike(answer, rows)
    columns = [
        column
        for column in answer.columns
        if column.in_table and column.name not in said and not (alike and column.name in DATA_COLUMNS)
    ]
    where = ", ".join(visible(_SAID_AS.get(name, "{}").format(value)) for name, value in said.items())
    made = Table()
    for column in columns:
        made.add_column(column.title, justify=_side(column), no_wrap=True)
    for row in rows:
        made.add_row(*(Text(shown(column.of(row), column.kind)) for column in columns))
    above = (answer.title, f"{where or answer.where}; {answer.covers}")
    return Group(*(Text(line, style="bold") for line in above), made)


def _said_once(answer: Answer[R], rows: Sequence[R]) -> dict[str, str]:
    """The value of each column that need not be shown, by name. Of answers about assets only."""
    found: dict[str, str] = {}
    if not any(column.name == "asset_id" for column in answer.columns):
        return found
    for column in answer.columns:
        if column.name in _SAID_ONCE and len(values := {column.of(row) for row in rows}) == 1:
            found[column.name] = values.pop()
    return found


def _covered_alike(answer: Answer[R], rows: Sequence[R]) -> bool:
    """Whether every row covers what the title says."""
    ends = [column for column in answer.columns if column.name in ("data_from", "data_to")]
    steps = any(column.name == "begin" for column in answer.columns) and len({*_values(answer, rows, "begin")}) > 1
    return steps or all(len({column.of(row) for row in rows}) <= 1 for column in ends)


def _values(answer: Answer[R], rows: Sequence[R], name: str) -> Iterator[Any]:
    for column in answer.columns:
        if column.name == name:
            yield from (column.of(row) for row in rows)


def _side(column: Cell[R]) -> JustifyMethod:
    return "left" if column.kind in (Look.TEXT, Look.TIME) else "right"


# ---- a value as a person reads it


def number(value: float, digits: int = 5) -> str:
    """Five significant digits: ``97,431``, ``1.2346``, ``0.000012346``, ``1.23 B``."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if abs(value) >= _HUGE or abs(value) < _TINY:
        return f"{value:.{digits - 1}e}"
    for size, word in _LARGE:
        if abs(value) >= size:
            return f"{value / size:.2f} {word}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"


def _price(value: float) -> str:
    """Eight significant digits, without zeros at the end but for two decimals."""
    text = number(value, 8)
    whole, point, decimals = text.partition(".")
    return f"{whole}.{decimals.rstrip('0'):0<2}" if point and decimals.isdigit() else text


_SHOWN: dict[Look, Callable[[Any], str]] = {
    Look.TEXT: visible,  # names are whatever an upstream sends
    Look.COUNT: lambda value: f"{value:,}",
    Look.NUMBER: number,
    Look.PRICE: _price,
    Look.SHARE: lambda value: f"{value * 100:.2f} %",
    Look.TIME: written,
    Look.AGE: age,
    Look.SPAN: lambda value: Interval.of_ms(value).text,
}


def shown(value: Any, kind: Look) -> str:
    """Empty for None."""
    return "" if value is None else _SHOWN[kind](value)
