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

import msgspec

from cryptoproxy.datasets.codec import UNREADABLE
from cryptoproxy.errors import TransientError
from cryptoproxy.upstreams.answers.refusals import (
    leave_alone,
    may_be_error,
    refuse_by_status,
    require_spoken,
    retry_after,
    too_many,
    words,
)
from cryptoproxy.upstreams.answers.said import code_said
from cryptoproxy.upstreams.base import Response

_INVALID_SYMBOL = -1121
_TOO_MANY = frozenset({-1003, -1015, -1034})
# Unknown, disconnected, busy, unexpected response, timeout, overloaded, shutting down (errors.md).
_OWN_FAULTS = frozenset({-1000, -1001, -1004, -1006, -1007, -1008, -1016})

_SYMBOLS_REMEDY = "Look for a wrong or delisted pair in BINANCE_SYMBOLS"
_REGION_REMEDY = "Binance refuses this region: set BINANCE_BASE_URL to an address that serves it"
_OTHER_REMEDY = "Look at BINANCE_BASE_URL and BINANCE_SYMBOLS"


class _Error(msgspec.Struct):
    code: int = 0
    msg: object = ""


_error = msgspec.json.Decoder(_Error, strict=False)  # a code may be told as text


def check(answer: Response, *, now_ms: int) -> None:
    """Returns for a 200 that is no error; see :class:`Source` for what is raised else."""
    status = answer.status
    if status == 200:
        require_spoken("binance", answer, now_ms=now_ms)
        if not may_be_error(answer.body):
            return
    code, said = _error_of(answer.body)
    if status == 200 and code >= 0:
        return
    asked = retry_after(answer.headers, now_ms=now_ms)
    message = f"binance answered {status}: {said or 'no words'}"
    leave_alone("binance", answer, now_ms=now_ms, said=said)
    if code in _TOO_MANY:
        too_many(message, told=asked)
    if code in _OWN_FAULTS or status == 200:
        raise TransientError(message, retry_after=asked)
    remedy = _SYMBOLS_REMEDY if code == _INVALID_SYMBOL else _REGION_REMEDY if status == 451 else _OTHER_REMEDY
    refuse_by_status("binance", answer, now_ms=now_ms, said=said, remedy=remedy)


def _error_of(body: bytes) -> tuple[int, str]:
    """Binance's error code, 0 if it gives none, and its words."""
    try:
        error = _error.decode(body)
    except UNREADABLE:
        error = _Error(code_said(body, "code"))
    said = (words(error.msg.encode()) if isinstance(error.msg, str) else "") or words(body)
    return error.code, f"{said.rstrip('. ')} ({error.code})" if error.code else said
