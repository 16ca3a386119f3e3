"""The door's answers when something goes away: Elasticsearch, the poller, the upstream and Kafka, each alone and together; the door killed under load.

What was answered is held against what the sandbox served: a price that it never told is foreign, and counts as lost.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import product
from typing import Any, NamedTuple

import pytest
import requests

from cryptoproxy.datasets import CANDLE
from cryptoproxy.datasets.times import HOUR_MS
from cryptoproxy.engines.kafka import Kafka
from cryptoproxy.sandbox.ledger import Entry
from tests.conftest import wait_until
from tests.faults.conftest import Report
from tests.faults.indexing.rig import IndexerRig
from tests.faults.serving.conftest import Doors

CLIENTS, KILLS = 8, 5
PRICE = "/coingecko/api/v3/simple/price?ids=bitcoin&vs_currencies=usd&precision=full"
ROWS = "/coingecko/api/v3/coins/markets?vs_currency=usd&per_page=10&precision=full"
LIST = "/coingecko/api/v3/coins/list"


class Answered(NamedTuple):
    """What the table tells."""

    records: int
    lost: int
    doubled: int = 0
    again: int = 0


class Told:
    """What the upstream has ever told of its coins, to the poller or to the door through it."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._rows: set[tuple[object, ...]] = set()
        self._bitcoins: set[float] = set()
        for each in entries:
            if each.status != 200 or not each.body:
                continue
            if "/simple/price" in each.target:
                self._bitcoins.add(json.loads(each.body)["bitcoin"]["usd"])
            elif "/coins/markets" in each.target:
                rows = json.loads(each.body)
                self._rows |= {_told(row) for row in rows}
                self._bitcoins |= {row["current_price"] for row in rows if row["id"] == "bitcoin"}

    def lacks(self, path: str, body: Any) -> bool:
        if path == PRICE:
            return body["bitcoin"]["usd"] not in self._bitcoins
        return path == ROWS and any(_told(row) not in self._rows for row in body)


def _told(row: dict[str, Any]) -> tuple[object, ...]:
    return tuple(row[each] for each in ("id", "current_price", "market_cap", "total_volume", "last_updated"))


class Clients:
    """Ask without end, each path in turn."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._over = threading.Event()
        self.bodies: dict[str, list[str]] = {PRICE: [], ROWS: [], LIST: []}
        self.refused: list[int] = []
        self._threads = [threading.Thread(target=self._run) for _ in range(CLIENTS)]

    def _run(self) -> None:
        with requests.Session() as session:
            while not self._over.is_set():
                for path, bodies in self.bodies.items():
                    try:
                        answer = session.get(self._url + path, timeout=180)
                    except requests.RequestException:
                        self._over.wait(0.05)  # nobody is there, or is not any more
                        continue
                    if answer.status_code == 200:
                        bodies.append(answer.text)
                    else:
                        self.refused.append(answer.status_code)

    @contextmanager
    def asking(self) -> Iterator[None]:
        for each in self._threads:
            each.start()
        try:
            yield
        finally:
            self._over.set()
            for each in self._threads:
                each.join()

    def wait_more(self, what: str) -> None:
        """Until each path was answered again."""
        before = {path: len(bodies) for path, bodies in self.bodies.items()}
        wait_until(lambda: all(len(self.bodies[path]) > count + 20 for path, count in before.items()), what=what)


@pytest.mark.long
def test_killed_and_started_again_under_load(rig: IndexerRig, doors: Doors, report: Report) -> None:
    """Each answer is a whole one that the upstream gave, none is a 500, and the list that is dear is asked for once."""
    poller = rig.start()
    clients = Clients(doors.url)
    door = doors()
    door.wait_ready()
    poller.wait_polls(2)
    longest = 0.0
    with clients.asking():
        for number in range(KILLS):
            clients.wait_more(f"answers of door {number}")
            door.kill()
            killed = time.monotonic()
            door = doors()
            door.wait_ready()
            clients.wait_more("answers after a kill")
            longest = max(longest, time.monotonic() - killed)
    assert set(clients.refused) <= {429, 503}, "a door that has read nothing yet may say so"
    entries = rig.sandbox.ledger.entries()
    told = Told(entries)
    foreign = sum(told.lacks(path, json.loads(body)) for path, bodies in clients.bodies.items() for body in bodies)
    assert foreign == 0
    assert len(set(clients.bodies[LIST])) == 1
    assert sum("/coins/list" in each.target for each in entries) == 1
    report(Answered(sum(map(len, clients.bodies.values())), foreign), longest)


@pytest.mark.long
def test_started_before_kafka(rig: IndexerRig, doors: Doors, kafka: Kafka, report: Report) -> None:
    kafka.stop()
    door = doors()
    wait_until(lambda: set(door.reasons()) >= {"tickers", "answers"}, what="a door that says what it lacks")
    wait_until(lambda: _status(f"{doors.url}/coingecko/api/v3/ping") == 200, what="an open door")
    assert _status(doors.url + PRICE) == 503
    kafka.start()
    since = time.monotonic()
    poller = rig.start()
    door.wait_ready()
    wait_until(lambda: _status(doors.url + PRICE) == 200, what="a price")
    seconds = time.monotonic() - since
    poller.wait_polls(2)
    bodies = [(path, requests.get(doors.url + path, timeout=180).json()) for path in (PRICE, ROWS)]
    told = Told(rig.sandbox.ledger.entries())
    assert not any(told.lacks(path, body) for path, body in bodies)
    report(Answered(len(bodies), 0), seconds)


@pytest.mark.long
def test_topics_made_anew_are_read_from_their_begin(rig: IndexerRig, doors: Doors, report: Report) -> None:
    poller, door = rig.start(), doors()
    door.wait_ready()
    poller.wait_polls(2)
    poller.terminate()
    topics = [rig.topic, f"{rig.name}.answers"]
    rig.admin.delete_topics(topics)
    wait_until(lambda: not {each["name"] for each in rig.admin.describe_topics()} & set(topics), what="no topics")
    rig.make_topics()
    before = len(rig.sandbox.ledger)
    since = time.monotonic()
    rig.start("poller-1")

    def new() -> bool:
        told = Told(rig.sandbox.ledger.entries(since=before))
        answers = {path: requests.get(doors.url + path, timeout=180) for path in (PRICE, ROWS)}
        return all(
            each.headers.get("X-Data-Source") == "road/coingecko" and not told.lacks(path, each.json())
            for path, each in answers.items()
        )

    wait_until(new, what="what the new topics tell")
    report(Answered(2, 0), time.monotonic() - since)


def _status(url: str) -> int:
    try:
        return requests.get(url, timeout=180).status_code
    except requests.ConnectionError:
        return 0


@pytest.mark.long
@pytest.mark.timeout(900)
def test_whatever_is_away_what_can_be_answered_is(rig: IndexerRig, doors: Doors, kafka: Kafka, report: Report) -> None:
    """Prices come from memory and say their age, bars from the index or the lake; all else is refused in a client's own
    words and with the time to come back at."""
    name = rig.name
    rig.texts |= {"KAFKA_TOPICS": f"candle={name}.bars", "ES_INDICES": f"candle={name}-bars", "SERVE_MAX_AGE": "1h"}
    rig.texts |= {"SOURCES": "coingecko,binance", "BINANCE_SYMBOLS": "BTCUSDT", "BINANCE_CANDLE_SYMBOLS": "BTCUSDT"}
    rig.texts |= {"HISTORY": "binance.candle-1h=2d"}
    rig.make_topics(CANDLE)
    rig.set_up_index(CANDLE)
    asked = 0
    with rig.proxied() as index, requests.Session() as session:

        def get(path: str) -> requests.Response:
            nonlocal asked
            asked += 1
            return session.get(doors.url + path, timeout=180)

        poller = rig.start()
        rig.start_indexer()
        door = doors()
        door.wait_ready()
        poller.wait_polls(2)
        upstream = rig.sandbox.base_url("binance")
        now_ms = requests.get(f"{upstream}/api/v3/time", timeout=60).json()["serverTime"]
        begin = now_ms - now_ms % HOUR_MS - 30 * HOUR_MS
        bars = f"api/v3/klines?symbol=BTCUSDT&interval=1h&startTime={begin}"
        theirs = requests.get(f"{upstream}/{bars}&limit=24", timeout=60).json()

        def whole(way: str) -> bool:
            found = get(f"/binance/{bars}&limit=24")
            return found.headers.get("X-Data-Source") == f"{way}/binance" and found.json() == theirs

        wait_until(lambda: whole("index"), what="all bars in the index")
        index.pause()
        wait_until(lambda: whole("lake"), what="all bars in the lake")
        index.resume()
        limits = iter(range(1, 24))
        for without_kafka, without_poller in product((False, True), repeat=2):
            with ExitStack() as back:
                if without_kafka:
                    kafka.stop()
                    back.callback(kafka.start)
                if without_poller:
                    rig.kill(poller)
                for without_index, without_upstream in product((False, True), repeat=2):
                    away = f"{without_kafka=} {without_poller=} {without_index=} {without_upstream=}"
                    with ExitStack() as inner:
                        for server, gone in ((index, without_index), (rig.sandbox, without_upstream)):
                            if gone:
                                server.pause()
                                inner.callback(server.resume)
                        limit = next(limits)
                        price = get(PRICE)
                        assert price.status_code == 200, (away, price.text)
                        assert int(price.headers["Age"]) >= 0
                        found = get(f"/binance/{bars}&limit={limit}")
                        assert found.status_code == 200, (away, found.text)
                        assert found.json() == theirs[:limit]
                        way = found.headers["X-Data-Source"].partition("/")[0]
                        assert way == ("lake" if without_index else "index"), away
                        latest = 503 if without_index else 200
                        wait_until(
                            lambda latest=latest: get("/v1/latest").status_code == latest, what=f"{latest}, {away}"
                        )
                        book = f"/binance/api/v3/depth?symbol=BTCUSDT&limit={limit}"
                        if without_poller or without_upstream:
                            refused = get(book)
                            assert (refused.status_code, refused.json()["code"]) in [(503, -1001), (429, -1003)], away
                            assert refused.headers["Retry-After"]
                        elif not without_kafka:  # without it, whoever was active may still be
                            wait_until(lambda book=book: get(book).status_code == 200, what=f"a book, {away}")
                        assert requests.get(f"{door.url}/livez", timeout=180).status_code == 200
            if without_poller:
                since = time.monotonic()
                poller = rig.start(f"poller-{limit}")

        def flows() -> bool:
            price = get(PRICE)
            return price.status_code == 200 and int(price.headers["Age"]) < time.monotonic() - since

        wait_until(flows, what="a price that was polled after all were back")
        seconds = time.monotonic() - since
        wait_until(lambda: get(book).status_code == 200, what="a book")
        door.wait_ready()
    report(Answered(asked, 0), seconds)
