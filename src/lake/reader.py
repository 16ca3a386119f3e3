"""Records of a range of slots for a program that wants all of them or an error: each id once.

Two pollers that ran at once (the holder of the lease was cut off) have each stored their poll of a slot. Readers take
the copy with the smallest ``fetched_at``. The index keeps the copy that came first, which may be the other one
(docs/promise.md).
"""

from __future__ import annotations

from collections.abc import Iterator

from cryptoproxy.common.errors import PoisonError
from cryptoproxy.lake.archive import Fault
from cryptoproxy.lake.raw import RawArchive
from cryptoproxy.lake.span import Span
from cryptoproxy.lake.store import Store
from cryptoproxy.lake.whole import whole_lake


def sources(store: Store) -> list[str]:
    """The sources that the lake has anything of."""
    with whole_lake(store, now_ms=lambda: 0) as archive:
        return archive.sources()


def object_keys(store: Store, source: str, hour_ms: int) -> Iterator[str]:
    """Keys of the raw objects of one hour, oldest first."""
    return iter(RawArchive(store, now_ms=lambda: 0).keys(source, hour_ms))


def records(store: Store, source: str, from_ms: int, to_ms: int, *, now_ms: int) -> Iterator[tuple[str, bytes]]:
    """(id, line) of every record with its slot in ``[from_ms, to_ms)``, oldest first, each id once.

    Raises:
        PoisonError: a damaged object or a line that breaks the contract, with the object's key.
    """
    with whole_lake(store, now_ms=lambda: now_ms) as archive:
        for each in archive.records(source, Span(from_ms, to_ms), _raise):
            yield each.id, each.line


def _raise(fault: Fault) -> None:
    raise PoisonError(fault.reason, str(fault))
