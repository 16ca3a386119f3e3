"""``/v1/stream``: records as they come, as WebSocket and as server-sent events; coming back; what cannot be told."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import msgspec
import pytest
import requests
from websockets.exceptions import ConnectionClosed

from cryptoproxy.datasets import BOOK, CANDLE, TRADE, Trade
from cryptoproxy.serve.streams.held import BESIDE_BYTES, Held, Missed, Record, read, written
from cryptoproxy.serve.streams.wire import POLICY
from tests.conftest import wait_until
from tests.unit.serve.conftest import NOW_MS, Road
from tests.unit.serve.streaming import Client, book, candle, of, trade

Make = Callable[..., Road]


@pytest.fixture
def door(road: Make) -> Road:
    return road(polled=False)


class Events:
    """Server-sent events, read one by one."""

    def __init__(self, road: Road, query: str = "", **headers: str) -> None:
        self.answer = requests.get(f"{road.url}/v1/stream{query}", headers=headers, stream=True, timeout=60)
        self._lines = self.answer.iter_lines(chunk_size=1)

    def __iter__(self) -> Iterator[dict[str, str]]:
        event: dict[str, str] = {}
        for line in self._lines:
            name, _, value = line.decode().partition(": ")
            if line:
                event[name] = value
            elif event:
                if "data" in event:
                    yield event
                event = {}

    def next(self) -> dict[str, str]:
        return next(iter(self))

    def __enter__(self) -> Events:
        return self

    def __exit__(self, *_: object) -> None:
        self.answer.close()


def heard_by(door: Road, count: int = 1) -> None:
    wait_until(lambda: door.metrics.listeners.labels("v1")._value.get() == count, what="a reader")


def test_a_socket_hears_the_records_that_it_has_chosen(door: Road) -> None:
    with Client(door, "/v1/stream?dataset=trade,candle&source=binance&asset=BTCUSDT") as client:
        heard_by(door)
        door.station.take(of(door, TRADE, trade(1), trade(2, symbol="ETHUSDT"), trade(3, source="bybit-spot")))
        door.station.take(of(door, BOOK, book(NOW_MS)))
        door.station.take(of(door, CANDLE, candle(NOW_MS - 60_000), part="1m"))
        told = [client.heard(), client.heard()]
        assert [each["dataset"] for each in told] == ["trade", "candle-1m"]
        assert msgspec.convert(told[0]["record"], Trade) == trade(1)


def test_events_have_ids_to_come_back_with(door: Road) -> None:
    door.station.take(of(door, TRADE, trade(1), since=100))
    with Events(door, "?dataset=trade") as events:
        assert events.answer.headers["Content-Type"].startswith("text/event-stream")
        assert events.answer.headers["Access-Control-Allow-Origin"] == "*"
        door.station.take(of(door, TRADE, trade(2), trade(3), since=101))
        first = events.next()
        assert (first["event"], first["id"]) == ("trade", "trade.0:102")
        assert msgspec.json.decode(first["data"], type=Trade) == trade(2)
    door.station.take(of(door, TRADE, trade(4), since=103))
    with Events(door, "?dataset=trade", **{"Last-Event-ID": first["id"]}) as events:
        door.station.take(of(door, TRADE, trade(5), since=104))
        assert [events.next()["id"] for _ in range(3)] == ["trade.0:103", "trade.0:104", "trade.0:105"]
    with Client(door, "/v1/stream?dataset=trade&last_id=trade.0:104") as client:
        assert client.heard()["id"] == "trade.0:105"


def test_what_is_not_held_any_more_is_told_as_missed(door: Road) -> None:
    door.station.take(of(door, TRADE, trade(1), since=100))
    with Events(door, "?dataset=trade&last_id=trade.0:40") as events:
        missed = events.next()
        assert (missed["event"], missed["id"]) == ("missed", "trade.0:100")
        assert msgspec.json.decode(missed["data"]) == {
            "dataset": "trade", "partition": 0, "from": 40, "until": 100, "why": "older than what is held here",
        }  # fmt: skip
        assert events.next()["id"] == "trade.0:101"
    with Client(door, "/v1/stream?dataset=trade&last_id=trade.0:4000") as client:
        told = client.heard()
        assert (told["dataset"], "made anew" in told["record"]["why"]) == ("missed", True)
        assert told["id"] == "trade.0:101"


def test_what_came_before_the_first_that_is_held_is_told_as_missed(door: Road) -> None:
    with Client(door, "/v1/stream?dataset=trade&last_id=trade.0:40") as client:
        heard_by(door)
        door.station.take(of(door, TRADE, trade(1), trade(2), since=42))
        missed, first, second = (client.heard() for _ in range(3))
        assert (missed["dataset"], missed["record"]["from"], missed["record"]["until"]) == ("missed", 40, 42)
        assert [first["id"], second["id"]] == ["trade.0:43", "trade.0:44"]


def test_who_comes_back_to_a_door_that_is_still_reading_hears_nothing_twice(door: Road) -> None:
    with Client(door, "/v1/stream?dataset=trade&last_id=trade.0:102") as client:
        heard_by(door)
        door.station.take(of(door, TRADE, trade(1), trade(2), since=100))  # back to before what the client has
        door.station.take(of(door, TRADE, trade(3), trade(4), since=102))
        assert [client.heard()["id"] for _ in range(2)] == ["trade.0:103", "trade.0:104"]
        door.station.take(of(door, TRADE, trade(5), since=0))
        assert client.heard()["id"] == "trade.0:1", "a topic that was made anew is told from its begin"


def test_an_id_of_a_topic_that_is_no_more_is_told_by_a_door_that_has_read_nothing_of_the_new_one(door: Road) -> None:
    topic = door.settings.kafka.topic_of(TRADE)
    with Client(door, "/v1/stream?dataset=trade&last_id=trade.0:812") as client:
        heard_by(door)
        door.station.begun(topic, 0, 5)
        door.station.take(of(door, TRADE, trade(1), trade(2), since=0))
        told = [client.heard() for _ in range(3)]
        assert [(each["dataset"], each["id"]) for each in told] == [
            ("missed", "trade.0:0"), ("trade", "trade.0:1"), ("trade", "trade.0:2"),
        ]  # fmt: skip


def test_what_the_topic_had_lost_is_told_as_missed_at_once_and_to_who_comes_back(door: Road) -> None:
    topic = door.settings.kafka.topic_of(TRADE)
    with Client(door, "/v1/stream?dataset=trade") as client:
        heard_by(door)
        door.station.take(of(door, TRADE, trade(1), since=100))
        door.station.lose(topic, 0, 101, 120)
        door.station.take(of(door, TRADE, trade(2), since=120))
        told = [client.heard() for _ in range(3)]
        assert [(each["dataset"], each["id"]) for each in told] == [
            ("trade", "trade.0:101"), ("missed", "trade.0:120"), ("trade", "trade.0:121"),
        ]  # fmt: skip
    with Client(door, "/v1/stream?dataset=trade&last_id=trade.0:110") as client:
        missed, trade_again = client.heard(), client.heard()
        assert (missed["record"]["from"], missed["record"]["until"]) == (110, 120)
        assert trade_again["id"] == "trade.0:121"


def test_what_a_filter_leaves_out_is_in_the_ids(door: Road) -> None:
    with Client(door, "/v1/stream?dataset=trade,book&asset=BTCUSDT") as client:
        heard_by(door)
        door.station.take(of(door, TRADE, trade(1, symbol="ETHUSDT"), since=100))
        door.station.take(of(door, BOOK, book(NOW_MS), since=7))
        assert client.heard()["id"] == "trade.0:101,book.0:8"


def test_what_is_read_again_is_told_once(door: Road) -> None:
    with Client(door, "/v1/stream?dataset=trade") as client:
        heard_by(door)
        for _ in range(2):
            door.station.take(of(door, TRADE, trade(1), trade(2), since=100))
        door.station.take(of(door, TRADE, trade(3), since=102))
        assert [client.heard()["id"] for _ in range(3)] == [f"trade.0:{n}" for n in (101, 102, 103)]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?colour=red", "no parameter colour"),
        ("?dataset=nothing", "no dataset nothing"),
        ("?dataset=candle-7m", "no dataset candle-7m"),
        ("?last_id=soon", "no part of an id"),
        ("?last_id=trade.0:1%0d%0aevent:x", "control characters"),
    ],
)
def test_a_wrong_question_is_refused(door: Road, query: str, words: str) -> None:
    answer = door.get(f"/v1/stream{query}")
    assert (answer.status_code, words in answer.json()["error"]) == (400, True), answer.text


def test_who_says_something_is_told_that_nothing_is_asked_for_here(door: Road) -> None:
    with Client(door, "/v1/stream") as client:
        client.socket.send("hello")
        with pytest.raises(ConnectionClosed) as cut:
            client.heard()
        assert cut.value.rcvd is not None
        assert cut.value.rcvd.code == POLICY


def test_who_does_not_read_events_is_cut_and_holds_up_nobody(door: Road, caplog: pytest.LogCaptureFixture) -> None:
    where = urlsplit(door.url)
    slow = socket.create_connection((where.hostname, where.port))
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.sendall(b"GET /v1/stream?dataset=trade HTTP/1.1\r\nHost: d\r\n\r\n")
    assert slow.recv(12) == b"HTTP/1.1 200"
    with slow, Client(door, "/v1/stream?dataset=trade") as client:
        heard_by(door, 2)
        offset = 100
        while not door.metrics.cut.labels("v1", "slow")._value.get():
            door.station.take(of(door, TRADE, *(trade(n) for n in range(500)), since=offset))
            offset += 500
            assert [client.heard()["id"] for _ in range(500)][-1] == f"trade.0:{offset}"
            assert offset < 200_000, "it ought to be cut by now"
        heard_by(door, 1)
    assert not [each for each in caplog.records if each.name.startswith("uvicorn") and each.levelno > logging.INFO]


def test_who_comes_back_for_more_than_may_wait_gets_it_in_parts(door: Road) -> None:
    for offset in range(0, 4000, 500):
        door.station.take(of(door, TRADE, *(trade(n) for n in range(500)), since=offset))
    place, ids = "trade.0:0", []
    while place != "trade.0:4000":
        with Events(door, "?dataset=trade", **{"Last-Event-ID": place}) as events:
            part = [next_id["id"] for _, next_id in zip(range(4000 - len(ids)), events, strict=False)]
        assert part, "nothing is told to who comes back"
        ids += part
        place = ids[-1]
    assert ids == [f"trade.0:{offset + 1}" for offset in range(4000)]
    assert door.metrics.cut.labels("v1", "slow")._value.get() > 0
    heard_by(door, 0)


def test_a_record_of_others_ends_no_event(door: Road) -> None:
    with Events(door, "?dataset=trade") as events:
        (record,) = of(door, TRADE, trade(1), since=7)
        door.station.take([record._replace(value=b'{"a":1,\n\nid: 9,\r"b":2}')])
        door.station.take(of(door, TRADE, trade(2), since=8))
        assert [events.next()["id"], events.next()["id"]] == ["trade.0:8", "trade.0:9"]


class TestHeld:
    def test_so_many_bytes_are_held(self) -> None:
        held = Held(most_bytes=3 * (10 + BESIDE_BYTES))
        for offset in range(5):
            assert held.put(("trade", 0), Record(offset, "binance", "X", b"0123456789"))
        assert list(held.since(("trade", 0), 1)) == [
            Missed(("trade", 0), 1, 2, "older than what is held here"),
            *(Record(offset, "binance", "X", b"0123456789") for offset in (2, 3, 4)),
        ]
        assert list(held.since(("trade", 0), 5)) == []
        assert list(held.since(("book", 0), 5)) == []

    def test_all_partitions_together_have_a_bound_and_the_largest_gives_way(self) -> None:
        one = 10 + BESIDE_BYTES
        held = Held(most_bytes=4 * one, most_of_all=5 * one)
        for partition, count in ((0, 4), (1, 1), (2, 2)):
            for offset in range(count):
                held.put(("trade", partition), Record(offset, "binance", "X", b"0123456789"))
        assert held.size == 5 * one
        kept = [sum(isinstance(each, Record) for each in held.since(("trade", number), 0)) for number in range(3)]
        assert kept == [2, 1, 2]

    def test_a_topic_that_is_made_anew_begins_again(self) -> None:
        held = Held()
        assert held.put(("trade", 0), Record(7, "binance", "X", b"1"))
        assert not held.put(("trade", 0), Record(7, "binance", "X", b"1"))
        assert held.put(("trade", 0), Record(0, "binance", "X", b"2"))
        assert held.ends(["trade"]) == {("trade", 0): 1}

    def test_an_id_is_read_as_it_was_written(self) -> None:
        places = {("trade", 0): 17, ("candle-1m", 0): 2**40}
        assert read(written(places)) == places
        assert read("") == {}
