"""CoinGecko's ``/coins/markets`` and ``/ping``: parameters, headers and errors as recorded (tests/fixtures/recorded).

Two hosts speak it: the public one (demo keys) and the pro one. Keys are checked only where some were given.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from cryptoproxy.sandbox.coingecko_errors import RATE_LIMITED, key_error, known_error
from cryptoproxy.sandbox.coingecko_rows import PERIODS, Columns, Rows
from cryptoproxy.sandbox.effects import http_date
from cryptoproxy.sandbox.limits import Minute
from cryptoproxy.sandbox.rewrites import HTML
from cryptoproxy.sandbox.upstream import JSON_TYPE, Setup, dump, firewall
from cryptoproxy.sandbox.wire import Answer, Header, Request

MARKETS = "/api/v3/coins/markets"
PING = "/api/v3/ping"
MAX_PER_PAGE = 250
CACHE_CONTROL = "max-age=30, public, must-revalidate, s-maxage=30"
CORS: tuple[Header, ...] = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Methods", "POST, PUT, DELETE, GET, OPTIONS"),
    ("Access-Control-Expose-Headers", "link, per-page, total"),
)


class CoinGecko:
    """The API on one of its hosts: ``public`` (api.coingecko.com) or ``pro`` (pro-api.coingecko.com)."""

    polled = MARKETS
    marks: Mapping[bytes, str] = {b'"gecko_says"': PING}

    def __init__(self, setup: Setup, *, host: str = "public") -> None:
        self._clock, self._limits, self._keys = setup.clock, setup.limits, setup.keys
        self._host = host
        self._rows = Rows(setup.market)
        self._calls = Minute()
        self._cache: dict[str, tuple[int, Answer]] = {}

    def answer(self, request: Request) -> Answer:
        now_ms = self._clock.now_ms()
        refused = key_error(request, self._keys, self._host, now_ms)
        if refused is not None:
            return self._failed(*refused)
        allowed = self._limits.coingecko_calls_per_minute
        if allowed is not None and self._calls.use(now_ms) > allowed:
            wait_s = self._limits.coingecko_retry_after_s or self._calls.left_s(now_ms)
            return self.error(RATE_LIMITED).with_headers({"Retry-After": str(wait_s)})
        if request.path == PING:
            return self._good({"gecko_says": "(V3) To the Moon!"})
        if request.path == MARKETS:
            return self._cached(request, now_ms)
        return self._failed(404, {"error": "Incorrect path. Please check https://www.coingecko.com/api/"})

    def error(self, status: int) -> Answer:
        if (gate := firewall(status, self.headers()[0])) is not None:
            return gate
        if status in (403, 502, 503, 504):  # made by the content delivery network
            return Answer(status, (*self.headers()[:1], ("Content-Type", "text/html"), ("Server", "cloudflare")), HTML)
        return self._failed(status, known_error(status, self._clock.now_ms()))

    def headers(self) -> tuple[Header, ...]:
        return (
            ("Date", http_date(self._clock.now_ms())),
            ("Content-Type", JSON_TYPE),
            *CORS,
            ("Vary", "Accept-Encoding, Origin"),
            ("Server", "cloudflare"),
        )

    def _cached(self, request: Request, now_ms: int) -> Answer:
        """The answer, or that of a moment ago: every query string has its own place in the cache."""
        made_ms, answer = self._cache.get(request.target, (0, None))
        age_s = (now_ms - made_ms) // 1000
        if answer is None or age_s >= self._limits.coingecko_cache_s:
            answer = self._markets(request.params, now_ms)
            if self._limits.coingecko_cache_s:
                self._cache[request.target] = now_ms, answer
            return answer
        changes = {"Date": http_date(now_ms), "CF-Cache-Status": "HIT", "Age": str(age_s)}
        return answer.with_headers(changes)

    def _markets(self, params: Mapping[str, str], now_ms: int) -> Answer:
        currency = params.get("vs_currency", "").lower()
        if not currency:
            return self._failed(422, {"error": "Missing parameter vs_currency"})
        if not self._rows.knows(currency):
            return self._failed(422, {"error": "invalid vs_currency"})
        asked = params.get("price_change_percentage", "").split(",")
        columns = Columns(
            currency, tuple(name for name in PERIODS if name in asked), _precision(params.get("precision", ""))
        )
        wanted = set(params["ids"].split(",")) if params.get("ids") else None
        order = params.get("order", "market_cap_desc")
        size = min(_count(params.get("per_page"), 100), MAX_PER_PAGE)
        start = (_count(params.get("page"), 1) - 1) * size
        coins = self._rows.ordered(order, now_ms, wanted)[start : start + size]
        return self._good(b"[" + b",".join(self._rows.row(i, now_ms, columns) for i in coins) + b"]")

    def _good(self, value: object) -> Answer:
        body = value if isinstance(value, bytes) else dump(value)
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
