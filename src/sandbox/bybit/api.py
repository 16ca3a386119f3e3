"""Bybit: addresses, limits and errors; tickers and instruments of the three markets in v5 and as in the old v2.

Errors come as HTTP 200 with a ``retCode``; only the limit per IP answers 403.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial

from cryptoproxy.sandbox.bybit import kline, v2
from cryptoproxy.sandbox.bybit.feeds import Traded, make_feed
from cryptoproxy.sandbox.bybit.instruments import CATEGORIES, Instrument, list_instruments, listing, page
from cryptoproxy.sandbox.bybit.rows import ticker
from cryptoproxy.sandbox.bybit.stream import BybitSession, category
from cryptoproxy.sandbox.bybit.trades import LEVELS, TRADES, make_book, orderbook, recent
from cryptoproxy.sandbox.streams.capture import SILENT
from cryptoproxy.sandbox.streams.feed import Feed
from cryptoproxy.sandbox.streams.session import Chosen, Habits
from cryptoproxy.sandbox.upstream import JSON_TYPE, Refusal, Rows, Setup, Sliding, before_the_api, dump
from cryptoproxy.sandbox.wire import Header, Request, Response, http_date
from cryptoproxy.sandbox.world.intervals import BYBIT
from cryptoproxy.sandbox.world.pairs import Tapes

TICKERS = "/v5/market/tickers"
INSTRUMENTS = "/v5/market/instruments-info"
KLINE, TRADE, BOOK = "/v5/market/kline", "/v5/market/recent-trade", "/v5/market/orderbook"
V2_TICKERS, V2_SYMBOLS = "/v2/public/tickers", "/v2/public/symbols"
TOO_FREQUENT = b"403, access too frequent"
TOO_MANY_VISITS = 10006


class Bybit:
    """About 640 linear (more than one page), 18 inverse and 560 spot instruments (with 1,000 coins)."""

    base = ""
    polled = TICKERS
    marks: Mapping[bytes, str] = {
        b'"nextPageCursor"': INSTRUMENTS,
        b'"baseCoin"': INSTRUMENTS,
        b'"base_currency"': V2_SYMBOLS,
        b'"ret_code"': V2_TICKERS,
    }

    def __init__(self, setup: Setup) -> None:
        self._clock, self._limits, self._market = setup.clock, setup.limits, setup.market
        self._listed = list_instruments(setup.market, setup.clock.now_ms())
        self._perpetuals = [i for name in ("inverse", "linear") for i in self._listed[name] if not i.delivery_ms]
        self._rows = Rows()
        self._tapes = Tapes(setup.market, "bybit")
        self._calls, self._visits, self._connects = Sliding(5), Sliding(1), Sliding(300)
        self._hidden, self._capture = setup.hidden, setup.captures.get("bybit")
        self._by_symbol = {(name, i.symbol): i for name, listed in self._listed.items() for i in listed}
        self._traded = cache(self._make_traded)
        self._feed = cache(self._make_feed)
        self._banned_until_ms = 0
        self._routes: dict[str, Callable[[Request, int], bytes]] = {
            TICKERS: self._tickers,
            INSTRUMENTS: self._instruments,
            KLINE: self._kline,
            TRADE: self._recent_trades,
            BOOK: self._orderbook,
            V2_TICKERS: self._v2_tickers,
            V2_SYMBOLS: self._v2_symbols,
            "/v5/market/time": self._time,
        }

    def answer(self, request: Request) -> Response:
        now_ms = self._clock.now_ms()
        if self._too_frequent(now_ms):
            return self.error(403)
        route = self._routes.get(request.path)
        if route is None:
            return Response(404, (*self.headers()[:1], ("Content-Type", "text/plain")), b"404 page not found")
        try:
            self._count_visit(now_ms)
            body = route(request, now_ms)
        except Refusal as refusal:
            more = self._limit_headers(now_ms) if refusal.body["retCode"] == TOO_MANY_VISITS else ()
            return self._refused(refusal, more)
        return Response(200, self.headers(), body)

    def handshake(self, request: Request) -> Response:
        if category(request.path) is None:
            return Response(404, self.headers()[:1], b"404 page not found")
        allowed = self._limits.bybit_connects_per_5m
        if allowed is not None and self._connects.use(self._clock.now_ms()) > allowed:
            return self.error(403)
        return Response(101)

    def session(self, request: Request, chosen: Chosen) -> BybitSession:
        product = category(request.path) or ""
        habits = Habits(idle_s=self._limits.bybit_idle_s)
        find, ack_ms = partial(self._feed, product), self._limits.bybit_ack_ms
        return BybitSession(product, find, chosen, habits=habits, ack_ms=ack_ms, hidden=self._hidden)

    def error(self, status: int) -> Response:
        if early := before_the_api(status, self.headers()[0], pages=status >= 500):
            return early
        if status == 403:
            return Response(403, (*self.headers()[:1], ("Content-Type", "text/plain")), TOO_FREQUENT)
        if status == 429:
            return self._refused(_refusal(10429, "System level frequency protection", 429))
        return self._refused(_refusal(10001, "Request parameter error", status))

    def headers(self) -> tuple[Header, ...]:
        return ("Date", http_date(self._clock.now_ms())), ("Content-Type", JSON_TYPE)

    def _too_frequent(self, now_ms: int) -> bool:
        """A ban of ten minutes, which lifts by itself; calls during it do not lengthen it."""
        allowed = self._limits.bybit_calls_per_5s
        if now_ms >= self._banned_until_ms and allowed is not None and self._calls.use(now_ms) > allowed:
            self._banned_until_ms = now_ms + self._limits.bybit_ban_s * 1000
        return now_ms < self._banned_until_ms

    def _count_visit(self, now_ms: int) -> None:
        allowed = self._limits.bybit_visits_per_second
        if allowed is not None and self._visits.use(now_ms) > allowed:
            raise _refusal(TOO_MANY_VISITS, "Too many visits")

    def _limit_headers(self, now_ms: int) -> tuple[Header, ...]:
        allowed = str(self._limits.bybit_visits_per_second)
        reset = str((now_ms // 1000 + 1) * 1000)
        return ("X-Bapi-Limit", allowed), ("X-Bapi-Limit-Status", "0"), ("X-Bapi-Limit-Reset-Timestamp", reset)

    def _tickers(self, request: Request, now_ms: int) -> bytes:
        category, found = self._found(request)
        rows = b",".join([self._row(instrument, now_ms) for instrument in found])
        return _enveloped(b'{"category":"%s","list":[%s]}' % (category.encode(), rows), now_ms)

    def _instruments(self, request: Request, now_ms: int) -> bytes:
        category, found = self._found(request)
        numbers = {item.symbol: n for n, item in enumerate(self._listed[category], 1)}
        result: dict[str, object] = {"category": category}
        if category == "spot":  # not paged
            result["list"] = [listing(item, numbers[item.symbol]) for item in found]
            return _enveloped(dump(result), now_ms)
        shown, cursor = page(found, limit=_limit(request, 500, 1000), cursor=request.params.get("cursor", ""))
        result["list"] = [listing(item, numbers[item.symbol]) for item in shown]
        return _enveloped(dump(result | {"nextPageCursor": cursor}), now_ms)

    def _kline(self, request: Request, now_ms: int) -> bytes:
        category, instrument = self._one(request, "linear")
        grid = BYBIT.get(request.params.get("interval", ""))
        if grid is None:
            raise _refusal(10001, "Invalid period!")
        limit = _limit(request, kline.DEFAULT, kline.MOST)
        tape = self._tapes.of(instrument.pair)
        rows = kline.page(tape, grid, _moment(request, "start"), _moment(request, "end"), limit=limit, now_ms=now_ms)
        names = [("symbol", instrument.symbol), ("category", category)]
        head = dump(dict(names[::-1] if category == "spot" else names))
        return _enveloped(
            head[:-1] + b',"list":' + kline.render(rows, tape, inverse=category == "inverse") + b"}", now_ms
        )

    def _recent_trades(self, request: Request, now_ms: int) -> bytes:
        category, instrument = self._one(request)
        limit = _limit(request, *TRADES[category])
        hidden = self._hidden.of(f"bybit/{category}/{instrument.symbol}")
        rows = recent(instrument, self._tapes.of(instrument.pair), limit, now_ms, hidden)
        return _enveloped(dump({"category": category, "list": rows}), now_ms)

    def _orderbook(self, request: Request, now_ms: int) -> bytes:
        category, instrument = self._one(request)
        limit = _limit(request, *LEVELS[category])
        traded = self._traded(category, instrument.symbol)
        return _enveloped(dump(orderbook(instrument, traded.tape, traded.book, limit, now_ms)), now_ms)

    def _make_traded(self, category: str, symbol: str) -> Traded:
        instrument = self._by_symbol[category, symbol]
        tape = self._tapes.of(instrument.pair)

        def row(at_ms: int) -> dict[str, str]:
            return ticker(self._market, self._tapes, instrument, at_ms, at_ms)

        return Traded(instrument, tape, make_book(self._market, instrument, tape), row)

    def _make_feed(self, category: str, topic: str) -> Feed | None:
        """None where there is no such topic."""
        if self._capture is not None:
            return SILENT if topic in self._capture.topics else None
        kind, _, symbol = topic.rpartition(".")
        known = (category, symbol) in self._by_symbol
        return make_feed(kind, self._traded(category, symbol)) if known else None

    def _v2_tickers(self, request: Request, now_ms: int) -> bytes:
        return v2.tickers(self._market, self._tapes, self._perpetuals, request.params.get("symbol"), now_ms)

    def _v2_symbols(self, request: Request, now_ms: int) -> bytes:
        return v2.symbols(self._perpetuals, now_ms)

    def _time(self, request: Request, now_ms: int) -> bytes:
        second, nano = str(now_ms // 1000), str(now_ms * 1_000_000)
        return _enveloped(dump({"timeSecond": second, "timeNano": nano}), now_ms)

    def _one(self, request: Request, category: str = "") -> tuple[str, Instrument]:
        """``category`` is that of a query without one."""
        if not request.params.get("symbol"):
            raise _refusal(10001, "params error: Symbol Invalid")
        category, found = self._found(request, category)
        return category, found[0]

    def _found(self, request: Request, category: str = "") -> tuple[str, Sequence[Instrument]]:
        params = request.params
        category = params.get("category", category)
        if category not in CATEGORIES:
            raise _refusal(10001, "Illegal category" if category else "params error: Category is invalid")
        listed = self._listed[category]
        if "symbol" not in params:
            return category, listed
        found = [item for item in listed if item.symbol == params["symbol"]]
        if not found:
            raise _refusal(10001, "Not supported symbols")
        return category, found

    def _row(self, instrument: Instrument, now_ms: int) -> bytes:
        updated_ms = instrument.pair.beat.last(now_ms)
        key = instrument.category, instrument.symbol
        return self._rows.row(key, updated_ms, ticker, self._market, self._tapes, instrument, updated_ms, now_ms)

    def _refused(self, refusal: Refusal, more: tuple[Header, ...] = ()) -> Response:
        body = dump({**refusal.body, "result": {}, "retExtInfo": {}, "time": self._clock.now_ms()})
        return Response(refusal.status, (*self.headers(), *more), body)


def _limit(request: Request, default: int, most: int) -> int:
    text = request.params.get("limit", str(default))
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise _refusal(10001, "params error: Illegal limit")
    return int(text)


def _moment(request: Request, name: str) -> int | None:
    """In ms."""
    text = request.params.get(name)
    if text is not None and not text.isdigit():
        raise _refusal(10001, "Request parameter error.")
    return None if text is None else int(text)


def _refusal(code: int, text: str, status: int = 200) -> Refusal:
    return Refusal(status, {"retCode": code, "retMsg": text})


def _enveloped(result: bytes, now_ms: int) -> bytes:
    return b'{"retCode":0,"retMsg":"OK","result":%s,"retExtInfo":{},"time":%d}' % (result, now_ms)
