"""The sections as a PDF of A4 pages, by matplotlib: words and tables stay text, plots are pictures."""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from cryptoproxy.report.sections import Rows, Section

WIDTH, HEIGHT = 8.27, 11.69
MARGIN = 0.7
"""Inches, all three."""
POINTS = 72
_MONO = 0.602
"""Width of a character of DejaVu Sans Mono, in its size."""
_LINE = 1.45
_CELL = 64
"""Characters of a cell; more is cut."""
_DPI = 170


class _Paper:
    """Pages that fill from the top."""

    def __init__(self, title: str) -> None:
        self._title = title
        self.pages: list[Figure] = []
        self._new()

    def _new(self) -> None:
        self.pages.append(Figure(figsize=(WIDTH, HEIGHT)))
        self._left = HEIGHT - 2 * MARGIN
        foot = f"{self._title}, page {len(self.pages)}"
        self.pages[-1].text(MARGIN / WIDTH, MARGIN / 2 / HEIGHT, foot, fontsize=7, color="#666666")

    def room(self, inches: float) -> bool:
        """A new page, if this one has not so much left; whether it is one."""
        if new := inches > self._left:
            self._new()
        return new

    def space(self, inches: float) -> None:
        self._left -= inches

    def line(self, words: str, size: float, **look: Any) -> None:
        high = size * _LINE / POINTS
        self.room(high)
        self._left -= high
        self.pages[-1].text(
            MARGIN / WIDTH, (MARGIN + self._left) / HEIGHT, words, fontsize=size, va="bottom", parse_math=False, **look
        )

    def picture(self, figure: Figure) -> None:
        canvas = FigureCanvasAgg(figure)
        figure.set_dpi(_DPI)
        canvas.draw()  # type: ignore[no-untyped-call]
        pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
        wide = WIDTH - 2 * MARGIN
        high = min(wide * pixels.shape[0] / pixels.shape[1], HEIGHT - 2 * MARGIN)
        self.room(high)
        self._left -= high
        axes = self.pages[-1].add_axes((MARGIN / WIDTH, (MARGIN + self._left) / HEIGHT, wide / WIDTH, high / HEIGHT))
        axes.imshow(pixels, interpolation="none")
        axes.axis("off")


def pages(title: str, sections: Sequence[Section]) -> bytes:
    paper = _Paper(title)
    paper.line(title, 16, fontweight="bold")
    for each in sections:
        paper.room(1.2)  # no head at the foot of a page
        paper.space(0.2)
        paper.line(each.title, 12, fontweight="bold")
        for words in each.words:
            for line in textwrap.wrap(words, 108):
                paper.line(line, 9)
        if each.table is not None:
            paper.space(0.08)
            _table(paper, each.table)
        for figure in each.figures:
            paper.space(0.1)
            paper.picture(figure)
    body = io.BytesIO()
    with PdfPages(body, metadata={"Title": title, "CreationDate": None}) as pdf, warnings.catch_warnings():
        # Chinese and the like in others' words: an empty box; the HTML page has them.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font", category=UserWarning)
        for page in paper.pages:
            pdf.savefig(page)
    return body.getvalue()


def _table(paper: _Paper, table: Rows) -> None:
    lines = list(_lines(table))
    size = min(8.0, (WIDTH - 2 * MARGIN) * POINTS / (max(map(len, lines)) * _MONO))
    look = {"family": "DejaVu Sans Mono"}
    paper.line(lines[0], size, fontweight="bold", **look)
    for line in lines[1:]:
        if paper.room(size * _LINE / POINTS):
            paper.line(lines[0], size, fontweight="bold", **look)
        paper.line(line, size, **look)


def _lines(table: Rows) -> Iterator[str]:
    cells = [
        [each if len(each) <= _CELL else f"{each[: _CELL - 1]}…" for each in row] for row in (table.head, *table.rows)
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        yield "  ".join(
            each.ljust(width) if at < table.texts else each.rjust(width)
            for at, (each, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
