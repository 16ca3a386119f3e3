"""CoinGecko's ``/coins/markets`` and ``/ping``: parameters, headers and errors as recorded (tests/fixtures/recorded).

Two hosts speak it: the public one (demo keys) and the pro one. Keys are checked only where some were given.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import partial

from cryptoproxy.sandbox.coingecko.rows import PERIODS, Columns, Markets, stamp
from cryptoproxy.sandbox.upstream import JSON_TYPE, Minute, Refusal, Setup, before_the_api, dump
from cryptoproxy.sandbox.wire import Answer, Header, Request, http_date

BASE = "/api/v3"
MARKETS, PING = f"{BASE}/coins/markets", f"{BASE}/ping"
MAX_PER_PAGE = 250
CACHE_CONTROL = "max-age=30, public, must-revalidate, s-maxage=30"
CORS: tuple[Header, ...] = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Methods", "POST, PUT, DELETE, GET, OPTIONS"),
    ("Access-Control-Expose-Headers", "link, per-page, total"),
)
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


class CoinGecko:
    """The API on one of its hosts: ``public`` (api.coingecko.com) or ``pro`` (pro-api.coingecko.com)."""

    base = BASE
    polled = MARKETS
    marks: Mapping[bytes, str] = {b'"gecko_says"': PING}

    def __init__(self, setup: Setup, *, host: str = "public") -> None:
        self._clock, self._limits, self._keys = setup.clock, setup.limits, setup.keys
        self._host = host
        self._coins = Markets(setup.market)
        self._calls = Minute()
        self._cache: dict[str, tuple[int, Answer]] = {}
        self._routes: dict[str, Callable[[Request, int], Answer]] = {
            PING: lambda _request, _now_ms: self._good({"gecko_says": "(V3) To the Moon!"}),
            MARKETS: partial(self._cached, self._markets),
        }

    def answer(self, request: Request) -> Answer:
        now_ms = self._clock.now_ms()
        try:
            _check_key(request, self._keys, self._host, now_ms)
            allowed = self._limits.coingecko_calls_per_minute
            if allowed is not None and self._calls.use(now_ms) > allowed:
                wait_s = self._limits.coingecko_retry_after_s or self._calls.left_s(now_ms)
                return self.error(RATE_LIMITED).with_headers({"Retry-After": str(wait_s)})
            return self._routes.get(request.path, self._nowhere)(request, now_ms)
        except Refusal as refusal:
            return self._failed(refusal.status, refusal.body)

    def error(self, status: int) -> Answer:
        pages, server = status in (403, 502, 503, 504), ("Server", "cloudflare")
        return before_the_api(status, self.headers()[0], pages=pages, more=(server,)) or self._failed(
            status, _known_error(status, self._clock.now_ms())
        )

    def headers(self) -> tuple[Header, ...]:
        return (
            ("Date", http_date(self._clock.now_ms())),
            ("Content-Type", JSON_TYPE),
            *CORS,
            ("Vary", "Accept-Encoding, Origin"),
            ("Server", "cloudflare"),
        )

    def _nowhere(self, _request: Request, _now_ms: int) -> Answer:
        raise Refusal(404, {"error": "Incorrect path. Please check https://www.coingecko.com/api/"})

    def _cached(self, make: Callable[[Request, int], Answer], request: Request, now_ms: int) -> Answer:
        """The answer, or that of a moment ago: every query string has its own place in the cache."""
        made_ms, answer = self._cache.get(request.target, (0, None))
        age_s = (now_ms - made_ms) // 1000
        if answer is None or age_s >= self._limits.coingecko_cache_s:
            answer = make(request, now_ms)
            if self._limits.coingecko_cache_s:
                self._cache[request.target] = now_ms, answer
            return answer
        changes = {"Date": http_date(now_ms), "CF-Cache-Status": "HIT", "Age": str(age_s)}
        return answer.with_headers(changes)

    def _markets(self, request: Request, now_ms: int) -> Answer:
        params = request.params
        currency = params.get("vs_currency", "").lower()
        if not currency:
            raise Refusal(422, {"error": "Missing parameter vs_currency"})
        if not self._coins.knows(currency):
            raise Refusal(422, {"error": "invalid vs_currency"})
        asked = params.get("price_change_percentage", "").split(",")
        columns = Columns(
            currency, tuple(name for name in PERIODS if name in asked), _precision(params.get("precision", ""))
        )
        wanted = set(params["ids"].split(",")) if params.get("ids") else None
        order = params.get("order", "market_cap_desc")
        size = min(_count(params.get("per_page"), 100), MAX_PER_PAGE)
        start = (_count(params.get("page"), 1) - 1) * size
        coins = self._coins.ordered(order, now_ms, wanted)[start : start + size]
        return self._good(b"[" + b",".join(self._coins.row(i, now_ms, columns) for i in coins) + b"]")

    def _good(self, value: object) -> Answer:
        body = dump(value)
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        more = (("Cache-Control", CACHE_CONTROL), ("ETag", f'W/"{etag}"'), ("CF-Cache-Status", "MISS"))
        return Answer(200, (*self.headers(), *more), body, chunked=True)

    def _failed(self, status: int, body: object) -> Answer:
        headers = (*self.headers(), ("Cache-Control", "no-cache"))
        if status == RATE_LIMITED:  # comes from the content delivery network: fewer headers
            date, server = headers[0], ("Server", "cloudflare")
            headers = (date, ("Content-Type", "application/json"), server)
        return Answer(status, headers, dump(body), chunked=True)


def _count(text: str | None, default: int) -> int:
    """A number from 1; anything else is as if it were not there."""
    return int(text) if text is not None and text.isdigit() and int(text) >= 1 else default


def _precision(text: str) -> int | None:
    """Decimals of ``current_price``, -1 for all of them, None for the usual."""
    if text == "full":
        return -1
    return int(text) if text.isdigit() and int(text) <= 18 else None


def _known_error(status: int, now_ms: int) -> Mapping[str, object]:
    """The body that usually comes with that status: some shapes are recorded, some only quoted by users."""
    if status == 401:
        return _key_missing(now_ms)
    if status == RATE_LIMITED:
        return {"status": {"error_code": RATE_LIMITED, "error_message": _RATE_LIMIT_TEXT}}
    texts = {404: "coin not found", 422: "Missing parameter vs_currency"}
    if status in texts:
        return {"error": texts[status]}
    return {"status": status, "error": "Internal Server Error" if status == 500 else "Error"}


def _check_key(request: Request, keys: Mapping[str, str], host: str, now_ms: int) -> None:
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
