"""The newest record of `stats` of each asset, as watch tells it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cryptoproxy.datasets import STATS, Stats
from cryptoproxy.errors import PoisonError


class NewestStats:
    """A thread follows topics and writes; questions read. What watch does not tell any more is not in what is read back
    at the next start.

    Args:
        topic: of them; records of others are passed over.
    """

    def __init__(self, topic: str = STATS.topic) -> None:
        self._topic = topic
        self._of: dict[bytes, Stats] = {}

    def take(self, records: Iterable[Any]) -> int:
        """As a follower gives them; how many of them are none."""
        strange = 0
        for record in records:
            if record.topic != self._topic:
                continue
            if record.value is None:
                self._of.pop(record.key, None)
                continue
            try:
                told = STATS.codec.decode(record.value)
            except PoisonError:
                strange += 1
                continue
            before = self._of.get(record.key)
            if before is None or (before.timestamp, before.fetched_at) <= (told.timestamp, told.fetched_at):
                self._of[record.key] = told
        return strange

    def all(self) -> list[Stats]:
        return list(self._of.values())
