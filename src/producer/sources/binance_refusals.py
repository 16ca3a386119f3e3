"""What Binance means when it refuses. The body is ``{"code":-1003,"msg":"…"}``, from its gate a page.

| answer | kind |
|---|---|
| 418, or a 429 that names the end of a ban | banned: ``Retry-After``, else the end in the words, else 2 minutes |
| 429 | transient, with its ``Retry-After`` |
| 403: the gate | transient, 60 s |
| 4xx with the code of a fault of Binance's own | transient |
| -1121 Invalid symbol, 451 not from here, other 4xx | operator |
| 5xx | transient |
"""

from __future__ import annotations

import re
from typing import NoReturn

import msgspec

from cryptoproxy.common.errors import TransientError
from cryptoproxy.producer.sources.base import Answer, BannedError
from cryptoproxy.producer.sources.refusals import UNREADABLE, words
from cryptoproxy.producer.sources.refusals import refuse as refuse_by_status
from cryptoproxy.producer.sources.retry_after import retry_after, wait_until

SHORTEST_BAN = 120.0
BLOCKED_SECONDS = 60.0

_INVALID_SYMBOL = -1121
# Unknown, disconnected, too many requests, unexpected response, timeout, overloaded (errors.md).
_OWN_FAULTS = frozenset({-1000, -1001, -1003, -1006, -1007, -1008})
_banned_until = re.compile(r"banned until (\d{13})\b", re.ASCII)

_SYMBOLS_REMEDY = "Look for a wrong or delisted pair in BINANCE_SYMBOLS"
_REGION_REMEDY = "Binance refuses this region: set BINANCE_BASE_URL to an address that serves it"
_OTHER_REMEDY = "Look at BINANCE_BASE_URL and BINANCE_SYMBOLS"


class _Error(msgspec.Struct):
    code: int = 0
    msg: str = ""


_error = msgspec.json.Decoder(_Error)


def refuse(answer: Answer, *, now_ms: int) -> NoReturn:
    """Raises what an answer other than 200 means."""
    status = answer.status
    code, said = _error_of(answer.body)
    asked = retry_after(answer.headers, now_ms=now_ms)
    until = _banned_until.search(said)
    if status == 418 or (status == 429 and until):
        left = wait_until(int(until[1]), now_ms=now_ms) if until else 0
        raise BannedError(f"binance answered {status}: {said or 'banned'}", retry_after=asked or left or SHORTEST_BAN)
    if status == 403:
        raise TransientError(
            f"binance answered 403, which is its gate, not its API: {said}",
            retry_after=max(BLOCKED_SECONDS, asked or 0),
        )
    if 400 <= status < 500 and code in _OWN_FAULTS:
        raise TransientError(f"binance answered {status}: {said}", retry_after=asked)
    remedy = _OTHER_REMEDY
    if code == _INVALID_SYMBOL:
        remedy = _SYMBOLS_REMEDY
    elif status == 451:
        remedy = _REGION_REMEDY
    refuse_by_status("binance", answer, now_ms=now_ms, said=said, remedy=remedy)


def _error_of(body: bytes) -> tuple[int, str]:
    """Binance's error code, 0 if it gives none, and its words."""
    try:
        error = _error.decode(body)
    except UNREADABLE:
        return 0, words(body)
    said = words(error.msg.encode()) or words(body)
    return error.code, f"{said.rstrip('. ')} ({error.code})" if error.code else said
