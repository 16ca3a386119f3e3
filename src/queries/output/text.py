"""JSON and CSV: numbers as they are, times in ISO 8601, every row written as it comes. Notes are in the JSON itself;
beside CSV they belong to standard error.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any, TypeVar

from cryptoproxy.common.record import iso
from cryptoproxy.queries.answer import Answer, Kind

R = TypeVar("R")
Write = Callable[[str], Any]


def write_json(answer: Answer[R], write: Write) -> None:
    """One object; its rows a line each, so that the text is read by people and line tools as well."""
    head = {
        "question": answer.question,
        "title": answer.title,
        "source": answer.where,
        "period": {"from": iso(answer.period.begin_ms), "to": iso(answer.period.end_ms)},
    }
    written = False
    for cells in _cells(answer):
        write(",\n" if written else json.dumps(head, ensure_ascii=False)[:-1] + ', "rows": [\n')
        write(f"  {json.dumps(cells, ensure_ascii=False)}")
        written = True
    write("\n" if written else json.dumps(head, ensure_ascii=False)[:-1] + ', "rows": [')
    write(f'], "notes": {json.dumps(answer.notes, ensure_ascii=False)}}}\n')


def write_csv(answer: Answer[R], write: Write) -> None:
    names = [column.name for column in answer.columns]
    header = True
    for cells in _cells(answer):
        lines = StringIO()
        writer = csv.writer(lines, lineterminator="\n")
        if header:
            writer.writerow(names)
            header = False
        writer.writerow(cells.values())
        write(lines.getvalue())


def _cells(answer: Answer[R]) -> Iterator[dict[str, Any]]:
    times = {column.name for column in answer.columns if column.kind is Kind.TIME}
    for row in answer:
        cells = answer.cells(row)
        yield {name: iso(value) if name in times and value is not None else value for name, value in cells.items()}
