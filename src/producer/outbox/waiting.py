"""What waits for each drain: in the order of keeping, and how many bytes of the disk.

The folder has one bound, and each drain one of its own below it. While only S3 is away, its polls fill its own room and
no more; from then on polls are kept for Kafka alone, and the other way round. Not polling would leave the same hole in
the lake, and one on the topic besides. Polling stops when neither has room, or the folder is full: what is left of it
then lets polls through to the drain that comes back first.
"""

from __future__ import annotations

import bisect
import heapq
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice

from cryptoproxy.producer.outbox.entry import Entry, Lane
from cryptoproxy.producer.outbox.files import on_disk

KAFKA = "kafka"
S3 = "s3"
DRAINS = (KAFKA, S3)
UNDIVIDED_BELOW = 1 << 20
"""A folder for a few polls has no room to be divided."""


def rooms(max_bytes: int, *, kafka: int | None = None, s3: int | None = None) -> dict[str, int]:
    """The bound of each drain: as set, or else an eighth of the folder is left to the other one."""
    most = max_bytes if max_bytes < UNDIVIDED_BELOW else max_bytes - max_bytes // 8
    return {KAFKA: most if kafka is None else kafka, S3: most if s3 is None else s3}


def blocks(sizes: Sequence[int]) -> int:
    """Bytes of the disk that files of these sizes take; of none, those of one that is empty."""
    return sum(map(on_disk, sizes or (0,)))


class Backlog:
    """Sorted, so that taking the oldest and finding one stay cheap however many there are; by lane, so that one whose
    topic takes nothing hides no other behind it."""

    def __init__(self) -> None:
        self._lanes: dict[Lane, list[Entry]] = {}
        self._sizes: dict[Entry, int] = {}
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._sizes)

    def __contains__(self, entry: Entry) -> bool:
        return entry in self._sizes

    def oldest(self, limit: int | None, *, without: Collection[Lane] = ()) -> list[Entry]:
        lanes = [entries[:limit] for lane, entries in self._lanes.items() if lane not in without]
        return lanes[0] if len(lanes) == 1 else list(islice(heapq.merge(*lanes), limit))

    def add(self, entry: Entry, size: int) -> None:
        if entry in self._sizes:
            return
        self._sizes[entry] = size
        self.bytes += size
        entries = self._lanes.setdefault(entry.lane, [])
        if not entries or entry > entries[-1]:
            entries.append(entry)
        else:
            bisect.insort(entries, entry)

    def remove(self, entry: Entry) -> int:
        """The room that it took; 0 if it did not wait."""
        if entry not in self._sizes:
            return 0
        entries = self._lanes[entry.lane]
        del entries[bisect.bisect_left(entries, entry)]
        size = self._sizes.pop(entry)
        self.bytes -= size
        return size


class Waiting:
    """Thread-safe. An entry that waits for both drains is one file, and takes its room once.

    Args:
        rooms: bytes that may wait for each drain; without, ``max_bytes``.
    """

    def __init__(self, max_bytes: int, rooms: Mapping[str, int] | None) -> None:
        self.rooms = {drain: min(max_bytes, (rooms or {}).get(drain, max_bytes)) for drain in DRAINS}
        self._changed = threading.Condition()
        self._of = {drain: Backlog() for drain in DRAINS}
        self._used = 0

    def add(self, drains: Collection[str], entries: Iterable[tuple[Entry, int]]) -> None:
        """Entries with the sizes of their files."""
        with self._changed:
            for entry, size in entries:
                for drain in drains:
                    if not self._is_held(entry):
                        self._used += on_disk(size)
                    self._of[drain].add(entry, on_disk(size))
            self._changed.notify_all()

    def remove(self, drain: str, entry: Entry) -> None:
        with self._changed:
            room = self._of[drain].remove(entry)
            if not self._is_held(entry):
                self._used -= room
            self._changed.notify_all()

    def oldest(self, drain: str, limit: int | None, *, without: Collection[Lane] = ()) -> list[Entry]:
        with self._changed:
            return self._of[drain].oldest(limit, without=without)

    def count(self, drain: str) -> int:
        with self._changed:
            return len(self._of[drain])

    def wait(self, drain: str, seconds: float, *, without: Collection[Lane] = ()) -> None:
        """Returns when something waits for ``drain`` but for what is ``without``, or after ``seconds``."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._of[drain].oldest(1, without=without)), timeout=seconds)

    def used(self) -> int:
        """Bytes of all that waits."""
        with self._changed:
            return self._used

    def bytes(self, drain: str) -> int:
        with self._changed:
            return self._of[drain].bytes

    def with_room(self, *sizes: int) -> tuple[str, ...]:
        """The drains that files of so many bytes are kept for."""
        room = blocks(sizes)
        with self._changed:
            return tuple(each for each in DRAINS if self._of[each].bytes + room <= self.rooms[each])

    def _is_held(self, entry: Entry) -> bool:
        return any(entry in each for each in self._of.values())
