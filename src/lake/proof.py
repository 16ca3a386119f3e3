"""Whether one form of a day has all that another one has, id by id. One slot is in memory."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from itertools import groupby

from cryptoproxy.common.record import decode
from cryptoproxy.lake.archive import Archive, Fault, Stored, ignore
from cryptoproxy.lake.span import Span


def lacking(
    new: Archive, old: Archive, source: str, span: Span, *, now_ms: int, report: Callable[[Fault], None]
) -> list[str]:
    """Ids of ``old`` that ``new`` has not, or has with another line that was not fetched earlier.

    Args:
        report: told of what in ``old`` cannot be read.
    """
    there = ((each, True) for each in new.records(source, span, ignore))
    asked = ((each, False) for each in old.records(source, span, report))
    found: list[str] = []
    for _, group in groupby(heapq.merge(there, asked, key=_slot), _slot):
        slot = list(group)
        kept = {each.id: each for each, is_new in slot if is_new}
        found += _worse((each for each, is_new in slot if not is_new), kept, now_ms)
    return found


def _slot(each: tuple[Stored, bool]) -> int:
    return each[0].slot_ms


def _worse(asked: Iterator[Stored], kept: dict[str, Stored], now_ms: int) -> Iterator[str]:
    for each in asked:
        new = kept.get(each.id)
        # Two copies fetched at one moment are equally good; the file has one of them.
        if new is None or (new.line != each.line and _fetched_at(new, now_ms) > _fetched_at(each, now_ms)):
            yield each.id


def _fetched_at(stored: Stored, now_ms: int) -> str:
    return decode(stored.line).fetched_at
