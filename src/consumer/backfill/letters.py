"""What the dead-letter topic has, by the ids of its records, as far as they can still be read."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from cryptoproxy.common.errors import PoisonError
from cryptoproxy.common.record import decode, document_id, from_iso
from cryptoproxy.consumer.backfill.span import HOUR_MS, Span
from cryptoproxy.consumer.dead_letter_reader import Letter


@dataclass(slots=True)
class DeadIds:
    """Of a range."""

    ids: dict[tuple[str, int], set[str]] = field(default_factory=dict)
    """By source and begin of the hour."""
    undecodable: Counter[tuple[str, int]] = field(default_factory=Counter)
    """By topic and partition of the original: how many have no id. They have no slot, so these are of all times."""
    lines: set[bytes] = field(default_factory=set)
    """SHA-256 of those without an id: a line of the lake that cannot be read may be a dead letter all the same."""

    def of(self, source: str, hour_ms: int) -> Collection[str]:
        return self.ids.get((source, hour_ms), ())

    def has_line(self, line: bytes) -> bool:
        return bool(line) and hashlib.sha256(line).digest() in self.lines


def gather(letters: Iterable[Letter], span: Span, sources: Collection[str] | None) -> DeadIds:
    """The dead letters that are about records of ``span``."""
    found = DeadIds()
    for letter in letters:
        value = letter.original.value
        try:
            record = decode(value)
        except PoisonError:
            found.undecodable[letter.original.topic, letter.original.partition] += 1
            if value:
                found.lines.add(hashlib.sha256(value).digest())
            continue
        slot_ms = from_iso(record.timestamp)
        if slot_ms in span and (sources is None or record.source in sources):
            hour = slot_ms - slot_ms % HOUR_MS
            found.ids.setdefault((record.source, hour), set()).add(document_id(record))
    return found
