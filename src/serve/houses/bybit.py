"""Bybit's paths, below ``/bybit/v5``. Errors come as HTTP 200 with a ``retCode``, as its clients expect them.

| path | from |
|---|---|
| ``market/time`` | the door |
| ``market/tickers`` | the polls' answers: rows as they came |
| ``market/kline`` | the index or the lake, where they hold all bars that are asked for; of live symbols the open one |
| ``market/orderbook`` | the book of symbols that are live, as many levels as are streamed |
| all others | read through |
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import msgspec

from cryptoproxy.datasets import BOOK, slot_of
from cryptoproxy.datasets.times import moment_of
from cryptoproxy.serve.houses.house import INDEX, LAKE, ROAD, House, Means, RefusedError, named
from cryptoproxy.serve.reply import Reply, Told, json_reply
from cryptoproxy.serve.request import Request
from cryptoproxy.serve.road.bars import Bars, Wanted
from cryptoproxy.serve.road.newest import Kept
from cryptoproxy.serve.streams.live import Live
from cryptoproxy.upstreams.bybit import rendering
from cryptoproxy.upstreams.bybit.candles import PAGE, BybitCandles
from cryptoproxy.upstreams.bybit.symbols import Category
from cryptoproxy.upstreams.bybit.tickers import UPSTREAM

TICKERS, INSTRUMENTS = "market/tickers", "market/instruments-info"
_INTERVALS = {theirs: ours for ours, theirs in BybitCandles.intervals.items()}
_DEFAULT_LIMIT = 200
_FAR_MS = 10**14
_WHOLE = re.compile(r"\d{1,99}", re.ASCII)


class _Symbol(msgspec.Struct):
    symbol: str


class _Result(msgspec.Struct, rename={"rows": "list"}):
    category: str
    rows: list[msgspec.Raw]


class _Envelope(msgspec.Struct):
    result: _Result
    time: int = 0


_opened = msgspec.json.Decoder(_Envelope, strict=False)
_symbol = msgspec.json.Decoder(_Symbol)


class BybitHouse(House):
    upstream: ClassVar = UPSTREAM
    base: ClassVar = "v5/"

    def __init__(self, means: Means, bars: Bars | None = None, live: Live | None = None) -> None:
        super().__init__(means)
        self._bars = bars
        self._live = live

    def error(self, status: int, words: str) -> object:
        return rendering.error(status, words, now_ms=self.means.clock.now_ms())

    def refusal(self, status: int, words: str, *, retry_after: float | None = None) -> Reply:
        """As HTTP 200, which its clients read the ``retCode`` of, but where we are away; pybit waits until the moment
        that a header tells."""
        reply = super().refusal(status, words, retry_after=retry_after)
        if status == 429:
            until_ms = self.means.clock.now_ms() + round((retry_after or 1) * 1000)
            reply.more = (*reply.more, (b"x-bapi-limit-reset-timestamp", b"%d" % until_ms))
        if status < 500:
            reply.status = 200
        return reply

    async def answer(self, request: Request) -> Reply:
        found: Reply | None = None
        if request.path == "market/time":
            now_ms = self.means.clock.now_ms()
            result = {"timeSecond": str(now_ms // 1000), "timeNano": str(now_ms * 1_000_000)}
            return json_reply(rendering.enveloped(result, now_ms=now_ms))
        if request.path == TICKERS:
            found = self._tickers(request)
        elif request.path == "market/orderbook":
            found = self._orderbook(request.params)
        elif request.path == "market/kline":
            return await self._kline(request)
        elif request.path == INSTRUMENTS and request.params.get("category") == "option" and not self.means.through:
            nothing = {"category": "option", "list": [], "nextPageCursor": ""}  # so that clients start without them
            return json_reply(rendering.enveloped(nothing, now_ms=self.means.clock.now_ms()))
        return found or await self.read_through(request)

    def _tickers(self, request: Request) -> Reply | None:
        params = request.params
        if params.get("category") == "option":  # is there, and is not polled
            return None
        category, symbol = self._category(params), params.get("symbol", "")
        if set(params) - {"category", "symbol"}:
            return None
        for kept in self.newest.answers(UPSTREAM, TICKERS):
            if kept.params.get("category") != category:
                continue
            rows = by_symbol(kept)
            whole = "symbol" not in kept.params
            if symbol and symbol not in rows:
                if whole and self.is_new(kept):
                    raise self._refused("Not supported symbols")
                continue
            if symbol or whole:
                chosen = [rows[symbol]] if symbol else list(rows.values())

                def made(kept: Kept = kept, chosen: list[bytes] = chosen) -> Reply:
                    result = {"category": category, "list": [msgspec.Raw(each) for each in chosen]}
                    time_ms = kept.made["time"]
                    body = rendering.enveloped(result, now_ms=time_ms)
                    return json_reply(body, told=self.told([kept], time_ms or None))

                return self.shelf.get(request.place, kept.asked_ms, made)
        return None

    def _orderbook(self, params: Mapping[str, str]) -> Reply | None:
        category, symbol, limit = (params.get(name, "") for name in ("category", "symbol", "limit"))
        venue = f"{UPSTREAM}-{category}"
        levels, book = self._live.shown.get((venue, symbol), (0, None)) if self._live is not None else (0, None)
        wanted = limit or ("1" if category == Category.SPOT else "25")
        if self._live is None or book is None or not book.whole or not wanted.isdecimal() or len(wanted) > 4:
            return None
        topic = f"orderbook.{levels}.{symbol}"
        if not 1 <= int(wanted) <= levels or not self._live.is_new(venue, topic, self.means.limit_ms(BOOK.name)):
            return None
        told = Told(
            way=ROAD,
            upstream=UPSTREAM,
            dataset=BOOK.name,
            asked_ms=self._live.heard[venue, topic],
            as_of_ms=book.cts or book.ts,
        )
        result = book.result(symbol, int(wanted))
        return json_reply(rendering.enveloped(result, now_ms=self.means.clock.now_ms()), told=told)

    async def _kline(self, request: Request) -> Reply:
        wanted, market = self._wanted(request.params)
        if self._bars is None:
            return await self.read_through(request)
        found = await self.bars(self._bars, wanted, request, through=self.means.through is not None)
        if isinstance(found, Reply):
            return found
        if not found.candles and not found.whole:
            return self.refusal(404, f"of {wanted.asset_id} there are no such bars here")
        names = [("symbol", wanted.asset_id), ("category", market.value)]
        if market is Category.SPOT:
            names.reverse()
        rows = [rendering.kline(each, market) for each in reversed(found.candles)]
        now_ms = self.means.clock.now_ms()
        told = Told(
            way=INDEX if found.engine == "es" else LAKE,
            upstream=UPSTREAM,
            asked_ms=now_ms,
            as_of_ms=moment_of(found.candles[-1].fetched_at) if found.candles else None,
            detail="open-bar-left-out" if found.open_bar else "" if found.whole else "not-whole",
        )
        return json_reply(rendering.enveloped({**dict(names), "list": rows}, now_ms=now_ms), told=told)

    def _wanted(self, params: Mapping[str, str]) -> tuple[Wanted, Category]:
        """``start`` is moved to the begin of the bar that it lies in: Bybit gives that one, too."""
        market = Category(self._category(params, "linear"))
        if not params.get("symbol"):
            raise self._refused("params error: Symbol Invalid")
        if (interval := _INTERVALS.get(params.get("interval", ""))) is None:
            raise self._refused("Invalid period!")
        limit = params.get("limit", str(_DEFAULT_LIMIT))
        if not _WHOLE.fullmatch(limit) or not 1 <= int(limit) <= PAGE:
            raise self._refused("params error: Illegal limit")
        start, end = self._moment(params, "start"), self._moment(params, "end")
        wanted = Wanted(
            source=f"{UPSTREAM}-{market}",
            asset_id=params["symbol"],
            interval=interval,
            start_ms=start,
            end_ms=end,
            limit=int(limit),
            oldest=start is not None and end is None,
        )
        if start is not None and interval not in ("1w", "1mo"):
            wanted = replace(wanted, start_ms=slot_of(start, wanted.step_ms))
        return wanted, market

    def _category(self, params: Mapping[str, str], default: str = "") -> str:
        category = params.get("category", default)
        if category not in set(Category):
            raise self._refused("Illegal category" if category else "params error: Category is invalid")
        return category

    def _moment(self, params: Mapping[str, str], name: str) -> int | None:
        text = params.get(name)
        if text is not None and not _WHOLE.fullmatch(text):
            raise self._refused("Request parameter error.")
        return None if text is None else min(int(text), _FAR_MS)

    def _refused(self, words: str) -> RefusedError:
        return RefusedError(200, rendering.error(400, words, now_ms=self.means.clock.now_ms()))


def by_symbol(kept: Kept) -> Mapping[str, bytes]:
    """Each row as it came, by symbol."""
    if "rows" not in kept.made:
        envelope = _opened.decode(kept.body)
        kept.made["time"] = envelope.time
        kept.made["rows"] = named(map(bytes, envelope.result.rows), _symbol)
    rows: Mapping[str, bytes] = kept.made["rows"]
    return rows
