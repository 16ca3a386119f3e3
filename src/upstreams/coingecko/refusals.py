"""What CoinGecko means when it refuses.

| answer | kind |
|---|---|
| 418, "banned until …" with any status | banned: the longest time told, else 2 minutes |
| 429, or error code 429, with or without JSON | refused for its ``Retry-After``, else left alone for a minute |
| 401, or error code 10002, 10005, 10010, 10011 | operator: key, plan or address |
| 403 that is no such JSON, other gates: Cloudflare's page | left alone for a minute |
| 400, 404, 422 and other 4xx | operator: the request's settings |
| 5xx | transient |

The body may be ``{"status":{"error_code",…}}``, ``{"error":{"status":{…}}}``,
``{"error_code":…,"status":{"error_message":…}}``, ``{"error":"words"}``, ``{"status":500,"error":"words"}``, plain text
or a page.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from cryptoproxy.datasets.codec import UNREADABLE
from cryptoproxy.errors import OperatorError, TransientError
from cryptoproxy.upstreams.answers.refusals import (
    leave_alone,
    may_be_error,
    obey_ban,
    refuse_by_status,
    require_spoken,
    retry_after,
    too_many,
    words,
)
from cryptoproxy.upstreams.answers.said import code_said
from cryptoproxy.upstreams.base import Response
from cryptoproxy.upstreams.coingecko.plans import BASE_URLS, Plan

_KEY_CODES = {
    10002: "Set COINGECKO_API_KEY to a key and COINGECKO_PLAN to its plan, or COINGECKO_PLAN=keyless",
    10005: "Ask for less or set COINGECKO_PLAN and COINGECKO_API_KEY to a plan that has it",
}
_PLAN_OF_CODE = {10010: Plan.PRO, 10011: Plan.DEMO}
"""The plan that the key belongs to: it was sent to the other one's address."""
_TOO_MANY = 429
_KEY_REMEDY = "Set COINGECKO_API_KEY to a valid key and COINGECKO_PLAN to its plan (keyless, demo or pro)"
_OTHER_REMEDY = "Look at COINGECKO_BASE_URL, COINGECKO_QUOTE, COINGECKO_IDS and COINGECKO_CATEGORY"


def check(answer: Response, *, now_ms: int, secret: str, plan: Plan, base_url: str) -> None:
    """Returns for a 200 that is no error; see :class:`Source` for what is raised else.

    Args:
        secret: kept out of the words.
        plan: the plan that is set,
        base_url: and the address that was asked.
    """
    status = answer.status
    if status == 200:
        require_spoken("coingecko", answer, now_ms=now_ms)
        if not may_be_error(answer.body):
            return
    code, said = _error_of(answer.body, secret)
    if status == 200 and not code:
        return
    message = f"coingecko answered {status}: {said or 'no words'}"
    asked = retry_after(answer.headers, now_ms=now_ms)
    obey_ban("coingecko", answer, now_ms=now_ms, said=said)
    if code == _TOO_MANY:
        too_many(message, told=asked)
    if status == 429 or code not in {*_PLAN_OF_CODE, *_KEY_CODES}:
        leave_alone("coingecko", answer, now_ms=now_ms, said=said)
    if code in _PLAN_OF_CODE:
        raise OperatorError(message.rstrip(". "), remedy=_plan_remedy(_PLAN_OF_CODE[code], plan, base_url))
    if code in _KEY_CODES or status == 401:
        raise OperatorError(message.rstrip(". "), remedy=_KEY_CODES.get(code, _KEY_REMEDY))
    if status == 200:
        raise TransientError(message, retry_after=asked)
    refuse_by_status("coingecko", answer, now_ms=now_ms, said=said, remedy=_OTHER_REMEDY)


def _plan_remedy(right: Plan, plan: Plan, base_url: str) -> str:
    if plan is right:
        return (
            f"COINGECKO_PLAN={plan} is right for this key, COINGECKO_BASE_URL={base_url} is not: "
            f"unset it, or set it to {BASE_URLS[right]}"
        )
    return f"Set COINGECKO_PLAN={right}: COINGECKO_API_KEY is a key of the {right} plan"


def _error_of(body: bytes, secret: str) -> tuple[int, str]:
    """CoinGecko's error code, 0 if it gives none, and its words."""
    try:
        found: Any = msgspec.json.decode(body)
    except UNREADABLE:
        found = None
    if not isinstance(found, dict):
        return code_said(body, "error_code"), words(body, secret)
    layers = list(_layers(found))
    codes = (layer[name] for name in ("error_code", "status") for layer in layers if _is_code(layer.get(name)))
    code = next(map(int, codes), 0)
    message = next((text for layer in layers if isinstance(text := layer.get("error_message"), str)), None)
    said = words(body if message is None else message.encode(), secret)
    return code, f"{said} ({code})" if code and message is not None else said


def _layers(found: Any) -> Iterator[dict[str, Any]]:
    """The object and those within it in which code and words may stand: together, or the code outside."""
    while isinstance(found, dict):
        yield found
        found = next((found[name] for name in ("error", "status") if isinstance(found.get(name), dict)), None)


def _is_code(value: object) -> bool:
    return (isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e9) or (
        isinstance(value, str) and value.isdecimal() and len(value) < 10
    )
