"""Tables as commands print them."""

from __future__ import annotations

from rich.console import Console, RenderableType

WIDE = 500
"""Characters."""


def print_table(table: RenderableType) -> None:
    """To a terminal as wide as that is; into a file or a mail nothing is cut, since no width is known there."""
    console = Console()
    (console if console.is_terminal else Console(width=WIDE)).print(table)
