"""Binance's paths, below ``/binance/api/v3``, and the answers that its clients ask for at their start.

| path | from |
|---|---|
| ``ping``, ``time`` | the door |
| ``ticker/price`` | tickers |
| ``ticker/24hr``, ``ticker/bookTicker`` | the polls' answers: rows as they came |
| ``klines`` | the index or the lake, where they hold all bars that are asked for; of live symbols the open one |
| ``depth`` | the local book of symbols that are live, as far as it is known; else the last book of a slot, 20 levels |
| ``aggTrades`` | the newest trades of the topic, where none of them is missing |
| all others | read through |
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, ClassVar

from cryptoproxy.common.asking import Question
from cryptoproxy.datasets import BOOK, TRADE, slot_of
from cryptoproxy.datasets import TICKER as TICKERS
from cryptoproxy.datasets.contracts.book import LEVELS
from cryptoproxy.datasets.times import DAY_MS, MINUTE_MS, moment_of
from cryptoproxy.errors import CryptoProxyError
from cryptoproxy.serve.houses.binance_asked import SYMBOL, moment_ms, number_of, symbols_of, text_of, trades_of
from cryptoproxy.serve.houses.binance_rows import by_symbol, cut, in_order, last_prices
from cryptoproxy.serve.houses.house import INDEX, LAKE, ROAD, House, Means, RefusedError
from cryptoproxy.serve.reply import Header, Reply, Told, json_reply
from cryptoproxy.serve.request import Request
from cryptoproxy.serve.road.bars import Bars, Found, Wanted
from cryptoproxy.serve.road.flow import Flow
from cryptoproxy.serve.road.newest import Kept
from cryptoproxy.serve.streams.live import Live
from cryptoproxy.serve.upstream.seam import Fetched
from cryptoproxy.upstreams.binance import rendering
from cryptoproxy.upstreams.binance.candles import PAGE, BinanceCandles
from cryptoproxy.upstreams.binance.paths import PATHS
from cryptoproxy.upstreams.binance.streams.books import BinanceBook
from cryptoproxy.upstreams.binance.streams.books import topic as depth_topic
from cryptoproxy.upstreams.binance.tickers import NAME

TICKER = "ticker/24hr"
_INTERVALS = {theirs: ours for ours, theirs in BinanceCandles.intervals.items()}
_DEFAULT_LIMIT = 500
DEFAULT_LEVELS, MOST_LEVELS = 100, 5000
_TRADES = ("symbol", "fromId", "startTime", "endTime", "limit")
_BOOK = ("symbol", "bidPrice", "bidQty", "askPrice", "askQty")
_MINI = (
    "symbol", "openPrice", "highPrice", "lowPrice", "lastPrice", "volume", "quoteVolume", "openTime", "closeTime",
    "firstId", "lastId", "count",
)  # fmt: skip
STARTS: Mapping[str, Mapping[str, Any]] = {
    "fapi/v1/exchangeInfo": {"timezone": "UTC", "rateLimits": [], "exchangeFilters": [], "assets": [], "symbols": []},
    "dapi/v1/exchangeInfo": {"timezone": "UTC", "rateLimits": [], "exchangeFilters": [], "symbols": []},
    "sapi/v1/system/status": {"status": 0, "msg": "normal"},
}
"""What clients ask for at their start, beside spot: no futures are here, so their lists are empty."""


def _shows(book: BinanceBook, limit: int) -> bool:
    """Whether so many levels of either side are known, or all that there are."""
    if not book.proven or book.ladder is None:
        return False
    return all(side.known_to is None or len(side) >= limit for side in (book.ladder.bids, book.ladder.asks))


class BinanceHouse(House):
    upstream: ClassVar = NAME
    base: ClassVar = "api/v3/"

    def __init__(
        self, means: Means, bars: Bars | None = None, live: Live | None = None, flow: Flow | None = None
    ) -> None:
        super().__init__(means)
        self._bars = bars
        self._live = live
        self._flow = flow
        self._used = (0, 0)
        """A minute, and the weight of the calls that were made in it."""

    def error(self, status: int, words: str) -> object:
        return rendering.error(status, words)

    async def answer(self, request: Request) -> Reply:
        path = request.path
        if path == "ping":
            return json_reply({})
        if path == "time":
            return json_reply({"serverTime": self.means.clock.now_ms() * (1000 if request.microseconds else 1)})
        if path == "klines":
            return await self._klines(request)
        found: Reply | None = None
        if not request.microseconds:
            if path == "depth":
                found = await self._depth(request) or self._slot_depth(request)
            elif path == "aggTrades":
                found = self._trades(request)
            elif path == "ticker/price":
                found = self._price(request)
            elif path in (TICKER, "ticker/bookTicker"):
                found = self._tickers(request)
        return found or await self.read_through(request)

    async def read_through(self, request: Request, why: str = "") -> Reply:
        """Never in microseconds: what is asked upstream is told apart by its parameters alone. What Binance does not
        know is refused, as it refuses it: else each unknown parameter would be a question of its own."""
        if request.microseconds:
            raise RefusedError(400, rendering.error(400, "X-MBX-TIME-UNIT counts for klines and time alone here."))
        question = Question.of(NAME, f"{self.base}{request.path}", request.params)
        if (line := PATHS.get(question.path)) is not None and (unread := line.unread(question)):
            sent = len(question.params)
            raise RefusedError(400, rendering.too_many(sent - len(unread), sent))
        return await super().read_through(request, why)

    async def fetched(self, request: Request) -> tuple[Fetched, bool]:
        fetched, first = await super().fetched(request)
        if first and fetched.made and (line := PATHS.get(f"{self.base}{request.path}")) is not None:
            minute = self.means.clock.now_ms() // MINUTE_MS
            self._used = minute, self._weight(minute) + line.cost_of(request.params)
        return fetched, first

    def used_weight(self) -> Sequence[Header]:
        """As Binance tells it, for clients that slow down by it: what this door has had it asked in this minute. What
        comes from the road weighs nothing."""
        return ((b"x-mbx-used-weight-1m", b"%d" % self._weight(self.means.clock.now_ms() // MINUTE_MS)),)

    def _weight(self, minute: int) -> int:
        return self._used[1] if self._used[0] == minute else 0

    def start(self, path: str) -> Reply | None:
        """Of a path beside ``api/v3``."""
        if (body := STARTS.get(path)) is None:
            return None
        clock = {"serverTime": self.means.clock.now_ms()} if path.endswith("exchangeInfo") else {}
        return json_reply({**body, **clock})

    # --- trades and books

    async def _depth(self, request: Request) -> Reply | None:
        """From the book that the streams keep, so that a client's changes join on to it. It begins with a snapshot, for
        which the first who asks for it asks."""
        symbol = text_of(request.params, "symbol", SYMBOL)
        limit = number_of(request.params, "limit")
        if symbol is None or limit == 0 or set(request.params) - {"symbol", "limit"}:
            return None
        limit = min(DEFAULT_LEVELS if limit is None else limit, MOST_LEVELS)
        live = self._live
        book = live.books.get(symbol) if live is not None else None
        if live is None or book is None or not live.is_new(NAME, depth_topic(symbol), self.means.limit_ms(BOOK.name)):
            return None
        if not _shows(book, limit) and (slot := self._slot_depth(request)) is not None:
            return slot  # rather than have a snapshot asked for
        whole = Request("depth", {"symbol": symbol, "limit": str(MOST_LEVELS)})
        if not _shows(book, limit) and (self.asks(whole) or live.may_load(symbol)):
            book.awaits = True
            try:
                with suppress(CryptoProxyError):
                    snapshot, _ = await self.fetched(whole)
                    if snapshot.status == 200 and not _shows(book, limit):
                        book.load(snapshot.body, MOST_LEVELS)
            finally:
                book.awaits = False
        if not _shows(book, limit) or book.ladder is None:
            return None
        body = rendering.depth(book.update_id, book.ladder.bids.first(limit), book.ladder.asks.first(limit))
        at_ms = live.heard[NAME, depth_topic(symbol)]
        return json_reply(
            body, told=Told(way=ROAD, upstream=NAME, dataset=BOOK.name, asked_ms=at_ms, as_of_ms=book.updated_ms)
        )

    def _slot_depth(self, request: Request) -> Reply | None:
        """Of the last slot, where its record has as many levels as are asked for, or all that there are."""
        if self._flow is None or set(request.params) - {"symbol", "limit"}:
            return None
        limit = number_of(request.params, "limit") or DEFAULT_LEVELS
        book = self._flow.book(request.params.get("symbol", "")) if limit <= LEVELS else None
        if book is None or book.update_id is None:
            return None
        for side, known_to in ((book.bids, book.bids_known_to), (book.asks, book.asks_known_to)):
            if len(side) < limit and known_to is not None:
                return None
        told = Told(
            way=ROAD, upstream=NAME, dataset=BOOK.name, asked_ms=moment_of(book.fetched_at),
            as_of_ms=moment_of(book.last_updated or book.timestamp), every_ms=book.interval_ms,
        )  # fmt: skip
        return json_reply(rendering.depth(book.update_id, book.bids[:limit], book.asks[:limit]), told=told)

    def _trades(self, request: Request) -> Reply | None:
        symbol = text_of(request.params, "symbol", SYMBOL)
        if self._flow is None or symbol is None or set(request.params) - set(_TRADES):
            return None
        run = self._flow.trades(symbol)
        if (found := trades_of(request.params, run)) is None:
            return None
        told = Told(
            way=ROAD,
            upstream=NAME,
            dataset=TRADE.name,
            asked_ms=moment_of(run[-1].fetched_at),
            as_of_ms=moment_of(run[-1].timestamp),
        )

        def made() -> Reply:
            return json_reply([rendering.agg_trade(each) for each in found], told=told)

        return self.shelf.get(request.place, self._flow.taken[symbol], made)

    # --- tickers

    def _price(self, request: Request) -> Reply | None:
        """Of tickers. A pair that has none, mostly since it is halted, has the price of the last answer."""
        asked, whole = symbols_of(request.params), self._whole_market
        if "symbolStatus" in request.params or (asked is None and whole is None):
            return None
        polled_ms = whole.asked_ms if whole is not None else None
        if asked is None:
            version: Hashable = self.newest.version(NAME), polled_ms
            if (held := self.shelf.held(request.place, version)) is not None:
                return held  # before thousands of tickers are gathered
            tickers = {each.asset_id: each for each in self.newest.tickers(NAME)}
            names: Collection[str] = dict.fromkeys([*(by_symbol(whole) if whole else ()), *tickers])
        else:
            found = ((each, self.newest.ticker(NAME, each)) for each in asked)
            tickers = {name: ticker for name, ticker in found if ticker is not None}
            names = in_order(asked, whole)
            version = tuple(each.fetched_at for each in tickers.values()), polled_ms
        lacking = [each for each in names if each not in tickers] if len(tickers) < len(names) else []
        rows = last_prices(whole) if lacking and whole is not None else {}
        if any(each not in rows for each in lacking):
            self._refuse_unknown(names)
            return None
        of_rows_ms = polled_ms if rows else None

        def made() -> Reply:
            body = [
                rendering.price(name, tickers[name].price) if name in tickers else rows[name].body for name in names
            ]
            asked_ms = [moment_of(each.fetched_at) for each in tickers.values()]
            # That no poll since has told a ticker of it says that a pair is halted still.
            if of_rows_ms is not None and (not asked_ms or any(rows[each].count for each in lacking)):
                asked_ms.append(of_rows_ms)
            told = Told(
                way=ROAD,
                upstream=NAME,
                dataset=TICKERS.name,
                asked_ms=min(asked_ms),
                as_of_ms=max(
                    (moment_of(each.last_updated) for each in tickers.values() if each.last_updated), default=None
                ),
                every_ms=self.newest.every_ms(NAME),
            )
            return json_reply(body[0] if "symbol" in request.params else body, told=told)

        return self.shelf.get(request.place, version, made)

    def _tickers(self, request: Request) -> Reply | None:
        """Rows as they came, of the newest answers that hold them."""
        params = request.params
        asked = symbols_of(params)
        kind = params.get("type", "FULL").upper()
        if kind not in ("FULL", "MINI"):
            raise RefusedError(400, rendering.bad_value("type"))
        kept = self.newest.answers(NAME, TICKER)
        if not kept or "symbolStatus" in params:
            return None
        rows, of = self._rows(asked, kept)
        if rows is None:
            return None
        columns = _BOOK if request.path != TICKER else _MINI if kind == "MINI" else ()

        def made() -> Reply:
            shown = [cut(each, columns) for each in rows] if columns else rows
            body = shown[0] if "symbol" in params else b"[" + b",".join(shown) + b"]"
            return json_reply(body, told=self.told(of))

        return self.shelf.get(request.place, tuple(each.asked_ms for each in of), made)

    def _rows(self, asked: Sequence[str] | None, kept: Sequence[Kept]) -> tuple[list[bytes] | None, list[Kept]]:
        """Of named pairs in the order of the answer; None where not all of them are polled."""
        if asked is None:
            whole = next((each for each in kept if not each.params), None)
            return (None, []) if whole is None else (list(by_symbol(whole).values()), [whole])
        found: dict[str, tuple[bytes, Kept]] = {}
        for each in kept:
            rows = by_symbol(each)
            for name in asked:
                if name in rows:
                    found.setdefault(name, (rows[name], each))
        if len(found) < len(asked):
            self._refuse_unknown(asked)
            return None, []
        names = in_order(asked, kept[0])
        return [found[name][0] for name in names], [found[name][1] for name in names]

    @property
    def _whole_market(self) -> Kept | None:
        return self.newest.answer(NAME, TICKER, {})

    def _refuse_unknown(self, asked: Collection[str]) -> None:
        """Raises:
        RefusedError: the whole market is polled, and one of these is not in it.
        """
        whole = self._whole_market
        if whole is not None and self.is_new(whole) and any(name not in by_symbol(whole) for name in asked):
            raise RefusedError(400, rendering.INVALID_SYMBOL)

    # --- bars

    async def _klines(self, request: Request) -> Reply:
        wanted = self._wanted(request)
        if self._bars is None or request.params.get("timeZone", "0") not in ("0", "00:00", "+00:00", "-00:00"):
            return await self.read_through(request)
        through = self.means.through is not None and not request.microseconds
        found = await self.bars(self._bars, wanted, self._up_to_now(request, wanted), through=through)
        if isinstance(found, Reply):
            return found
        if not found.candles and not found.whole:
            self._refuse_unknown([wanted.asset_id])
            return self.refusal(404, f"of {wanted.asset_id} there are no bars of {request.params['interval']} here")
        return self._rendered(found, 1000 if request.microseconds else 1)

    def _up_to_now(self, request: Request, wanted: Wanted) -> Request:
        """From a moment on and up to now is what comes without an end: else each client that asks at its start where a
        history begins, with its clock's milliseconds for an end, has a call made of its own."""
        open_ms = slot_of(self.means.clock.now_ms(), wanted.step_ms)
        if not wanted.oldest or wanted.end_ms is None or wanted.step_ms > DAY_MS or wanted.end_ms < open_ms:
            return request
        return replace(request, params={name: each for name, each in request.params.items() if name != "endTime"})

    def _rendered(self, found: Found, per_ms: int) -> Reply:
        rows = [rendering.kline(each, per_ms=per_ms) for each in found.candles]
        told = Told(
            way=INDEX if found.engine == "es" else LAKE,
            upstream=NAME,
            asked_ms=self.means.clock.now_ms(),
            as_of_ms=moment_of(found.candles[-1].fetched_at) if found.candles else None,
            detail="open-bar-left-out" if found.open_bar else "" if found.whole else "not-whole",
        )
        return json_reply(rows, told=told)

    def _wanted(self, request: Request) -> Wanted:
        """Raises:
        RefusedError: as Binance does.
        """
        params = request.params
        symbol = text_of(params, "symbol", SYMBOL)
        if symbol is None:
            raise RefusedError(400, rendering.missing("symbol"))
        if not params.get("interval"):
            raise RefusedError(400, rendering.missing("interval"))
        if params["interval"] not in _INTERVALS:
            raise RefusedError(400, rendering.INVALID_INTERVAL)
        limit = number_of(params, "limit")
        if limit == 0:
            raise RefusedError(400, rendering.bad_value("limit"))
        start, end = moment_ms(params, "startTime"), moment_ms(params, "endTime")
        return Wanted(
            source=NAME,
            asset_id=symbol,
            interval=_INTERVALS[params["interval"]],
            start_ms=start,
            end_ms=end,
            limit=min(PAGE, _DEFAULT_LIMIT if limit is None else limit),
            oldest=start is not None,
        )
