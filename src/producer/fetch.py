"""One HTTP GET within a deadline: connection kept, size bounded, no answer taken for whole that is not."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

import requests
import urllib3

from common.errors import OperatorError, TransientError
from producer.sources.base import Answer, Call

MAX_BODY_BYTES = 64 * 1024 * 1024
MAX_CLOCK_OFFSET_SECONDS = 30.0
_CHUNK = 256 * 1024
_USER_AGENT = "cryptoproxy/1 (one poller for many readers)"


class Fetcher:
    """Used by one thread: a source's own connection."""

    def __init__(self) -> None:
        self._session = requests.Session()
        self._session.headers.update({"User-Agent": _USER_AGENT, "Accept": "application/json"})

    def get(self, call: Call, *, timeout: float) -> Answer:
        """The whole answer, whatever its status.

        Args:
            timeout: seconds for all of it, however slowly it drips.

        Raises:
            TransientError: no connection, no answer in time, or it was cut.
        """
        deadline = time.monotonic() + timeout
        host = call.url.partition("://")[2].partition("/")[0]
        try:
            with self._session.get(
                call.url, params=dict(call.params), headers=dict(call.headers), timeout=timeout, stream=True
            ) as response:
                body = _body(response, deadline, host)
                headers = {name.lower(): value for name, value in response.headers.items()}
                return Answer(response.status_code, headers, body)
        except requests.Timeout as error:
            raise TransientError(f"{host} did not answer within {timeout:.1f} s") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise TransientError(f"{host}: {_words(error)}") from error

    def close(self) -> None:
        self._session.close()


def _body(response: requests.Response, deadline: float, host: str) -> bytes:
    parts: list[bytes] = []
    size = 0
    # read1 returns what has arrived; read would wait for a full chunk, for as long as an upstream drips.
    while chunk := response.raw.read1(_CHUNK, decode_content=True):
        parts.append(chunk)
        size += len(chunk)
        if time.monotonic() > deadline:
            raise TransientError(f"{host} did not finish its answer in time ({size} bytes had come)")
        if size > MAX_BODY_BYTES:
            raise TransientError(f"{host} sent more than {MAX_BODY_BYTES} bytes")
    if response.raw.length_remaining:
        raise TransientError(f"{host} cut its answer {response.raw.length_remaining} bytes short")
    return b"".join(parts)


def check_clock(answer: Answer, *, now_ms: int) -> None:
    """Compares our clock with the upstream's ``Date``.

    Raises:
        OperatorError: more than 30 s apart, so our slots would be wrong.
    """
    text = answer.headers.get("date")
    if text is None:
        return
    try:
        theirs = parsedate_to_datetime(text).timestamp()
    except ValueError:
        return
    offset = now_ms / 1000 - theirs
    # A cache may answer with the Date of its copy, whose Age it tells; another keeps Date fresh beside an Age.
    age = float(answer.headers["age"]) if answer.headers.get("age", "").isdigit() else 0.0
    if min(abs(offset), abs(offset - age)) > MAX_CLOCK_OFFSET_SECONDS:
        raise OperatorError(
            f"this clock is {abs(offset):.0f} s {'ahead of' if offset > 0 else 'behind'} the upstream's ({text})",
            remedy="Set the clock (NTP); nothing is polled until it is right",
        )


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
