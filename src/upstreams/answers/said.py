"""What an error's body says, however it spells that."""

from __future__ import annotations

import re

LONGEST_ERROR = 4096
"""Bytes in which an error has said what it is. Records follow in longer bodies, or nothing new."""
_code = re.compile(r"-?\d{1,9}", re.ASCII)


def said(body: bytes, *names: str) -> str:
    """The first number or text behind one of these names, as it is written; "" if there is none.

    Members may stand in any order, on any level, behind a byte order mark, in UTF-16; a number may be a text; the body
    may be cut, or hold bytes that are none of JSON's. Within a text there are no bare quotes, so none of it is taken
    for a name.
    """
    pattern = rb'"(?:' + "|".join(names).encode() + rb')"\s*:\s*(?:(-?\d+)|"((?:[^"\\]|\\.)*))'
    found = re.search(pattern, ascii_of(body[:LONGEST_ERROR]), re.DOTALL)
    return (found[1] or found[2]).decode(errors="replace") if found else ""


def code_said(body: bytes, *names: str) -> int:
    """The same for an error's code; 0 if there is none."""
    found = _code.fullmatch(said(body, *names))
    return int(found[0]) if found else 0


def ascii_of(body: bytes) -> bytes:
    """UTF-16 with its zeros dropped reads like ASCII."""
    return body.replace(b"\0", b"")
