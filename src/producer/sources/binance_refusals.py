"""What Binance means when it refuses. The body is ``{"code":-1003,"msg":"…"}``, from its gate a page.

| answer | kind |
|---|---|
| 418, "banned until …" with any status | banned: the longest time told, else 2 minutes |
| 429, code -1003 (too many requests) with any status | refused for its ``Retry-After``, else left alone for a minute |
| 403, pages: the gate | left alone for a minute |
| any status with the code of a fault of Binance's own | transient |
| -1121 Invalid symbol, 451 not from here, other 4xx | operator |
| 5xx | transient |
"""

from __future__ import annotations

from typing import NoReturn

import msgspec

from cryptoproxy.common.errors import TransientError
from cryptoproxy.producer.sources.base import Answer
from cryptoproxy.producer.sources.refusals import (
    BLOCKED_SECONDS,
    UNREADABLE,
    leave_alone,
    refused,
    require_spoken,
    words,
)
from cryptoproxy.producer.sources.refusals import refuse as refuse_by_status
from cryptoproxy.producer.sources.retry_after import retry_after

_INVALID_SYMBOL = -1121
_TOO_MANY = frozenset({-1003, -1015, -1034})
# Unknown, disconnected, busy, unexpected response, timeout, overloaded, shutting down (errors.md).
_OWN_FAULTS = frozenset({-1000, -1001, -1004, -1006, -1007, -1008, -1016})
_LONGEST_ERROR = 4096

_SYMBOLS_REMEDY = "Look for a wrong or delisted pair in BINANCE_SYMBOLS"
_REGION_REMEDY = "Binance refuses this region: set BINANCE_BASE_URL to an address that serves it"
_OTHER_REMEDY = "Look at BINANCE_BASE_URL and BINANCE_SYMBOLS"


class _Error(msgspec.Struct):
    code: int = 0
    msg: str = ""


_error = msgspec.json.Decoder(_Error, strict=False)  # a code may be told as text


def check(answer: Answer, *, now_ms: int) -> None:
    """Returns for a 200 that is no error; see :class:`Source` for what is raised else."""
    if answer.status != 200:
        refuse(answer, now_ms=now_ms)
    require_spoken("binance", answer, now_ms=now_ms, least=BLOCKED_SECONDS)
    if len(answer.body) < _LONGEST_ERROR and answer.body.lstrip()[:1] == b"{" and _error_of(answer.body)[0] < 0:
        refuse(answer, now_ms=now_ms)


def refuse(answer: Answer, *, now_ms: int) -> NoReturn:
    """Raises what an answer other than 200, or with an error's code, means."""
    status = answer.status
    code, said = _error_of(answer.body)
    asked = retry_after(answer.headers, now_ms=now_ms)
    message = f"binance answered {status}: {said or 'no words'}"
    leave_alone("binance", answer, now_ms=now_ms, said=said, least=BLOCKED_SECONDS)
    if code in _TOO_MANY:
        refused(message, told=asked, least=BLOCKED_SECONDS)
    if code in _OWN_FAULTS or status == 200:
        raise TransientError(message, retry_after=asked)
    remedy = _OTHER_REMEDY
    if code == _INVALID_SYMBOL:
        remedy = _SYMBOLS_REMEDY
    elif status == 451:
        remedy = _REGION_REMEDY
    refuse_by_status("binance", answer, now_ms=now_ms, said=said, remedy=remedy, least=BLOCKED_SECONDS)


def _error_of(body: bytes) -> tuple[int, str]:
    """Binance's error code, 0 if it gives none, and its words."""
    try:
        error = _error.decode(body)
    except UNREADABLE:
        return 0, words(body)
    said = words(error.msg.encode()) or words(body)
    return error.code, f"{said.rstrip('. ')} ({error.code})" if error.code else said
