"""One message of a stream, and its bytes on the wire."""

from __future__ import annotations

from typing import NamedTuple

NO_NUMBER = -1


class Frame(NamedTuple):
    """What one topic tells at one moment. The numbers are those that show whether anything is missing: of trades,
    of changes of a book, of closed bars."""

    at_ms: int
    data: bytes
    first: int = NO_NUMBER
    last: int = NO_NUMBER


def text(message: bytes) -> bytes:
    """An unmasked text frame, as servers send them."""
    size = len(message)
    if size < 126:
        return b"\x81" + bytes((size,)) + message
    if size < 1 << 16:
        return b"\x81\x7e" + size.to_bytes(2, "big") + message
    return b"\x81\x7f" + size.to_bytes(8, "big") + message
