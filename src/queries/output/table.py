"""A table for the terminal. What is the same in every row is said once, above it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

from cryptoproxy.common.errors import visible
from cryptoproxy.queries.answer import Answer, Column, Kind
from cryptoproxy.queries.output.numbers import shown

R = TypeVar("R")
_SAID_ONCE = ("source", "quote")


def table(answer: Answer[R], rows: Sequence[R]) -> Table:
    said = _said_once(answer, rows)
    columns = [column for column in answer.columns if column.name not in said]
    where = ", ".join(said.values()) or answer.where
    made = Table(title=Text(f"{answer.title}\n{where}; {answer.period}"), title_justify="left", title_style="bold")
    for column in columns:
        made.add_column(column.title, justify=_side(column), no_wrap=True)
    for row in rows:
        made.add_row(*(Text(visible(shown(column.of(row), column.kind))) for column in columns))
    return made


def _said_once(answer: Answer[R], rows: Sequence[R]) -> dict[str, str]:
    """The value of each column that need not be shown, by name. Of answers about assets only."""
    found: dict[str, str] = {}
    if not any(column.name == "asset_id" for column in answer.columns):
        return found
    for column in answer.columns:
        if column.name in _SAID_ONCE and len(values := {column.of(row) for row in rows}) == 1:
            found[column.name] = values.pop()
    return found


def _side(column: Column[R]) -> JustifyMethod:
    return "left" if column.kind in (Kind.TEXT, Kind.TIME) else "right"
