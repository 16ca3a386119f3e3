"""What CoinGecko says when it gives no data, and its keys. Some bodies are recorded, some only quoted by users."""

from __future__ import annotations

from collections.abc import Mapping

from cryptoproxy.sandbox.coingecko.numbers import stamp
from cryptoproxy.sandbox.upstream import Refusal
from cryptoproxy.sandbox.wire import Request
from cryptoproxy.sandbox.world.market import SeededMarket

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
_TOO_FAR_BACK = (
    "Your request exceeds the allowed time range. Public API users are limited to querying historical data within the "
    "past 365 days. Upgrade to a paid plan to enjoy full historical data access: "
    "https://www.coingecko.com/en/api/pricing. "
)


def known_error(status: int, now_ms: int) -> Mapping[str, object]:
    """The body that usually comes with that status: some shapes are recorded, some only quoted by users."""
    if status == 401:
        return _key_missing(now_ms)
    if status == RATE_LIMITED:
        return {"status": {"error_code": RATE_LIMITED, "error_message": _RATE_LIMIT_TEXT}}
    texts = {404: "coin not found", 422: "Missing parameter vs_currency"}
    if status in texts:
        return {"error": texts[status]}
    return {"status": status, "error": "Internal Server Error" if status == 500 else "Error"}


def check_key(request: Request, keys: Mapping[str, str], host: str, now_ms: int) -> None:
    """Refuses where keys are checked and this one is missing, unknown, or of the other plan."""
    if not keys:
        return
    demo = request.header(DEMO_HEADER) or request.params.get("x_cg_demo_api_key")
    pro = request.header(PRO_HEADER) or request.params.get("x_cg_pro_api_key")
    given = demo or pro
    if host == "public" and given is not None and (pro is not None or given == keys.get("pro")):
        raise _wrong_host(now_ms, 10010, "Pro", "public", "pro")
    if host == "pro" and given is not None and (demo is not None or given == keys.get("demo")):
        raise _wrong_host(now_ms, 10011, "Demo", "pro", "public")
    if given is None or given != keys.get("pro" if host == "pro" else "demo"):
        raise Refusal(401, _key_missing(now_ms))


def _stamp(now_ms: int) -> str:
    """``2026-05-17T01:39:44.892+00:00``, other than in the rows."""
    return stamp(now_ms).replace("Z", "+00:00")


def _key_missing(now_ms: int) -> Mapping[str, object]:
    return {"status": {"timestamp": _stamp(now_ms), "error_code": 10002, "error_message": _KEY_MISSING}}


def _wrong_host(now_ms: int, code: int, plan: str, wrong: str, right: str) -> Refusal:
    text = _CHANGE_ROOT.format(plan=plan, wrong=_HOSTS[wrong], right=_HOSTS[right])
    return Refusal(400, {"timestamp": _stamp(now_ms), "error_code": code, "status": {"error_message": text}})


def too_far_back(now_ms: int) -> Refusal:
    """Of the free plans: 365 days are the most."""
    status = {"timestamp": _stamp(now_ms), "error_code": 10012, "error_message": _TOO_FAR_BACK}
    return Refusal(401, {"error": {"status": status}})


def missing(name: str) -> Refusal:
    return Refusal(422, {"error": f"Missing parameter {name}"})


def coin_of(market: SeededMarket, name: str) -> int:
    """The index of a coin by its id."""
    if name not in market.index:
        raise Refusal(404, {"error": "coin not found"})
    return market.index[name]
