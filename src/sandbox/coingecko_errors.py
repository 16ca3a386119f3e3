"""CoinGecko's error bodies. Their shapes differ; some are recorded, some only quoted by its users."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from cryptoproxy.sandbox.wire import Request

RATE_LIMITED = 429
DEMO_HEADER, PRO_HEADER = "x-cg-demo-api-key", "x-cg-pro-api-key"

_RATE_LIMIT_TEXT = (
    "You've exceeded the Rate Limit. Please visit https://www.coingecko.com/en/api/pricing "
    "to subscribe to our API plans for higher rate limits."
)
_KEY_MISSING = (
    "API Key Missing. Please make sure you're using the right authentication method. "
    "For Pro API, please visit: https://docs.coingecko.com/reference/authentication. "
    "For Public/Demo API, please visit: https://docs.coingecko.com/v3.0.1/reference/authentication."
)
_CHANGE_ROOT = "If you are using {plan} API key, please change your root URL from {wrong} to {right}"
_HOSTS = {"public": "api.coingecko.com", "pro": "pro-api.coingecko.com"}


def known_error(status: int, now_ms: int) -> object:
    """The body that usually comes with that status."""
    if status == 401:
        return _key_missing(_stamp(now_ms))
    if status == RATE_LIMITED:
        return {"status": {"error_code": RATE_LIMITED, "error_message": _RATE_LIMIT_TEXT}}
    texts = {404: "coin not found", 422: "Missing parameter vs_currency"}
    if status in texts:
        return {"error": texts[status]}
    return {"status": status, "error": "Internal Server Error" if status == 500 else "Error"}


def key_error(request: Request, keys: Mapping[str, str], host: str, now_ms: int) -> tuple[int, object] | None:
    """Status and body where the key is missing, unknown, or of the other plan; None where all is well."""
    if not keys:
        return None
    params = request.params
    demo = request.header(DEMO_HEADER) or params.get("x_cg_demo_api_key")
    pro = request.header(PRO_HEADER) or params.get("x_cg_pro_api_key")
    given = demo or pro
    stamp = _stamp(now_ms)
    if host == "public" and given is not None and (pro is not None or given == keys.get("pro")):
        return 400, _wrong_host(stamp, 10010, "Pro", "public", "pro")
    if host == "pro" and given is not None and (demo is not None or given == keys.get("demo")):
        return 400, _wrong_host(stamp, 10011, "Demo", "pro", "public")
    if given is None or given != keys.get("pro" if host == "pro" else "demo"):
        return 401, _key_missing(stamp)
    return None


def _stamp(now_ms: int) -> str:
    """``2026-05-17T01:39:44.892+00:00``."""
    return datetime.fromtimestamp(now_ms / 1000, tz=UTC).isoformat(timespec="milliseconds")


def _key_missing(stamp: str) -> object:
    return {"status": {"timestamp": stamp, "error_code": 10002, "error_message": _KEY_MISSING}}


def _wrong_host(stamp: str, code: int, plan: str, wrong: str, right: str) -> object:
    text = _CHANGE_ROOT.format(plan=plan, wrong=_HOSTS[wrong], right=_HOSTS[right])
    return {"timestamp": stamp, "error_code": code, "status": {"error_message": text}}
