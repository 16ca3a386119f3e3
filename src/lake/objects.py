"""What the objects of the lake are called, in both forms, and how lines become one and come back.

Each name follows from the content, so a plain PUT is idempotent, two writers never fight over a name, and damage is
noticed. The hash is the first 12 hex digits of the SHA-256, of the lines or of the Parquet file:

- ``{prefix}/v1/ticker/raw/source=coingecko/dt=2026-11-20/hour=10/coingecko-20261120T100000Z-0123456789ab.jsonl.gz``
- ``{prefix}/v1/candle/raw/1d/source=binance/…/binance-20240101T000000Z-20241231T000000Z-0123456789ab.jsonl.gz``: of a
  part below its name; with the last slot where that is beyond the hour of the first, as in a page of history
- ``{prefix}/v1/ticker/table/coingecko/coingecko-20261120-0123456789ab.parquet``: of a day
- ``{prefix}/v1/candle/table/1d/binance/binance-2024-0123456789ab.parquet``: of a part, and of a year

Below ``table`` no folder is named as a column, so no reader finds a column twice.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cryptoproxy.datasets import Part, from_iso, iso
from cryptoproxy.datasets.times import HOUR_MS, Span, slot_of
from cryptoproxy.errors import PoisonError

RAW, TABLE = "raw", "table"
"""The two forms of a dataset."""

_RAW_KEY = re.compile(
    r"(?:(?P<prefix>.+)/)?v1/[a-z]+/raw/(?:[a-z0-9]+/)?source=(?P<source>[^/]+)/dt=(?P<day>\d{4}-\d{2}-\d{2})/hour=(?P<hour>\d{2})/"
    r"(?P=source)-(?P<first>\d{8}T\d{6})Z-(?:(?P<last>\d{8}T\d{6})Z-)?(?P<hash>[0-9a-f]{12})\.jsonl\.gz\Z"
)
_FILE_KEY = re.compile(
    r"(?:.+/)?v1/[a-z]+/table/(?:(?P<part>[a-z0-9]+)/)?(?P<source>[^/]+)/(?P=source)-\d{0,8}-(?P<hash>[0-9a-f]{12})\.parquet\Z"
)
_TIMESTAMP = re.compile(rb'"timestamp":"([^"]+)"')
_DAY = re.compile(r"dt=(\d{4}-\d{2}-\d{2})\Z")


def folder(
    prefix: str, dataset: str, form: str, source: str | None = None, day: str | None = None, *, part: str = ""
) -> str:
    """Where a form of a dataset lies, or of its raw form a part, source or day (``2026-11-20``); ends with a slash."""
    within = [part, *([f"source={source}"] if source else []), *([f"dt={day}"] if day else [])]
    parts = [prefix, "v1", dataset, form, *within]
    return "".join(f"{part}/" for part in parts if part)


def day_of(name: str) -> int | None:
    """The begin of the day that a folder of a source is of; None for one that somebody else made."""
    found = _DAY.match(name)
    return found and _moment(f"{found[1].replace('-', '')}T000000")


def raw_object(
    prefix: str, dataset: str, source: str, slot_ms: int, content_hash: str, *, last_ms: int = 0, part: str = ""
) -> str:
    """The name of an object whose first slot is ``slot_ms``.

    Args:
        prefix: without slashes at its ends; may be empty.
        dataset: and ``part``, of other records than tickers.
        content_hash: hex SHA-256 of the uncompressed lines.
        last_ms: the last slot, which is in the name where it is beyond that hour.
    """
    first, last = iso(slot_ms), iso(max(slot_ms, last_ms))
    times = [first] if first[:13] == last[:13] else [first, last]
    named = "".join(f"{time[:19].replace('-', '').replace(':', '')}Z-" for time in times)
    within = folder(prefix, dataset, RAW, source, first[:10], part=part)
    return f"{within}hour={first[11:13]}/{source}-{named}{content_hash[:12]}.jsonl.gz"


def file_object(prefix: str, dataset: str, source: str, at_ms: int, content_hash: str, *, part: Part) -> str:
    """The name of a file that holds that moment, with that SHA-256."""
    period = part.file_of(iso(at_ms)).replace("-", "")
    return f"{folder(prefix, dataset, TABLE, part=part.name)}{source}/{source}-{period}-{content_hash[:12]}.parquet"


def part_of(file: str) -> str:
    """The part that a file of the table is of, by its key."""
    found = _FILE_KEY.match(file)
    return (found and found["part"]) or ""


def slots_of(key: str) -> Span | None:
    """The slots that an object may hold, from its first on, by its key; None for a key that is not an object's."""
    found = _RAW_KEY.match(key)
    first = found and _moment(found["first"])
    if not found or first is None or iso(first)[:13] != f"{found['day']}T{found['hour']}":
        return None
    if not found["last"]:
        return Span(first, slot_of(first, HOUR_MS) + HOUR_MS)
    last = _moment(found["last"])
    return None if last is None else Span(first, last + 1000)


def is_as_named(key: str, content_hash: str) -> bool:
    """Whether an object with this SHA-256 is what its name says; a name that is none of ours says nothing."""
    found = _RAW_KEY.match(key) or _FILE_KEY.match(key)
    return found is None or content_hash.startswith(found["hash"])


def _moment(text: str) -> int | None:
    """``20261120T100000``; None for a moment that does not exist."""
    day, time = (f"{text[:4]}-{text[4:6]}-{text[6:8]}", f"{text[9:11]}:{text[11:13]}:{text[13:]}")
    try:
        return from_iso(f"{day}T{time}.000Z")
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class LakeObject:
    """One object: its key, its gzip bytes, and how many records are in it."""

    key: str
    body: bytes
    records: int


def make(prefix: str, dataset: str, source: str, slot_ms: int, lines: bytes) -> LakeObject:
    """The object of ``lines`` (each with its newline), whose first slot is ``slot_ms``."""
    return pack(prefix, dataset, source, slot_ms, (lines,))


def pack(prefix: str, dataset: str, source: str, slot_ms: int, polls: Iterable[bytes], *, part: str = "") -> LakeObject:
    """The same of the lines of several polls, one after the other, without ever holding all of them."""
    digest = hashlib.sha256()
    # 31: with gzip's header, and no time in it: the same lines always give the same bytes.
    compressor = zlib.compressobj(6, zlib.DEFLATED, 31)
    body: list[bytes] = []
    records, last = 0, b""
    for lines in polls:
        last = max(last, *_TIMESTAMP.findall(lines), b"")
        digest.update(lines)
        body.append(compressor.compress(lines))
        records += lines.count(b"\n")
    body.append(compressor.flush())
    last_ms = _last(last.decode())
    key = raw_object(prefix, dataset, source, slot_ms, digest.hexdigest(), last_ms=last_ms, part=part)
    return LakeObject(key, b"".join(body), records)


def _last(time: str) -> int:
    try:
        return from_iso(time)
    except ValueError:
        return 0  # lines that are no records: tests of damage, and nothing else


def lines_of(key: str, body: bytes) -> Iterator[bytes]:
    """The lines in an object, without their newlines.

    Raises:
        PoisonError: the object is not what its name says: cut, changed, or not compressed.
    """
    try:
        lines = gzip.decompress(body)
    except (OSError, EOFError, zlib.error) as error:
        raise PoisonError("damaged_object", f"{key} cannot be decompressed: {error}") from error
    if not is_as_named(key, hashlib.sha256(lines).hexdigest()):
        raise PoisonError("damaged_object", f"{key} holds other lines than its name says")
    # Not splitlines(): a carriage return is no line's end in JSON lines.
    return iter(lines.removesuffix(b"\n").split(b"\n")) if lines else iter(())
