"""Others' words as cells of a CSV file: a table program would reckon with what begins like a formula, and a formula may
send the sheet elsewhere (``=IMPORTDATA(…)``)."""

from __future__ import annotations

from typing import Any

_BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def cell(value: Any) -> Any:
    """As it is, but a text that would be a formula has an apostrophe before it. A sign alone is none."""
    return f"'{value}" if isinstance(value, str) and len(value) > 1 and value.startswith(_BEGINS_FORMULA) else value
