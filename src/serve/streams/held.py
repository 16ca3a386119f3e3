"""The last records of each topic's partition, for those who come back: as many bytes as there is room for.

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
    """Offsets that somebody asked for and cannot have: all before ``until``, which is the first that follows."""

    place: Place
    since: int
    until: int
    why: str


@dataclass(slots=True)
class _Partition:
    next: int
    records: deque[Record] = field(default_factory=deque)
    size: int = 0


class Held:
    """Of the door's loop."""

    def __init__(self, most_bytes: int = HELD_BYTES) -> None:
        self._most = most_bytes
        self._of: dict[Place, _Partition] = {}

    def __contains__(self, place: Place) -> bool:
        """Whether anything has come of this partition."""
        return place in self._of

    def put(self, place: Place, record: Record) -> bool:
        """The next of a partition; False if it was here before."""
        found = self._of.get(place)
        if found is None:
            found = self._of[place] = _Partition(record.offset)
        if record.offset < found.next:
            if record.offset:  # read again, after the follower has connected anew
                return False
            self._of[place] = found = _Partition(record.offset)  # the topic was made anew
        found.records.append(record)
        found.next = record.offset + 1
        found.size += len(record.value) + BESIDE_BYTES
        while found.size > self._most:
            found.size -= len(found.records.popleft().value) + BESIDE_BYTES
        return True

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
        first = found.records[0].offset if found.records else found.next
        if offset < first:
            yield Missed(place, offset, first, "older than what is held here")
        yield from (each for each in found.records if each.offset >= offset)


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
