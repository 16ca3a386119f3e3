"""A walk through the past of one series: which span to ask for next, what lacks, and whether that is a hole of ours.

What a page lacks is asked for once more, by itself: an upstream that gave too few rows gives the others then, and what
is not there either is a real hole (maintenance, a halt). What lies before a symbol's first record is none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import Any

import msgspec

from cryptoproxy.datasets import iso
from cryptoproxy.datasets.times import DAY_MS, Span
from cryptoproxy.errors import TransientError
from cryptoproxy.upstreams.answers.bars import same
from cryptoproxy.upstreams.base import Call, Rejected, Response
from cryptoproxy.upstreams.history import History, Page, Start

MOST_HOLES = 50
"""So many are kept by begin and end; of more only the number."""

Ask = Callable[[Call], tuple[Response, int]]
"""Sends one call, when the budget has room for it; the answer and when it had come. Raises what the upstream's refusal
means."""


class Cursor(msgspec.Struct, omit_defaults=True):
    """How far the walk of one symbol has come: what outlives a kill, a restart and a handover."""

    at_ms: int = 0
    """What begins before is told; 0 before the first call."""
    due_ms: int = 0
    """When the next record is due: the end of the last one."""
    first_ms: int | None = None
    """The first record's begin."""
    listed: bool = False
    """Whether the upstream is known to have had it before this walk's begin: then what lacks there is a hole."""
    symbol: str = ""
    name: str = ""
    rows: int = 0
    calls: int = 0
    rejected: dict[str, int] = {}
    holes: list[tuple[int, int]] = []
    """What the upstream does not have, asked twice."""
    more_holes: int = 0
    done: bool = False
    why: str = ""
    """Why there is nothing, or not all of it."""
    failed: bool = False
    """Something may lack that the upstream has: it does not know the symbol, or was given up."""


class Walk:
    """Goes through ``span`` of one symbol, from where ``cursor`` stands. Change the cursor on disk after a step's
    records are kept, never before."""

    def __init__(self, history: History, symbol: str, span: Span, cursor: Cursor, *, now_ms: Callable[[], int]) -> None:
        self.history = history
        self.symbol = symbol
        self.span = span
        self.cursor = cursor
        self._now_ms = now_ms
        self.rejected: list[Rejected] = []
        """The rows of the last step that are no records. One that is ``changed`` is a bar that the upstream gave twice
        with other values: the first one stays."""

    def step(self, ask: Ask) -> list[Any]:
        """One page: its records, oldest first. Moves the cursor beyond them; it is ``done`` at the end.

        Raises:
            CryptoProxyError: as ``ask``, or a page that cannot be. The cursor stands where it was.
        """
        cursor = msgspec.structs.replace(self.cursor, rejected=dict(self.cursor.rejected), holes=[*self.cursor.holes])
        records: list[Any] = []
        self.rejected = []
        if not cursor.at_ms:
            self._begin(cursor, ask)
        if not cursor.done:
            records = self._page(cursor, ask)
        for reason, count in Counter(row.reason for row in self.rejected).items():
            cursor.rejected[reason] = cursor.rejected.get(reason, 0) + count
        for field in Cursor.__struct_fields__:
            setattr(self.cursor, field, getattr(cursor, field))
        return records

    def _begin(self, cursor: Cursor, ask: Ask) -> None:
        answer, now_ms = ask(self.history.start_call(self.symbol))
        cursor.calls += 1
        start = self.history.start(self.symbol, answer)
        if start.begin_ms is None:
            cursor.done = cursor.failed = True
            cursor.why = f"{self.history.upstream} has nothing of it"
            return
        if start.begin_ms > now_ms + DAY_MS:
            raise TransientError(
                f"{self.history.feed.name}: the first of {self.symbol} cannot begin at {start.begin_ms}"
            )
        cursor.symbol, cursor.name = start.symbol, start.name
        reach_ms = self.history.reach_ms(now_ms)
        cursor.listed = start.begin_ms > 0 and start.begin_ms + start.within_ms < self.span.begin_ms
        cursor.at_ms = cursor.due_ms = max(self.span.begin_ms, start.begin_ms, reach_ms)
        if cursor.at_ms >= self.span.end_ms:
            cursor.done = True
            cursor.why = f"what there is begins at {iso(cursor.at_ms)}"

    def _page(self, cursor: Cursor, ask: Ask) -> list[Any]:
        page = self._ask(Span(cursor.at_ms, self.span.end_ms), cursor, ask)
        if page.covered_ms <= cursor.at_ms:
            raise TransientError(f"{self.history.feed.name}: an answer that does not go on beyond {iso(cursor.at_ms)}")
        begins, records = set(page.begins), {each.timestamp: each for each in page.records}
        covered_ms = page.covered_ms
        while holes := self._lacking(cursor, begins, covered_ms):
            lack = Span(holes[0].begin_ms, holes[-1].end_ms)
            again = self._ask(lack, cursor, ask)
            more = set(again.begins) - begins
            self._enter(records, again.records)
            if not more:
                unlisted = cursor.first_ms is None and not cursor.listed and holes[0].begin_ms == cursor.due_ms
                cursor.holes += [(hole.begin_ms, hole.end_ms) for hole in holes[unlisted:]]
                break
            begins |= more
            if again.covered_ms < lack.end_ms:  # an empty page was none: the walk goes on behind what came now
                covered_ms = again.covered_ms
        cursor.more_holes += len(cursor.holes[MOST_HOLES:])
        del cursor.holes[MOST_HOLES:]
        if begins:
            cursor.first_ms = min(begins) if cursor.first_ms is None else cursor.first_ms
            cursor.due_ms = max(cursor.due_ms, self.history.next_ms(max(begins)))
        if covered_ms - cursor.due_ms >= self.history.step_ms:
            cursor.due_ms = covered_ms  # told already
        cursor.at_ms = covered_ms
        cursor.rows += len(records)
        cursor.done = covered_ms >= self.span.end_ms
        if cursor.done and cursor.first_ms is None:
            cursor.why = "nothing in this time"
        return [records[timestamp] for timestamp in sorted(records)]

    def _enter(self, records: dict[str, Any], more: Iterable[Any]) -> None:
        """Those that are new; of one that is there the first copy stays."""
        for each in more:
            if not same(records.setdefault(each.timestamp, each), each):
                detail = f"{each.timestamp} once more with other values; the first ones stay"
                self.rejected.append(Rejected("changed", self.symbol, detail))

    def _ask(self, span: Span, cursor: Cursor, ask: Ask) -> Page:
        start = Start(cursor.at_ms, symbol=cursor.symbol, name=cursor.name)
        answer, now_ms = ask(self.history.call(self.symbol, span, now_ms=self._now_ms()))
        cursor.calls += 1
        page = self.history.page(self.symbol, start, span, answer, now_ms=now_ms)
        self.rejected += page.rejected
        return page

    def _lacking(self, cursor: Cursor, begins: Collection[int], covered_ms: int) -> list[Span]:
        """Where at least one whole bar, or point, lacks."""
        due = cursor.due_ms
        lacks: list[Span] = []
        for begin in [*sorted(begins), covered_ms]:
            if begin - due >= self.history.step_ms:
                lacks.append(Span(due, begin))
            due = max(due, self.history.next_ms(begin))
        if not begins and cursor.first_ms is None and not cursor.listed:
            return []  # its first record is still to come
        return lacks
