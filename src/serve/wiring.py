"""The door's process, built from settings: the one place where its clients are made."""

from __future__ import annotations

import logging
import secrets
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from typing import NoReturn, TypeVar

from elasticsearch import Elasticsearch

from cryptoproxy.common.clients import elastic
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.metrics import ServeMetrics
from cryptoproxy.common.service import Service
from cryptoproxy.common.service.process import leave
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import CANDLE, STATS, TICKER, USAGE
from cryptoproxy.queries import Queries
from cryptoproxy.queries.backend import Backend
from cryptoproxy.queries.elastic.engine import Elastic
from cryptoproxy.queries.elastic.search import Search
from cryptoproxy.serve.door import Door
from cryptoproxy.serve.houses.binance import BinanceHouse
from cryptoproxy.serve.houses.binance_rows import by_symbol as binance_rows
from cryptoproxy.serve.houses.bybit import BybitHouse
from cryptoproxy.serve.houses.bybit import by_symbol as bybit_rows
from cryptoproxy.serve.houses.coingecko import CoinGeckoHouse
from cryptoproxy.serve.houses.house import Means
from cryptoproxy.serve.houses.openapi import document
from cryptoproxy.serve.houses.own import ENGINES, QUESTIONS, Own
from cryptoproxy.serve.road.bars import Bars
from cryptoproxy.serve.road.engine import Engine
from cryptoproxy.serve.road.follow import Follower, answers_into, both, tickers_into
from cryptoproxy.serve.road.midnights import Midnights
from cryptoproxy.serve.road.newest import Newest
from cryptoproxy.serve.road.newest_stats import NewestStats
from cryptoproxy.serve.road.open_bars import OpenBars
from cryptoproxy.serve.server import Server
from cryptoproxy.serve.streams.sockets import Sockets
from cryptoproxy.serve.streams.station import Station
from cryptoproxy.serve.teams.gate import Gate
from cryptoproxy.serve.teams.meter import Meter, PathNames
from cryptoproxy.serve.teams.usage import HELD_MS, Teller, Told
from cryptoproxy.serve.upstream.through import through_of
from cryptoproxy.serve.views.memory import FromMemory
from cryptoproxy.serve.views.working import Working
from cryptoproxy.upstreams import asked_of

log = logging.getLogger(__name__)

THREADS = 16
"""Questions that wait for Elasticsearch and the lake at once, and for an upstream; more of them stand in a row."""
_SEARCH_SECONDS = 30.0
MOST_BACK = 20_000
"""Records of a partition of what is streamed that are read back at the start: who comes back is told of them."""
LIVE_BACK_MS = 90_000
"""Of what is live: the last snapshots of books are in it."""
SWITCH_SECONDS = 0.0005
"""Of the interpreter, between threads that want to run: with its 5 ms an answer waits so long for each time that a
follower reads what has come, and a record at each of its hand-overs while questions are answered."""

T = TypeVar("T")


class DoorProcess:
    """The process, and what it serves."""

    def __init__(self, settings: Settings) -> None:
        clock = SystemClock()
        serve = settings.serve
        self.service = Service(
            "door", host=settings.service.host, port=serve.health_port, watchdog_seconds=settings.service.watchdog
        )
        metrics = ServeMetrics(self.service.registry)
        self.newest = Newest()
        threads, askers = (ThreadPoolExecutor(THREADS, thread_name_prefix=each) for each in ("index", "ask"))
        means = Means(
            newest=self.newest, clock=clock, threads=threads, askers=askers,
            through=through_of(settings, clock), limit_ms=serve.limit_ms,
        )  # fmt: skip
        index, candles = (settings.elasticsearch.alias_of(each) for each in (TICKER, CANDLE))
        client = _once(lambda: elastic.client(settings.elasticsearch, connections=THREADS, timeout=_SEARCH_SECONDS))
        engines = [
            Engine(
                _once(lambda: Elastic({TICKER.name: Search(client(), index), CANDLE.name: Search(client(), candles)}))
            )
        ]
        if find_spec("duckdb") is not None:
            engines.append(Engine(_once(lambda: _lake(settings))))
        open_bars = OpenBars(clock)
        bars = Bars(engines, clock, open_bars)
        kafka = settings.kafka
        rows = {BinanceHouse.upstream: binance_rows, BybitHouse.upstream: bybit_rows}
        station = Station(kafka, self.newest, open_bars, rows=rows, metrics=metrics, clock=clock)
        teams = settings.teams
        gate = Gate(teams.file, requests=teams.requests, streams=teams.streams, shared=teams.shared)
        meter = Meter(metrics, door=partial(secrets.token_hex, 4))
        told, standing = Told(clock), NewestStats(kafka.topic_of(STATS))
        own = Own(
            _queries(settings, client),
            live=FromMemory(self.newest, clock, Working(settings, self.newest, clock), standing),
            clock=clock,
            threads=threads,
            openapi=_once(lambda: document(version("cryptoproxy"))),
            usage=told.rows if teams.usage else None,
        )
        door = Door(
            coingecko=CoinGeckoHouse(means, Midnights(engines)),
            binance=BinanceHouse(means, bars, station.live, station.flow),
            bybit=BybitHouse(means, bars, station.live),
            own=own,
            sockets=Sockets(station),
            metrics=metrics,
            gate=gate,
            meter=meter,
            names=PathNames(forms(settings)),
        )  # fmt: skip
        alone = {
            "coingecko": serve.coingecko_port,
            "binance": serve.binance_port,
            "bybit": serve.bybit_port,
        }
        apps = [(serve.port, door), *((port, door.at(name)) for name, port in alone.items() if port is not None)]
        self.server = Server(
            serve.host, apps, most=serve.connections, arrive=station.arrive, cert_file=serve.cert_file,
            key_file=serve.key_file,
        )  # fmt: skip
        follow = partial(
            Follower, kafka, health=self.service.health, metrics=metrics, clock=clock, lose=station.lose,
            begun=station.begun,
        )  # fmt: skip
        since_ms = int(serve.lookback * 1000)
        take = both(tickers_into(self.newest), station.take)
        followers = [follow([kafka.topic], take, what="tickers", since_ms=since_ms)]
        if kafka.keeps_answers:
            take = both(answers_into(self.newest), station.look)
            followers.append(follow([kafka.answers_topic], take, what="answers", since_ms=None, needed=False))
        take = both(station.take, standing.take)
        streamed = [each for each in station.ours.topics if each != kafka.topic]
        followers.append(follow(streamed, take, what="streams", since_ms=since_ms, most=MOST_BACK, needed=False))
        if kafka.live_symbols:
            take = station.take_live
            followers.append(
                follow([kafka.live_topic], take, what="live", since_ms=LIVE_BACK_MS, most=MOST_BACK, needed=False)
            )
        if teams.usage:
            followers.append(follow([kafka.topic_of(USAGE)], told.take, what="usage", since_ms=HELD_MS, needed=False))
            self.service.add("telling of usage", Teller(kafka, meter, clock).run)
        for each in followers:
            self.service.add(each.what, each.run)
        if not gate.is_open:
            self.service.add("teams", gate.run)
        self.service.add("door", self.server.run)
        host = f"[{serve.host}]" if ":" in serve.host else serve.host
        self.url = f"http{'s' if serve.cert_file else ''}://{host}:{self.server.ports[0]}"
        log.info("the door is at %s: /coingecko/api/v3/, /binance/api/v3/, /bybit/v5/, /v1/", self.url)

    def run(self) -> NoReturn:
        """Until a stop signal; then ends the process, whatever index, lake or upstream a question still waits for. Call
        it in the main thread."""
        sys.setswitchinterval(SWITCH_SECONDS)
        leave(self.service.run())


def forms(settings: Settings) -> dict[str, list[str]]:
    """The paths that questions are counted by, below each house's own."""
    below = {"coingecko": "", "binance": "api/v3/", "bybit": "v5/"}
    asked = asked_of(settings.upstreams)
    forms = {name: [path.removeprefix(base) for path in asked[name].paths] for name, base in below.items()}
    return forms | {"own": [f"v1/{name}" for name in (*QUESTIONS, "usage")]}


def _once(make: Callable[[], T]) -> Callable[[], T]:
    """Made when it is first needed, whoever needs it: what it connects to may not be there at the start."""
    lock = threading.Lock()
    made: list[T] = []

    def get() -> T:
        with lock:
            if not made:
                made.append(make())
            return made[0]

    return get


def _queries(settings: Settings, client: Callable[[], Elasticsearch]) -> Callable[[str], Queries]:
    """By engine; the lake is opened by who asks for it first."""
    lake = _once(lambda: _lake(settings))

    def of(engine: str) -> Queries:
        second = None if engine == ENGINES[0] else lake()
        return Queries.of(settings.elasticsearch, client(), lake=second, engine=engine)

    made = {each: _once(partial(of, each)) for each in ENGINES}
    return lambda engine: made[engine]()


def _lake(settings: Settings) -> Backend:
    from cryptoproxy.lake.store import Store
    from cryptoproxy.queries.lake.engine import Lake  # DuckDB is not everybody's

    return Lake(Store(settings.s3))
