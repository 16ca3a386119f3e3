"""A kept poll: its name tells slot, source, number of records and content; sorted by name is oldest first."""

from __future__ import annotations

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
