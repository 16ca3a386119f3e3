"""Trades as Binance and Bybit send them, and what of them may lack.

Frames and rows are the exchanges' own: Binance's aggTrades of BTCUSDT at 2021-10-22 and of ZILBTC at 2021-02-28 (an id
that is there twice), the aggTrade of its documentation; Bybit's publicTrade of 2023-04-05 and of its documentation,
recent-trade of its test network at 2023-03-27.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from cryptoproxy.datasets import GAP, TRADE, Trade
from cryptoproxy.errors import TransientError
from cryptoproxy.upstreams.base import Response
from cryptoproxy.upstreams.binance.candles import whole_list as binance_list
from cryptoproxy.upstreams.binance.streams.trades import BinanceTrades
from cryptoproxy.upstreams.binance.streams.venue import BinanceVenue
from cryptoproxy.upstreams.bybit.candles import whole_list as bybit_list
from cryptoproxy.upstreams.bybit.streams.trades import BybitTrades
from cryptoproxy.upstreams.bybit.streams.venue import BybitVenue
from cryptoproxy.upstreams.bybit.symbols import Category
from cryptoproxy.upstreams.streaming import chain, gaps
from cryptoproxy.upstreams.streaming.stream import Ack, Batch, Left, Mark

URL = "http://exchange.example"
NOW = 1_800_000_000_000
ZILBTC = [
    (12027554, "0.00000238", "296.00000000", 20090668, 1614556777314),
    (12027555, "0.00000238", "824.00000000", 20090669, 1614556777324),
    (12027555, "0.00000239", "19332.00000000", 20090670, 1614556823276),
    (12027556, "0.00000239", "100.00000000", 20090671, 1614556823277),
]


def rows_of(*numbers: int) -> list[dict[str, Any]]:
    return [
        {"a": n, "p": "2.5", "q": "0.1", "f": n * 10, "l": n * 10, "T": NOW - 10_000 + n, "m": False} for n in numbers
    ]


def binance(*symbols: str, left: Left | None = None) -> BinanceTrades:
    made = BinanceTrades(
        venue=BinanceVenue(base_url=URL), base_url=URL, symbols=symbols or ("BTCUSDT",), symbol_list=binance_list(URL)
    )
    made.begin(left or Left(), now_ms=NOW)
    return made


def bybit(market: Category = Category.LINEAR, symbol: str = "BTCUSDT", left: Left | None = None) -> BybitTrades:
    made = BybitTrades(
        market,
        venue=BybitVenue(market, base_url=URL),
        base_url=URL,
        symbols=[symbol],
        symbol_list=bybit_list(URL, market),
    )
    made.begin(left or Left(), now_ms=NOW)
    return made


def tell(stream: BinanceTrades, rows: Sequence[dict[str, Any]], symbol: str = "BTCUSDT", now_ms: int = NOW) -> None:
    topic = f"{symbol.lower()}@aggTrade"
    frames = [
        json.dumps({"stream": topic, "data": {"e": "aggTrade", "E": row["T"], "s": symbol, **row}}) for row in rows
    ]
    stream.take(stream.venue.hear([frame.encode() for frame in frames]).data, now_ms=now_ms)


def answer(stream: BinanceTrades | BybitTrades, body: object, *, now_ms: int) -> None:
    (ask,) = stream.asks(now_ms=now_ms)
    stream.answered(ask, Response(200, {}, json.dumps(body).encode()), now_ms=now_ms)


def numbers(batch: Batch) -> list[int]:
    return [int(record.trade_id.partition("-")[0]) for record in batch.records if isinstance(record, Trade)]


class TestBinance:
    def test_a_frame_becomes_a_record(self) -> None:
        stream = binance("BNBBTC")
        frame = (
            b'{"stream":"bnbbtc@aggTrade","data":{"e":"aggTrade","E":1672515782136,"s":"BNBBTC","a":12345,"p":"0.001",'
            b'"q":"100","f":100,"l":105,"T":1672515782136,"m":true,"M":true}}'
        )
        stream.take(stream.venue.hear([frame]).data, now_ms=NOW)
        (record,) = stream.collect(now_ms=NOW).records
        assert TRADE.codec.decode(TRADE.codec.encode(record)) == Trade(
            source="binance",
            asset_id="BNBBTC",
            symbol="BNBBTC",
            quote="BTC",
            trade_id="12345-100",
            price=0.001,
            base_volume=100.0,
            quote_volume=0.1,
            side="sell",
            timestamp="2022-12-31T19:43:02.136Z",
            fetched_at="2027-01-15T08:00:00.000Z",
            trades=6,
        )
        assert TRADE.id_of(record) == "binance:BNBBTC:BTC:12345-100"

    def test_an_id_that_is_there_twice_is_two_trades(self) -> None:
        stream = binance("ZILBTC")
        rows = [{"a": a, "p": p, "q": q, "f": f, "l": f, "T": at, "m": False} for a, p, q, f, at in ZILBTC]
        tell(stream, rows, "ZILBTC")
        tell(stream, rows, "ZILBTC")  # by another connection
        batch = stream.collect(now_ms=NOW)
        assert [record.trade_id for record in batch.records] == [f"{a}-{f}" for a, _, _, f, _ in ZILBTC]  # type: ignore[attr-defined]
        assert not batch.gaps
        assert not stream.asks(now_ms=NOW + 60_000)

    def test_silence_is_no_gap(self) -> None:
        stream = binance()
        halt = 17_044_408  # ETHUSDT, 2021-04-25: 4 h 44 min between two ids that follow on each other
        tell(stream, rows_of(1))
        tell(stream, [{**rows_of(2)[0], "T": NOW - 10_000 + halt}], now_ms=NOW + halt)
        assert not stream.collect(now_ms=NOW + halt).gaps

    def test_what_is_passed_over_is_asked_for_page_by_page(self, monkeypatch: pytest.MonkeyPatch) -> None:
        stream = binance()
        tell(stream, rows_of(1, 5, 6))
        assert not stream.asks(now_ms=NOW)  # frames may come in another order
        later = NOW + gaps.GRACE_MS
        (ask,) = stream.asks(now_ms=later)
        assert (ask.call.url, ask.call.cost) == (f"{URL}/api/v3/aggTrades", 4)
        assert ask.call.params == {"symbol": "BTCUSDT", "fromId": "2", "limit": "1000"}
        first = stream.collect(now_ms=later)
        assert numbers(first) == [1, 5, 6]
        assert [(gap.state, gap.after_id, gap.before_id, gap.records) for gap in first.gaps] == [
            ("open", "1-10", "5-50", 3)
        ]

        answer(stream, rows_of(2, 3), now_ms=later)
        answer(stream, rows_of(4, 5, 6), now_ms=later)
        second = stream.collect(now_ms=later)
        assert numbers(second) == [2, 3, 4]
        assert [(gap.state, gap.records, gap.timestamp) for gap in second.gaps] == [
            ("mended", 3, first.gaps[0].timestamp)
        ]
        assert not stream.asks(now_ms=later + 60_000)

    def test_what_is_left_of_a_long_gap_becomes_one_of_its_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(chain, "MUCH", 3)
        stream = binance()
        tell(stream, rows_of(1, 9))
        (first,) = stream.collect(now_ms=NOW).gaps
        answer(stream, rows_of(2, 3, 4), now_ms=NOW + 1_000)
        rest, mended = stream.collect(now_ms=NOW + 1_000).gaps
        assert (rest.state, rest.after_id, rest.before_id, rest.records) == ("open", "4-40", "9-90", 4)
        assert (mended.state, mended.after_id, mended.before_id, mended.records) == ("mended", "1-10", "4-40", 3)
        assert mended.timestamp == first.timestamp < rest.timestamp
        answer(stream, rows_of(5, 6, 7, 8), now_ms=NOW + 1_000)
        (last,) = stream.collect(now_ms=NOW + 1_000).gaps
        assert (last.state, last.timestamp, last.records) == ("mended", rest.timestamp, 4)

    def test_a_hole_that_is_filled_before_it_is_kept_is_no_gap(self) -> None:
        stream = binance()
        tell(stream, rows_of(1, 3, 5, 4, 2))
        batch = stream.collect(now_ms=NOW)
        assert sorted(numbers(batch)) == [1, 2, 3, 4, 5]
        assert not batch.gaps

    def test_an_answer_that_lacks_the_same_again_and_again_is_believed(self) -> None:
        stream = binance()
        tell(stream, rows_of(1, 6))
        now_ms = NOW
        for _ in range(gaps.MOST_TRIES):
            now_ms += 60_000
            answer(stream, rows_of(4, 5, 6), now_ms=now_ms)
        answer(stream, rows_of(4, 5, 6), now_ms=now_ms)
        batch = stream.collect(now_ms=now_ms)
        assert numbers(batch) == [1, 6, 4, 5]
        assert [(gap.state, gap.after_id, gap.before_id, gap.records) for gap in batch.gaps] == [
            ("open", "1-10", "4-40", 2)
        ]

    def test_an_answer_of_another_kind_is_asked_for_again(self) -> None:
        stream = binance()
        tell(stream, rows_of(1, 3))
        later = NOW + 1_000
        with pytest.raises(TransientError, match="not what binance speaks"):
            answer(stream, {"code": 0}, now_ms=later)
        answer(stream, rows_of(2), now_ms=later)
        assert numbers(stream.collect(now_ms=later)) == [1, 3, 2]

    def test_a_successor_begins_behind_the_mark_the_tail_and_the_open_gaps(self) -> None:
        before = binance()
        tell(before, rows_of(1, 2, 3, 4, 5, 6, 7, 8, 12))
        kept = before.collect(now_ms=NOW)
        tail = [record for record, number in zip(kept.records, numbers(kept), strict=True) if number not in (4, 5)]

        stream = binance(left=Left(marks={"BTCUSDT": Mark("2-20", NOW - 10_000 + 2)}, records=tail, gaps=kept.gaps))
        tell(stream, rows_of(15))
        asked = []
        while asks := stream.asks(now_ms=NOW + 60_000):
            first = int(asks[0].call.params["fromId"])
            asked.append(first)
            body = rows_of(*range(first, 16))
            stream.answered(asks[0], Response(200, {}, json.dumps(body).encode()), now_ms=NOW + 60_000)
        assert sorted(asked) == [4, 9, 13]
        batch = stream.collect(now_ms=NOW + 60_000)
        assert sorted(numbers(batch)) == [4, 5, 9, 10, 11, 13, 14, 15]
        assert [(gap.state, gap.after_id) for gap in batch.gaps] == [("mended", "8-80")]
        assert batch.marks == {"BTCUSDT": Mark("15-150", NOW - 10_000 + 15)}

    def test_a_symbol_that_is_quiet_after_a_break_is_asked_for(self) -> None:
        stream = binance()
        tell(stream, rows_of(1, 2))
        stream.cut(stream.topics, now_ms=NOW)
        stream.joined(stream.topics, now_ms=NOW)
        assert not stream.asks(now_ms=NOW + 1_000)
        (ask,) = stream.asks(now_ms=NOW + 2_000)
        assert ask.call.params["fromId"] == "3"
        stream.answered(ask, Response(200, {}, json.dumps(rows_of(3, 4)).encode()), now_ms=NOW + 2_000)
        assert numbers(stream.collect(now_ms=NOW)) == [1, 2, 3, 4]
        assert not stream.asks(now_ms=NOW + 60_000)
        stream.joined(stream.topics, now_ms=NOW)
        tell(stream, rows_of(5))  # would have shown a hole
        assert not stream.asks(now_ms=NOW + 60_000)

    def test_ids_that_begin_anew_are_a_gap_and_no_duplicates(self) -> None:
        stream = binance()
        tell(stream, rows_of(5_000))
        stream.collect(now_ms=NOW)
        rows = [{**row, "T": NOW + chain.ANEW_MS} for row in rows_of(1, 2)]
        tell(stream, rows, now_ms=NOW + chain.ANEW_MS)
        batch = stream.collect(now_ms=NOW)
        assert numbers(batch) == [1, 2]
        assert [(gap.why, gap.records) for gap in batch.gaps] == [("ids begin anew", None)]

    def test_times_in_microseconds_are_none(self) -> None:
        stream = binance()
        tell(stream, [{**rows_of(1)[0], "T": NOW * 1000}])
        batch = stream.collect(now_ms=NOW)
        assert not batch.records
        assert [row.reason for row in batch.rejected] == ["bad_time"]

    def test_an_odd_row_lacks_and_the_others_mend(self) -> None:
        stream = binance()
        tell(stream, rows_of(1, 5))
        now_ms = NOW
        for first in (2, *[3] * gaps.MOST_TRIES):
            now_ms += 60_000
            answer(stream, [row for row in [*rows_of(2), {"a": 3}, *rows_of(4, 5)] if row["a"] >= first], now_ms=now_ms)
        answer(stream, rows_of(4, 5), now_ms=now_ms)
        batch = stream.collect(now_ms=now_ms)
        assert numbers(batch) == [1, 5, 2, 4]
        assert [(gap.after_id, gap.before_id, gap.records) for gap in batch.gaps] == [("2-20", "4-40", 1)]

    def test_rows_with_other_times_mend_nothing(self) -> None:
        stream = binance()
        tell(stream, rows_of(1, 3))
        answer(stream, [{**row, "T": row["T"] * 1000} for row in rows_of(2, 3)], now_ms=NOW + 1_000)
        batch = stream.collect(now_ms=NOW + 1_000)
        assert numbers(batch) == [1, 3]
        assert {row.reason for row in batch.rejected} == {"bad_time"}
        answer(stream, rows_of(2), now_ms=NOW + 60_000)
        assert numbers(stream.collect(now_ms=NOW + 60_000)) == [2]

    def test_a_gap_has_another_id_than_one_that_was_left_at_the_same_moment(self) -> None:
        """A kill between the entry of a gap and that of what came behind it: its end is not the next one's begin."""
        before = binance()
        tell(before, rows_of(1, 4))
        (old,) = before.collect(now_ms=NOW).gaps
        stream = binance(left=Left(marks={"BTCUSDT": Mark("1-10", NOW - 10_000 + 1)}, gaps=[old]))
        tell(stream, rows_of(9))
        (new,) = stream.collect(now_ms=NOW).gaps
        assert new.timestamp < old.timestamp

    def test_what_answers_and_ends_are_told_from_data(self) -> None:
        venue = BinanceVenue(base_url=URL)
        heard = venue.hear(
            [
                b'{"result":null,"id":7}',
                b'{"error":{"code":2,"msg":"Invalid request: invalid stream"},"id":8}',
                b'{"code":2,"msg":"Invalid request","id":9}',
                b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}',
                b"{",
            ]
        )
        assert heard.acks == [Ack(7), Ack(8, "Invalid request: invalid stream (2)"), Ack(9, "Invalid request (2)")]
        assert heard.ends
        assert [row.reason for row in heard.rejected] == ["bad_frame"]
        assert json.loads(venue.subscribe(["a@aggTrade", "b@aggTrade"], number=3)) == {
            "method": "SUBSCRIBE",
            "params": ["a@aggTrade", "b@aggTrade"],
            "id": 3,
        }


def frame_of(*ids: str, symbol: str = "BTCUSDT", at_ms: int = NOW - 5_000) -> bytes:
    rows = [{"T": at_ms + n, "s": symbol, "S": "Buy", "v": "2", "p": "4", "i": each} for n, each in enumerate(ids)]
    return json.dumps({"topic": f"publicTrade.{symbol}", "type": "snapshot", "ts": NOW, "data": rows}).encode()


def recent(*ids: str, at_ms: int) -> dict[str, Any]:
    """Newest first."""
    rows = [
        {"execId": each, "symbol": "BTCUSDT", "price": "4", "size": "2", "side": "Sell", "time": str(at_ms + n)}
        for n, each in enumerate(ids)
    ]
    return {"retCode": 0, "retMsg": "OK", "result": {"category": "linear", "list": rows[::-1]}}


class TestBybit:
    def hear(self, stream: BybitTrades, *frames: bytes) -> None:
        stream.take(stream.venue.hear(frames).data, now_ms=NOW)

    def test_a_frame_becomes_records(self) -> None:
        stream = bybit(Category.INVERSE, "BTCUSD")
        self.hear(
            stream,
            b'{"topic":"publicTrade.BTCUSD","type":"snapshot","ts":1680673823566,"data":[{"T":1680673823564,"s":"BTCUSD",'
            b'"S":"Buy","v":"5823","p":"28560.50","L":"PlusTick","i":"0cbf2330-952d-5d03-a462-4bf826c867af","BT":false},'
            b'{"T":1680673823564,"s":"BTCUSD","S":"Buy","v":"3","p":"28560.50","L":"ZeroPlusTick",'
            b'"i":"912e56de-9ed6-5f4f-9421-f0ff5a42d84a","BT":false}]}',
        )
        first, second = stream.collect(now_ms=NOW).records
        assert TRADE.codec.decode(TRADE.codec.encode(first)) == Trade(
            source="bybit-inverse",
            asset_id="BTCUSD",
            symbol="BTCUSD",
            quote="USD",
            trade_id="0cbf2330-952d-5d03-a462-4bf826c867af",
            price=28560.5,
            base_volume=5823 / 28560.5,
            quote_volume=5823.0,
            side="buy",
            timestamp="2023-04-05T05:50:23.564Z",
            fetched_at="2027-01-15T08:00:00.000Z",
        )
        assert TRADE.id_of(second) == "bybit-inverse:BTCUSD:USD:912e56de-9ed6-5f4f-9421-f0ff5a42d84a"

    def test_after_a_break_the_newest_trades_prove_that_nothing_lacks(self) -> None:
        stream = bybit()
        self.hear(stream, frame_of("a", "b"))
        stream.cut(stream.topics, now_ms=NOW)
        self.hear(stream, frame_of("e", "f", at_ms=NOW - 4_000))
        answer(stream, recent("a", "b", "c", "d", "e", at_ms=NOW - 5_000), now_ms=NOW + 1_000)
        batch = stream.collect(now_ms=NOW + 1_000)
        assert [record.trade_id for record in batch.records] == ["a", "b", "e", "f", "c", "d"]  # type: ignore[attr-defined]
        assert [(gap.state, gap.after_id, gap.records) for gap in batch.gaps] == [
            ("open", "b", None),
            ("mended", "b", 2),
        ]
        assert not stream.asks(now_ms=NOW + 60_000)

    def test_what_does_not_reach_back_is_a_gap_for_good(self) -> None:
        stream = bybit()
        self.hear(stream, frame_of("a", "b"))
        stream.cut(stream.topics, now_ms=NOW)
        self.hear(stream, frame_of("y", "z", at_ms=NOW - 4_000))
        opened = stream.collect(now_ms=NOW).gaps
        assert [(gap.state, gap.why, gap.after_id, gap.before_id) for gap in opened] == [
            ("open", "reconnect", "b", "y")
        ]
        answer(stream, recent("w", "x", "y", at_ms=NOW - 4_002), now_ms=NOW + 1_000)
        batch = stream.collect(now_ms=NOW + 1_000)
        assert [record.trade_id for record in batch.records] == ["w", "x"]  # type: ignore[attr-defined]
        assert not batch.gaps
        assert not stream.asks(now_ms=NOW + 60_000)

    def test_an_answer_from_before_the_break_proves_nothing(self) -> None:
        stream = bybit()
        self.hear(stream, frame_of("a", "b"))
        stream.cut(stream.topics, now_ms=NOW)
        self.hear(stream, frame_of("d", at_ms=NOW - 4_000))
        answer(stream, recent("a", "b", at_ms=NOW - 5_000), now_ms=NOW + 1_000)
        assert not stream.asks(now_ms=NOW + 1_000)
        answer(stream, recent("a", "b", "c", "d", at_ms=NOW - 5_000), now_ms=NOW + 60_000)
        assert [record.trade_id for record in stream.collect(now_ms=NOW).records] == ["a", "b", "d", "c"]  # type: ignore[attr-defined]

    def test_a_symbol_that_is_quiet_after_a_break_is_asked_for(self) -> None:
        stream = bybit()
        self.hear(stream, frame_of("a", "b"))
        stream.cut(stream.topics, now_ms=NOW)
        stream.joined(stream.topics, now_ms=NOW)
        assert not stream.asks(now_ms=NOW + 1_000)
        answer(stream, recent("a", "b", "c", "d", at_ms=NOW - 5_000), now_ms=NOW + 2_000)
        self.hear(stream, frame_of("d", "e", at_ms=NOW - 4_000))
        batch = stream.collect(now_ms=NOW + 2_000)
        assert [record.trade_id for record in batch.records] == ["a", "b", "c", "d", "e"]  # type: ignore[attr-defined]
        assert not batch.gaps
        assert not stream.asks(now_ms=NOW + 60_000)

    def test_what_was_on_its_way_when_another_connection_followed_is_there(self) -> None:
        stream = bybit()
        self.hear(stream, frame_of("a", "b"), frame_of("d", "e", at_ms=NOW - 4_997))
        stream.joined(stream.topics, now_ms=NOW)
        self.hear(stream, frame_of("f", at_ms=NOW - 4_995))
        answer(stream, recent("-", "a", "b", "c", "d", "e", "f", at_ms=NOW - 5_001), now_ms=NOW + 2_000)
        batch = stream.collect(now_ms=NOW + 2_000)
        assert [record.trade_id for record in batch.records] == ["a", "b", "d", "e", "f", "c"]  # type: ignore[attr-defined]
        assert not batch.gaps
        assert not stream.asks(now_ms=NOW + 60_000)

    def test_what_was_missed_by_a_quiet_symbol_beyond_the_page_is_a_gap(self) -> None:
        stream = bybit()
        self.hear(stream, frame_of("a", "b"))
        stream.cut(stream.topics, now_ms=NOW)
        stream.joined(stream.topics, now_ms=NOW)
        answer(stream, recent("x", "y", at_ms=NOW - 3_000), now_ms=NOW + 2_000)
        self.hear(stream, frame_of("z", at_ms=NOW - 2_000))
        assert [gap.after_id for gap in stream.collect(now_ms=NOW + 2_000).gaps] == ["b"]

    def test_a_frame_that_cannot_be_read_is_a_break(self) -> None:
        stream = bybit()
        self.hear(stream, frame_of("a", "b"), frame_of("c")[:90], frame_of("d", at_ms=NOW - 4_000))
        (ask,) = stream.asks(now_ms=NOW + 1_000)
        body = json.dumps(recent("a", "b", "c", "d", at_ms=NOW - 5_000)).encode()
        stream.answered(ask, Response(200, {}, body), now_ms=NOW + 1_000)
        batch = stream.collect(now_ms=NOW)
        assert [record.trade_id for record in batch.records] == ["a", "b", "d", "c"]  # type: ignore[attr-defined]
        assert [row.reason for row in batch.rejected] == ["bad_row"]

    def test_a_frame_that_nobody_can_read_is_a_break_of_each_symbol(self) -> None:
        stream = bybit()
        self.hear(stream, frame_of("a", "b"))
        stream.unread()
        self.hear(stream, frame_of("d", at_ms=NOW - 4_000))
        assert [(gap.why, gap.after_id) for gap in stream.collect(now_ms=NOW).gaps] == [("hole", "b")]

    def test_what_broke_after_the_newest_trades_were_asked_for_is_not_in_their_answer(self) -> None:
        stream = bybit()
        self.hear(stream, frame_of("a", "b"))
        stream.joined(stream.topics, now_ms=NOW)
        (ask,) = stream.asks(now_ms=NOW + 2_000)
        self.hear(stream, frame_of("c")[:90])
        body = json.dumps(recent("a", "b", at_ms=NOW - 5_000)).encode()
        stream.answered(ask, Response(200, {}, body), now_ms=NOW + 2_000)
        self.hear(stream, frame_of("d", at_ms=NOW - 4_000))
        assert [gap.after_id for gap in stream.collect(now_ms=NOW).gaps] == ["b"]
        answer(stream, recent("a", "b", "c", "d", at_ms=NOW - 5_000), now_ms=NOW + 60_000)
        batch = stream.collect(now_ms=NOW)
        assert [record.trade_id for record in batch.records] == ["c"]  # type: ignore[attr-defined]
        assert [gap.state for gap in batch.gaps] == ["mended"]

    @pytest.mark.parametrize(("early", "due"), [("bcde", "def"), ("bcdef", "xyz")])
    def test_newest_trades_that_were_asked_for_before_the_break_prove_what_they_bring(
        self, early: str, due: str
    ) -> None:
        """A little later, when its own answer comes, they do not reach back to what was there before any more."""
        stream = bybit(left=Left(marks={"BTCUSDT": Mark("b", NOW - 5_000)}))
        stream.joined(stream.topics, now_ms=NOW)
        (ask,) = stream.asks(now_ms=NOW + 2_000)
        self.hear(stream, frame_of("f", at_ms=NOW - 4_000))
        body = json.dumps(recent(*early, at_ms=NOW - 5_000)).encode()
        stream.answered(ask, Response(200, {}, body), now_ms=NOW)
        first = stream.collect(now_ms=NOW)
        assert sorted(record.trade_id for record in first.records) == ["c", "d", "e", "f"]  # type: ignore[attr-defined]
        if asks := stream.asks(now_ms=NOW + 60_000):
            body = json.dumps(recent(*due, at_ms=NOW - 4_500)).encode()
            stream.answered(asks[0], Response(200, {}, body), now_ms=NOW + 60_000)
        gaps = [*first.gaps, *stream.collect(now_ms=NOW + 60_000).gaps]
        assert {(gap.asset_id, gap.state) for gap in gaps} <= {("BTCUSDT", "open"), ("BTCUSDT", "mended")}
        assert sum(gap.state == "open" for gap in gaps) == sum(gap.state == "mended" for gap in gaps)

    def test_a_topic_that_was_refused_and_comes_again_is_a_break(self) -> None:
        stream = bybit()
        self.hear(stream, frame_of("a", "b"))
        stream.refused("publicTrade.BTCUSDT", "busy")
        self.hear(stream, frame_of("e", at_ms=NOW - 4_000))
        assert [gap.after_id for gap in stream.collect(now_ms=NOW).gaps] == ["b"]

    def test_breaks_that_nothing_proves_take_little_room(self) -> None:
        stream = bybit()
        opened = []
        for turn in range(200):
            self.hear(stream, frame_of(*(f"{turn}-{n}" for n in range(100)), at_ms=NOW - 5_000 + turn))
            stream.cut(stream.topics, now_ms=NOW)
            opened += stream.collect(now_ms=NOW).gaps
        breaks = stream._of["BTCUSDT"].breaks
        assert len(opened) == 199
        assert len(breaks) <= 50
        assert sum(len(one.before) for one in breaks) < 2_000

    def test_a_first_start_asks_for_nothing(self) -> None:
        stream = bybit()
        self.hear(stream, frame_of("a"))
        assert not stream.asks(now_ms=NOW + 60_000)

    def test_rows_of_recent_trade_are_read(self) -> None:
        stream = bybit(left=Left(marks={"BTCUSDT": Mark("f001281d-8a5c-5df2-94a3-cc9583c77dfa", 1679907412330)}))
        self.hear(stream, frame_of("ab5c8ff6-79ae-508c-9f38-b6540b4ede73", at_ms=1679907414058))
        body = (
            b'{"retCode":0,"result":{"category":"linear","list":[{"execId":"ab5c8ff6-79ae-508c-9f38-b6540b4ede73",'
            b'"symbol":"BTCUSDT","price":"27858.10","size":"0.001","side":"Buy","time":"1679907414058","isBlockTrade":false},'
            b'{"execId":"3579830c-363d-50bb-9cbf-fb342713a7d7","symbol":"BTCUSDT","price":"27825.30","size":"17.939",'
            b'"side":"Sell","time":"1679907412331","isBlockTrade":false},{"execId":"f001281d-8a5c-5df2-94a3-cc9583c77dfa",'
            b'"symbol":"BTCUSDT","price":"27825.50","size":"0.020","side":"Sell","time":"1679907412331",'
            b'"isBlockTrade":false}]}}'
        )
        (ask,) = stream.asks(now_ms=NOW + 1_000)
        assert ask.call.params == {"category": "linear", "symbol": "BTCUSDT", "limit": "1000"}
        stream.answered(ask, Response(200, {}, body), now_ms=NOW + 1_000)
        _, record = stream.collect(now_ms=NOW).records
        assert isinstance(record, Trade)
        assert (record.trade_id, record.price, record.base_volume, record.quote_volume, record.side) == (
            "3579830c-363d-50bb-9cbf-fb342713a7d7", 27825.3, 17.939, 499158.0567, "sell",
        )  # fmt: skip

    def test_one_bad_topic_is_named_and_pongs_say_nothing(self) -> None:
        heard = BybitVenue(Category.LINEAR, base_url=URL).hear(
            [
                b'{"success":true,"ret_msg":"","conn_id":"0-0","req_id":"1","op":"subscribe"}',
                b'{"success":true,"ret_msg":"pong","conn_id":"0-0","req_id":"","op":"ping"}',
                b'{"success":false,"ret_msg":"error:handler not found,topic:liquidation.BTCUSDT","conn_id":"0-0",'
                b'"req_id":"2","op":"subscribe"}',
            ]
        )
        why = "error:handler not found,topic:liquidation.BTCUSDT"
        assert heard.acks == [Ack(1), Ack(2, why, "liquidation.BTCUSDT")]
        assert not heard.data
        assert not heard.rejected


LONG = "9" * 5000


@pytest.mark.parametrize("odd", [f"{LONG}-1", f"1-{LONG}", "²-1", "1-1-1", "-", ""], ids=lambda each: each[:9])
def test_a_mark_or_a_gap_whose_ids_are_no_numbers_of_ours_ends_no_stream(odd: str) -> None:
    """Anybody may write to the topics that a stream goes on from."""
    theirs = msgspec.structs.replace(GAP.example, source="binance", asset_id="BTCUSDT", after_id=odd, before_id="9-9")
    stream = binance(left=Left(marks={"BTCUSDT": Mark(odd, NOW)}, gaps=[theirs]))
    tell(stream, rows_of(1, 2))
    assert numbers(stream.collect(now_ms=NOW)) == [1, 2]


@pytest.mark.parametrize("odd", [LONG, "²", "-1"], ids=lambda each: each[:9])
def test_an_answer_whose_number_is_none_acknowledges_nothing(odd: str) -> None:
    heard = bybit().venue.hear([json.dumps({"op": "subscribe", "success": True, "req_id": odd}).encode()])
    assert [each.number for each in heard.acks] == [0]
