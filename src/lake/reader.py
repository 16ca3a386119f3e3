"""Records of a range of slots, each id once: of several copies the one with the smallest ``fetched_at``.

Two pollers that ran at once (the holder of the lease was cut off) have each stored their poll of a slot. Readers take
the first; the index does the same, because `create` keeps the first copy.
"""

from __future__ import annotations

from collections.abc import Iterator

from common.errors import PoisonError
from common.record import Record, decode, document_id, from_iso, iso
from lake.objects import first_slot, lines_of
from lake.store import Store

HOUR_MS = 3_600_000


def sources(store: Store) -> list[str]:
    """The sources that the lake has anything of."""
    folders = store.folders(_base(store))
    return [folder.removeprefix("source=") for folder in folders if folder.startswith("source=")]


def object_keys(store: Store, source: str, hour_ms: int) -> Iterator[str]:
    """Keys of the raw objects of one hour, oldest first. No object reaches beyond the hour of its first slot."""
    time = iso(hour_ms)
    for key in store.keys(f"{_base(store)}source={source}/dt={time[:10]}/hour={time[11:13]}/"):
        if first_slot(key) is not None:
            yield key


def records(store: Store, source: str, from_ms: int, to_ms: int, *, now_ms: int) -> Iterator[tuple[str, bytes]]:
    """(id, line) of every record with its slot in ``[from_ms, to_ms)``, an hour at a time, each id once.

    Raises:
        PoisonError: a damaged object or a line that breaks the contract, with the object's key.
    """
    for hour in range(from_ms - from_ms % HOUR_MS, to_ms, HOUR_MS):
        begin, end = max(hour, from_ms), min(hour + HOUR_MS, to_ms)
        copies: dict[str, tuple[str, bytes]] = {}
        for key in object_keys(store, source, hour):
            for line in lines_of(key, store.get(key)):
                record = _decoded(line, key, now_ms=now_ms)
                if not begin <= from_iso(record.timestamp) < end:
                    continue
                identity = document_id(record)
                kept = copies.get(identity)
                if kept is None or record.fetched_at < kept[0]:
                    copies[identity] = (record.fetched_at, line)
        for identity in copies:
            yield identity, copies[identity][1]


def _decoded(line: bytes, key: str, *, now_ms: int) -> Record:
    try:
        return decode(line, now_ms=now_ms)
    except PoisonError as error:
        raise PoisonError(error.reason, f"{key}: {error}") from error


def _base(store: Store) -> str:
    prefix = store.settings.prefix
    return f"{prefix}/v1/raw/" if prefix else "v1/raw/"
