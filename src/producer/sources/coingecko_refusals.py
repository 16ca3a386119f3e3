"""What CoinGecko means when it refuses.

| answer | kind |
|---|---|
| 429, with or without JSON | transient, with its ``Retry-After`` |
| 401, or error code 10002, 10005, 10010, 10011 | operator: key or plan |
| 403 that is no such JSON: Cloudflare's page | transient, 60 s |
| 400, 404, 422 and other 4xx | operator: the request's settings |
| 5xx | transient |

The body may be ``{"status":{"error_code",…}}``, ``{"error":{"status":{…}}}``, ``{"error":"words"}``,
``{"status":500,"error":"words"}``, plain text or a page.
"""

from __future__ import annotations

from typing import Any, NoReturn

import msgspec

from cryptoproxy.common.errors import OperatorError, TransientError
from cryptoproxy.producer.sources.base import Answer
from cryptoproxy.producer.sources.refusals import UNREADABLE, words
from cryptoproxy.producer.sources.refusals import refuse as refuse_by_status
from cryptoproxy.producer.sources.retry_after import retry_after

BLOCKED_SECONDS = 60.0

_KEY_CODES = {
    10002: "Set COINGECKO_API_KEY to a key and COINGECKO_PLAN to its plan, or COINGECKO_PLAN=keyless",
    10005: "Ask for less or set COINGECKO_PLAN and COINGECKO_API_KEY to a plan that has it",
    10010: "Set COINGECKO_PLAN=pro: COINGECKO_API_KEY is a key of the pro plan",
    10011: "Set COINGECKO_PLAN=demo: COINGECKO_API_KEY is a key of the demo plan",
}
_KEY_REMEDY = "Set COINGECKO_API_KEY to a valid key and COINGECKO_PLAN to its plan (keyless, demo or pro)"
_OTHER_REMEDY = "Look at COINGECKO_BASE_URL, COINGECKO_QUOTE and COINGECKO_IDS"


def refuse(answer: Answer, *, now_ms: int, secret: str) -> NoReturn:
    """Raises what an answer other than 200 means; ``secret`` is kept out of the words."""
    status = answer.status
    code, said = _error_of(answer.body, secret)
    if code in _KEY_CODES or status == 401:
        raise OperatorError(
            f"coingecko answered {status}: {said.rstrip('. ') or 'no words'}",
            remedy=_KEY_CODES.get(code, _KEY_REMEDY),
        )
    if status == 403:
        raise TransientError(
            f"coingecko answered 403, which is its gate, not its API: {said}",
            retry_after=max(BLOCKED_SECONDS, retry_after(answer.headers, now_ms=now_ms) or 0),
        )
    refuse_by_status("coingecko", answer, now_ms=now_ms, said=said, remedy=_OTHER_REMEDY)


def _error_of(body: bytes, secret: str) -> tuple[int, str]:
    """CoinGecko's error code, 0 if it gives none, and its words."""
    try:
        found: Any = msgspec.json.decode(body)
    except UNREADABLE:
        return 0, words(body, secret)
    if isinstance(found, dict) and isinstance(found.get("error"), dict):
        found = found["error"]
    status = found.get("status") if isinstance(found, dict) else None
    if not isinstance(status, dict):
        return 0, words(body, secret)
    code, message = status.get("error_code"), status.get("error_message")
    said = words(message.encode(), secret) if isinstance(message, str) else words(body, secret)
    return (code, f"{said} ({code})") if isinstance(code, int) else (0, said)
