"""Lines to an object of the lake and back. The name follows from the content, so a plain PUT is idempotent."""

from __future__ import annotations

import gzip
import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cryptoproxy.common.errors import PoisonError
from cryptoproxy.common.record import from_iso, lake_object

RAW, DAILY = "v1/raw", "v1/daily"
"""The two forms, below the prefix."""

_KEY = re.compile(
    r"(?:(?P<prefix>.+)/)?v1/raw/source=(?P<source>[^/]+)/dt=(?P<day>\d{4}-\d{2}-\d{2})/hour=(?P<hour>\d{2})/"
    r"(?P=source)-(?P<date>\d{8})T(?P=hour)(?P<minute>\d{2})(?P<second>\d{2})Z-(?P<hash>[0-9a-f]{12})\.jsonl\.gz\Z"
)


def folder(prefix: str, form: str, source: str | None = None, day: str | None = None) -> str:
    """Where a form, a source of it, a day (``2026-11-20``) of that lies; ends with a slash."""
    parts = [prefix, form, *([f"source={source}"] if source else []), *([f"dt={day}"] if day else [])]
    return "".join(f"{part}/" for part in parts if part)


@dataclass(frozen=True, slots=True)
class LakeObject:
    """One object: its key, its gzip bytes, and how many records are in it."""

    key: str
    body: bytes
    records: int


def make(prefix: str, source: str, slot_ms: int, lines: bytes) -> LakeObject:
    """The object of ``lines`` (each with its newline), whose first slot is ``slot_ms``."""
    return pack(prefix, source, slot_ms, (lines,))


def pack(prefix: str, source: str, slot_ms: int, polls: Iterable[bytes]) -> LakeObject:
    """The same of the lines of several polls, one after the other, without ever holding all of them."""
    digest = hashlib.sha256()
    # 31: with gzip's header, and no time in it: the same lines always give the same bytes.
    compressor = zlib.compressobj(6, zlib.DEFLATED, 31)
    body: list[bytes] = []
    records = 0
    for lines in polls:
        digest.update(lines)
        body.append(compressor.compress(lines))
        records += lines.count(b"\n")
    body.append(compressor.flush())
    return LakeObject(lake_object(prefix, source, slot_ms, digest.hexdigest()), b"".join(body), records)


def first_slot(key: str) -> int | None:
    """The first slot in an object, by its key; None for a key that is not an object's."""
    found = _KEY.match(key)
    if found is None or found["day"].replace("-", "") != found["date"]:
        return None
    try:
        return from_iso(f"{found['day']}T{found['hour']}:{found['minute']}:{found['second']}.000Z")
    except ValueError:
        return None


def lines_of(key: str, body: bytes) -> Iterator[bytes]:
    """The lines in an object, without their newlines.

    Raises:
        PoisonError: the object is not what its name says: cut, changed, or not compressed.
    """
    try:
        lines = gzip.decompress(body)
    except (OSError, EOFError, zlib.error) as error:
        raise PoisonError("damaged_object", f"{key} cannot be decompressed: {error}") from error
    found = _KEY.match(key)
    if found is not None and hashlib.sha256(lines).hexdigest()[:12] != found["hash"]:
        raise PoisonError("damaged_object", f"{key} holds other lines than its name says")
    # Not splitlines(): a carriage return is no line's end in JSON lines.
    return iter(lines.removesuffix(b"\n").split(b"\n")) if lines else iter(())
