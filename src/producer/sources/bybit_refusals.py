"""What Bybit means when it refuses: by HTTP status, or with HTTP 200 and a ``retCode`` (v2: ``ret_code``) other than 0.

| answer | kind |
|---|---|
| 403: too frequent, or from a region that it does not serve | banned, 10 minutes |
| code 10018 (too many calls), 10008, 10009 (banned) | banned until ``X-Bapi-Limit-Reset-Timestamp``, else 10 minutes |
| 429, code 10006 (too many visits), 10429 (the whole system) | transient, until that time |
| 5xx, code 10000 (timeout), 10016 (its own fault) | transient |
| other codes (10001 not supported symbols …), 404 and other 4xx | operator |
"""

from __future__ import annotations

import re

import msgspec

from cryptoproxy.common.errors import OperatorError, TransientError
from cryptoproxy.producer.sources.base import Answer, BannedError
from cryptoproxy.producer.sources.refusals import UNREADABLE, words
from cryptoproxy.producer.sources.refusals import refuse as refuse_by_status
from cryptoproxy.producer.sources.retry_after import retry_after, wait_until

BAN_SECONDS = 600.0

_BAN_CODES = frozenset({10008, 10009, 10018})
_TOO_MANY_CODES = frozenset({10006, 10429})
_OWN_FAULT_CODES = frozenset({10000, 10016})
_RESET_HEADER = "x-bapi-limit-reset-timestamp"
_digits = re.compile(r"\d{10,15}", re.ASCII)

_SYMBOLS_REMEDY = "Look for a wrong or delisted symbol in BYBIT_SYMBOLS"
_ADDRESS_REMEDY = "Look at BYBIT_BASE_URL: it takes the address without a path"


class _Head(msgspec.Struct, rename={"code": "retCode", "said": "retMsg"}):
    """The two spellings of an envelope's head; the rest is skipped unread."""

    code: int | None = None
    said: str | None = None
    ret_code: int | None = None
    ret_msg: str | None = None


_head = msgspec.json.Decoder(_Head)


def check(answer: Answer, *, now_ms: int) -> None:
    """Returns for a 200 whose code is 0; see :class:`Source` for what else is raised."""
    if answer.status == 403:
        raise BannedError(
            f"bybit answered 403 (too frequent, or a region that it does not serve): {words(answer.body)}",
            retry_after=max(BAN_SECONDS, retry_after(answer.headers, now_ms=now_ms) or 0),
        )
    if answer.status != 200:
        refuse_by_status("bybit", answer, now_ms=now_ms, said=words(answer.body), remedy=_ADDRESS_REMEDY)
    try:
        head = _head.decode(answer.body)
    except UNREADABLE:
        return  # what it is instead is said where it is read
    code = head.code or head.ret_code or 0
    if code != 0:
        _refuse_code(code, head.said or head.ret_msg or "", answer, now_ms=now_ms)


def _refuse_code(code: int, said: str, answer: Answer, *, now_ms: int) -> None:
    message = f"bybit answered retCode {code}: {words(said.encode()).rstrip('. ') or 'no words'}"
    reset = _digits.fullmatch(answer.headers.get(_RESET_HEADER, ""))
    wait = wait_until(int(reset[0]), now_ms=now_ms) if reset else None
    if code in _BAN_CODES:
        raise BannedError(message, retry_after=wait or BAN_SECONDS)
    if code in _TOO_MANY_CODES:
        raise TransientError(message, retry_after=wait)
    if code in _OWN_FAULT_CODES:
        raise TransientError(message)
    raise OperatorError(message, remedy=_SYMBOLS_REMEDY)
