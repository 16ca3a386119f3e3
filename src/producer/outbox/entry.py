"""A kept entry: its name tells when it was kept, of which feed, its slot, where its records begin, their number and
content; sorted by name is in the order of keeping."""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

from cryptoproxy.datasets import DATASETS, Feed

_NAME = re.compile(
    r"(?P<kept>\d{14})-(?P<feed>[a-z0-9-]+\.[a-z0-9_-]+)-(?P<slot>\d{14})-(?P<begin>\d{14})-(?P<records>\d+)-"
    r"(?P<hash>[0-9a-f]{12})\.jsonl\Z"
)
_OLD_NAME = re.compile(
    r"(?P<slot>\d{14})-(?P<source>[a-z0-9][a-z0-9-]*)-(?P<records>\d+)-(?P<hash>[0-9a-f]{12})\.jsonl\Z"
)
"""Of before there were other datasets than tickers, and entries in the order of their slots."""
NO_SLOT = 0
"""Of what no slot was polled for: a page of history."""


class Entry(NamedTuple):
    """Ordered as they were kept: what is kept later is delivered later, however old its records are."""

    kept_ms: int
    """When; no two of an outbox have the same, and it only grows, whatever the clock does."""
    feed: Feed
    slot_ms: int
    """The last slot that was kept with it, or :data:`NO_SLOT`."""
    begin_ms: int
    """The time of its first record. All lie in one span of the part's ``file``."""
    records: int
    hash: str

    @property
    def lane(self) -> Lane:
        return self.feed.dataset, self.feed.part

    @property
    def name(self) -> str:
        return (
            f"{self.kept_ms:014d}-{self.feed.whole_name}-{self.slot_ms:014d}-{self.begin_ms:014d}-{self.records}-"
            f"{self.hash}.jsonl"
        )

    @classmethod
    def parse(cls, name: str) -> Entry | None:
        """None for a name that is not an entry's, or of a feed of a dataset that this version does not know."""
        if found := _NAME.match(name):
            try:
                feed = Feed.parse(found["feed"])
                DATASETS[feed.dataset].parts[feed.part]
            except (ValueError, KeyError):
                return None
            times = (int(found[each]) for each in ("kept", "slot", "begin"))
        elif found := _OLD_NAME.match(name):
            feed, times = Feed(found["source"]), (int(found["slot"]) for _ in range(3))
        else:
            return None
        kept_ms, slot_ms, begin_ms = times
        return cls(kept_ms, feed, slot_ms, begin_ms, int(found["records"]), found["hash"])

    @classmethod
    def of(cls, feed: Feed, content: bytes, *, kept_ms: int, begin_ms: int, slot_ms: int = NO_SLOT) -> Entry:
        """The entry for ``content``: one record a line."""
        return cls(kept_ms, feed, slot_ms, begin_ms, content.count(b"\n"), content_hash(content)[:12])

    def holds(self, content: bytes) -> bool:
        """Whether ``content`` is what was kept, whole and unchanged."""
        return content_hash(content)[:12] == self.hash and content.count(b"\n") == self.records


def content_hash(content: bytes) -> str:
    """Hex SHA-256 of the uncompressed lines; the lake names objects by it."""
    return hashlib.sha256(content).hexdigest()


Lane = tuple[str, str]
"""Dataset and part: what goes to one topic."""
