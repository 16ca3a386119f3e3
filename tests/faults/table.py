"""The table of the fault suite: one row a case, at the end of the run and, where asked for, in docs/faults.md.

| column | tells |
|---|---|
| case | the test's name in words |
| records | ids that the judge found and held against what was served |
| lost | that are somewhere, but not everywhere they belong |
| doubled | ids twice where each is to be once |
| sent again | messages that are on the topic once more, with the same id and bytes, as is allowed |
| back in | seconds from the end of the fault until all was well again and a fresh poll flowed |
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Protocol

import psutil

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "faults.md"
README = ROOT / "README.md"
QUOTE_BEGIN, QUOTE_END = "<!-- faults: make faults -->\n", "<!-- end of faults -->\n"

_HEAD = """# The fault suite

Each case brings real engines or an upstream into trouble, or kills, stops and starts our own processes, and lets it end.
Then a judge holds what the stand-in upstream served (its ledger, written before the first byte of an answer leaves)
against what is on the topic, in the lake and, where an indexer runs, in the index: nothing missing, nothing foreign, no
id twice, the same values, and a fresh poll flows. What each case does is in [tests/faults](../tests/faults/README.md).

Made by `make faults`, last on {when}, on {cores} cores and {memory} GB of memory.

| column | tells |
|---|---|
| records | ids that were found and held against what was served |
| lost | that are somewhere, but not everywhere they belong |
| doubled | ids twice where each is to be once |
| sent again | messages that are on the topic once more, same id and same bytes, as [the promise](promise.md) allows |
| back in | seconds from the end of the fault until all was well again |
"""


_ROW = re.compile(r"\| (.+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (?:([\d.]+) s|–) \|")


class Judged(Protocol):
    """What a row needs of a verdict; ``tests.faults.judge.Verdict`` has it."""

    @property
    def records(self) -> int: ...

    @property
    def lost(self) -> int: ...

    @property
    def doubled(self) -> int: ...

    @property
    def again(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Row:
    """``theme`` is the first sentence of the module's docstring, ``seconds`` None where nothing had to recover."""

    theme: str
    case: str
    records: int
    lost: int
    doubled: int
    again: int
    seconds: float | None

    @property
    def cells(self) -> tuple[str, ...]:
        counts = (self.records, self.lost, self.doubled, self.again)
        return (self.case, *map(str, counts), "–" if self.seconds is None else f"{self.seconds:.1f} s")


def in_words(test_name: str) -> str:
    """``test_a_kill_at_this_step[written]`` → ``a kill at this step: written``."""
    name, _, parameter = test_name.removeprefix("test_").partition("[")
    words = name.replace("_", " ")
    return f"{words}: {parameter.rstrip(']').replace('_', ' ')}" if parameter else words


def theme_of(docstring: str | None) -> str:
    """The first sentence."""
    text = " ".join((docstring or "").split())
    return text.split(". ")[0].rstrip(".") or "others"


def on_terminal(rows: Sequence[Row]) -> Iterable[str]:
    width = max(len(row.case) for row in rows)
    yield f"{'case':<{width}} {'records':>8} {'lost':>5} {'doubled':>8} {'sent again':>11} {'back in':>9}"
    for row in rows:
        case, records, lost, doubled, again, seconds = row.cells
        yield f"{case:<{width}} {records:>8} {lost:>5} {doubled:>8} {again:>11} {seconds:>9}"
    lost, doubled = sum(row.lost for row in rows), sum(row.doubled for row in rows)
    yield f"{len(rows)} cases, {sum(row.records for row in rows)} records, {lost} lost, {doubled} doubled"


def page(rows: Sequence[Row], *, when: str) -> str:
    """The page, a table for each theme."""
    memory = round(psutil.virtual_memory().total / 2**30)
    parts = [_HEAD.format(when=when, cores=os.cpu_count(), memory=memory), f"\n## In short\n{summary(rows)}"]
    for theme, of_theme in groupby(rows, key=lambda row: row.theme):
        parts.append(
            f"\n## {theme}\n| case | records | lost | doubled | sent again | back in |\n|---|--:|--:|--:|--:|--:|\n"
        )
        parts += [f"| {' | '.join(row.cells)} |\n" for row in of_theme]
    return "".join(parts)


def rows_of(page: str) -> list[Row]:
    """:func:`page` read back."""
    rows, theme = [], ""
    for line in page.splitlines():
        if line.startswith("## "):
            theme = line.removeprefix("## ")
        elif theme != "In short" and (found := _ROW.fullmatch(line)):
            case, records, lost, doubled, again, seconds = found.groups()
            counts = (int(records), int(lost), int(doubled), int(again))
            rows.append(Row(theme, case, *counts, None if seconds is None else float(seconds)))
    return rows


def renewed(before: Sequence[Row], rows: Sequence[Row]) -> list[Row]:
    """``rows`` in the place of all that were there of their themes; new themes at the end."""
    themes = dict.fromkeys([row.theme for row in before] + [row.theme for row in rows])
    new = {row.theme for row in rows}
    return [row for theme in themes for row in (rows if theme in new else before) if row.theme == theme]


def summary(rows: Sequence[Row]) -> str:
    """One line a theme, and all together: what the README quotes."""
    lines = ["| what goes wrong | cases | records | lost | doubled | back in, at most |\n|---|--:|--:|--:|--:|--:|\n"]
    for theme, of_theme in groupby(rows, key=lambda row: row.theme):
        lines.append(_together(theme.partition(": ")[0], list(of_theme)))
    return "".join([*lines, _together("**all of it**", rows)])


def _together(name: str, rows: Sequence[Row]) -> str:
    counts = (len(rows), *(sum(getattr(row, column) for row in rows) for column in ("records", "lost", "doubled")))
    longest = max(round(row.seconds or 0.0, 1) for row in rows)  # as the page has it, so that it can be added up there
    return f"| {name} | {' | '.join(f'{count:,}' for count in counts)} | {longest:.0f} s |\n"


def quoted(readme: str, rows: Sequence[Row]) -> str:
    """``readme`` with the summary where it has its place."""
    before, _, rest = readme.partition(QUOTE_BEGIN)
    _, _, after = rest.partition(QUOTE_END)
    return f"{before}{QUOTE_BEGIN}{summary(rows)}{QUOTE_END}{after}"
