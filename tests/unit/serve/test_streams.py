"""The door's WebSockets, by a client that others wrote: what is asked for, told, refused, and who is cut."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from websockets.exceptions import ConnectionClosed, InvalidStatus

from cryptoproxy.datasets import BOOK, CANDLE, TICKER, TRADE, iso
from cryptoproxy.serve.streams import wire as wire_module
from cryptoproxy.serve.streams.wire import POLICY
from tests.conftest import PATIENCE, wait_until
from tests.unit.serve.conftest import NOW_MS, Road
from tests.unit.serve.streaming import Client, book, candle, live, of, trade

Make = Callable[..., Road]
MINUTE = NOW_MS - NOW_MS % 60_000
DIFF = {
    "e": "depthUpdate", "E": NOW_MS, "s": "BTCUSDT", "U": 11, "u": 15,
    "b": [["63125.50000000", "1.00000000"]], "a": [["63126.00000000", "0.00000000"]],
}  # fmt: skip

MANY_LEVELS = f"orderbook.{'9' * 5000}.BTCUSDT"
"""More digits than are read as a number."""


def depth(
    u: int, kind: str = "delta", *, seq: int = 0, ts: int = NOW_MS, **sides: list[list[str]]
) -> dict[str, object]:
    data = {"s": "BTCUSDT", "b": sides.get("b", []), "a": sides.get("a", []), "u": u, "seq": seq or u * 10}
    return {"topic": "orderbook.50.BTCUSDT", "type": kind, "ts": ts, "data": data, "cts": NOW_MS - 3}


@pytest.fixture
def door(road: Make) -> Road:
    """The road has a trade, a bar and a book of Binance's BTCUSDT."""
    return with_records(road(polled=False))


@pytest.fixture
def polled(road: Make) -> Road:
    """And what was polled."""
    return with_records(road())


def with_records(made: Road) -> Road:
    made.station.take(of(made, TRADE, trade(1)))
    made.station.take(of(made, CANDLE, candle(MINUTE - 120_000), part="1m"))
    made.station.take(of(made, BOOK, book(NOW_MS - 1000)))
    return made


class TestBinance:
    def test_trades_are_told_to_who_asks_for_them(self, door: Road) -> None:
        with Client(door, "/binance/ws") as client, Client(door, "/binance/ws/btcusdt@depth5"):
            assert client.ask(method="SUBSCRIBE", params=["btcusdt@aggTrade"], id=7) == {"result": None, "id": 7}
            door.station.take(of(door, TRADE, trade(2), trade(3, side="sell")))
            told = [client.heard(), client.heard()]
            assert told[0] == {
                "e": "aggTrade", "E": NOW_MS + 9, "s": "BTCUSDT", "a": 2, "p": "60759.60000000", "q": "0.00841000",
                "f": 6, "l": 8, "T": NOW_MS + 2, "m": False, "M": True,
            }  # fmt: skip
            assert (told[1]["a"], told[1]["m"]) == (3, True)
            assert client.ask(method="LIST_SUBSCRIPTIONS", id=None)["result"] == ["btcusdt@aggTrade"]
            client.ask(method="UNSUBSCRIBE", params=["btcusdt@aggTrade"], id=8)
            door.station.take(of(door, TRADE, trade(4)))
            assert client.ask(method="LIST_SUBSCRIPTIONS", id=9) == {"result": [], "id": 9}

    def test_a_trade_of_which_no_frame_can_be_made_holds_up_no_other(self, door: Road) -> None:
        door.station.take(of(door, TRADE, trade(1, symbol="ETHUSDT")))
        with Client(door, "/binance/stream?streams=btcusdt@aggTrade/ethusdt@aggTrade") as client:
            client.ask(method="LIST_SUBSCRIPTIONS", id=1)
            strange = door.station.take(of(door, TRADE, trade(2, trade_id="other"), trade(3, symbol="ETHUSDT")))
            assert strange == 1
            assert client.heard()["stream"] == "ethusdt@aggTrade"

    def test_history_is_not_told_as_new_to_who_has_just_come(self, door: Road) -> None:
        with Client(door, "/binance/ws/btcusdt@aggTrade") as client:
            client.ask(method="LIST_SUBSCRIPTIONS", id=1)
            door.station.take(of(door, TRADE, trade(-3_600_000), trade(-3_599_000)))
            door.station.take(of(door, TRADE, trade(2)))
            assert client.heard()["T"] == NOW_MS + 2

    def test_what_was_mended_is_behind_what_was_told(self, door: Road) -> None:
        with Client(door, "/binance/ws/btcusdt@aggTrade") as client:
            door.station.take(of(door, TRADE, trade(5), trade(2), trade(6)))
            assert [client.heard()["a"], client.heard()["a"]] == [5, 6]

    def test_a_time_of_hours_ahead_holds_up_nothing_that_follows(self, door: Road) -> None:
        def frame(begin_ms: int) -> dict[str, object]:
            k = {"t": begin_ms, "i": "1m", "x": True, "n": 9, **dict.fromkeys("ohlcvqVQ", "2.5")}
            return {"e": "kline", "E": NOW_MS, "s": "BTCUSDT", "k": k}

        with (
            Client(door, "/binance/ws/btcusdt@aggTrade") as trades,
            Client(door, "/binance/ws/btcusdt@kline_1m") as bars,
        ):
            door.station.take(of(door, TRADE, trade(5), trade(6, timestamp=iso(NOW_MS + 21_600_000)), trade(7)))
            assert [trades.heard()["a"] for _ in range(3)] == [5, 6, 7]
            for begin_ms in (MINUTE - 60_000 + 21_600_000, MINUTE - 60_000):
                door.station.take_live(live("binance", "BTCUSDT", "btcusdt@kline_1m", frame(begin_ms)))
            assert bars.heard()["k"]["t"] == MINUTE - 60_000
            for begin_ms in (MINUTE + 21_600_000, MINUTE):
                door.station.take(of(door, CANDLE, candle(begin_ms), part="1m"))
            assert bars.heard()["k"]["t"] == MINUTE

    def test_topics_of_the_address_are_wrapped_with_their_names(self, door: Road) -> None:
        with Client(door, "/binance/stream?streams=btcusdt@aggTrade/btcusdt@kline_1m") as client:
            door.station.take(of(door, TRADE, trade(2)))
            door.station.take(of(door, CANDLE, candle(MINUTE - 60_000), part="1m"))
            told = [client.heard(), client.heard()]
            assert [each["stream"] for each in told] == ["btcusdt@aggTrade", "btcusdt@kline_1m"]
            bar = told[1]["data"]["k"]
            assert (bar["t"], bar["T"], bar["x"], bar["i"]) == (MINUTE - 60_000, MINUTE - 1, True, "1m")
            assert (bar["f"], bar["L"]) == (None, None), "no record tells them"
            client.ask(method="SET_PROPERTY", params=["combined", False], id=1)
            door.station.take(of(door, TRADE, trade(4)))
            assert client.heard()["a"] == 4

    @pytest.mark.parametrize(
        ("topic", "expected"),
        [
            ("bookTicker", {"u": 50093239224, "s": "BTCUSDT", "b": "61837.63000000", "B": "3.78826000",
                            "a": "61837.64000000", "A": "1.60520000"}),
            ("depth5", {"lastUpdateId": 50093239224,
                        "bids": [["61837.63000000", "3.78826000"], ["61837.62000000", "0.61700000"]],
                        "asks": [["61837.64000000", "1.60520000"], ["61838.04000000", "0.32332000"]]}),
        ],
    )  # fmt: skip
    def test_books_are_told_at_their_slots(self, door: Road, topic: str, expected: dict[str, object]) -> None:
        with Client(door, f"/binance/ws/btcusdt@{topic}") as client:
            door.station.take(of(door, BOOK, book(NOW_MS)))
            assert client.heard() == expected

    def test_tickers_come_with_the_polls(self, polled: Road) -> None:
        row = polled.get("/binance/api/v3/ticker/24hr?symbol=BTCUSDT").json()
        tickers = polled.newest.tickers("binance")[:3]
        polled.station.take(of(polled, TICKER, *tickers))
        with (
            Client(polled, "/binance/ws/btcusdt@ticker") as client,
            Client(polled, "/binance/ws/!miniTicker@arr") as all_of,
        ):
            told = client.heard()
            assert (told["e"], told["c"], told["w"], told["n"]) == (
                "24hrTicker", row["lastPrice"], row["weightedAvgPrice"], row["count"],
            )  # fmt: skip
            polled.station.take(of(polled, TICKER, *tickers))
            assert [each["s"] for each in all_of.heard()] == [each.asset_id for each in tickers]
            kept = polled.newest.answer("binance", "ticker/24hr", {})
            polled.newest.take_answer("binance", "api/v3/ticker/24hr", {}, kept.body, NOW_MS + 10_000)
            polled.station.look([])
            assert client.heard()["E"] == NOW_MS + 10_000

    def test_changes_of_a_book_that_is_live_go_on_as_they_came(self, door: Road) -> None:
        door.station.take_live(live("binance", "BTCUSDT", "btcusdt@depth@100ms", DIFF))
        with Client(door, "/binance/stream?streams=btcusdt@depth/btcusdt@depth@100ms") as client:
            door.station.take_live(live("binance", "BTCUSDT", "btcusdt@depth@100ms", {**DIFF, "U": 16, "u": 20}))
            told = [client.heard(), client.heard()]
            assert {each["stream"] for each in told} == {"btcusdt@depth", "btcusdt@depth@100ms"}
            assert {each["data"]["u"] for each in told} == {20}

    def test_an_open_bar_is_told_as_it_came_and_its_end_once(self, door: Road) -> None:
        def frame(begin_ms: int, *, closed: bool) -> dict[str, object]:
            k = {"t": begin_ms, "T": begin_ms + 59_999, "s": "BTCUSDT", "i": "1m", "f": 1, "L": 9, "x": closed}
            k |= dict.fromkeys("ohlcvqVQ", "2.5") | {"n": 9}
            return {"e": "kline", "E": begin_ms + 60_005, "s": "BTCUSDT", "k": k}

        with Client(door, "/binance/ws/btcusdt@kline_1m") as client:
            door.station.take_live(live("binance", "BTCUSDT", "btcusdt@kline_1m", frame(MINUTE, closed=False)))
            assert client.heard() == frame(MINUTE, closed=False)
            door.station.take_live(live("binance", "BTCUSDT", "btcusdt@kline_1m", frame(MINUTE, closed=True)))
            door.station.take(of(door, CANDLE, candle(MINUTE), part="1m"))
            door.station.take(of(door, CANDLE, candle(MINUTE + 60_000), part="1m"))
            assert client.heard()["k"]["f"] == 1, "the frame"
            assert client.heard()["k"]["t"] == MINUTE + 60_000, "of the next the record came first"

    def test_history_is_no_news(self, door: Road) -> None:
        with Client(door, "/binance/ws/btcusdt@kline_1m") as client:
            door.station.take(of(door, CANDLE, candle(MINUTE - 86_400_000), candle(MINUTE - 60_000), part="1m"))
            assert client.heard()["k"]["t"] == MINUTE - 60_000

    @pytest.mark.parametrize(
        ("question", "code"),
        [
            ({"method": "SUBSCRIBE", "params": ["btcusdt@trade"]}, 2),
            ({"method": "SUBSCRIBE", "params": ["btcusdt@depth"]}, 2),
            ({"method": "SUBSCRIBE", "params": ["btcusdt@aggTrade", "nothing@aggTrade"]}, 2),
            ({"method": "SUBSCRIBE", "params": [7]}, 2),
            ({"method": "SUBSCRIBE", "params": {}}, 2),
            ({"method": "SUBSCRIBE", "params": [f"x{n}@aggTrade" for n in range(1025)]}, 4),
            ({"method": "DANCE"}, 2),
            ({"params": []}, 2),
            ({"method": "SUBSCRIBE", "params": [], "id": {"a": 1}}, 2),
            ({"method": "GET_PROPERTY", "params": ["colour"]}, 0),
        ],
    )
    def test_what_is_not_carried_is_refused_as_binance_refuses(self, door: Road, question: dict, code: int) -> None:
        with Client(door, "/binance/ws") as client:
            answer = client.ask(**{"id": 3, **question})
            assert answer["error"]["code"] == code
            assert answer["id"] in (3, None)
            assert client.ask(method="LIST_SUBSCRIPTIONS", id=4)["result"] == []

    def test_no_json_is_refused(self, door: Road) -> None:
        with Client(door, "/binance/ws/1") as client:
            for text in ("{", "[" * 20_000, ""):
                client.socket.send(text)
                assert client.heard()["error"]["code"] in (2, 3)


class TestBybit:
    def test_trades_of_a_portion_are_one_frame(self, door: Road) -> None:
        of_it = {"source": "bybit-linear", "trades": None}
        door.station.take(of(door, TRADE, trade(1, trade_id="a-1", **of_it)))
        with Client(door, "/bybit/v5/public/linear") as client:
            assert client.ask(req_id="9", op="subscribe", args=["publicTrade.BTCUSDT"]) | {"conn_id": ""} == {
                "success": True, "ret_msg": "", "conn_id": "", "req_id": "9", "op": "subscribe",
            }  # fmt: skip
            first, second = (trade(n, trade_id=f"a-{n}", sequence=n, **of_it) for n in (2, 3))
            door.station.take(of(door, TRADE, first, second))
            told = client.heard()
            assert (told["topic"], told["type"], told["ts"]) == ("publicTrade.BTCUSDT", "snapshot", NOW_MS + 10)
            assert told["data"][0] == {
                "T": NOW_MS + 2, "s": "BTCUSDT", "S": "Buy", "v": "0.00841", "p": "60759.6", "i": "a-2", "BT": False,
                "seq": 2,
            }  # fmt: skip
            assert [row["i"] for row in told["data"]] == ["a-2", "a-3"]

    def test_an_inverse_trade_counts_dollars(self, door: Road) -> None:
        of_it = {"source": "bybit-inverse", "symbol": "BTCUSD", "quote": "USD", "quote_volume": 511.0}
        door.station.take(of(door, TRADE, trade(1, **of_it)))
        with Client(door, "/bybit/v5/public/inverse") as client:
            client.ask(op="subscribe", args=["publicTrade.BTCUSD"])
            door.station.take(of(door, TRADE, trade(2, **of_it)))
            assert client.heard()["data"][0]["v"] == "511"

    def test_a_ticker_begins_with_what_was_polled(self, polled: Road) -> None:
        row = polled.get("/bybit/v5/market/tickers?category=linear&symbol=BTCUSDT").json()["result"]["list"][0]
        with Client(polled, "/bybit/v5/public/linear") as client:
            assert client.ask(op="subscribe", args=["tickers.BTCUSDT"])["success"]
            told = client.heard()
            assert (told["topic"], told["type"], told["data"]) == ("tickers.BTCUSDT", "snapshot", row)

    def test_a_closed_bar_is_confirmed(self, door: Road) -> None:
        door.station.take(of(door, CANDLE, candle(MINUTE - 120_000, source="bybit-spot"), part="1m"))
        with Client(door, "/bybit/v5/public/spot") as client:
            assert client.ask(op="subscribe", args=["kline.1.BTCUSDT"])["ret_msg"] == "subscribe"
            door.station.take(of(door, CANDLE, candle(MINUTE - 60_000, source="bybit-spot"), part="1m"))
            [bar] = client.heard()["data"]
            assert (bar["start"], bar["end"], bar["confirm"]) == (MINUTE - 60_000, MINUTE - 1, True)

    def test_a_book_begins_with_a_snapshot_and_goes_on_by_changes(self, door: Road) -> None:
        told = live(
            "bybit-linear", "BTCUSDT", "orderbook.50.BTCUSDT",
            depth(5, "snapshot", b=[["10.50", "1"], ["10.00", "2"]], a=[["11.00", "3"], ["11.50", "4"]]),
            depth(6, b=[["10.50", "0"], ["10.20", "7"]]),
        )  # fmt: skip
        door.station.take_live(told)
        with Client(door, "/bybit/v5/public/linear") as client:
            assert client.ask(op="subscribe", args=["orderbook.50.BTCUSDT", "orderbook.1.BTCUSDT"])["success"]
            whole, best = client.heard(), client.heard()
            assert (whole["type"], whole["data"]["u"]) == ("snapshot", 6)
            assert whole["data"]["b"] == [["10.20", "7"], ["10.00", "2"]]
            assert (best["topic"], best["data"]["b"]) == ("orderbook.1.BTCUSDT", [["10.20", "7"]])
            door.station.take_live(
                live("bybit-linear", "BTCUSDT", "orderbook.50.BTCUSDT", depth(7, a=[["11.50", "9"]]))
            )
            assert client.heard()["data"]["a"] == [["11.50", "9"]]
            door.station.take_live(
                live("bybit-linear", "BTCUSDT", "orderbook.50.BTCUSDT", depth(8, a=[["11.00", "0"]]))
            )
            assert client.heard()["type"] == "delta"
            assert client.heard()["data"]["a"] == [["11.50", "9"]], "another best ask"

    def test_of_a_book_with_a_hole_nothing_is_told_until_it_is_whole(self, door: Road) -> None:
        def frames(*some: object) -> None:
            door.station.take_live(live("bybit-linear", "BTCUSDT", "orderbook.50.BTCUSDT", *some))

        frames(depth(5, "snapshot", b=[["10.50", "1"]], a=[["11.00", "3"]]))
        with Client(door, "/bybit/v5/public/linear") as client:
            client.ask(op="subscribe", args=["orderbook.50.BTCUSDT"])
            assert client.heard()["data"]["u"] == 5
            frames(depth(7, b=[["10.40", "1"]]), depth(8), depth(9, "snapshot", b=[["10.30", "1"]], a=[["11.00", "3"]]))
            assert client.heard()["data"]["u"] == 9
            frames(depth(9, "snapshot", b=[["10.30", "1"]], a=[["11.00", "3"]]), depth(10), depth(10))
            assert client.heard()["data"]["u"] == 10, "a snapshot that says nothing new is not told"
            for number, seq in ((3, 101), (11, 99)):
                frames(depth(number, seq=seq), depth(11), depth(10, "snapshot", b=[["10.20", "1"]], a=[["11.00", "3"]]))
                assert client.heard()["data"]["b"] == [["10.20", "1"]], "numbered anew: a hole"
            late = NOW_MS + 10_001
            frames(depth(3, ts=late), depth(4, "snapshot", ts=late, b=[["10.10", "1"]], a=[["11.00", "3"]]))
            assert client.heard()["data"]["b"] == [["10.10", "1"]], "so late it is no repeat"

    @pytest.mark.parametrize(
        ("question", "words"),
        [
            ({"op": "subscribe", "args": ["publicTrade.NOTHING"]}, "error:handler not found,topic:publicTrade.NOTHING"),
            (
                {"op": "subscribe", "args": ["orderbook.50.BTCUSDT"]},
                "error:handler not found,topic:orderbook.50.BTCUSDT",
            ),
            ({"op": "subscribe", "args": [MANY_LEVELS]}, f"error:handler not found,topic:{MANY_LEVELS}"),
            ({"op": "subscribe", "args": ["liquidation.BTCUSDT"]}, "error:handler not found,topic:liquidation.BTCUSDT"),
            ({"op": "subscribe", "args": [f"kline.1.{n}" for n in range(11)]}, "args size >10"),
            ({"op": "subscribe", "args": []}, "Params Error"),
            ({"op": "dance"}, "Params Error"),
        ],
    )
    def test_what_is_not_carried_is_refused_as_bybit_refuses(self, door: Road, question: dict, words: str) -> None:
        with Client(door, "/bybit/v5/public/spot") as client:
            answer = client.ask(**question)
            assert (answer["success"], answer["ret_msg"]) == (False, words)

    def test_a_ping_is_answered_as_it_is_there(self, door: Road) -> None:
        with Client(door, "/bybit/v5/public/linear") as client:
            answer = client.ask(op="ping", req_id="1")
            assert (answer["ret_msg"], answer["op"], answer["req_id"]) == ("pong", "ping", "1")


class TestByRest:
    """What is live is answered by REST as well, so that a client's changes join on to its snapshot."""

    def test_a_book_of_binance_is_kept_and_asked_for_once(self, road: Make) -> None:
        made = road(through=True, polled=False)
        theirs = made.theirs("binance", "api/v3/depth?symbol=BTCUSDT&limit=5000").json()
        last = theirs["lastUpdateId"]

        def told(first: int, until: int, **sides: list[list[str]]) -> None:
            frame = {**DIFF, "b": [], "a": [], "U": first, "u": until, **sides}
            made.station.take_live(live("binance", "BTCUSDT", "btcusdt@depth@100ms", frame))

        told(last - 4, last + 1)
        first = made.get("/binance/api/v3/depth?symbol=BTCUSDT&limit=20")
        assert first.headers["X-Data-Source"] == "road/binance"
        assert first.json() == {
            "lastUpdateId": last + 1, "bids": theirs["bids"][:20], "asks": theirs["asks"][:20],
        }  # fmt: skip
        best = theirs["bids"][0][0]
        told(last + 2, last + 6, b=[[best, "123.00000000"]])
        second = made.get("/binance/api/v3/depth?symbol=BTCUSDT").json()
        assert (second["lastUpdateId"], second["bids"][0], len(second["asks"])) == (
            last + 6, [best, "123.00000000"], 100,
        )  # fmt: skip
        assert made.through is not None
        assert made.through.asked == ["binance/api/v3/depth"]
        made.clock.ms += 60_000
        old = made.get("/binance/api/v3/depth?symbol=BTCUSDT&limit=20")
        assert old.headers["X-Data-Source"] == "through/binance"

    def test_changes_that_come_while_more_levels_are_asked_for_are_in_the_answer(self, road: Make) -> None:
        made = road(through=True, polled=False)
        few = requests.get(
            f"{made.sandbox.base_url('binance')}/api/v3/depth?symbol=BTCUSDT&limit=100", timeout=PATIENCE
        )
        last = few.json()["lastUpdateId"]

        def told(first: int, until: int) -> None:
            frame = {**DIFF, "b": [], "a": [], "U": first, "u": until}
            made.station.take_live(live("binance", "BTCUSDT", "btcusdt@depth@100ms", frame))

        told(last - 4, last)
        book = made.station.live.books["BTCUSDT"]
        assert book.load(few.content, 100)
        assert made.through is not None
        ask = made.through.get

        def asked(*question: Any) -> Any:
            answer = ask(*question)
            told(last + 1, last + 3)
            told(last + 4, last + 5)
            return answer

        made.through.get = asked  # type: ignore[method-assign]
        answer = made.get("/binance/api/v3/depth?symbol=BTCUSDT&limit=200")
        assert (answer.headers["X-Data-Source"], answer.json()["lastUpdateId"]) == ("road/binance", last + 5)
        assert not book.awaits

    def test_a_book_that_is_not_live_is_not_carried(self, door: Road) -> None:
        assert door.get("/binance/api/v3/depth?symbol=BTCUSDT").status_code == 404
        assert door.get("/bybit/v5/market/orderbook?category=linear&symbol=BTCUSDT").json()["retCode"] == 10001

    def test_a_book_of_bybit_is_shown_as_far_as_it_is_streamed(self, door: Road) -> None:
        sides = {"b": [["10.50", "1"], ["10.00", "2"]], "a": [["11.00", "3"]]}
        frames = live("bybit-spot", "BTCUSDT", "orderbook.50.BTCUSDT", depth(5, "snapshot", **sides))
        door.station.take_live(frames)
        path = "/bybit/v5/market/orderbook?category=spot&symbol=BTCUSDT"
        assert door.get(path).json()["result"]["b"] == [["10.50", "1"]], "one level without a limit"
        found = door.get(f"{path}&limit=50").json()["result"]
        assert (found["b"], found["a"], found["u"], found["seq"]) == (sides["b"], sides["a"], 5, 50)
        assert door.get(f"{path}&limit=200").json()["retCode"] == 10001

    def test_the_last_row_of_klines_is_the_open_bar(self, door: Road) -> None:
        door.clock.ms = MINUTE + 30_000
        bars = [candle(MINUTE - n * 60_000) for n in range(5, 1, -1)]
        door.past.hold(bars)
        last = candle(MINUTE - 60_000, close=69130.0)
        door.station.take(of(door, CANDLE, last, part="1m"))
        k = {"t": MINUTE, "x": False, "n": 9, **dict.fromkeys("ohlcvqVQ", "2.5")}
        frame = {"e": "kline", "E": MINUTE + 29_000, "s": "BTCUSDT", "k": k}
        path = "/binance/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=3"
        assert "detail=" in door.get(path).headers["Cache-Status"]
        door.station.take_live(live("binance", "BTCUSDT", "btcusdt@kline_1m", frame))
        answer = door.get(path)
        assert "detail" not in answer.headers["Cache-Status"]
        assert [row[0] for row in answer.json()] == [MINUTE - 120_000, MINUTE - 60_000, MINUTE]
        assert answer.json()[2][1:6] == ["2.50000000"] * 5
        assert answer.json()[1][4] == "69130.00000000", "the index does not have it yet"
        door.clock.ms += 60_000
        assert len(door.get(path).json()) == 3
        assert door.get(path).json()[-1][0] < MINUTE, "an open bar of which nothing is heard is not shown"


class TestConnections:
    @pytest.mark.parametrize(
        ("path", "status", "words"),
        [
            ("/binance/ws/btcusdt@trade", 404, "btcusdt@trade"),
            ("/binance/stream?streams=btcusdt@aggTrade/nothing@kline_1m", 404, "nothing@kline_1m"),
            ("/binance/nothing", 404, "no stream at"),
            ("/binance/ws/%00", 400, "control characters"),
            ("/binance/ws/..%2f..", 400, "lead elsewhere"),
            ("/bybit/v5/public/option", 404, "no stream at"),
            ("/bybit/v5/private", 404, "no stream at"),
            ("/coingecko/api/v3/ping", 404, "no stream at"),
            ("/v1/stream?dataset=nothing", 400, "no dataset nothing"),
        ],
    )
    def test_an_address_that_there_is_not_is_refused_before_there_is_a_connection(
        self, door: Road, path: str, status: int, words: str
    ) -> None:
        with pytest.raises(InvalidStatus) as refused, Client(door, path):
            pass
        assert refused.value.response.status_code == status
        assert words in (refused.value.response.body or b"").decode()

    def test_who_asks_too_much_is_cut(self, door: Road) -> None:
        with Client(door, "/binance/ws") as client:
            with suppress(ConnectionClosed):
                for _ in range(200):
                    client.socket.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
            with pytest.raises(ConnectionClosed) as cut:
                all(iter(client.heard, None))
            assert cut.value.rcvd is not None
            assert (cut.value.rcvd.code, cut.value.rcvd.reason) == (POLICY, "Too many requests")

    def test_who_does_not_read_is_cut_and_holds_up_nobody(self, door: Road, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(wire_module, "CUT_SECONDS", 0.5)  # it answers no close
        where = urlsplit(door.url)
        slow = socket.create_connection((where.hostname, where.port))
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(
            b"GET /binance/ws/btcusdt@aggTrade HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert slow.recv(12) == b"HTTP/1.1 101"
        with slow, Client(door, "/binance/ws/btcusdt@aggTrade") as client:
            number = 1
            while not door.metrics.cut.labels("binance", "slow")._value.get():
                trades = [trade(number := number + 1) for _ in range(500)]
                door.station.take(of(door, TRADE, *trades))
                assert [client.heard()["a"] for _ in trades] == [int(each.trade_id.split("-")[0]) for each in trades]
                assert number < 200_000, "it ought to be cut by now"
            slow.settimeout(PATIENCE)
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)  # what was sent comes sooner
            _read_to_its_end(slow)
            assert client.ask(method="LIST_SUBSCRIPTIONS", id=1)["result"] == ["btcusdt@aggTrade"]

    def test_who_neither_reads_nor_answers_pings_is_hung_up_on(
        self, door: Road, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(wire_module, "CUT_SECONDS", 0.01)
        where = urlsplit(door.url)
        slow = socket.create_connection((where.hostname, where.port))
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(
            b"GET /binance/ws/btcusdt@aggTrade HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        with slow:
            assert slow.recv(12) == b"HTTP/1.1 101"
            there = door.metrics.listeners.labels("binance")._value
            wait_until(lambda: there.get() == 1, what="a listener")
            (listener,) = door.station.hub._all
            number = 1
            while not listener.wire.waiting:
                door.station.take(of(door, TRADE, *(trade(number := number + 1) for _ in range(500))))
                assert number < 200_000, "something ought to wait by now"
            listener.wire.loop.call_soon_threadsafe(listener.wire.keepalive_timeout)
            wait_until(lambda: there.get() == 0, what="an end, though what waits is not taken")

    def test_a_listener_is_counted_while_it_is_there(self, door: Road) -> None:
        def there() -> float:
            return door.metrics.listeners.labels("binance")._value.get()

        with Client(door, "/binance/ws"):
            wait_until(lambda: there() == 1, what="a listener")
        wait_until(lambda: there() == 0, what="none")


def _read_to_its_end(wire: socket.socket) -> None:
    """Raises a TimeoutError where it does not come."""
    with suppress(ConnectionError):
        while wire.recv(1 << 20):
            pass
