"""One HTTP GET within a deadline: connection kept, size bounded, no answer taken for whole that is not."""

from __future__ import annotations

import logging
import threading
import time
import zlib
from concurrent.futures import Future
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import requests
import urllib3

from cryptoproxy.common.errors import OperatorError, TransientError
from cryptoproxy.producer.sources.base import Answer, Call

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 64 * 1024 * 1024
MAX_CLOCK_OFFSET_SECONDS = 30.0
MAX_HANGING = 8
"""Requests given up that still have not ended: each holds a thread and a connection."""
_CHUNK = 256 * 1024
_HEADERS = {
    "User-Agent": "cryptoproxy/1 (one poller for many readers)",
    "Accept": "application/json",
    "Accept-Encoding": "gzip",  # what is unpacked here, where a cut is noticed
}


class ClockError(OperatorError):
    """Our clock and the upstream's are too far apart: no slot can be trusted."""


class Fetcher:
    """Used by one thread: a source's own connection.

    Each request runs on a thread of its own, since only so its deadline holds for all of it: a name that is not
    resolved, addresses tried one after the other, a handshake or a head that drips take as long as they like.
    """

    def __init__(self) -> None:
        self._session = _session()
        self._hanging: list[threading.Thread] = []

    def get(self, call: Call, *, timeout: float) -> Answer:
        """The whole answer, whatever its status. Redirects are not followed: they would carry the key elsewhere.

        Args:
            timeout: seconds for all of it, however slowly it drips.

        Raises:
            TransientError: no connection, no answer in time, or it was cut.
        """
        host = call.url.partition("://")[2].partition("/")[0]
        self._hanging = [thread for thread in self._hanging if thread.is_alive()]
        if len(self._hanging) >= MAX_HANGING:
            raise TransientError(f"{host}: {MAX_HANGING} requests that were given up still hang")
        answer: Future[Answer] = Future()
        refusals: list[Answer] = []
        thread = threading.Thread(
            target=_fetch,
            args=(answer, refusals, self._session, call),
            kwargs={"host": host, "timeout": timeout},
            name=f"fetch {host}",
            daemon=True,
        )
        thread.start()
        try:
            return answer.result(timeout)
        except TimeoutError as error:
            self._hanging.append(thread)
            self._session = _session()  # the thread that hangs keeps the other
            if refusals:
                return refusals[0]
            raise TransientError(f"{host} did not answer within {timeout:.1f} s") from error

    def close(self) -> None:
        self._session.close()


class _Straight(requests.Session):
    """Even where it does not follow a redirect, requests looks where it would lead, and reads the body for that."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Nowhere: the answer is the answer."""


def _session() -> requests.Session:
    session = _Straight()
    session.headers.update(_HEADERS)
    return session


def _fetch(
    answer: Future[Answer], refusals: list[Answer], session: requests.Session, call: Call, *, host: str, timeout: float
) -> None:
    try:
        answer.set_result(_get(session, call, host, timeout, refusals))
    except BaseException as error:  # noqa: BLE001 - for the thread that waits for it
        answer.set_exception(error)


def _get(session: requests.Session, call: Call, host: str, timeout: float, refusals: list[Answer]) -> Answer:
    """
    Args:
        refusals: holds a refusal by its head alone as soon as that is there.
    """
    begun = time.monotonic()
    deadline = begun + timeout
    try:
        with session.get(
            call.url,
            params=dict(call.params),
            headers=dict(call.headers),
            timeout=timeout,
            stream=True,
            allow_redirects=False,
        ) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            encoding = headers.get("content-encoding", "")
            if response.status_code == HTTPStatus.OK:
                body = _unpacked(_body(response, deadline, host), encoding, host)
            else:
                refusals.append(Answer(response.status_code, headers, b""))
                body = _words_of_a_refusal(response.raw, encoding, deadline)
    except requests.Timeout as error:
        raise TransientError(f"{host} did not answer within {timeout:.1f} s") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise TransientError(f"{host}: {_words(error)}") from error
    seconds = time.monotonic() - begun
    return Answer(response.status_code, headers, body, seconds)


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
    if encoding.lower() in ("", "identity"):
        return body
    for bits in (16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS):  # gzip, zlib, and what some call deflate
        try:
            return zlib.decompressobj(wbits=bits).decompress(body, _CHUNK)
        except zlib.error:
            continue
    return b""


def _body(response: requests.Response, deadline: float, host: str) -> bytes:
    parts: list[bytes] = []
    size = 0
    # read1 returns what has arrived; read would wait for a full chunk, for as long as an upstream drips.
    while chunk := response.raw.read1(_CHUNK, decode_content=False):
        parts.append(chunk)
        size += len(chunk)
        if time.monotonic() > deadline:
            raise TransientError(f"{host} did not finish its answer in time ({size} bytes had come)")
        _check_size(size, host)
    if response.raw.length_remaining:
        raise TransientError(f"{host} cut its answer {response.raw.length_remaining} bytes short")
    return b"".join(parts)


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


def check_clock(answer: Answer, *, now_ms: int) -> None:
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


def _words(error: BaseException) -> str:
    """The innermost cause: requests wraps what happened three times over."""
    inner: BaseException = error
    while (reason := getattr(inner, "reason", None)) is not None and isinstance(reason, BaseException):
        inner = reason
    if inner.args and isinstance(inner.args[0], BaseException):
        return _words(inner.args[0])
    text = str(inner)
    # urllib3 begins some messages with the connection object.
    return f"{type(inner).__name__}: {text.partition('>: ')[2] or text}"
