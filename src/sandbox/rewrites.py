"""Bodies gone wrong, by name, so that the control endpoint can ask for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

HTML = b"""<!DOCTYPE html>
<html><head><title>502 Bad Gateway</title></head>
<body><center><h1>502 Bad Gateway</h1></center><hr><center>cloudflare</center></body></html>
"""


def garbage(body: bytes) -> bytes:
    """As many bytes, none of them meant: not JSON, not UTF-8."""
    return b"\xff\xfe" + Random(len(body)).randbytes(max(0, len(body) - 2))


def half(body: bytes) -> bytes:
    """A whole answer for HTTP, half a document for JSON."""
    return body[: len(body) // 2]


def empty(body: bytes) -> bytes:
    return b""


def html(body: bytes) -> bytes:
    """What a content delivery network says when it has nothing better."""
    return HTML


NAMED: Mapping[str, Callable[[bytes], bytes]] = {f.__name__: f for f in (garbage, half, empty, html)}
