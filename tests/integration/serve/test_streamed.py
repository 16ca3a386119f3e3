"""The door's streams over a real Kafka: what the sandbox tells is what a client is told, and REST joins on to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import requests

from cryptoproxy.upstreams.binance.books import BinanceBook, change_of
from tests.integration.conftest import World
from tests.integration.serve.streamed import Streamed, streamed

COUNT = 40


def test_a_door_streams_what_its_upstreams_do(world: World, tmp_path: Path) -> None:
    with streamed(world, tmp_path) as found:
        assert requests.get(f"{found.health}/readyz", timeout=60).status_code == 200
        trades_are_whole(found)
        a_book_joins_on_to_its_snapshot(found)
        an_open_bar_is_the_last_row(found)
        events_come_back(found)


def heard(socket: Any) -> Any:
    return json.loads(socket.recv(timeout=120))


def trades_are_whole(found: Streamed) -> None:
    with found.ws("/binance/ws/btcusdt@aggTrade") as socket:
        told = [heard(socket) for _ in range(COUNT)]
    numbers = [each["a"] for each in told]
    assert numbers == list(range(numbers[0], numbers[0] + COUNT))
    params = {"symbol": "BTCUSDT", "fromId": str(numbers[0]), "limit": str(COUNT)}
    theirs = requests.get(f"{found.sandbox.base_url('binance')}/api/v3/aggTrades", params=params, timeout=60).json()
    assert [{name: each[name] for name in theirs[0]} for each in told] == theirs


def a_book_joins_on_to_its_snapshot(found: Streamed) -> None:
    """By Binance's own rule, as the poller keeps it."""
    book = BinanceBook()
    with found.ws("/binance/ws/btcusdt@depth@100ms") as socket:
        book.take(change_of(socket.recv(timeout=120).encode()))
        answer = requests.get(f"{found.door}/binance/api/v3/depth?symbol=BTCUSDT&limit=1000", timeout=60)
        assert answer.headers["X-Data-Source"] == "road/binance"
        for _ in range(COUNT):
            book.take(change_of(socket.recv(timeout=120).encode()))
        assert book.load(answer.content, 1000)
        for _ in range(COUNT):
            book.take(change_of(socket.recv(timeout=120).encode()))
    assert book.proven


def an_open_bar_is_the_last_row(found: Streamed) -> None:
    with found.ws("/binance/ws/btcusdt@kline_1m") as socket:
        told = [heard(socket)["k"] for _ in range(3)]
    assert {each["s"] for each in told} == {"BTCUSDT"}
    assert all(each["L"] > 0 for each in told), "as it came"
    with found.ws("/bybit/v5/public/linear") as socket:
        socket.send(json.dumps({"op": "subscribe", "args": ["orderbook.50.BTCUSDT"]}))
        said = [heard(socket) for _ in range(12)]
    told = [each for each in said if "topic" in each]
    assert told[0]["type"] == "snapshot"
    assert {each["type"] for each in told[1:]} <= {"delta", "snapshot"}
    updates = [each["data"]["u"] for each in told]
    assert updates == list(range(updates[0], updates[0] + len(updates)))


def events_come_back(found: Streamed) -> None:
    """What came while nobody listened comes first, and nothing twice."""
    address = "/v1/stream?dataset=trade&source=binance&asset=BTCUSDT"
    with found.ws(address) as socket:
        first = [heard(socket) for _ in range(5)]
    with found.ws(f"{address}&last_id={first[-1]['id']}") as socket:
        second = [heard(socket) for _ in range(COUNT)]
    numbers = [int(each["record"]["trade_id"].partition("-")[0]) for each in (*first, *second)]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
