"""CoinGecko: addresses, limits, headers and the cache; errors and keys are in ``refusals``.

Two hosts speak it: the public one (demo keys) and the pro one. Keys are checked only where some were given.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from functools import partial

from cryptoproxy.sandbox.coingecko.categories import Categories
from cryptoproxy.sandbox.coingecko.charts import Charts
from cryptoproxy.sandbox.coingecko.coin import Details
from cryptoproxy.sandbox.coingecko.currencies import RATES
from cryptoproxy.sandbox.coingecko.overview import Overview, exchanges, names_of_exchanges
from cryptoproxy.sandbox.coingecko.refusals import RATE_LIMITED, check_key, known_error
from cryptoproxy.sandbox.coingecko.rows import Markets
from cryptoproxy.sandbox.coingecko.simple import Simple
from cryptoproxy.sandbox.upstream import JSON_TYPE, Minute, Refusal, Setup, before_the_api, dump
from cryptoproxy.sandbox.wire import Header, Request, Response, http_date

BASE = "/api/v3"
MARKETS, PING = f"{BASE}/coins/markets", f"{BASE}/ping"
CACHE_CONTROL = "max-age=30, public, must-revalidate, s-maxage=30"
CORS: tuple[Header, ...] = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Methods", "POST, PUT, DELETE, GET, OPTIONS"),
    ("Access-Control-Expose-Headers", "link, per-page, total"),
)


class CoinGecko:
    """The API on one of its hosts: ``public`` (api.coingecko.com) or ``pro`` (pro-api.coingecko.com)."""

    base = BASE
    polled = MARKETS
    marks: Mapping[bytes, str] = {
        b'"gecko_says"': PING,
        b'"active_cryptocurrencies"': f"{BASE}/global",
        b'"nfts":': f"{BASE}/search/trending",
        b'"trust_score_rank"': f"{BASE}/exchanges",
    }

    def __init__(self, setup: Setup, *, host: str = "public") -> None:
        self._clock, self._limits, self._keys = setup.clock, setup.limits, setup.keys
        self._host = host
        market = setup.market
        categories = Categories(market)
        simple, overview = Simple(market), Overview(market, categories)
        charts = Charts(market, limited=host == "public")
        self._calls = Minute()
        self._cache: dict[str, tuple[int, Response]] = {}
        one = r"/coins/([^/]+)"
        routes: dict[str, Callable[..., object]] = {
            "/ping": lambda _params, _now_ms: {"gecko_says": "(V3) To the Moon!"},
            "/coins/markets": Markets(market, categories).page,
            "/coins/list": simple.names,
            "/coins/categories": categories.rows,
            "/coins/categories/list": categories.names,
            "/simple/price": simple.prices,
            "/simple/supported_vs_currencies": lambda _params, _now_ms: list(RATES),
            "/exchanges/list": lambda _params, _now_ms: names_of_exchanges(),
            "/global": overview.total,
            "/search/trending": overview.trending,
            one: Details(market, categories).coin,
            f"{one}/ohlc": charts.ohlc,
            f"{one}/market_chart": charts.chart,
            f"{one}/market_chart/range": charts.range,
        }
        self._routes = [(re.compile(f"{BASE}{path}/?"), route) for path, route in routes.items()]

    def answer(self, request: Request) -> Response:
        now_ms = self._clock.now_ms()
        try:
            check_key(request, self._keys, self._host, now_ms)
            allowed = self._limits.coingecko_calls_per_minute
            if allowed is not None and self._calls.use(now_ms) > allowed:
                wait_s = self._limits.coingecko_retry_after_s or self._calls.left_s(now_ms)
                return self.error(RATE_LIMITED).with_headers({"Retry-After": str(wait_s)})
            return self._routed(request, now_ms)
        except Refusal as refusal:
            return self._failed(refusal.status, refusal.body)

    def error(self, status: int) -> Response:
        pages, server = status in (403, 502, 503, 504), ("Server", "cloudflare")
        return before_the_api(status, self.headers()[0], pages=pages, more=(server,)) or self._failed(
            status, known_error(status, self._clock.now_ms())
        )

    def headers(self) -> tuple[Header, ...]:
        return (
            ("Date", http_date(self._clock.now_ms())),
            ("Content-Type", JSON_TYPE),
            *CORS,
            ("Vary", "Accept-Encoding, Origin"),
            ("Server", "cloudflare"),
        )

    def _routed(self, request: Request, now_ms: int) -> Response:
        if re.fullmatch(f"{BASE}/exchanges/?", request.path):
            return self._cached(request, now_ms, partial(self._exchanges, request))
        for path, route in self._routes:
            if found := path.fullmatch(request.path):
                make = partial(route, *found.groups(), request.params, now_ms)
                return self._cached(request, now_ms, partial(self._made, make))
        raise Refusal(404, {"error": "Incorrect path. Please check https://www.coingecko.com/api/"})

    def _made(self, make: Callable[[], object]) -> Response:
        return self._good(make())

    def _exchanges(self, request: Request) -> Response:
        rows, more = exchanges(request.params, f"https://{request.header('host') or 'api.coingecko.com'}{request.path}")
        return self._good(rows, more)

    def _cached(self, request: Request, now_ms: int, make: Callable[[], Response]) -> Response:
        """The answer, or that of a moment ago: every query string has its own place in the cache."""
        made_ms, answer = self._cache.get(request.target, (0, None))
        age_s = (now_ms - made_ms) // 1000
        if answer is None or age_s >= self._limits.coingecko_cache_s:
            answer = make()
            if self._limits.coingecko_cache_s:
                self._cache[request.target] = now_ms, answer
            return answer
        changes = {"Date": http_date(now_ms), "CF-Cache-Status": "HIT", "Age": str(age_s)}
        return answer.with_headers(changes)

    def _good(self, value: object, more: tuple[Header, ...] = ()) -> Response:
        body = dump(value)
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        usual = (("Cache-Control", CACHE_CONTROL), ("ETag", f'W/"{etag}"'), ("CF-Cache-Status", "MISS"))
        return Response(200, (*self.headers(), *more, *usual), body, chunked=True)

    def _failed(self, status: int, body: object) -> Response:
        headers = (*self.headers(), ("Cache-Control", "no-cache"))
        if status == RATE_LIMITED:  # comes from the content delivery network: fewer headers
            date, server = headers[0], ("Server", "cloudflare")
            headers = (date, ("Content-Type", "application/json"), server)
        return Response(status, headers, dump(body), chunked=True)
