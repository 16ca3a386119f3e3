"""CoinGecko's paths, below ``/coingecko/api/v3``. Parameters that it does not know are passed over, as it does.

| path | from |
|---|---|
| ``ping`` | the door |
| ``simple/price`` | tickers |
| ``coins/markets`` | the polls' answers: rows chosen, columns that were not asked for left out |
| ``coins/{id}/ohlc``, ``global``, ``search/trending``, ``exchanges`` | the polls' answers |
| ``coins/{id}/market_chart/range``, past days | the index or the lake, where it has the chart's own points |
| all others | read through |
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from cryptoproxy.datasets import CANDLE, MARKET, TICKER, Ticker
from cryptoproxy.datasets.codec import UNREADABLE
from cryptoproxy.datasets.times import DAY_MS, moment_of
from cryptoproxy.errors import CryptoProxyError
from cryptoproxy.serve.houses.house import INDEX, LAKE, ROAD, House, Means, RefusedError
from cryptoproxy.serve.houses.markets import Lacking, chosen
from cryptoproxy.serve.reply import Reply, Told, json_reply
from cryptoproxy.serve.request import Request, flag, listed
from cryptoproxy.serve.road.midnights import Midnights
from cryptoproxy.upstreams.coingecko import rendering
from cryptoproxy.upstreams.coingecko.tickers import NAME

_OHLC, _RANGE = re.compile(r"coins/([^/]+)/ohlc"), re.compile(r"coins/([^/]+)/market_chart/range")
_COUNT = re.compile(r"\d{1,9}", re.ASCII)
_SECOND = re.compile(r"\d{1,11}", re.ASCII)
_HOURLY_DAYS, MOST_DAYS = 90, 5_000
"""Up to so many days a chart is of hours, unless days are asked for; and so many points an answer from here has."""
_FLAGS = ("market_cap", "24hr_vol", "24hr_change")
_bars = msgspec.json.Decoder(list[list[float]])


class CoinGeckoHouse(House):
    upstream: ClassVar = NAME
    base: ClassVar = ""

    def __init__(self, means: Means, midnights: Midnights | None = None) -> None:
        super().__init__(means)
        self._midnights = midnights

    def error(self, status: int, words: str) -> object:
        return rendering.error(status, words)

    async def answer(self, request: Request) -> Reply:
        path, params = request.path, request.params
        found: Reply | None = None
        why = ""
        try:
            if path == "ping":
                found = json_reply({"gecko_says": "(V3) To the Moon!"})
            elif path == "simple/price":
                found = self._simple_price(request)
            elif path == "coins/markets":
                found = self._markets(request)
            elif ohlc := _OHLC.fullmatch(path):
                found = self._ohlc(request, ohlc[1])
            elif path in ("global", "search/trending"):
                found = self.as_polled(request, {}, MARKET.name)
            elif path == "exchanges":
                found = self._exchanges(request)
            elif chart := _RANGE.fullmatch(path):
                found = await self._days(request, chart[1])
        except Lacking as lacking:
            why = str(lacking)
        except UNREADABLE as error:
            why = f"what was polled cannot be read: {error}"
        if found is not None:
            return found
        _check(path, params)
        return await self.read_through(request, why)

    # --- simple/price

    def _simple_price(self, request: Request) -> Reply:
        params = request.params
        if params.get("names") or params.get("symbols"):
            raise Lacking("coins are known by their ids")
        _require(params, "ids")
        _require(params, "vs_currencies")
        precision = _precision(params)
        ids, quotes = listed(params["ids"]), [each.lower() for each in listed(params["vs_currencies"])]
        found: dict[str, list[Ticker]] = {}
        for coin in sorted(ids):
            found[coin] = [self._ticker(coin, quote) for quote in quotes]
        tickers = [each for several in found.values() for each in several]
        version = tuple(each.fetched_at for each in tickers)
        flags = [each for each in _FLAGS if flag(params, f"include_{each}")]

        def made() -> Reply:
            body = {}
            for coin, several in found.items():
                row: dict[str, Any] = {}
                for ticker in several:
                    row |= rendering.simple_price(ticker, flags, precision)
                if flag(params, "include_last_updated_at") and several:
                    row["last_updated_at"] = rendering.last_updated_at(several[0])
                body[coin] = row
            return json_reply(body, told=_told(tickers, self.newest.every_ms(NAME)) if tickers else None)

        return self.shelf.get(request.place, version, made)

    def _ticker(self, coin: str, quote: str) -> Ticker:
        """Raises:
        Lacking: whether CoinGecko has it, is not known here.
        """
        if (ticker := self.newest.ticker(NAME, coin, quote.upper())) is None:
            raise Lacking(f"of {coin} in {quote} there are no tickers")
        return ticker

    # --- answers of the polls

    def _markets(self, request: Request) -> Reply:
        _require(request.params, "vs_currency")
        kept = self.newest.answers(NAME, "coins/markets")
        version = tuple((each.asked_ms, id(each)) for each in kept)

        def made() -> Reply:
            rows, of = chosen(request.params, kept, _precision(request.params))
            updated = [each for row in rows if isinstance(each := row.get("last_updated"), str)]
            return json_reply(rows, told=self.told(of, _newest(updated)))

        return self.shelf.get(request.place, version, made)

    def _ohlc(self, request: Request, coin: str) -> Reply | None:
        params = request.params
        _require(params, "vs_currency")
        _require(params, "days")
        precision = _precision(params)
        if "interval" in params:
            raise Lacking("bars of the length that CoinGecko chooses are polled")
        asked = {"vs_currency": params["vs_currency"].lower(), "days": params["days"], "precision": "full"}
        if (kept := self.newest.answer(NAME, f"coins/{coin}/ohlc", asked)) is None:
            return None

        def made() -> Reply:
            rows = [
                [int(stamp), *(rendering.rounded(price, precision) for price in prices)]
                for stamp, *prices in _bars.decode(kept.body)
            ]
            return json_reply(rows, told=self.told([kept], dataset=CANDLE.name))

        return self.shelf.get(request.place, kept.asked_ms, made)

    async def _days(self, request: Request, coin: str) -> Reply | None:
        """A chart that ends before today: its points are midnights alone, and settled."""
        params = request.params
        _check(request.path, params)
        if not (_SECOND.fullmatch(params["from"]) and _SECOND.fullmatch(params["to"])):
            raise Lacking("moments in seconds are looked for here")
        begin_ms, end_ms = int(params["from"]) * 1000, int(params["to"]) * 1000
        if params.get("interval", "daily" if end_ms - begin_ms > _HOURLY_DAYS * DAY_MS else "") != "daily":
            raise Lacking("the points of its hours are not polled")
        if params.get("precision", rendering.FULL) != rendering.FULL:
            raise Lacking("the points of charts are kept in full")
        now_ms = self.means.clock.now_ms()
        if end_ms >= now_ms - now_ms % DAY_MS:
            raise Lacking("a chart up to today ends with a point of now, which is not polled")
        stamps = range(-(-begin_ms // DAY_MS) * DAY_MS, end_ms + 1, DAY_MS)
        if self._midnights is None or not 0 < len(stamps) <= MOST_DAYS:
            raise Lacking("there are no such days here")
        find, quote = self._midnights.find, params["vs_currency"].upper()
        loop = asyncio.get_running_loop()
        try:
            points, engine = await loop.run_in_executor(self.means.threads, find, NAME, coin, quote, stamps)
        except CryptoProxyError as error:
            raise Lacking("what holds charts does not answer") from error
        if len(points) < len(stamps):
            raise Lacking(f"of {len(stamps)} days the road has {len(points)} as the chart tells them")
        told = Told(way=INDEX if engine == "es" else LAKE, upstream=NAME, asked_ms=now_ms, as_of_ms=stamps[-1])
        return json_reply(rendering.chart(points), told=told)

    def _exchanges(self, request: Request) -> Reply | None:
        """The first page, as long as it gets, was polled: shorter first pages are its begin."""
        size, page = (request.params.get(name, default) for name, default in (("per_page", "100"), ("page", "1")))
        kept = self.newest.answer(NAME, "exchanges", {"per_page": "250", "page": "1"})
        if kept is None or not (_COUNT.fullmatch(size) and _COUNT.fullmatch(page)):
            return None
        if int(page) != 1 or not 1 <= int(size) <= 250:
            return None

        def made() -> Reply:
            rows = msgspec.json.decode(kept.body, type=list[msgspec.Raw])[: int(size)]
            return json_reply(b"[" + b",".join(map(bytes, rows)) + b"]", told=self.told([kept], dataset=MARKET.name))

        return self.shelf.get(request.place, kept.asked_ms, made)


def _told(tickers: Sequence[Ticker], every_ms: int | None) -> Told:
    return Told(
        way=ROAD,
        upstream=NAME,
        dataset=TICKER.name,
        asked_ms=min(moment_of(each.fetched_at) for each in tickers),
        as_of_ms=_newest([each.last_updated for each in tickers if each.last_updated]),
        every_ms=every_ms,
    )


def _newest(times: Sequence[str]) -> int | None:
    try:
        return moment_of(max(times)) if times else None
    except ValueError:  # another spelling, which only the row's reader needs to know
        return None


def _require(params: Mapping[str, str], name: str) -> None:
    if not params.get(name):
        raise RefusedError(422, rendering.missing(name))


def _precision(params: Mapping[str, str]) -> str | None:
    """``full``, a number of decimals, or None: CoinGecko takes anything else for none."""
    text = params.get("precision", "")
    return text if text == rendering.FULL or re.fullmatch(r"1[0-8]|\d", text, re.ASCII) else None


def _check(path: str, params: Mapping[str, str]) -> None:
    """What CoinGecko refuses is not worth a call."""
    if re.fullmatch(r"coins/[^/]+/market_chart(/range)?", path):
        _require(params, "vs_currency")
        for name in ("from", "to") if path.endswith("range") else ("days",):
            _require(params, name)
