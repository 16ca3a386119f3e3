"""A dead letter: the original key and value as they were, our headers, and after them the original's own.

Our headers are always all there and in this order, whoever writes the letter, so that they can be told from headers of
the same name that the original brought along. Not all that a broker takes can be written again with every client: a
header without a value, one whose name is no UTF-8, a record with neither key nor value. A letter has something that can
be written in its place, and one more header of ours, right after the others, from which the reader undoes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from cryptoproxy.datasets.codec import ODD_NOTE
from cryptoproxy.datasets.times import iso

LETTER_HEADERS = ("dlq-reason", "dlq-error", "dlq-topic", "dlq-partition", "dlq-offset", "dlq-time")
CHANGES_HEADER = "dlq-changes"
"""JSON, only where something is not as it was."""
MAX_ERROR_BYTES = 1024
NOWHERE = -1
"""Partition and offset of a record that never got onto the topic: the poller's letters. As Kafka spells "none"."""
UNKNOWN_SIZE = -1
"""Of a content that could not even be read."""

Headers = Sequence[tuple[str, bytes | None]]


class Changes(msgspec.Struct, frozen=True, omit_defaults=True):
    """What in a letter is not as it was in the original."""

    no_value: bool = False
    """There was no value, and no key either. The letter's is empty."""
    no_header_values: list[int] = []
    """By position: headers that had no value. The letter's are empty."""
    header_names: dict[int, str] = {}
    """By position: names of headers that are no UTF-8, in hex. The letter's are readable."""
    left_out: int | None = None
    """The bytes of key, value and headers together, where none of these is in the letter, as it could not be written
    with them; -1 where they could not even be read."""


class Content(NamedTuple):
    """Of a letter, as every client can write it."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


def letter(  # one argument for each thing that a letter tells
    *,
    reason: str,
    error: str,
    topic: str,
    now_ms: int,
    key: bytes | None,
    value: bytes | None,
    original: Headers,
    partition: int = NOWHERE,
    offset: int = NOWHERE,
    left_out: int | None = None,
) -> Content:
    """About the record that stood there, or was meant for ``topic``, with key, value and its own headers.

    Args:
        error: cut at 1 KiB, between characters.
        original: the record's own headers; a name that is no UTF-8 is spelled with half surrogate pairs.
        left_out: leave the content out, and say that it had so many bytes, or :data:`UNKNOWN_SIZE`.
    """
    if left_out is not None:
        changes = Changes(left_out=left_out)
        key, value, original = None, b"", ()
    else:
        changes = Changes(
            no_value=key is None and value is None,
            no_header_values=[at for at, (_, each) in enumerate(original) if each is None],
            header_names={at: _name_bytes(name).hex() for at, (name, _) in enumerate(original) if not _is_text(name)},
        )
    # A record's text may hold half a surrogate pair, which no encoding takes.
    cut = error.encode(errors="replace")[:MAX_ERROR_BYTES].decode(errors="ignore")
    texts = (reason, cut, topic, str(partition), str(offset), iso(now_ms))
    headers = [(name, text.encode(errors="replace")) for name, text in zip(LETTER_HEADERS, texts, strict=True)]
    # Also where the original brings a header of that name along as its first: the reader takes exactly one away.
    if changes != Changes() or (original and original[0][0] == CHANGES_HEADER):
        headers.append((CHANGES_HEADER, msgspec.json.encode(changes)))
    headers += [(name.encode(errors="backslashreplace").decode(), each or b"") for name, each in original]
    return Content(key, b"" if changes.no_value else value, headers)


class Opened(NamedTuple):
    """A letter taken apart again."""

    ours: dict[str, str]
    """By name; empty for what somebody else put on the dead-letter topic."""
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    left_out: int | None
    """Of one without its content: how many bytes that had, or -1."""


def opened(record: Any) -> Opened:
    """The original's key, value and headers as they were, from a consumed letter."""
    headers: list[tuple[str, bytes | None]] = list(record.headers)
    count = len(LETTER_HEADERS)
    if tuple(name for name, _ in headers[:count]) != LETTER_HEADERS:
        return Opened({}, record.key, record.value, headers, None)
    ours = {name: (value or b"").decode(errors="replace") for name, value in headers[:count]}
    headers = headers[count:]
    changes, names = Changes(), {}
    if headers and headers[0][0] == CHANGES_HEADER:
        try:
            changes = msgspec.json.decode(headers[0][1] or b"", type=Changes)
            names = {at: bytes.fromhex(raw) for at, raw in changes.header_names.items()}
            headers = headers[1:]
        except ODD_NOTE:
            changes, names = Changes(), {}  # not ours: a header of the original's own
    nothing = set(changes.no_header_values)
    for at in names.keys() | nothing:
        if 0 <= at < len(headers):
            name, value = headers[at]
            name = names[at].decode(errors="surrogateescape") if at in names else name
            headers[at] = (name, None if at in nothing else value)
    value = None if changes.no_value or changes.left_out is not None else record.value
    return Opened(ours, record.key, value, headers, changes.left_out)


def size_of(key: bytes | None, value: bytes | None, headers: Headers) -> int:
    """The bytes of a record's content; the client's own overhead is not in it."""
    return (
        len(key or b"") + len(value or b"") + sum(len(_name_bytes(name)) + len(each or b"") for name, each in headers)
    )


def _name_bytes(name: str) -> bytes:
    return name.encode(errors="surrogateescape")


def _is_text(name: str) -> bool:
    return not any("\ud800" <= each <= "\udfff" for each in name)
