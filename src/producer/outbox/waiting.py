"""The polls that wait for one drain, oldest first, and the room they take. Not thread-safe: the outbox locks."""

from __future__ import annotations

import bisect

from cryptoproxy.producer.outbox.entry import Entry


class Waiting:
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
