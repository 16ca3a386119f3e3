"""The ids of one symbol, which go up by one: what is new, where they have a hole, and what became of each hole.

Silence is no hole, however long: only an id that is passed over is. An id may be there twice with different first
trades (it was, in 2018 and 2021), so what is new is told by both numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from cryptoproxy.datasets import Gap, from_iso
from cryptoproxy.upstreams.streaming import gaps
from cryptoproxy.upstreams.streaming.gaps import Recorded
from cryptoproxy.upstreams.streaming.stream import Mark

_OURS = re.compile(r"\d{1,19}-\d{1,19}", re.ASCII)

ANEW_MS = 60_000
"""A trade so much later than the last one whose id is lower: the upstream counts anew."""
MUCH = 50_000
"""After so many records what is left of a gap becomes one of its own."""


@dataclass(slots=True, eq=False)
class Hole:
    """Ids that lack: ``first`` to ``last``."""

    first: int
    last: int
    after: Mark
    """What came before it,"""
    before: Mark
    """and what came after it."""
    why: str
    due_ms: int
    """Not asked for earlier."""
    tries: int = 0
    record: Recorded | None = None
    """None before :meth:`Chain.unrecorded` was told."""


class Chain:
    """One symbol.

    Args:
        mark: its last record; None before the first.
        left: gaps that an earlier holder has not seen mended.
    """

    def __init__(self, mark: Mark | None, left: Iterable[Gap], *, now_ms: int) -> None:
        self.mark = mark
        self.last: int | None = None
        self.second = 0
        if mark is not None and is_ours(mark.id):
            self.last, self.second = numbers(mark.id)
        else:
            self.mark = None
        self.why = gaps.HANDOVER
        """What a hole before the next id is put down to."""
        self.lost: list[Hole] = []
        """Given up, and not told yet."""
        self.over: list[Recorded] = []
        """Gaps that are mended, and not told yet."""
        self.holes = [hole for gap in left if (hole := _of(gap, now_ms))]

    def take(self, number: int, second: int, at_ms: int, now_ms: int) -> bool:
        """Whether this one is new. ``second`` goes up with the ids: that of the first trade."""
        last = self.last
        mark = Mark.behind(self.mark, f"{number}-{second}", at_ms, now_ms)
        if last is not None and self.mark is not None and number <= last:
            if number == last and second > self.second:
                self._move(number, second, mark)
                return True
            if mark.at_ms <= self.mark.at_ms + ANEW_MS:
                return self._fills(number, Mark(mark.id, min(at_ms, mark.at_ms)))
            self.lost.append(Hole(0, -1, self.mark, mark, "ids begin anew", now_ms))
        elif last is not None and self.mark is not None and number > last + 1:
            self.holes.append(Hole(last + 1, number - 1, self.mark, mark, self.why, now_ms + gaps.GRACE_MS))
        self._move(number, second, mark)
        return True

    def _move(self, number: int, second: int, mark: Mark) -> None:
        self.last, self.second, self.why = number, second, gaps.HOLE
        self.mark = mark

    def _fills(self, number: int, mark: Mark) -> bool:
        """An id from inside a hole, that came late."""
        for hole in self.holes:
            if hole.first <= number <= hole.last:
                if number == hole.last != hole.first:
                    hole.last, hole.before = number - 1, mark
                    self._count(hole, 1)
                    return True
                if number > hole.first:
                    rest = Hole(number + 1, hole.last, mark, hole.before, hole.why, hole.due_ms, record=hole.record)
                    self.holes.insert(self.holes.index(hole) + 1, rest)
                    hole.last, hole.before = number - 1, mark
                    if hole.record:
                        hole.record.holes += 1
                    self._count(hole, 1)
                    return True
                self.mended(hole, mark, 1)
                return True
        return False

    def mended(self, hole: Hole, upto: Mark, count: int) -> None:
        """All ids of ``hole`` up to this record are here, so many records."""
        hole.first, hole.after, hole.tries = numbers(upto.id)[0] + 1, upto, 0
        self._count(hole, count)
        self._close(hole)

    def lacks(self, hole: Hole, upto: int, before: Mark, *, now_ms: int) -> bool:
        """An answer does not hold what it should: the ids of ``hole`` up to this one, behind which ``before`` comes.
        True when that is believed."""
        hole.tries += 1
        hole.due_ms = now_ms + gaps.RETRY_MS * 2**hole.tries
        if hole.tries < gaps.MOST_TRIES:
            return False
        if hole.record:
            hole.record.lost = True
        else:
            self.lost.append(Hole(hole.first, upto, hole.after, before, hole.why, now_ms))
        hole.first, hole.after, hole.tries, hole.due_ms = upto + 1, before, 0, now_ms
        self._close(hole)
        return True

    def advanced(self) -> list[tuple[Recorded, Mark]]:
        """Long gaps of which much is brought by now, and up to where: what is left of each has no record any more. So a
        successor begins there, and not at its first id."""
        found: list[tuple[Recorded, Mark]] = []
        for hole in self.holes:
            record = hole.record
            if record and record.holes == 1 and not record.lost and record.brought >= MUCH:
                found.append((record, hole.after))
                hole.record = None
        return found

    def unrecorded(self) -> list[Hole]:
        """Those that no record tells of yet, the lost ones among them, once. What came behind them may only be kept
        after their records: else a kill in between would leave a hole that nobody knows of."""
        found = [*(hole for hole in self.holes if hole.record is None), *self.lost]
        self.lost = []
        return found

    def _count(self, hole: Hole, count: int) -> None:
        if hole.record:
            hole.record.brought += count

    def _close(self, hole: Hole) -> None:
        if hole.first <= hole.last:
            return
        self.holes.remove(hole)
        if hole.record:
            hole.record.holes -= 1
            if not hole.record.holes and not hole.record.lost:
                self.over.append(hole.record)


def numbers(trade_id: str) -> tuple[int, int]:
    """Both numbers of ``a-f``.

    Raises:
        ValueError: it is none.
    """
    number, _, second = trade_id.partition("-")
    return int(number), int(second)


def is_ours(trade_id: str | None) -> bool:
    """Whether it is like ``a-f``; a topic may hold what others wrote."""
    return _OURS.fullmatch(trade_id or "") is not None


def _of(gap: Gap, now_ms: int) -> Hole | None:
    """The hole that an earlier holder has recorded; None where it does not say which ids."""
    if gap.after_id is None or gap.before_id is None or not (is_ours(gap.after_id) and is_ours(gap.before_id)):
        return None
    first, last = numbers(gap.after_id)[0] + 1, numbers(gap.before_id)[0] - 1
    if first > last:
        return None
    after, before = Mark(gap.after_id, from_iso(gap.timestamp)), Mark(gap.before_id, from_iso(gap.until))
    return Hole(first, last, after, before, gap.why, now_ms, record=Recorded(gap))
