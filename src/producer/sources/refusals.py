"""What an HTTP status means where an upstream has no word of its own for it."""

from __future__ import annotations

import re
from typing import NoReturn

import msgspec

from cryptoproxy.common.errors import OperatorError, TransientError
from cryptoproxy.producer.sources.base import Answer
from cryptoproxy.producer.sources.retry_after import retry_after

MAX_WORDS = 300
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises of bytes that are not the JSON asked for."""

_TIMEOUT_STATUSES = (408, 425)
_title = re.compile(r"<title>(.*?)</title>", re.IGNORECASE)


def words(body: bytes, *secrets: str) -> str:
    """The upstream's own words on one line, short enough for a log, without our secrets. Of a page its title."""
    text = " ".join(body[: 16 * MAX_WORDS].decode(errors="replace").split())
    if title := _title.search(text):
        text = f"a page titled {title[1].strip()!r}"
    for secret in filter(None, secrets):
        text = text.replace(secret, "********")
    return text if len(text) <= MAX_WORDS else f"{text[:MAX_WORDS]}…"


def refuse(upstream: str, answer: Answer, *, now_ms: int, said: str, remedy: str) -> NoReturn:
    """Raises what any status but 200 means by itself.

    Args:
        said: the upstream's words.
        remedy: what a person can do when the request itself was refused (4xx).

    Raises:
        TransientError: 429, 5xx, 408, 425, and what no API answers (1xx, 2xx but 200).
        OperatorError: a redirect, which is not followed (it would carry the key elsewhere), and every other 4xx.
    """
    status = answer.status
    if 300 <= status < 400:
        raise OperatorError(
            f"{upstream} answered {status}: it sends us on to {_address(answer) or 'nowhere'}",
            remedy=f"Set {upstream.upper()}_BASE_URL to the address that answers itself, if that is really {upstream}",
        )
    message = f"{upstream} answered {status}: {said or 'no words'}"
    if 400 <= status < 500 and status != 429 and status not in _TIMEOUT_STATUSES:
        raise OperatorError(message.rstrip(". "), remedy=remedy)
    raise TransientError(message, retry_after=retry_after(answer.headers, now_ms=now_ms))


def _address(answer: Answer) -> str:
    """Where a redirect leads to, without the question: what is asked for is ours, and not the point."""
    return words(answer.headers.get("location", "").partition("?")[0].encode())


def not_spoken(upstream: str, body: bytes, why: object = "") -> TransientError:
    """The error for an answer of another shape: cut, garbage, somebody else's page."""
    return TransientError(f"not what {upstream} speaks: {why or 'another shape'}: {words(body) or 'an empty body'}")
