"""An answer, made once and sent many times: its body, plain and packed, and how old what it tells is.

| header | says |
|---|---|
| ``Age`` | seconds since the upstream was asked |
| ``Last-Modified`` | that moment |
| ``ETag`` | strong, of the bytes sent: the packed body has one of its own |
| ``Cache-Control`` | ``max-age`` until the next poll is due; ``private`` where a token was asked for |
| ``Cache-Status`` | RFC 9211: ``hit`` from the road, ``fwd=miss`` read through; ``ttl`` below 0: a poll is late |
| ``X-Data-As-Of`` | the upstream's own time of the newest value, where it tells one |
| ``X-Data-Source`` | ``road/binance``, ``index/binance``, ``lake/binance``, ``through/binance``, ``door`` |
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import NamedTuple

import msgspec

from cryptoproxy.datasets import iso

Header = tuple[bytes, bytes]
Counted = Callable[[], Sequence[Header]]

JSON = b"application/json; charset=utf-8"
CORS: tuple[Header, ...] = (
    (b"access-control-allow-origin", b"*"),
    (
        b"access-control-expose-headers",
        b"link, per-page, total, age, etag, last-modified, retry-after, cache-status, x-data-as-of, x-data-source, "
        b"x-mbx-used-weight-1m",
    ),
)
NAME = "cryptoproxy"
_CONTROLS = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f-\x9f]")
_NO_GZIP = re.compile(rb"gzip\s*;\s*q=0(\.0*)?\s*(,|\Z)")
PACK_FROM = 1_000
"""Shorter bodies are sent as they are: a packet holds them anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How old what an answer tells is. Times in ms."""

    way: str
    """``road``, ``index``, ``lake``, ``through``."""
    upstream: str
    dataset: str = ""
    """Of what the road tells: how old it may be is set by that."""
    asked_ms: int
    """When the upstream was asked; of many values the oldest."""
    as_of_ms: int | None = None
    every_ms: int | None = None
    """How often it is asked."""
    detail: str = ""
    """A word for ``Cache-Status``: ``stale-upstream``, ``open-bar-left-out``."""
    made: bool = False
    """Whether the upstream was called for just this question."""

    def too_old(self, now_ms: int, limit_ms: Callable[[str], int]) -> bool:
        """Also of what is polled seldom it is known after three polls that were not."""
        return now_ms - self.asked_ms > max(limit_ms(self.dataset), 3 * (self.every_ms or 0))


class Out(NamedTuple):
    """An answer as it goes out. ``lines``: its headers as they stand on the wire."""

    status: int
    headers: list[Header]
    lines: bytes
    body: bytes

    @classmethod
    def of(cls, status: int, headers: list[Header], body: bytes) -> Out:
        """A header that could end its line, which an upstream's might, is left out."""
        clean = [each for each in headers if not _CONTROLS.search(each[1])]
        return cls(status, clean, b"".join([b"%s: %s\r\n" % each for each in clean]), body)


@dataclass(slots=True)
class Reply:
    """``told`` is None where the door speaks for itself: of its clock, of errors."""

    body: bytes
    status: int = 200
    told: Told | None = None
    content_type: bytes = JSON
    more: Sequence[Header] = ()
    _packed: bytes | None = field(default=None, repr=False)
    _tag: bytes = field(default=b"", repr=False)
    _head: tuple[int, list[Header]] = field(default=(-1, []), repr=False)
    _outs: dict[bool, Out] = field(default_factory=dict, repr=False)
    """As it goes out packed, or not, in the second of its head."""

    @property
    def packed(self) -> bytes:
        """The body as gzip; made when it is first asked for."""
        if self._packed is None:
            self._packed = gzip.compress(self.body, 6, mtime=0)
        return self._packed

    @property
    def tag(self) -> bytes:
        """Without quotes and without a word for its encoding."""
        if not self._tag:
            self._tag = hashlib.blake2b(self.body, digest_size=12).hexdigest().encode()
        return self._tag

    def head(self, now_ms: int, *, private: bool, counted: Counted = tuple) -> list[Header]:
        """All headers but those of the encoding; made once a second."""
        second = now_ms // 1000
        if self._head[0] != second:
            head = self._made_head(now_ms, b"private" if private else b"public")
            self._head = (second, [*head, *counted()])
            self._outs.clear()
        return self._head[1]

    def _made_head(self, now_ms: int, whose: bytes) -> list[Header]:
        headers = [(b"content-type", self.content_type), (b"vary", b"accept-encoding"), *CORS, *self.more]
        told = self.told
        if told is None:
            return [*headers, (b"cache-control", b"no-store"), (b"x-data-source", b"door")]
        age_ms = max(0, now_ms - told.asked_ms)
        left = None if told.every_ms is None else (told.every_ms - age_ms) // 1000
        said = f"{NAME}; {'fwd=miss' if told.way == 'through' else 'hit'}"
        if left is not None:
            said += f"; ttl={left}"
        late = left is not None and told.every_ms is not None and age_ms > 2 * told.every_ms
        if detail := told.detail or ("stale-upstream" if late else ""):
            said += f"; detail={detail}"
        headers += [
            (b"age", b"%d" % (age_ms // 1000)),
            (b"last-modified", formatdate(told.asked_ms / 1000, usegmt=True).encode()),
            (b"cache-control", b"%s, max-age=%d" % (whose, max(0, left or 0))),
            (b"cache-status", said.encode()),
            (b"x-data-source", f"{told.way}/{told.upstream}".encode()),
        ]
        if told.as_of_ms is not None:
            headers.append((b"x-data-as-of", iso(told.as_of_ms).encode()))
        return headers


def json_reply(value: object, *, status: int = 200, told: Told | None = None, more: Sequence[Header] = ()) -> Reply:
    """Bytes are JSON already."""
    body = value if isinstance(value, bytes) else msgspec.json.encode(value)
    return Reply(body, status, told, more=more)


def takes_gzip(accepted: bytes) -> bool:
    """By ``Accept-Encoding``, which may also say that it does not."""
    return b"gzip" in accepted and not _NO_GZIP.search(accepted)


def sent(
    reply: Reply,
    *,
    now_ms: int,
    packed: bool,
    known_tags: bytes | None,
    private: bool = False,
    counted: Counted = tuple,
) -> Out:
    """Status, headers and body as they go out; to all who ask within a second the same.

    Args:
        packed: whether the client takes gzip.
        known_tags: its ``If-None-Match``.
        private: no cache between may give it to another, who may have no token. Of one process always the same.
        counted: headers that say what was used of an upstream, as they are when the head is made.
    """
    head = reply.head(now_ms, private=private, counted=counted)
    if known_tags is None and (made := reply._outs.get(packed)) is not None:
        return made
    headers, asked = list(head), packed
    packed = packed and len(reply.body) >= PACK_FROM
    body = reply.packed if packed else reply.body
    if packed:
        headers.append((b"content-encoding", b"gzip"))
    if reply.status == 200 and reply.told is not None:
        tag = b'"%s%s"' % (reply.tag, b"-gz" if packed else b"")
        headers.append((b"etag", tag))
        if known_tags is not None and _knows(known_tags, tag):
            left = [each for each in headers if each[0] not in (b"content-encoding", b"content-type")]
            return Out.of(304, left, b"")
    headers.append((b"content-length", b"%d" % len(body)))
    out = reply._outs[asked] = Out.of(reply.status, headers, body)
    return out


def _knows(known: bytes, tag: bytes) -> bool:
    return known.strip() == b"*" or tag in (each.strip().removeprefix(b"W/") for each in known.split(b","))
