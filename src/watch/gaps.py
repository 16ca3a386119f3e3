"""What lacks of one asset, by the records of its gaps: rules hold while the longest that is open is long enough."""

from __future__ import annotations

from typing import Any

import msgspec

from cryptoproxy.datasets import from_iso
from cryptoproxy.datasets.times import DAY_MS
from cryptoproxy.watch.cases import Case, Leaf

FORGOTTEN_MS = DAY_MS
"""One that nobody has mended by then is told of no longer."""


class FoundGap(msgspec.Struct, gc=False):
    """A record of a gap. Its moment is when it was found, or mended: only that goes on with time."""

    timestamp: str = msgspec.field(name="fetched_at")
    begin: str = msgspec.field(name="timestamp")
    until: str
    kind: str
    state: str
    symbol: str | None = None

    @property
    def fetched_at(self) -> str:
        """As of every record."""
        return self.timestamp


class Gaps:
    """Args:
    late_ms: a gap that was found so long after its end is of the past.
    """

    __slots__ = ("_late", "_open", "leaves")

    def __init__(self, late_ms: int) -> None:
        self.leaves: list[Leaf] = []
        self._late = late_ms
        self._open: dict[str, tuple[int, float]] = {}
        """By kind, begin and end: the begin, and seconds."""

    def look(self, at: int, record: FoundGap) -> list[Case]:
        """The cases of which a leaf has changed with this one."""
        begin, until = from_iso(record.begin), from_iso(record.until)
        for name in [name for name, (since, _) in self._open.items() if since < at - FORGOTTEN_MS]:
            del self._open[name]
        if record.state == "mended":
            # A part of it may have been mended before, and told with another end.
            for name in [
                each for each, (since, _) in self._open.items() if _of(each) == record.kind and since == begin
            ]:
                del self._open[name]
        elif at <= until + self._late:
            self._open[f"{record.kind} from {record.begin} to {record.until}"] = (begin, (until - begin) / 1000)
        return [leaf.case for leaf in self.leaves if self._changes(leaf)]

    def _changes(self, leaf: Leaf) -> bool:
        kind = leaf.condition.options["in"]
        mine = {
            name: seconds
            for name, (_, seconds) in self._open.items()
            if kind is None or kind in (_of(name), _of(name).partition("-")[0])
        }
        longest = max(mine, key=mine.__getitem__, default="")
        leaf.figure = leaf.level = mine.get(longest, 0.0)
        leaf.why = longest
        return leaf.take(leaf.figure)

    def dump(self) -> dict[str, Any]:
        """What is open."""
        return {name: list(known) for name, known in self._open.items()}

    def load(self, known: dict[str, Any]) -> None:
        """The reverse."""
        self._open = {name: (begin, seconds) for name, (begin, seconds) in known.items()}


def _of(name: str) -> str:
    return name.partition(" ")[0]
