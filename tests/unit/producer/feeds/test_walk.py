"""A walk through the past against small exchanges that answer as the real ones do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
import pytest

from cryptoproxy.datasets import CANDLE, Candle, from_iso
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, MINUTE_MS, Span
from cryptoproxy.errors import TransientError
from cryptoproxy.producer.feeds.history.walk import Cursor, Walk
from cryptoproxy.sandbox.rules.rewrites import REWRITES
from cryptoproxy.upstreams.base import Call, Response
from cryptoproxy.upstreams.binance.candles import BinanceCandles
from cryptoproxy.upstreams.bybit.candles import BybitCandles
from cryptoproxy.upstreams.coingecko.access import Access
from cryptoproxy.upstreams.coingecko.candles import CoinGeckoCandles
from cryptoproxy.upstreams.coingecko.charts import CoinGeckoCharts
from cryptoproxy.upstreams.coingecko.coins import Coins

BEGIN = from_iso("2026-11-20T00:00:00.000Z")
NOW = BEGIN + 40 * HOUR_MS


@dataclass
class Exchange:
    """Bars of one symbol at these open times. ``limit``: no answer has more, whatever is asked for."""

    begins: Sequence[int]
    limit: int = 1000
    calls: list[Call] = field(default_factory=list)
    odd: dict[int, Callable[[bytes], bytes]] = field(default_factory=dict)
    """What becomes of the answer to the call of that number."""

    def ask(self, call: Call) -> tuple[Response, int]:
        body = self.answer(call.params)
        body = self.odd.get(len(self.calls), lambda each: each)(body)
        self.calls.append(call)
        return Response(200, {}, body), NOW

    def answer(self, params) -> bytes:
        raise NotImplementedError


class Binance(Exchange):
    def answer(self, params) -> bytes:
        first, last = int(params["startTime"]), int(params.get("endTime", NOW))
        found = [each for each in self.begins if first <= each <= last][: min(int(params["limit"]), self.limit)]
        return msgspec.json.encode(
            [[each, "1", "2", "0.5", "1.5", "7", each + 1, "9", 3, "1", "1", "0"] for each in found]
        )


class Bybit(Exchange):
    def answer(self, params) -> bytes:
        if params["interval"] == "M":
            found = [from_iso("2026-11-01T00:00:00.000Z")] if self.begins else []
        else:
            first, last = int(params["start"]) - MINUTE_MS, int(params["end"])
            found = [each for each in self.begins if first < each <= last]
        found = found[::-1][: min(int(params["limit"]), self.limit)]
        rows = [[str(each), "1", "2", "0.5", "1.5", "7", "9"] for each in found]
        result = {"category": "linear", "symbol": "BTCUSDT", "list": rows}
        return msgspec.json.encode({"retCode": 0, "retMsg": "OK", "result": result, "time": NOW})


def minutes(begin: int, count: int) -> list[int]:
    return [begin + each * MINUTE_MS for each in range(count)]


def walk_of(exchange: Exchange, begin: int, end: int, cursor: Cursor | None = None) -> Walk:
    kind = BinanceCandles if isinstance(exchange, Binance) else BybitCandles
    history = kind("1m") if kind is BinanceCandles else kind("linear", "1m")
    return Walk(history, "BTCUSDT", Span(begin, end), cursor or Cursor(), now_ms=lambda: NOW)


def walked(walk: Walk, exchange: Exchange) -> list[Candle]:
    records: list[Candle] = []
    while not walk.cursor.done:
        records += walk.step(exchange.ask)
    return records


def begins(records: Sequence[Candle]) -> list[int]:
    return [from_iso(each.timestamp) for each in records]


@pytest.mark.parametrize("kind", [Binance, Bybit])
def test_each_bar_of_the_span_comes_once_in_order(kind):
    there = minutes(BEGIN, 2400)
    exchange = kind(there)
    walk = walk_of(exchange, BEGIN + 100 * MINUTE_MS, BEGIN + 2300 * MINUTE_MS)
    records = walked(walk, exchange)
    assert begins(records) == there[100:2300]
    assert len({CANDLE.id_of(each) for each in records}) == walk.cursor.rows == 2200
    assert (walk.cursor.holes, walk.cursor.rejected, walk.cursor.why) == ([], {}, "")
    assert walk.cursor.calls == len(exchange.calls) == 1 + 3, "where it begins, then three pages"


@pytest.mark.parametrize("kind", [Binance, Bybit])
def test_what_lies_before_the_listing_is_no_hole(kind):
    there = minutes(BEGIN + 3 * HOUR_MS, 60)
    exchange = kind(there)
    walk = walk_of(exchange, BEGIN - DAY_MS, BEGIN + 4 * HOUR_MS)
    assert begins(walked(walk, exchange)) == there
    assert (walk.cursor.holes, walk.cursor.first_ms) == ([], there[0])


@pytest.mark.parametrize("kind", [Binance, Bybit])
def test_a_hole_is_asked_for_once_more_by_itself_and_then_real(kind):
    there = [*minutes(BEGIN, 100), *minutes(BEGIN + 130 * MINUTE_MS, 70)]
    exchange = kind(there)
    walk = walk_of(exchange, BEGIN, BEGIN + 200 * MINUTE_MS)
    assert begins(walked(walk, exchange)) == there
    hole = BEGIN + 100 * MINUTE_MS, BEGIN + 130 * MINUTE_MS
    assert walk.cursor.holes == [hole]
    asked = exchange.calls[-1].params
    assert (asked.get("startTime") or asked["start"], asked.get("endTime") or asked["end"]) == (
        str(hole[0]), str(hole[1] - 1),
    )  # fmt: skip


@pytest.mark.parametrize("kind", [Binance, Bybit])
def test_what_a_page_lacks_and_is_there_is_a_hole_of_ours_and_mended(kind):
    there = minutes(BEGIN, 200)
    exchange = kind(there)

    def cut(body: bytes) -> bytes:
        return kind([each for each in there if not 50 <= (each - BEGIN) / MINUTE_MS < 60]).answer(exchange_asked())

    def exchange_asked():
        history = walk.history
        return history.call("BTCUSDT", Span(BEGIN, BEGIN + 200 * MINUTE_MS), now_ms=NOW).params

    exchange.odd = {1: cut}
    walk = walk_of(exchange, BEGIN, BEGIN + 200 * MINUTE_MS)
    assert begins(walked(walk, exchange)) == there
    assert walk.cursor.holes == []


def test_an_empty_answer_in_the_middle_is_asked_for_again_and_the_walk_goes_on_page_by_page():
    there = minutes(BEGIN, 2300)
    exchange = Binance(there, odd={2: lambda _: b"[]"})
    walk = walk_of(exchange, BEGIN, BEGIN + 2300 * MINUTE_MS)
    steps: list[int] = []
    while not walk.cursor.done:
        steps.append(len(walk.step(exchange.ask)))
    assert (steps, walk.cursor.holes) == ([1000, 1000, 300], [])


@pytest.mark.parametrize("kind", [Binance, Bybit])
@pytest.mark.parametrize("rewrite", ["hole", "twice", "out_of_order"])
@pytest.mark.parametrize("call", [1, 2])
def test_pages_gone_wrong_once_lose_nothing(kind, rewrite, call):
    there = minutes(BEGIN, 1800)
    exchange = kind(there, odd={call: REWRITES[rewrite]})
    walk = walk_of(exchange, BEGIN, BEGIN + 1800 * MINUTE_MS)
    assert begins(walked(walk, exchange)) == there
    assert walk.cursor.holes == []


@pytest.mark.parametrize("kind", [Binance, Bybit])
def test_an_upstream_that_gives_fewer_rows_than_asked_for_loses_none(kind):
    there = minutes(BEGIN, 500)
    exchange = kind(there, limit=100)
    walk = walk_of(exchange, BEGIN, BEGIN + 500 * MINUTE_MS)
    assert begins(walked(walk, exchange)) == there
    assert walk.cursor.holes == []


@pytest.mark.parametrize("kind", [Binance, Bybit])
def test_a_symbol_that_is_traded_no_more_ends_with_a_hole_that_is_said(kind):
    there = minutes(BEGIN, 60)
    exchange = kind(there)
    walk = walk_of(exchange, BEGIN, BEGIN + 24 * HOUR_MS)
    assert begins(walked(walk, exchange)) == there
    assert walk.cursor.holes[0][0] == BEGIN + HOUR_MS
    assert walk.cursor.holes[-1][1] == BEGIN + 24 * HOUR_MS


def test_the_begin_of_a_walk_within_an_outage_is_a_hole():
    there = [*minutes(BEGIN, 10), *minutes(BEGIN + 60 * MINUTE_MS, 10)]
    exchange = Binance(there)
    walk = walk_of(exchange, BEGIN + 30 * MINUTE_MS, BEGIN + 70 * MINUTE_MS)
    assert begins(walked(walk, exchange)) == there[10:]
    assert walk.cursor.holes == [(BEGIN + 30 * MINUTE_MS, BEGIN + 60 * MINUTE_MS)]


def test_open_times_off_the_grid_are_no_holes_but_where_a_whole_bar_fits():
    odd = [each + 28_150 for each in minutes(BEGIN + 10 * MINUTE_MS, 10)]
    there = [*minutes(BEGIN, 10), *odd, *minutes(BEGIN + 20 * MINUTE_MS, 10)]
    exchange = Binance(there)
    walk = walk_of(exchange, BEGIN, BEGIN + 30 * MINUTE_MS)
    assert begins(walked(walk, exchange)) == there
    assert walk.cursor.holes == []


@pytest.mark.parametrize("kind", [Binance, Bybit])
def test_a_walk_that_is_interrupted_goes_on_from_its_cursor(kind):
    there = [*minutes(BEGIN, 1100), *minutes(BEGIN + 1200 * MINUTE_MS, 900)]
    end = BEGIN + 2100 * MINUTE_MS
    exchange = kind(there)
    walk = walk_of(exchange, BEGIN, end)
    whole = walked(walk, exchange)
    again = Cursor()
    records: list[Candle] = []
    while not again.done:
        kept = msgspec.json.decode(msgspec.json.encode(again), type=Cursor)
        step = walk_of(exchange, BEGIN, end, kept)
        records += step.step(exchange.ask)
        again = step.cursor
    assert records == whole
    assert again == walk.cursor


def test_an_answer_that_cannot_be_leaves_the_cursor_where_it_was():
    exchange = Binance(minutes(BEGIN, 50), odd={1: lambda _: b"<html>"})
    walk = walk_of(exchange, BEGIN, BEGIN + 50 * MINUTE_MS)
    with pytest.raises(TransientError):
        walk.step(exchange.ask)
    assert walk.cursor == Cursor()
    assert len(walked(walk, exchange)) == 50


def test_what_the_upstream_has_nothing_of_ends_at_once_with_a_word():
    exchange = Binance([])
    walk = walk_of(exchange, BEGIN, NOW)
    assert walked(walk, exchange) == []
    assert (walk.cursor.why, walk.cursor.calls) == ("binance has nothing of it", 1)


def test_a_span_before_the_first_bar_asks_for_no_page():
    exchange = Binance(minutes(BEGIN, 10))
    walk = walk_of(exchange, BEGIN - DAY_MS, BEGIN)
    assert walked(walk, exchange) == []
    assert (walk.cursor.why, len(exchange.calls)) == ("what there is begins at 2026-11-20T00:00:00.000Z", 1)


def test_a_bar_given_again_with_other_values_is_counted_and_the_first_one_stays():
    there = [each for each in minutes(BEGIN, 30) if each not in (BEGIN + 5 * MINUTE_MS, BEGIN + 9 * MINUTE_MS)]
    exchange = Binance(there, odd={2: lambda body: body.replace(b'"1.5"', b'"1.6"')})
    walk = walk_of(exchange, BEGIN, BEGIN + 30 * MINUTE_MS)
    records = walked(walk, exchange)
    assert {each.close for each in records} == {1.5}
    assert walk.cursor.rejected == {"changed": 3}
    assert {row.reason for row in walk.rejected} == {"changed"}


class CoinGecko(Exchange):
    def answer(self, params) -> bytes:
        if "ids" in params:
            return msgspec.json.encode([{"id": "bitcoin", "symbol": "btc", "name": "Bitcoin"}])
        if "interval" in params:
            return msgspec.json.encode({"prices": [[each, 7.5] for each in [*self.begins, NOW]]})
        return msgspec.json.encode([[each + 4 * HOUR_MS, 1, 2, 0.5, 1.5] for each in self.begins])


def test_what_a_free_plan_does_not_reach_is_not_asked_for():
    there = [NOW - NOW % DAY_MS - each * DAY_MS for each in range(365)][::-1]
    exchange = CoinGecko(there)
    history = CoinGeckoCharts(coins=Coins(Access()))
    walk = Walk(history, "bitcoin", Span(NOW - 900 * DAY_MS, history.last_ms(NOW) + 1), Cursor(), now_ms=lambda: NOW)
    records = walk.step(exchange.ask)
    assert (begins(records), records[0].name) == (there, "Bitcoin")
    assert (walk.cursor.done, walk.cursor.holes, walk.cursor.calls) == (True, [], 2)
    assert exchange.calls[-1].params["days"] == "365"


def test_the_bars_of_coingecko_are_one_page():
    there = [NOW - NOW % (4 * HOUR_MS) - each * 4 * HOUR_MS for each in range(43)][::-1]
    exchange = CoinGecko(there)
    history = CoinGeckoCandles("4h", coins=Coins(Access()))
    walk = Walk(history, "bitcoin", Span(NOW - 7 * DAY_MS, history.last_ms(NOW) + 1), Cursor(), now_ms=lambda: NOW)
    assert begins(walk.step(exchange.ask)) == there[:-2], "one is open, and one has just ended"
    assert (walk.cursor.done, walk.cursor.holes, walk.cursor.calls) == (True, [], 2)
