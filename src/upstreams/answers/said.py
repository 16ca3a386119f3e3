"""What an error's body says, however it spells that."""

from __future__ import annotations

import re

_LONGEST = 4096
"""Bytes in which an error has said what it is. Records follow in longer bodies, or nothing new."""


def said(body: bytes, *names: str) -> str:
    """The first number or text behind one of these names, as it is written; "" if there is none.

    Members may stand in any order, on any level, behind a byte order mark; a number may be a text; the body may be cut.
    Within a text there are no bare quotes, so none is taken for a name.
    """
    pattern = rb'"(?:' + "|".join(names).encode() + rb')"\s*:\s*(?:(-?\d+)|"((?:[^"\\]|\\.)*))'
    found = re.search(pattern, body[:_LONGEST], re.DOTALL)
    return (found[1] or found[2]).decode(errors="replace") if found else ""
