"""Closed bars by stream, and those that do not come."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from cryptoproxy.datasets import CANDLE, Candle, Gap, iso
from cryptoproxy.datasets.times import HOUR_MS, MINUTE_MS
from cryptoproxy.upstreams.base import Response
from cryptoproxy.upstreams.binance.candles import BinanceCandles
from cryptoproxy.upstreams.binance.streams.candles import BinanceCandleStream
from cryptoproxy.upstreams.binance.streams.venue import BinanceVenue
from cryptoproxy.upstreams.bybit.candles import BybitCandles
from cryptoproxy.upstreams.bybit.streams.candles import BybitCandleStream
from cryptoproxy.upstreams.bybit.streams.venue import BybitVenue
from cryptoproxy.upstreams.bybit.symbols import Category
from cryptoproxy.upstreams.streaming import gaps
from cryptoproxy.upstreams.streaming.stream import Left, Mark

URL = "http://exchange.example"
NOON = 1_795_262_400_000


def binance(left: Left | None = None, *, now_ms: int = NOON) -> BinanceCandleStream:
    made = BinanceCandleStream(BinanceVenue(base_url=URL), BinanceCandles("1m", base_url=URL, symbols=["BTCUSDT"]))
    made.begin(left or Left(), now_ms=now_ms)
    return made


def kline(
    begin_ms: int,
    *,
    closed: bool = True,
    event_ms: int | None = None,
    ids: tuple[int, int] = (100, 200),
    trades: int = 100,
) -> bytes:
    # The payload of Binance's documentation, with other times.
    k = {
        "t": begin_ms, "T": begin_ms + 59_999, "s": "BTCUSDT", "i": "1m", "f": ids[0], "L": ids[1], "o": "0.0010", "c": "0.0020",
        "h": "0.0025", "l": "0.0010", "v": "1000", "n": trades, "x": closed, "q": "1.0000", "V": "500", "Q": "0.500", "B": "0",
    }  # fmt: skip
    data = {"e": "kline", "E": event_ms or begin_ms + 60_005, "s": "BTCUSDT", "k": k}
    return json.dumps({"stream": "btcusdt@kline_1m", "data": data}).encode()


def row(begin_ms: int) -> list[Any]:
    return [
        begin_ms, "0.0010", "0.0025", "0.0010", "0.0020", "1000", begin_ms + 59_999, "1.0", 100, "500", "0.5", "0",
    ]  # fmt: skip


def hear(stream: BinanceCandleStream | BybitCandleStream, *frames: bytes, now_ms: int) -> None:
    stream.take(stream.venue.hear(frames).data, now_ms=now_ms)


def opens(stream: BinanceCandleStream, *, now_ms: int) -> list[str]:
    return [record.timestamp for record in stream.collect(now_ms=now_ms).records]


def test_only_the_frame_that_closes_a_bar_is_one() -> None:
    stream = binance()
    assert stream.topics == ("btcusdt@kline_1m",)
    hear(stream, kline(NOON, closed=False, event_ms=NOON + 2_000), kline(NOON), now_ms=NOON + 60_004)
    (record,) = stream.collect(now_ms=NOON).records
    assert CANDLE.codec.decode(CANDLE.codec.encode(record)) == Candle(
        source="binance",
        asset_id="BTCUSDT",
        symbol="BTCUSDT",
        quote="USDT",
        interval="1m",
        timestamp=iso(NOON),
        fetched_at=iso(NOON + 60_005),  # the later one of our clock and its own
        open=0.001,
        high=0.0025,
        low=0.001,
        close=0.002,
        base_volume=1000.0,
        quote_volume=1.0,
        trades=100,
        taker_base_volume=500.0,
        taker_quote_volume=0.5,
    )


def test_a_bar_that_has_not_come_3_s_after_its_end_is_asked_for() -> None:
    stream = binance()
    end = NOON + MINUTE_MS
    assert not stream.asks(now_ms=end + 2_999)
    (ask,) = stream.asks(now_ms=end + 3_000)
    assert (ask.call.params["startTime"], ask.call.params["endTime"]) == (str(NOON), str(end - 1))
    stream.answered(ask, Response(200, {}, json.dumps([row(NOON)]).encode()), now_ms=end + 3_100)
    hear(stream, kline(NOON), now_ms=end + 4_000)  # and yet
    batch = stream.collect(now_ms=end + 4_000)
    assert [record.timestamp for record in batch.records] == [iso(NOON)]
    assert batch.marks == {"BTCUSDT": Mark(iso(NOON), NOON)}
    assert not batch.gaps


def test_what_frames_pass_over_is_asked_for_at_once_and_the_mark_waits_for_it() -> None:
    stream = binance()
    later = NOON + 4 * MINUTE_MS
    hear(stream, kline(NOON), kline(NOON + 3 * MINUTE_MS), now_ms=later)
    batch = stream.collect(now_ms=later)
    assert batch.marks == {"BTCUSDT": Mark(iso(NOON), NOON)}
    (ask,) = stream.asks(now_ms=later)
    rows = [row(NOON + MINUTE_MS), row(NOON + 2 * MINUTE_MS)]
    stream.answered(ask, Response(200, {}, json.dumps(rows).encode()), now_ms=later)
    assert stream.collect(now_ms=later).marks["BTCUSDT"].at_ms == NOON + 3 * MINUTE_MS


def test_a_bar_that_the_upstream_does_not_have_is_a_gap() -> None:
    stream = binance()
    now_ms = NOON + 2 * MINUTE_MS
    hear(stream, kline(NOON + MINUTE_MS), now_ms=now_ms)
    for _ in range(gaps.MOST_TRIES):
        now_ms += 50_000
        ask = stream.asks(now_ms=now_ms)[0]
        stream.answered(ask, Response(200, {}, json.dumps([row(NOON + MINUTE_MS)]).encode()), now_ms=now_ms)
        hear(stream, *(kline(at) for at in range(NOON + MINUTE_MS, now_ms - MINUTE_MS, MINUTE_MS)), now_ms=now_ms)
    (gap,) = stream.collect(now_ms=now_ms).gaps
    assert (gap.kind, gap.timestamp, gap.until, gap.records) == ("candle-1m", iso(NOON), iso(NOON + MINUTE_MS), 1)


def test_a_successor_asks_for_what_came_while_nobody_streamed() -> None:
    left = Left(marks={"BTCUSDT": Mark(iso(NOON), NOON)})
    stream = binance(left, now_ms=NOON + 5 * MINUTE_MS)
    (ask,) = stream.asks(now_ms=NOON + 5 * MINUTE_MS + 3_000)
    assert ask.call.params["startTime"] == str(NOON + MINUTE_MS)
    rows = [row(NOON + number * MINUTE_MS) for number in range(1, 5)]
    stream.answered(ask, Response(200, {}, json.dumps(rows).encode()), now_ms=NOON + 5 * MINUTE_MS + 10_000)
    assert opens(stream, now_ms=NOON) == [iso(NOON + number * MINUTE_MS) for number in range(1, 5)]


@pytest.mark.parametrize(
    ("market", "symbol", "volumes"), [("linear", "BTCUSDT", (2.0, 8.0)), ("inverse", "BTCUSD", (8.0, 2.0))]
)
def test_bybits_confirmed_bars(market: str, symbol: str, volumes: tuple[float, float]) -> None:
    kind = Category(market)
    stream = BybitCandleStream(BybitVenue(kind, base_url=URL), BybitCandles(kind, "5m", base_url=URL, symbols=[symbol]))
    stream.begin(Left(), now_ms=NOON)
    data = {
        "start": NOON, "end": NOON + 299_999, "interval": "5", "open": "4", "close": "4", "high": "5", "low": "3",
        "volume": "2", "turnover": "8", "confirm": True, "timestamp": NOON + 300_050,
    }  # fmt: skip
    frames = [
        json.dumps({"topic": f"kline.5.{symbol}", "data": [each], "ts": NOON, "type": "snapshot"}).encode()
        for each in ({**data, "confirm": False}, data)
    ]
    hear(stream, *frames, now_ms=NOON + 300_100)
    (record,) = stream.collect(now_ms=NOON).records
    assert isinstance(record, Candle)
    assert (record.interval, record.base_volume, record.quote_volume) == ("5m", *volumes)


def test_an_event_time_that_is_none_spoils_no_bar() -> None:
    stream = binance()
    hear(stream, kline(NOON, event_ms=(NOON + 60_005) * 1_000), now_ms=NOON + 60_010)  # microseconds
    (record,) = stream.collect(now_ms=NOON + 60_010).records
    assert (record.timestamp, record.fetched_at) == (iso(NOON), iso(NOON + 60_010))


def test_the_first_trade_of_a_bar_follows_on_the_last_one_of_the_bar_before() -> None:
    stream = binance()
    at = [NOON + minute * 60_000 for minute in range(6)]
    hear(stream, kline(at[0], ids=(100, 200)), kline(at[1], ids=(201, 300)), now_ms=at[2])
    hear(stream, kline(at[2], ids=(-1, -1), trades=0), kline(at[3], ids=(301, 310)), now_ms=at[4])
    batch = stream.collect(now_ms=at[4])
    assert len(batch.records) == 4
    assert not batch.apart
    hear(stream, kline(at[4], ids=(315, 320)), kline(at[4], ids=(315, 320)), now_ms=at[5])
    (words,) = stream.collect(now_ms=at[5]).apart
    assert "begins with trade 315, where 311 comes next" in words


def test_nothing_is_said_of_trades_where_a_bar_came_late_or_not_by_its_frame() -> None:
    stream = binance()
    at = [NOON + minute * 60_000 for minute in range(5)]
    hear(stream, kline(at[0], ids=(100, 200)), kline(at[2], ids=(301, 400)), now_ms=at[3])
    hear(stream, kline(at[1], ids=(201, 300)), kline(at[3], ids=(401, 500)), now_ms=at[4])
    batch = stream.collect(now_ms=at[4])
    assert len(batch.records) == 4
    assert not batch.apart


class Market:
    """A minute's bars one by one by their frames, and by REST those that are over; what the stream makes of them."""

    def __init__(self, begins: list[int], left: Left | None = None) -> None:
        self.begins, self.stream = begins, binance(left, now_ms=begins[0])
        self.records: list[str] = []
        self.gaps: list[Gap] = []
        self.rejected: list[str] = []
        self.asks = 0

    def minutes(self, odd: Mapping[int, bytes] | None = None, *, late_ms: int = 30) -> Market:
        """Each minute's frame, and before it what is ``odd``; then what REST is asked for."""
        for number, begin_ms in enumerate(self.begins):
            end_ms = begin_ms // MINUTE_MS * MINUTE_MS + MINUTE_MS
            frames = [odd[number]] if odd and number in odd else []
            hear(self.stream, *frames, kline(begin_ms, event_ms=end_ms + 5), now_ms=end_ms + late_ms)
            for later_ms in (4_000, 20_000, 50_000):
                self._look(self.begins[: number + 1], end_ms + later_ms)
        return self

    def _look(self, there: list[int], now_ms: int) -> None:
        for ask in self.stream.asks(now_ms=now_ms):
            self.asks += 1
            first, last = int(ask.call.params["startTime"]), int(ask.call.params["endTime"])
            rows = [row(begin_ms) for begin_ms in there if first <= begin_ms <= last]
            self.stream.answered(ask, Response(200, {}, json.dumps(rows).encode()), now_ms=now_ms)
        batch = self.stream.collect(now_ms=now_ms)
        for record in batch.records:
            CANDLE.codec.decode(CANDLE.codec.encode(record))  # keeps its contract
        self.records += [record.timestamp for record in batch.records]
        self.gaps += batch.gaps
        self.rejected += [each.reason for each in batch.rejected]


@pytest.mark.parametrize("off_ms", [1, 1_000, 28_150, 59_999])
@pytest.mark.parametrize("late_ms", [30, 1_100])
def test_a_bar_off_the_grid_is_kept_as_rest_keeps_it_and_moves_no_other(off_ms: int, late_ms: int) -> None:
    begins = [NOON + minute * MINUTE_MS + (off_ms if minute == 3 else 0) for minute in range(12)]
    market = Market(begins).minutes(late_ms=late_ms)
    assert sorted(market.records) == [iso(begin_ms) for begin_ms in begins]
    assert not market.gaps
    assert market.asks <= 3


@pytest.mark.parametrize("behind_ms", [8_000, 25_000])
def test_a_closed_bar_is_one_while_our_clock_is_behind(behind_ms: int) -> None:
    stream = binance(now_ms=NOON - behind_ms)
    for begin_ms in range(NOON, NOON + 3 * MINUTE_MS, MINUTE_MS):
        hear(stream, kline(begin_ms), now_ms=begin_ms + MINUTE_MS - behind_ms)
    assert opens(stream, now_ms=NOON + 3 * MINUTE_MS - behind_ms) == [iso(NOON + n * MINUTE_MS) for n in range(3)]


ODD_FRAMES = {
    "off the grid": lambda at: kline(at + 1_000),
    "off the grid, the minute before": lambda at: kline(at - 59_000),
    "off the grid, ahead": lambda at: kline(at + 30_000),
    "ahead": lambda at: kline(at + 6 * HOUR_MS),
    "its event alone ahead": lambda at: kline(at, event_ms=at + 6 * HOUR_MS),
    "ahead, its event now": lambda at: kline(at + MINUTE_MS, event_ms=at + MINUTE_MS),
    "behind": lambda at: kline(at - 6 * HOUR_MS),
    "behind, off the grid": lambda at: kline(at - 6 * HOUR_MS + 1_000),
    "zero": lambda at: kline(0, event_ms=at),
    "negative": lambda at: kline(-at),
    "in seconds": lambda at: kline(at // 1_000),
    "in microseconds": lambda at: kline(at * 1_000),
    "of no year": lambda at: kline(2**62),
}


@pytest.mark.parametrize("odd", ODD_FRAMES)
def test_one_odd_frame_anywhere_costs_no_other_bar(odd: str) -> None:
    begins = [NOON + minute * MINUTE_MS for minute in range(8)]
    wanted = [iso(begin_ms) for begin_ms in begins]
    for number, begin_ms in enumerate(begins):
        market = Market(begins).minutes({number: ODD_FRAMES[odd](begin_ms)})
        assert [each for each in market.records if each in wanted] == wanted, number
        assert len(set(market.records)) == len(market.records), number
        assert not market.gaps, number
        assert all(each < iso(begins[-1] + MINUTE_MS) for each in market.records), number


def test_a_bar_that_is_not_over_is_rejected_by_name() -> None:
    stream = binance()
    hear(stream, kline(NOON + 6 * HOUR_MS, event_ms=NOON + 6 * HOUR_MS + MINUTE_MS), now_ms=NOON + MINUTE_MS)
    batch = stream.collect(now_ms=NOON + MINUTE_MS)
    assert [each.reason for each in batch.rejected] == ["bad_time"]
    assert not batch.records
    assert not batch.gaps
    assert batch.marks["BTCUSDT"].at_ms < NOON


def test_what_was_left_from_ahead_moves_nothing_and_a_mark_off_the_grid_is_put_on_it() -> None:
    """Older versions could leave both."""
    begins = [NOON + minute * MINUTE_MS for minute in range(4)]
    ahead = msgspec.structs.replace(
        CANDLE.example, source="binance", asset_id="BTCUSDT", timestamp=iso(NOON + 6 * HOUR_MS)
    )
    for left in (
        Left(marks={"BTCUSDT": Mark("", NOON + 6 * HOUR_MS)}),
        Left(marks={"BTCUSDT": Mark("", NOON - MINUTE_MS)}, records=[ahead]),
        Left(marks={"BTCUSDT": Mark("", NOON - MINUTE_MS + 1_000)}),
    ):
        market = Market(begins, left).minutes()
        assert (market.records, market.gaps) == ([iso(begin_ms) for begin_ms in begins], [])
