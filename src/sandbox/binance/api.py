"""Binance spot: addresses, weights, limit headers, bans, errors; ``ticker/24hr`` and ``exchangeInfo``."""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from cryptoproxy.sandbox.binance import params
from cryptoproxy.sandbox.binance.book import depth, make_book, weight
from cryptoproxy.sandbox.binance.feeds import Traded, all_mini_tickers, make_feed
from cryptoproxy.sandbox.binance.klines import klines
from cryptoproxy.sandbox.binance.pairs import trading_pairs
from cryptoproxy.sandbox.binance.rows import Tickers, listing
from cryptoproxy.sandbox.binance.stream import BinanceSession, is_stream
from cryptoproxy.sandbox.binance.trades import agg_trades, trades
from cryptoproxy.sandbox.streams.capture import SILENT
from cryptoproxy.sandbox.streams.feed import Feed
from cryptoproxy.sandbox.streams.session import Chosen, Habits
from cryptoproxy.sandbox.upstream import Minute, Refusal, Setup, Sliding, StandInLimits, before_the_api, dump
from cryptoproxy.sandbox.wire import Header, Request, Response, http_date
from cryptoproxy.sandbox.world.pairs import Pair, Tapes
from cryptoproxy.sandbox.world.tape import Tape

TICKER, PRICE, BOOK = (f"/api/v3/ticker/{each}" for each in ("24hr", "price", "bookTicker"))
INFO = "/api/v3/exchangeInfo"
KLINES, UI_KLINES = "/api/v3/klines", "/api/v3/uiKlines"
AGG_TRADES, TRADES = "/api/v3/aggTrades", "/api/v3/trades"
DEPTH = "/api/v3/depth"
JSON_TYPE = "application/json;charset=UTF-8"
SYMBOLS = re.compile(r'^\[("[\w\-.]{1,50}"(,"[\w\-.]{1,50}")*)?\]$')

BOOK_COLUMNS = ("symbol", "bidPrice", "bidQty", "askPrice", "askQty")
MINI_COLUMNS = (
    "symbol", "openPrice", "highPrice", "lowPrice", "lastPrice", "volume", "quoteVolume", "openTime", "closeTime",
    "firstId", "lastId", "count",
)  # fmt: skip

INVALID_SYMBOL = {"code": -1121, "msg": "Invalid symbol."}
BOTH_GIVEN = {"code": -1128, "msg": "Combination of optional parameters invalid."}
ILLEGAL_SYMBOLS = {"code": -1100, "msg": "Illegal characters found in parameter 'symbols'."}
INTERNAL = {"code": -1001, "msg": "Internal error; unable to process your request. Please try again."}
LONGEST_BAN_S = 3 * 86_400


@dataclass(frozen=True, slots=True)
class Spent:
    """What a call came to: ``status`` 200, 429 or 418; for the last two ``wait_s`` is the ``Retry-After``."""

    status: int
    used: int
    wait_s: int = 0
    banned_until_ms: int = 0


class Weight:
    """The request weight of one IP: counted per minute, 429 above the limit, 418 for those who go on."""

    def __init__(self, limits: StandInLimits) -> None:
        self._limits = limits
        self._minute = Minute()
        self._lock = threading.Lock()
        self._ignored = 0
        """Calls since the first 429 of a row of them."""
        self._bans = 0
        self._until_ms = 0

    def spend(self, now_ms: int, weight: int) -> Spent:
        limit = self._limits.binance_weight_per_minute
        with self._lock:
            if now_ms < self._until_ms:
                return self._banned(now_ms)
            used = self._minute.use(now_ms, weight)
            if limit is None or used <= limit:
                self._ignored = 0
                return Spent(200, used)
            self._ignored += 1
            if self._ignored <= self._limits.binance_calls_until_ban:
                return Spent(429, used, self._minute.left_s(now_ms))
            self._ignored = 0
            self._until_ms = now_ms + min(LONGEST_BAN_S, self._limits.binance_ban_s * 2**self._bans) * 1000
            self._bans += 1
            return self._banned(now_ms)

    def _banned(self, now_ms: int) -> Spent:
        return Spent(418, self._minute.use(now_ms, 0), -(-(self._until_ms - now_ms) // 1000), self._until_ms)


class Binance:
    """The whole market of about 2,400 pairs (with 1,000 coins), half of them halted."""

    base = ""
    polled = TICKER
    marks: Mapping[bytes, str] = {
        b'"rateLimits"': INFO,
        b'"lastUpdateId"': DEPTH,
        b'"isBestMatch"': TRADES,
        b'"f":': AGG_TRADES,
    }

    def __init__(self, setup: Setup) -> None:
        self._clock, self._limits, self._market = setup.clock, setup.limits, setup.market
        self._weight = Weight(setup.limits)
        self._pairs = trading_pairs(setup.market)
        self._tapes = Tapes(setup.market, "binance")
        self._by_symbol = {pair.symbol: pair for pair in self._pairs}
        self._tickers = Tickers(setup.market, self._pairs, self._tapes)
        self._hidden, self._capture = setup.hidden, setup.captures.get("binance")
        self._connects = Sliding(300)
        self._traded = cache(self._make_traded)
        self._feed = cache(self._make_feed)
        self._routes: dict[str, Callable[[Request, int], object]] = {
            TICKER: self._ticker,
            PRICE: self._price,
            BOOK: lambda request, now_ms: self._columns(request, now_ms, BOOK_COLUMNS),
            INFO: self._info,
            KLINES: self._klines,
            UI_KLINES: self._klines,
            AGG_TRADES: self._agg_trades,
            TRADES: lambda request, now_ms: trades(request, self._tape(request), now_ms),
            DEPTH: self._depth,
            "/api/v3/ping": lambda _request, _now_ms: {},
            "/api/v3/time": lambda _request, now_ms: {"serverTime": now_ms},
        }

    def answer(self, request: Request) -> Response:
        route = self._routes.get(request.path)
        if route is None:
            return Response(404, (*self.headers()[:1], ("Content-Type", "text/html")), b"<h2>404 Not found</h2>")
        now_ms = self._clock.now_ms()
        spent = self._weight.spend(now_ms, _cost(request))
        if spent.status != 200:
            return self._refused(spent)
        try:
            status, body = 200, route(request, now_ms)
        except Refusal as refusal:
            status, body = refusal.status, refusal.body
        return Response(status, (*self.headers(), *_used(spent.used)), dump(body), chunked=True)

    def handshake(self, request: Request) -> Response:
        if not is_stream(request.path):
            return Response(404, self.headers()[:1], b"")
        allowed = self._limits.binance_connects_per_5m
        if allowed is not None and self._connects.use(self._clock.now_ms()) > allowed:
            return self.error(429)
        return Response(101)

    def session(self, request: Request, chosen: Chosen) -> BinanceSession:
        limits = self._limits
        habits = Habits(
            ping_s=limits.binance_ping_s,
            pong_s=limits.binance_pong_s,
            life_s=limits.binance_life_s,
            messages_per_second=limits.binance_messages_per_second,
        )
        return BinanceSession(
            request, self._feed, chosen, habits=habits, most=limits.binance_topics, hidden=self._hidden
        )

    def error(self, status: int) -> Response:
        if early := before_the_api(status, self.headers()[0], pages=status in (403, 502, 503, 504)):
            return early
        now_ms, used = self._clock.now_ms(), self._limits.binance_weight_per_minute or 0
        if status in (418, 429):
            wait_s = self._limits.binance_ban_s if status == 418 else 60
            return self._refused(Spent(status, used, wait_s, now_ms + wait_s * 1000))
        return Response(status, (*self.headers(), *_used(0)), dump(INTERNAL))

    def headers(self) -> tuple[Header, ...]:
        return (
            ("Date", http_date(self._clock.now_ms())),
            ("Content-Type", JSON_TYPE),
            ("Server", "nginx"),
            ("Vary", "Accept-Encoding"),
            ("X-MBX-UUID", str(uuid.uuid4())),
            ("Strict-Transport-Security", "max-age=31536000; includeSubdomains"),
            ("Cache-Control", "no-cache, no-store, must-revalidate"),
            ("Pragma", "no-cache"),
            ("Expires", "0"),
            ("X-Cache", "Miss from cloudfront"),
        )

    def _refused(self, spent: Spent) -> Response:
        limit = self._limits.binance_weight_per_minute
        text = (
            f"Way too much request weight used; IP banned until {spent.banned_until_ms}. "
            "Please use the websocket for live updates to avoid bans."
            if spent.status == 418
            else f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE. "
            "Please use the websocket for live updates to avoid polling the API."
        )
        headers = (*self.headers(), *_used(spent.used), ("Retry-After", str(spent.wait_s)))
        return Response(spent.status, headers, dump({"code": -1003, "msg": text}))

    def _ticker(self, request: Request, now_ms: int) -> object:
        if request.params.get("type") == "MINI":
            return self._columns(request, now_ms, MINI_COLUMNS)
        pairs = self._asked(request)
        if pairs is None:
            return self._tickers.all(now_ms)
        rows = [self._tickers.row(pair, now_ms) for pair in pairs]
        return rows[0] if "symbol" in request.params else b"[" + b",".join(rows) + b"]"

    def _price(self, request: Request, now_ms: int) -> object:
        prices = [{"symbol": row["symbol"], "price": row["lastPrice"]} for row in self._rows(request, now_ms)]
        return dump(prices[0] if "symbol" in request.params else prices)

    def _columns(self, request: Request, now_ms: int, names: Sequence[str]) -> object:
        """Some of each ticker."""
        rows = [{name: row[name] for name in names} for row in self._rows(request, now_ms)]
        return dump(rows[0] if "symbol" in request.params else rows)

    def _rows(self, request: Request, now_ms: int) -> Iterator[dict[str, object]]:
        pairs = self._asked(request)
        for pair in self._pairs if pairs is None else pairs:
            yield json.loads(self._tickers.row(pair, now_ms))

    def _info(self, request: Request, now_ms: int) -> object:
        pairs = self._asked(request)
        head = {"timezone": "UTC", "serverTime": now_ms, "rateLimits": self._rate_limits(), "exchangeFilters": []}
        symbols = self._listing if pairs is None else dump([self._listed(pair) for pair in pairs])
        return dump(head)[:-1] + b',"symbols":' + symbols + b"}"

    def _klines(self, request: Request, now_ms: int) -> object:
        tape = self._tape(request)
        return klines(request, tape, params.interval(request), now_ms)

    def _depth(self, request: Request, now_ms: int) -> object:
        pair = params.symbol(request, self._by_symbol)
        return depth(request, self._traded(pair).book, pair, now_ms)

    def _agg_trades(self, request: Request, now_ms: int) -> object:
        pair = params.symbol(request, self._by_symbol)
        return agg_trades(request, self._tapes.of(pair), now_ms, self._hidden.of(f"binance/{pair.symbol}"))

    def _make_traded(self, pair: Pair) -> Traded:
        tape = self._tapes.of(pair)
        return Traded(pair, tape, make_book(self._market, pair, tape), self._tickers)

    def _make_feed(self, topic: str) -> Feed | None:
        """None: nothing is ever told."""
        if self._capture is not None:
            return SILENT if topic in self._capture.topics else None
        if topic in ("!miniTicker@arr", "!miniTicker@arr@1000ms"):
            traded = [self._traded(pair) for pair in self._pairs if pair.delisted is None]
            return Feed(lambda second: all_mini_tickers(traded, second))
        symbol, _, name = topic.partition("@")
        pair = self._by_symbol.get(symbol.upper()) if symbol == symbol.lower() else None
        return None if pair is None or pair.delisted is not None else make_feed(name, self._traded(pair))

    def _tape(self, request: Request) -> Tape:
        return self._tapes.of(params.symbol(request, self._by_symbol))

    def _asked(self, request: Request) -> Sequence[Pair] | None:
        """The pairs in the order of the list; None for all of them."""
        given = request.params
        if "symbol" not in given and "symbols" not in given:
            return None
        if "symbol" in given and "symbols" in given:
            raise Refusal(400, BOTH_GIVEN)
        if "symbols" in given and not SYMBOLS.match(given["symbols"]):
            raise Refusal(400, ILLEGAL_SYMBOLS)
        names: list[str] = json.loads(given["symbols"]) if "symbols" in given else [given["symbol"]]
        if not names or any(name not in self._by_symbol for name in names):
            raise Refusal(400, INVALID_SYMBOL)
        return sorted((self._by_symbol[name] for name in set(names)), key=lambda pair: pair.place)

    def _listed(self, pair: Pair) -> dict[str, object]:
        return listing(pair, halted=pair.delisted is not None)

    @cached_property
    def _listing(self) -> bytes:
        return dump([self._listed(pair) for pair in self._pairs])

    def _rate_limits(self) -> list[dict[str, object]]:
        weight = self._limits.binance_weight_per_minute or 6000
        return [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": weight},
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
            {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 200000},
            {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 300000},
        ]


def _cost(request: Request) -> int:
    """As documented since 2023-08-25."""
    if request.path == INFO:
        return 20
    if request.path == DEPTH:
        return weight(request)
    if request.path in (PRICE, BOOK):
        return 2 if "symbol" in request.params else 4
    if request.path != TICKER:
        return {KLINES: 2, UI_KLINES: 2, AGG_TRADES: 4, TRADES: 25}.get(request.path, 1)
    if "symbol" in request.params:
        return 2
    asked = request.params["symbols"].count(",") + 1 if "symbols" in request.params else 1000
    return 2 if asked <= 20 else 40 if asked <= 100 else 80


def _used(weight: int) -> tuple[Header, ...]:
    return ("X-MBX-USED-WEIGHT", str(weight)), ("X-MBX-USED-WEIGHT-1M", str(weight))
