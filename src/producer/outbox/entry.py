"""A kept poll: its name tells slot, source, number of records and content; sorted by name is oldest first. And the
polls that wait for one drain.
"""

from __future__ import annotations

import bisect
import hashlib
import re
from typing import NamedTuple

_NAME = re.compile(r"(?P<slot>\d{14})-(?P<source>[a-z0-9][a-z0-9-]*)-(?P<records>\d+)-(?P<hash>[0-9a-f]{12})\.jsonl\Z")


class Entry(NamedTuple):
    """Ordered oldest slot first."""

    slot_ms: int
    source: str
    records: int
    hash: str

    @property
    def name(self) -> str:
        return f"{self.slot_ms:014d}-{self.source}-{self.records}-{self.hash}.jsonl"

    @classmethod
    def parse(cls, name: str) -> Entry | None:
        """None for a name that is not an entry's."""
        found = _NAME.match(name)
        if found is None:
            return None
        return cls(int(found["slot"]), found["source"], int(found["records"]), found["hash"])

    @classmethod
    def of(cls, slot_ms: int, source: str, content: bytes) -> Entry:
        """The entry for ``content``: one record a line."""
        return cls(slot_ms, source, content.count(b"\n"), content_hash(content)[:12])

    def holds(self, content: bytes) -> bool:
        """Whether ``content`` is what was kept, whole and unchanged."""
        return content_hash(content)[:12] == self.hash and content.count(b"\n") == self.records


def content_hash(content: bytes) -> str:
    """Hex SHA-256 of the uncompressed lines; the lake names objects by it."""
    return hashlib.sha256(content).hexdigest()


class Backlog:
    """Sorted, so that taking the oldest and finding one stay cheap however many there are."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._sizes: dict[Entry, int] = {}
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, entry: Entry) -> bool:
        return entry in self._sizes

    def oldest(self, limit: int | None) -> list[Entry]:
        return self._entries[:limit]

    def add(self, entry: Entry, size: int) -> None:
        if entry in self._sizes:
            return
        self._sizes[entry] = size
        self.bytes += size
        if not self._entries or entry > self._entries[-1]:
            self._entries.append(entry)
        else:
            bisect.insort(self._entries, entry)

    def remove(self, entry: Entry) -> int:
        """The room that it took; 0 if it did not wait."""
        if entry not in self._sizes:
            return 0
        del self._entries[bisect.bisect_left(self._entries, entry)]
        size = self._sizes.pop(entry)
        self.bytes -= size
        return size
