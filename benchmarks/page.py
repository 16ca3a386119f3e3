"""The stored figures as the table of docs/performance.md, so that page and result never differ."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- figures: python -m benchmarks --store -->", "<!-- end of figures -->"


def number(value: float) -> str:
    """Three digits that count; whole above a hundred."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(stored: Mapping[str, Any]) -> str:
    """Markdown: each figure with a target, then the others of its benchmark."""
    machine = stored["machine"]
    lines = [
        f"Measured {stored['when'][:10]} on {machine['cores']} cores ({machine['architecture']}), "
        f"Python {machine['python']}; Kafka, Elasticsearch and the programs share them.",
        "",
        "| benchmark | figure | value | target | |",
        "|---|---|---|---|---|",
    ]
    for name, found in stored["benchmarks"].items():
        figures = sorted(found["figures"].items(), key=lambda item: item[1]["target"] is None)
        for figure, each in figures:
            reached = {True: "reached", False: "**not reached**", None: ""}[each["reached"]]
            value = f"{number(each['value'])} {each['unit']}".strip()
            note = f"{figure} ({each['note']})" if each["note"] else figure
            lines.append(f"| {name} | {note} | {value} | {each['target'] or ''} | {reached} |")
    loud = [f"{name}: {found['disturbed']}" for name, found in stored["benchmarks"].items() if found["disturbed"]]
    if loud:
        lines += ["", f"Not quiet: {'; '.join(loud)}."]
    return "\n".join(lines)


def write(stored: Mapping[str, Any], page: Path = PAGE) -> None:
    """Puts the table between its two marks.

    Raises:
        ValueError: the page lacks a mark.
    """
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page} lacks {BEGIN} … {END}")
    page.write_text(f"{before}{BEGIN}\n{table(stored)}\n{END}{after}", encoding="utf-8")
