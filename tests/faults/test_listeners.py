"""The door's streams when something goes away: the door killed, Kafka away, listeners that do not read."""

from __future__ import annotations

import itertools
import json
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec
import psutil
import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect

from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.datasets import TRADE, iso, key
from cryptoproxy.engines.kafka import Kafka
from cryptoproxy.engines.ports import free_ports
from tests.conftest import wait_until
from tests.faults.conftest import Report
from tests.faults.process import PollerProcess
from tests.faults.rig import Rig

SLOW = 500
MOST_GROWTH_MB = 250
"""Of the door's memory, with so many that do not read; each may let 512 KiB wait, of the same bytes."""
LEVELS = 1_500
"""Of a frame of 50 KB: what waits cuts who does not read long before the pong is missed that it does not send."""


class Door(PollerProcess):
    module = "cryptoproxy.serve"


class Trades:
    """Numbered trades of one pair, told to the topic until they are to end."""

    def __init__(self, rig: Rig, *, pause: float) -> None:
        self._kafka = rig.settings.kafka
        self._over = threading.Event()
        self._pause = pause
        self.acknowledged = 0
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        producer = kafka_client.producer(self._kafka)
        try:
            for number in itertools.count(1):
                now = iso(SystemClock().now_ms())
                trade = msgspec.structs.replace(
                    TRADE.example, trade_id=f"{number}-{number}", timestamp=now, fetched_at=now
                )
                value = TRADE.codec.encode(trade)
                producer.send(self._kafka.topic_of(TRADE), key=key(trade).encode(), value=value).get(180)
                self.acknowledged = number
                if self._over.wait(self._pause):
                    return
        finally:
            producer.close()

    def __enter__(self) -> Trades:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


class Books:
    """Large frames of one book on the live topic, as a poller tells them."""

    TOPIC = "btcusdt@depth"

    def __init__(self, rig: Rig) -> None:
        self._topic = rig.settings.kafka.live_topic
        self._producer = kafka_client.producer(rig.settings.kafka)
        self._number = 0

    def tell(self) -> None:
        self._number += 1
        now = SystemClock().now_ms()
        bids, asks = ([[f"{at + level / 100:.8f}", "1.00000000"] for level in range(LEVELS)] for at in (50_000, 60_000))
        frame = {
            "e": "depthUpdate",
            "E": now,
            "s": "BTCUSDT",
            "U": self._number,
            "u": self._number,
            "b": bids,
            "a": asks,
        }
        headers = [("received-at", str(now).encode()), ("topic", self.TOPIC.encode())]
        told = self._producer.send(
            self._topic, key=b"binance:BTCUSDT", value=json.dumps(frame).encode(), headers=headers
        )
        told.get(180)

    def close(self) -> None:
        self._producer.close()


class Reader:
    """Reads ``/v1/stream``, and comes back with its id whenever it is cut."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._over = threading.Event()
        self._id = ""
        self.numbers: list[int] = []
        self.missed: list[Any] = []
        self.cuts = 0
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._over.is_set():
            with suppress(ConnectionClosed, InvalidHandshake, OSError):
                address = f"{self._url}/v1/stream?dataset=trade" + (f"&last_id={self._id}" if self._id else "")
                with connect(address, compression=None) as socket:
                    self._read(socket)
            self.cuts += 1
            self._over.wait(0.1)

    def _read(self, socket: Any) -> None:
        while not self._over.is_set():
            with suppress(TimeoutError):
                told = json.loads(socket.recv(timeout=1))
                self._id = told["id"]
                if told["dataset"] == "missed":
                    self.missed.append(told["record"])
                else:
                    self.numbers.append(int(told["record"]["trade_id"].partition("-")[0]))

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


@dataclass(frozen=True)
class Heard:
    """What one reader has heard, for the judge's table."""

    records: int
    lost: int
    doubled: int
    again: int = 0

    @classmethod
    def of(cls, numbers: Sequence[int]) -> Self:
        once = set(numbers)
        return cls(len(once), max(once) - min(once) + 1 - len(once), len(numbers) - len(once))


@pytest.fixture
def doors(rig: Rig, tmp_path: Path) -> Iterator[Any]:
    """Makes doors at one port, one after the other."""
    rig.texts |= {"KAFKA_TOPICS": f"trade={rig.name}.trades", "KAFKA_ANSWERS_TOPIC": "off"}
    rig.texts |= {"LIVE_SYMBOLS": "BTCUSDT", "KAFKA_LIVE_TOPIC": f"{rig.name}.live"}
    rig.make_topics(TRADE)
    [port] = free_ports(1)
    texts = {"SERVE_PORT": str(port), "PYTHON_SERVE_SERVER_PORT": "0", "READ_THROUGH": "off"}
    made: list[Door] = []

    def make() -> Door:
        door = Door(f"door-{len(made)}", tmp_path, rig.texts | texts)
        made.append(door)
        door.wait_ready()
        return door

    make.url = f"ws://127.0.0.1:{port}"  # type: ignore[attr-defined]
    yield make
    for door in made:
        door.close()


@pytest.mark.long
def test_who_comes_back_hears_each_trade_once_whatever_went_away(
    rig: Rig, doors: Any, kafka: Kafka, report: Report
) -> None:
    first = doors()
    with Reader(doors.url) as reader:
        with Trades(rig, pause=0.005) as trades:
            wait_until(lambda: len(reader.numbers) > 200, what="trades that are heard")
            first.kill()
            at_death = trades.acknowledged
            wait_until(lambda: trades.acknowledged > at_death + 200, what="trades that nobody hears")
            doors()
            wait_until(lambda: reader.numbers[-1] > at_death + 200, what="trades of before the restart")
            kafka.stop()
            away = trades.acknowledged
            kafka.start()
            wait_until(lambda: reader.numbers[-1] > away + 200, what="trades after Kafka is back")
        wait_until(lambda: reader.numbers[-1] == trades.acknowledged, what="the last trade")
    assert reader.cuts > 0
    assert reader.missed == []
    assert reader.numbers == list(range(reader.numbers[0], trades.acknowledged + 1))
    report(Heard.of(reader.numbers), None)


@pytest.mark.long
def test_five_hundred_who_do_not_read_cost_others_nothing(rig: Rig, doors: Any, report: Report) -> None:
    door = doors()
    where = urlsplit(doors.url)
    with ExitStack() as stack, closing(Books(rig)) as books, Trades(rig, pause=0) as trades:
        books.tell()
        wait_until(lambda: _is_carried(doors.url), what="a book that is carried")
        for _ in range(SLOW):
            slow = stack.enter_context(socket.create_connection((where.hostname, where.port)))
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.sendall(
                f"GET /binance/ws/{books.TOPIC} HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
            )
        wait_until(lambda: _listeners(door) == SLOW, what="all of them")
        memory = psutil.Process(door.pid)
        before_mb = memory.memory_info().rss / 1e6
        with Reader(doors.url) as reader:

            def all_are_cut() -> bool:
                for _ in range(5):
                    books.tell()
                return door.metric("serve_stream_cuts", venue="binance", why="slow") == SLOW

            wait_until(all_are_cut, seconds=600, what="all are cut for what waits for them")
            grown_mb = memory.memory_info().rss / 1e6 - before_mb
            wait_until(lambda: _listeners(door) == 0, what="all are gone")
            cut_at = trades.acknowledged
            wait_until(lambda: reader.numbers and reader.numbers[-1] >= cut_at, what="the newest trade")
        assert reader.missed == []
        assert reader.numbers == list(range(reader.numbers[0], reader.numbers[-1] + 1))
    assert grown_mb < MOST_GROWTH_MB
    report(Heard.of(reader.numbers), None)


def _is_carried(url: str) -> bool:
    with suppress(InvalidHandshake), connect(f"{url}/binance/ws/{Books.TOPIC}", compression=None):
        return True
    return False


def _listeners(door: Door) -> float:
    return door.metric("serve_stream_listeners", venue="binance")
