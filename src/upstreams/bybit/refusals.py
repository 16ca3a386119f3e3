"""What Bybit means when it refuses: by HTTP status, or with HTTP 200 and a ``retCode`` (v2: ``ret_code``) other than 0.

| answer | kind |
|---|---|
| 403: too frequent, or from a region that it does not serve | banned: the longest time told, at least 10 minutes |
| code 10018 (too frequent), 10008, 10009 (banned) | banned: the longest time told, else 10 minutes |
| 429 | refused until the longest time told, else left alone for a minute |
| code 10006 (too many visits), 10429 (the whole system) | refused until the time told, else for a second |
| 5xx, code 429 (high load), 10000 (timeout), 10016 (its own fault) and others that pass by themselves | transient |
| other codes, 404 and other 4xx | operator, by code: symbols, region, address, or a request that Bybit has changed |

Times are told by ``Retry-After`` and ``X-Bapi-Limit-Reset-Timestamp``. A refusal in a row waits for longer: a second,
then minutes.
"""

from __future__ import annotations

import msgspec

from cryptoproxy.datasets.codec import UNREADABLE
from cryptoproxy.errors import OperatorError, TransientError
from cryptoproxy.upstreams.answers.refusals import (
    BLOCKED_SECONDS,
    ban_told,
    leave_alone,
    refuse_by_status,
    require_spoken,
    retry_after,
    words,
)
from cryptoproxy.upstreams.answers.said import code_said
from cryptoproxy.upstreams.base import BannedError, RefusedError, Response

BAN_SECONDS = 600.0
VISIT_SECONDS = 1.0
"""What 10006 counts visits by."""

_BAN_CODES = {10008: "banned", 10009: "this address is banned", 10018: "too many calls from this address"}
_TOO_MANY_CODES = {10006: "too many visits", 10429: "its whole system is protected from too many calls"}
_PASSING_CODES = {
    429: "its load is high, and it asks to try again",
    10000: "it did not answer itself in time",
    10016: "a fault of its own, or it restarts",
    10019: "it restarts",
    12000: "a fault of its own that it does not name",
    20003: "too frequent",
    10002: "it took too long on its way",
    10014: "it takes this call for one that it had before",
}

_SYMBOLS_REMEDY = "Look for a wrong or delisted symbol in BYBIT_SYMBOLS"
_ADDRESS_REMEDY = "Look at BYBIT_BASE_URL: it takes the address without a path"
_REGION_REMEDY = "Bybit refuses this region or address: set BYBIT_BASE_URL to an address that serves it"
_KEY_REMEDY = "Public prices need no key and none is sent: look at BYBIT_BASE_URL and at a proxy in between"
_OTHER_REMEDY = "Look the code up in Bybit's list of error codes: the symbols are not to blame"
_REMEDIES = {
    10001: f"{_SYMBOLS_REMEDY}, or set BYBIT_API to the API that its address still has",
    10029: _SYMBOLS_REMEDY,
    10017: _ADDRESS_REMEDY,
    10404: _ADDRESS_REMEDY,
    10024: _REGION_REMEDY,
    10010: _REGION_REMEDY,
    10027: _REGION_REMEDY,
    **dict.fromkeys((10003, 10004, 10005, 10007, 10020, 10028, 33004, 100028, -2015), _KEY_REMEDY),
}


class _Head(msgspec.Struct, rename={"code": "retCode", "said": "retMsg"}):
    """The two spellings of an envelope's head; the rest is skipped unread."""

    code: int | None = None
    said: object = None
    ret_code: int | None = None
    ret_msg: object = None


_head = msgspec.json.Decoder(_Head, strict=False)  # a code may be told as text


def check(answer: Response, *, now_ms: int) -> None:
    """Returns for a 200 whose code is 0; see :class:`Source` for what else is raised."""
    status = answer.status
    if status == 403:
        told = max(retry_after(answer.headers, now_ms=now_ms) or 0, ban_told(answer.body, now_ms=now_ms) or 0)
        raise BannedError(
            f"bybit answered 403 (too frequent, or a region that it does not serve): {words(answer.body)}",
            retry_after=max(BAN_SECONDS, told),
            least=BAN_SECONDS,
        )
    if status == 200:
        require_spoken("bybit", answer, now_ms=now_ms)
    code, said = _error_of(answer.body)
    if code:
        _refuse_code(code, said, answer, now_ms=now_ms)
    if status != 200:
        refuse_by_status("bybit", answer, now_ms=now_ms, said=words(answer.body), remedy=_ADDRESS_REMEDY)


def _refuse_code(code: int, said: str, answer: Response, *, now_ms: int) -> None:
    """Raises what the code means; returns where the HTTP status says more."""
    leave_alone("bybit", answer, now_ms=now_ms, said=said)
    what = _BAN_CODES.get(code) or _TOO_MANY_CODES.get(code) or _PASSING_CODES.get(code)
    message = f"bybit answered retCode {code}: {said.rstrip('. ') or 'no words'}{f' ({what})' if what else ''}"
    told = retry_after(answer.headers, now_ms=now_ms)
    if code in _BAN_CODES:
        raise BannedError(message, retry_after=told or BAN_SECONDS, least=BAN_SECONDS)
    if code in _TOO_MANY_CODES:
        raise RefusedError(message, retry_after=told or VISIT_SECONDS, least=BLOCKED_SECONDS)
    if code in _PASSING_CODES:
        raise TransientError(message, retry_after=told)
    if answer.status == 200:
        raise OperatorError(message, remedy=_REMEDIES.get(code, _OTHER_REMEDY))


def _error_of(body: bytes) -> tuple[int, str]:
    """Bybit's code, 0 where all is well or there is none, and its words. What a body is that cannot be read is said
    where it is read."""
    try:
        head = _head.decode(body)
    except UNREADABLE:
        return code_said(body, "retCode", "ret_code"), words(body)
    said = head.said or head.ret_msg
    return head.code or head.ret_code or 0, words(said.encode() if isinstance(said, str) else body)
