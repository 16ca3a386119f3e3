"""One HTTP GET within a deadline: connections kept, size bounded, no answer taken for whole that is not."""

from __future__ import annotations

import logging
import re
import time
import zlib
from concurrent.futures import FIRST_COMPLETED, wait
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import requests
import urllib3

from cryptoproxy.common.clients.outside import Address
from cryptoproxy.errors import OperatorError, TransientError
from cryptoproxy.producer.feeds.connections import LINGER_SECONDS, Line
from cryptoproxy.upstreams.base import Call, CutError, Response

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 64 * 1024 * 1024
MAX_CLOCK_OFFSET_SECONDS = 30.0
MAX_HANGING = 8
"""Requests given up that still have not ended: each holds a thread and a connection."""
PATIENCE_SECONDS = 2.0
"""An answer that came too late for its slot is waited for so long before another connection is asked: it shows that the
connection works, and a new one would hardly be quicker."""
CONNECT_PATIENCE_SECONDS = 5.0
"""A connection that is not made by then gets another one beside it."""
AHEAD_SECONDS = 0.2
"""A connection that takes longer than that is made before it is wanted."""
MAX_IDLE = 2
_CHUNK = 256 * 1024
_MOST_LAYERS = 3
_GZIP_OR_ZLIB, _RAW_DEFLATE = 32 + zlib.MAX_WBITS, -zlib.MAX_WBITS
_control = re.compile(rb"[\x01-\x08\x0b\x0c\x0e-\x1f]")
_HEADERS = {
    "User-Agent": "cryptoproxy/1 (one poller for many readers)",
    "Accept": "application/json",
    "Accept-Encoding": "gzip",  # what is unpacked here, where a cut is noticed
    "Connection": "keep-alive",
}


class ClockError(OperatorError):
    """Our clock and the upstream's are too far apart: no slot can be trusted."""


class Fetcher:
    """Used by one thread: a source's own connections.

    What is not there by a call's deadline goes on by itself: a connection that is being made is there for the next
    call, and so is one whose answer comes late. Else an upstream that is far away, asked every second, would never be
    heard. Of the environment nothing counts but proxies and authorities: what is in ~/.netrc is for other programs.
    """

    def __init__(self) -> None:
        self._lines: list[Line] = []
        self._doubtful: set[Address] = set()
        """Addresses that took a connection and then gave no answer."""
        self._refusal: Response | None = None
        """One that came too late for the call that it refuses."""
        self._failure = ""
        """Why the last connection could not be made, where nobody has been told yet."""

    def connect(self, url: str) -> None:
        """Begins a connection where there is none, and waits for nothing: the next call finds it, or what is wrong.

        Raises:
            TransientError, OperatorError: as :meth:`get`.
        """
        if not self._lines_to(url):
            self._begin(url)

    def get(self, call: Call, *, timeout: float) -> Response:
        """The whole answer, whatever its status. Redirects are not followed: they would carry the key elsewhere.

        Where the call before was refused too late to be told, this one is not sent, and has that answer: a ban may
        take longer to be said than a slot lasts.

        Args:
            timeout: seconds for all of it, however slowly it drips.

        Raises:
            CutError: a 200 that is not whole, or is damaged.
            TransientError: no connection, or no answer in time.
            OperatorError: the environment's proxy, or the key, cannot be used.
        """
        deadline = time.monotonic() + timeout
        url = _address(call)
        line = self._free_line(url, deadline, timeout)
        if line is None:
            refusal, self._refusal = self._refusal, None
            assert refusal is not None  # noqa: S101 - that is why there is no line
            return refusal
        had: list[Response] = []
        answer = line.ask(
            url,
            {**_HEADERS, **call.headers},
            lambda response, begun: _read(response, line.host, begun, line.limit, had),
            limit=max(timeout, LINGER_SECONDS),
        )
        try:
            return answer.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError as error:
            if had and had[0].status != HTTPStatus.OK:
                line.cut()  # its words are not worth another slot
                return had[0]
            line.unheard = True
            raise TransientError(f"{line.host} did not answer within {timeout:.1f} s") from error
        except TransientError as error:
            if had:
                raise CutError(str(error), had=had[0]) from error
            raise
        finally:
            if not self._lines_to(url) and line.seconds_to_connect > AHEAD_SECONDS:
                self._begin(url)

    def close(self) -> None:
        for line in self._lines:
            line.cut()

    def _free_line(self, url: str, deadline: float, timeout: float) -> Line | None:
        """One that is connected and waits to be asked, the warmest first; None where a refusal is to be told first."""
        while True:
            lines = self._lines_to(url)
            if self._refusal is not None:
                return None
            idle = [line for line in lines if line.is_idle()]
            busy = [line for line in lines if not line.task.done() and not line.was_cut]
            late = [line for line in busy if line.asked and line.age < PATIENCE_SECONDS]
            if idle and (idle[0].answered or not late):
                return idle[0]
            connecting = [line for line in busy if not line.asked and line.age < CONNECT_PATIENCE_SECONDS]
            if not idle and not connecting:
                connecting.append(self._begin(url))
                busy.append(connecting[0])
            left = deadline - time.monotonic()
            if left <= 0:
                what = "" if late else f": no connection was made yet{self._failure and f' (before: {self._failure})'}"
                raise TransientError(f"{busy[0].host} did not answer within {timeout:.1f} s{what}")
            patience = [PATIENCE_SECONDS - line.age for line in late]
            patience += [CONNECT_PATIENCE_SECONDS - line.age for line in connecting]
            wait([line.task for line in busy], max(0.0, min(left, *patience)), FIRST_COMPLETED)
            for line in connecting:
                if line.task.done():
                    line.task.result()  # or why there is no connection

    def _begin(self, url: str) -> Line:
        pending = [line for line in self._lines if not line.task.done()]
        if len(pending) >= MAX_HANGING:
            raise TransientError(f"{pending[0].host}: {MAX_HANGING} requests that were given up still hang")
        line = Line(url, self._doubtful | {line.address for line in pending if line.address})
        self._lines.append(line)
        return line

    def _lines_to(self, url: str) -> list[Line]:
        """Those that are of use or may yet be, the one that answered last first; the others are ended."""
        kept: list[Line] = []
        for line in sorted(self._lines, key=lambda each: (not each.answered, each.age)):
            if line.answered and line.address:
                self._doubtful.discard(line.address)
            if not line.task.done():
                if line.age > line.limit:
                    line.cut()  # it drips; its thread ends by that, and counts until then
                kept.append(line)
                continue
            error = line.task.exception()
            if not line.asked:
                self._failure = str(error) if error else ""
            elif line.unheard and error is None and 400 <= line.task.result().status < 500:
                self._refusal = line.task.result()
            line.unheard = False
            if line.is_idle() and sum(each.task.done() for each in kept) < MAX_IDLE:
                kept.append(line)
                continue
            line.cut()
            if not line.answered and line.address:
                self._doubtful.add(line.address)
        self._lines = kept
        return [line for line in kept if line.leads_to(url)]


def _address(call: Call) -> str:
    """Raises a TransientError where it is none: wrong addresses of ours are refused among the settings."""
    prepared = requests.PreparedRequest()
    try:
        prepared.prepare_url(call.url, dict(call.params))
    except requests.RequestException as error:
        raise TransientError(f"this is no address: {error}") from error
    return str(prepared.url)


def _read(response: urllib3.BaseHTTPResponse, host: str, begun: float, seconds: float, had: list[Response]) -> Response:
    """
    Args:
        had: holds a refusal by its head alone as soon as that is there; of a 200 that is cut or damaged what came.
    """
    headers = {name.lower(): value for name, value in response.headers.items()}
    encoding = headers.get("content-encoding", "")
    if response.status != HTTPStatus.OK:
        had.append(Response(response.status, headers, b""))
        body = _words_of_a_refusal(response, encoding, begun + seconds)
        return Response(response.status, headers, body, time.monotonic() - begun)
    parts: list[bytes] = []
    try:
        _receive(response, parts, begun + seconds, host)
        body = _unpacked(b"".join(parts), encoding, host)
    except (TransientError, urllib3.exceptions.HTTPError, OSError):
        had.append(Response(response.status, headers, unpacked_loosely(b"".join(parts)[:_CHUNK], encoding)))
        raise
    return Response(response.status, headers, body, time.monotonic() - begun)


def _words_of_a_refusal(response: urllib3.BaseHTTPResponse, encoding: str, deadline: float) -> bytes:
    """What can be had of its body. Status and headers count without it: a ban is a ban however its words are cut or
    packed."""
    body = b""
    try:
        while len(body) < _CHUNK and time.monotonic() < deadline:
            if not (chunk := response.read1(_CHUNK, decode_content=False)):
                break
            body += chunk
    except (urllib3.exceptions.HTTPError, OSError) as error:
        log.debug("a refusal with status %d is cut: %s", response.status, error)
    return unpacked_loosely(body, encoding)


def unpacked_loosely(body: bytes, encoding: str) -> bytes:
    """What can be had of the words of a refusal, however they are packed or cut, and whatever its head says of that."""
    packed = encoding.lower() not in ("", "identity")
    for _ in range(_MOST_LAYERS):
        if _is_text(body):
            break
        unpacked = _inflated(body, _GZIP_OR_ZLIB) or (packed and _inflated(body, _RAW_DEFLATE))
        if not unpacked:
            break
        body = unpacked
    return b"" if packed and _control.search(body) else body


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return not _control.search(body)


def _inflated(body: bytes, bits: int) -> bytes:
    """As far as it goes: up to a cut, a wrong checksum, or what is packed in no such way."""
    unpacked, unpacker = bytearray(), zlib.decompressobj(wbits=bits)
    for at in range(len(body)):  # byte by byte, since what fails gives nothing
        if unpacker.eof:
            unpacker = zlib.decompressobj(wbits=bits)
        try:
            unpacked += unpacker.decompress(body[at : at + 1], _CHUNK)
        except zlib.error:
            break
        if len(unpacked) >= _CHUNK:
            break
    return bytes(unpacked)


def _receive(response: urllib3.BaseHTTPResponse, parts: list[bytes], deadline: float, host: str) -> None:
    size = 0
    # read1 returns what has arrived; read would wait for a full chunk, for as long as an upstream drips.
    while chunk := response.read1(_CHUNK, decode_content=False):
        parts.append(chunk)
        size += len(chunk)
        if time.monotonic() > deadline:
            raise TransientError(f"{host} did not finish its answer in time ({size} bytes had come)")
        _check_size(size, host)
    if response.length_remaining:
        raise TransientError(f"{host} cut its answer {response.length_remaining} bytes short")


def _unpacked(body: bytes, encoding: str, host: str) -> bytes:
    """Unpacked here, since the HTTP client takes a gzip stream that was cut for whole."""
    if encoding.lower() in ("", "identity"):
        return body
    if encoding.lower() not in ("gzip", "x-gzip"):
        raise TransientError(f"{host} packs its answer as {encoding!r}, which it was not asked for")
    parts: list[bytes] = []
    size = 0
    while body:
        unpacker = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        try:
            parts.append(unpacker.decompress(body, MAX_BODY_BYTES + 1 - size))
        except zlib.error as error:
            raise TransientError(f"{host} sent damaged gzip: {error}") from error
        size += len(parts[-1])
        _check_size(size, host)
        if not unpacker.eof:
            raise TransientError(f"{host} cut its answer within gzip, after {size} bytes")
        body = unpacker.unused_data
    return b"".join(parts)


def _check_size(size: int, host: str) -> None:
    if size > MAX_BODY_BYTES:
        raise TransientError(f"{host} sent more than {MAX_BODY_BYTES} bytes")


def check_clock(answer: Response, *, now_ms: int) -> None:
    """Compares our clock with the upstream's ``Date``, which may be as old as the answer took: one that drips for a
    minute is no clock that is off.

    Args:
        now_ms: when the answer's last byte had come.

    Raises:
        ClockError: more than 30 s apart, so our slots would be wrong.
    """
    text = answer.headers.get("date")
    if text is None:
        return
    try:
        date = parsedate_to_datetime(text)
        theirs = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()  # HTTP's dates are all of UTC
    except (ValueError, OverflowError):
        return
    # A cache may answer with the Date of its copy, whose Age it tells; another keeps Date fresh beside an Age.
    age = float(answer.headers["age"]) if answer.headers.get("age", "").isdecimal() else 0.0
    ended = now_ms / 1000
    # By the steady clock, so that our own one may have been set meanwhile.
    offsets = [_outside(ended - answer.seconds, ended, date) for date in (theirs, theirs + age)]
    offset = min(offsets, key=abs)
    if abs(offset) > MAX_CLOCK_OFFSET_SECONDS:
        raise ClockError(
            f"this clock is {abs(offset):.0f} s {'ahead of' if offset > 0 else 'behind'} the upstream's ({text})",
            remedy="Set the clock (NTP); nothing is polled until it is right",
        )


def _outside(first: float, last: float, when: float) -> float:
    """How far our time from ``first`` to ``last`` is ahead of ``when``; below 0 behind it, 0 with it in between."""
    return max(first - when, 0.0) or min(last - when, 0.0)
