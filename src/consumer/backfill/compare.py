"""Two streams of ids, both in the order of their slots, and what only one of them has. One slot is in memory."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

SHOWN = 1_000
"""Of the ids that differ in an hour, so many are kept; all are counted."""

Ids = Iterable[tuple[int, str]]
"""(slot, id), the oldest slot first."""


@dataclass(slots=True)
class Some:
    """A count, and the first of what was counted."""

    count: int = 0
    ids: list[str] = field(default_factory=list)

    def add(self, identity: str) -> None:
        self.count += 1
        if len(self.ids) < SHOWN:
            self.ids.append(identity)


@dataclass(slots=True)
class Difference:
    """Of one source and hour."""

    lake: int = 0
    documents: int = 0
    dead_letters: int = 0
    """In the lake, not a document, but a dead letter: accounted for."""
    missing: Some = field(default_factory=Some)
    """In the lake, neither a document nor a dead letter. A replay mends it."""
    extra: Some = field(default_factory=Some)
    """Documents that the lake does not have, or that stand in two indices."""

    @property
    def agrees(self) -> bool:
        return not self.missing.count and not self.extra.count


def compare(lake: Ids, documents: Ids, dead: Collection[str]) -> Difference:
    """What of ``lake`` is accounted for. The lake's ids are distinct; a document's may come twice."""
    found = Difference()
    for _, group in groupby(heapq.merge(_marked(lake, 0), _marked(documents, 1), key=itemgetter(0)), itemgetter(0)):
        kept: set[str] = set()
        indexed: Counter[str] = Counter()
        for _, which, identity in group:
            if which == 0:
                kept.add(identity)
            else:
                indexed[identity] += 1
        found.lake += len(kept)
        found.documents += indexed.total()
        for identity in sorted(kept - indexed.keys()):
            if identity in dead:
                found.dead_letters += 1
            else:
                found.missing.add(identity)
        for identity in sorted((indexed - Counter(kept)).elements()):
            found.extra.add(identity)
    return found


def _marked(ids: Ids, which: int) -> Iterator[tuple[int, int, str]]:
    for slot_ms, identity in ids:
        yield slot_ms, which, identity
