"""The last records of each topic's partition, for those who come back: as many bytes as there is room for, of each and
of all together.

An **id** tells how far somebody has read: ``trade.0:812,trade.1:77``, the next offset of each partition of what was
asked for. Who comes back with it gets what is held from there on, and is told what is not held any more.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

HELD_BYTES = 4 * 1024 * 1024
"""Of each partition, with what a record takes beside its bytes."""
ALL_HELD_BYTES = 48 * 1024 * 1024
"""Of all partitions together; beyond it the largest gives way."""
BESIDE_BYTES = 250
_PLACE = re.compile(r"([a-z]+(?:-[a-z0-9]+)?)\.(\d{1,5}):(\d{1,18})")

Place = tuple[str, int]
"""A dataset and its part (``candle-1m``), and the number of a partition."""


class Record(NamedTuple):
    """As it was on the topic."""

    offset: int
    source: str
    asset_id: str
    value: bytes


class Missed(NamedTuple):
    """Offsets that somebody wants and cannot have: all before ``until``, which is the first that follows."""

    place: Place
    since: int
    until: int
    why: str


@dataclass(slots=True)
class _Partition:
    next: int
    records: deque[Record | Missed] = field(default_factory=deque)
    """``Missed`` stands where the topic had lost records before this door read them."""
    size: int = 0


class Held:
    """Of the door's loop."""

    def __init__(self, most_bytes: int = HELD_BYTES, most_of_all: int = ALL_HELD_BYTES) -> None:
        self._most, self._most_of_all = most_bytes, most_of_all
        self._of: dict[Place, _Partition] = {}
        self.size = 0
        """Of all that is held."""

    def __contains__(self, place: Place) -> bool:
        """Whether anything has come of this partition."""
        return place in self._of

    def is_anew(self, place: Place, offset: int) -> bool:
        """Whether a record with this offset can be only of a topic that was made anew."""
        return offset == 0 < self._of[place].next

    def put(self, place: Place, record: Record) -> bool:
        """The next of a partition; False if it was here before."""
        found = self._of.get(place)
        if found is None:
            found = self._of[place] = _Partition(record.offset)
        if self.is_anew(place, record.offset):
            self.size -= found.size
            self._of[place] = found = _Partition(record.offset)
        elif record.offset < found.next:  # read again, after the follower has connected anew
            return False
        self._hold(found, record, record.offset + 1)
        return True

    def lose(self, missed: Missed) -> bool:
        """The topic has lost the next records of a partition; False where nobody has read so far."""
        found = self._of.get(missed.place)
        if found is None or missed.until <= found.next:
            return False
        self._hold(found, missed, missed.until)
        return True

    def _hold(self, of: _Partition, what: Record | Missed, following: int) -> None:
        of.records.append(what)
        of.next = following
        self._grow(of, _size(what))
        while of.size > self._most:
            self._drop_first(of)
        while self.size > self._most_of_all:
            self._drop_first(max(self._of.values(), key=lambda each: each.size))

    def _drop_first(self, of: _Partition) -> None:
        self._grow(of, -_size(of.records.popleft()))

    def _grow(self, of: _Partition, by: int) -> None:
        of.size += by
        self.size += by

    def ends(self, datasets: Collection[str]) -> dict[Place, int]:
        """The next offset of each partition of these."""
        return {place: found.next for place, found in self._of.items() if place[0] in datasets}

    def since(self, place: Place, offset: int) -> Iterator[Record | Missed]:
        """What comes from this offset on, as far as it is held; first what does not."""
        found = self._of.get(place)
        if found is None or offset == found.next:
            return
        if offset > found.next:
            yield Missed(place, found.next, found.next, "this offset is not there yet: the topic was made anew")
            return
        first = _begin(found.records[0]) if found.records else found.next
        if offset < first:
            yield Missed(place, offset, first, "older than what is held here")
        for each in found.records:
            if isinstance(each, Missed):
                if each.until > offset:
                    yield each._replace(since=max(each.since, offset))
            elif each.offset >= offset:
                yield each


def _size(what: Record | Missed) -> int:
    return BESIDE_BYTES + (len(what.value) if isinstance(what, Record) else 0)


def _begin(what: Record | Missed) -> int:
    return what.offset if isinstance(what, Record) else what.since


def written(places: Mapping[Place, int]) -> str:
    """As an id."""
    return ",".join([f"{name}.{number}:{offset}" for (name, number), offset in places.items()])


def read(text: str) -> dict[Place, int]:
    """Raises:
    ValueError: it is no id.
    """
    places = {}
    for each in text.split(",") if text else ():
        if not (found := _PLACE.fullmatch(each)):
            raise ValueError(f"{each[:80]!r} is no part of an id of this stream")
        places[found[1], int(found[2])] = int(found[3])
    return places
