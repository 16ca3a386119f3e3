"""Columns that most answers begin with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from cryptoproxy.queries.answer import Column, Kind
from cryptoproxy.queries.scope import Asset

R = TypeVar("R")


def asset_columns(of: Callable[[R], Asset]) -> tuple[Column[R], ...]:
    """The symbol that a person looks for, and the three that tell assets apart."""
    return (
        Column("symbol", "symbol", Kind.TEXT, lambda row: of(row).symbol),
        Column("source", "source", Kind.TEXT, lambda row: of(row).source),
        Column("asset_id", "asset", Kind.TEXT, lambda row: of(row).asset_id),
        Column("quote", "quote", Kind.TEXT, lambda row: of(row).quote),
    )
