"""The sections as one HTML file that needs no other: plots are in it, and nothing is fetched or run."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

from matplotlib.figure import Figure

from cryptoproxy.report.sections import Rows, Section

_STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; color: #1f2d3d; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2.2rem; border-bottom: 1px solid #ddd }
table { border-collapse: collapse; font-size: 12.5px; display: block; overflow-x: auto }
th, td { padding: .2rem .6rem; border-bottom: 1px solid #eee; text-align: left; vertical-align: top }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
img { max-width: 100%; height: auto; display: block; margin: 1rem 0 }
"""


def page(title: str, sections: Sequence[Section]) -> bytes:
    parts = [
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>\n<h1>{escape(title)}</h1>"
    ]
    for each in sections:
        parts.append(f"<h2>{escape(each.title)}</h2>")
        parts += [f"<p>{escape(words)}</p>" for words in each.words]
        if each.table is not None:
            parts.append(_table(each.table))
        parts += [
            f'<img alt="{escape(each.title)}" src="data:image/svg+xml;base64,{_svg(one)}">' for one in each.figures
        ]
    return "\n".join([*parts, "</body></html>\n"]).encode()


def _table(table: Rows) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        opened = (tag if at < table.texts else f'{tag} class="n"' for at in range(len(cells)))
        told = (f"<{begin}>{escape(cell)}</{tag}>" for begin, cell in zip(opened, cells, strict=True))
        return f"<tr>{''.join(told)}</tr>"

    return "\n".join(["<table>", row(table.head, "th"), *(row(each, "td") for each in table.rows), "</table>"])


def _svg(figure: Figure) -> str:
    body = io.BytesIO()
    figure.savefig(body, format="svg", metadata={"Date": None})
    return base64.b64encode(body.getvalue()).decode()
