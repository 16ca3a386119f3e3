"""A door over a sandbox whose clock stands still: what its upstreams answer is read as the poller reads it, and kept as
the topics would bring it. Bars are held in memory here; with Elasticsearch they are asked for in tests/integration."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Self

import pytest
import requests
from prometheus_client import CollectorRegistry

from cryptoproxy.common.metrics import ServeMetrics
from cryptoproxy.common.service import Loop
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import Candle, Ticker, from_iso
from cryptoproxy.datasets.times import DAY_MS
from cryptoproxy.queries.backend import Midnight
from cryptoproxy.queries.questions.candles import Bar
from cryptoproxy.queries.scope import AssetRef, Scope
from cryptoproxy.sandbox.app import Sandbox
from cryptoproxy.sandbox.upstream import StandInLimits
from cryptoproxy.serve.door import Door
from cryptoproxy.serve.houses import binance_rows, bybit
from cryptoproxy.serve.houses.binance import BinanceHouse
from cryptoproxy.serve.houses.bybit import BybitHouse
from cryptoproxy.serve.houses.coingecko import CoinGeckoHouse
from cryptoproxy.serve.houses.house import Means
from cryptoproxy.serve.houses.own import Own
from cryptoproxy.serve.road.bars import Bars
from cryptoproxy.serve.road.engine import Engine
from cryptoproxy.serve.road.midnights import Midnights
from cryptoproxy.serve.road.newest import Newest
from cryptoproxy.serve.road.newest_stats import NewestStats
from cryptoproxy.serve.road.open_bars import OpenBars
from cryptoproxy.serve.server import Server
from cryptoproxy.serve.streams.sockets import Sockets
from cryptoproxy.serve.streams.station import Station
from cryptoproxy.serve.teams.gate import Gate
from cryptoproxy.serve.teams.meter import Meter, PathNames
from cryptoproxy.serve.teams.usage import Told
from cryptoproxy.serve.upstream.seam import Fetched
from cryptoproxy.serve.views.memory import FromMemory
from cryptoproxy.serve.views.working import BrokerView, Working
from cryptoproxy.serve.wiring import forms
from cryptoproxy.upstreams import upstreams_of
from cryptoproxy.upstreams.base import Call, Response
from tests.conftest import PATIENCE

NOW_MS = from_iso("2026-11-20T10:00:30.000Z")
POLLED = "coingecko,binance,bybit-linear,bybit-inverse,bybit-spot"


class StandingClock:
    """Moves by hand alone."""

    def __init__(self, now_ms: int = NOW_MS) -> None:
        self.ms = now_ms

    def now_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.ms / 1000


class HeldPast:
    """As much of a backend as bars and charts need."""

    name = "es"

    def __init__(self) -> None:
        self.candles: dict[tuple[str, str, str], dict[int, Candle]] = {}
        self.tickers: dict[tuple[str, str, int], Ticker] = {}

    def hold(self, records: list[Any]) -> None:
        """Of tickers the first of an id stays, as in the index."""
        for each in records:
            if isinstance(each, Ticker):
                self.tickers.setdefault((each.asset_id, each.quote, from_iso(each.timestamp)), each)
                continue
            key = each.source, each.asset_id, each.interval
            self.candles.setdefault(key, {})[from_iso(each.timestamp)] = each

    def midnights(self, scope: Scope, stamps: Sequence[int]) -> list[Midnight]:
        held = ((stamp, self.tickers.get((scope.assets[0], scope.quotes[0], stamp))) for stamp in stamps)
        return [
            Midnight(stamp, each.price, each.market_cap, each.volume_24h)
            for stamp, each in held
            if each is not None and each.interval_ms == DAY_MS and each.last_updated is None
            and each.market_cap is not None and each.volume_24h is not None
        ]  # fmt: skip

    def intervals(self, scope: Scope) -> Mapping[AssetRef, Mapping[str, int]]:
        found = self._found(scope, scope.assets[0], scope.interval)
        return {_asset(found[0]): {scope.interval: len(found)}} if found else {}

    def bars(self, scope: Scope, stored: str) -> Iterator[tuple[AssetRef, Bar]]:
        for each in self._found(scope, scope.chosen[0].asset_id, stored):
            yield (
                scope.chosen[0],
                Bar(
                    from_iso(each.timestamp), each.open, each.high, each.low, each.close, each.base_volume,
                    each.quote_volume, each.trades, each.taker_base_volume, each.taker_quote_volume,
                ),
            )  # fmt: skip

    def _found(self, scope: Scope, asset_id: str, interval: str) -> list[Candle]:
        held = self.candles.get((scope.sources[0], asset_id, interval), {})
        return [held[each] for each in sorted(held) if each in scope.period]


def _asset(candle: Candle) -> AssetRef:
    return AssetRef(candle.source, candle.asset_id, candle.quote, candle.symbol)


class Upstreams:
    """Asks the sandbox, as the poller would; counts."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.asked: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def get(self, upstream: str, path: str, params: Mapping[str, str]) -> Fetched:
        self.asked.append(f"{upstream}/{path}")
        self.gate.wait(PATIENCE)
        answer = requests.get(f"{self._sandbox.base_url(upstream)}/{path}", params=dict(params), timeout=PATIENCE)
        return Fetched(answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, answer.content, 0.0)


@dataclass
class Road:
    """The door, what is behind it, and what it is compared with."""

    sandbox: Sandbox
    clock: StandingClock
    settings: Settings
    newest: Newest = field(default_factory=Newest)
    past: HeldPast = field(default_factory=HeldPast)
    state: dict[str, bytes] = field(default_factory=dict)
    """What stands on the state topic."""
    through: Upstreams | None = None
    url: str = ""
    door: Door | None = None
    meter: Meter | None = None
    usage: Told = field(default_factory=lambda: Told(StandingClock()))
    standing: NewestStats = field(default_factory=NewestStats)
    most: int = 1000
    station: Any = None
    metrics: Any = None
    _stop: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def made(
        cls,
        sandbox: Sandbox,
        clock: StandingClock,
        *,
        through: bool = False,
        gate: Gate | None = None,
        most: int = 1000,
        **texts: str,
    ) -> Self:
        named = {
            "COINGECKO_BASE_URL": sandbox.base_url("coingecko"),
            "BINANCE_BASE_URL": sandbox.base_url("binance"),
            "BYBIT_BASE_URL": sandbox.base_url("bybit"),
            "SOURCES": POLLED,
            "BINANCE_SYMBOLS": "*",
            **texts,
        }
        road = cls(
            sandbox, clock, Settings.from_texts(named), through=Upstreams(sandbox) if through else None, most=most
        )
        road.usage = Told(clock)
        threads = ThreadPoolExecutor(4)
        means = Means(
            newest=road.newest,
            clock=clock,
            threads=threads,
            askers=threads,
            through=road.through,
            limit_ms=road.settings.serve.limit_ms,
        )
        metrics = ServeMetrics(CollectorRegistry())
        open_bars = OpenBars(clock)
        engines = [Engine(lambda: road.past)]  # type: ignore[arg-type, return-value]
        bars = Bars(engines, clock, open_bars)
        rows = {"binance": binance_rows.by_symbol, "bybit": bybit.by_symbol}
        road.metrics = metrics
        road.station = Station(road.settings.kafka, road.newest, open_bars, rows=rows, metrics=metrics, clock=clock)
        road.meter = Meter(metrics, door=lambda: "d00r")
        told = BrokerView(road.state, {"ticker": 0, "candle": 70_000})
        working = Working(road.settings, road.newest, clock, brokers=lambda: told)
        memory = FromMemory(road.newest, clock, working, road.standing)
        road.door = Door(
            coingecko=CoinGeckoHouse(means, Midnights(engines)),
            binance=BinanceHouse(means, bars, road.station.live, road.station.flow),
            bybit=BybitHouse(means, bars, road.station.live),
            own=Own(_no_queries, live=memory, clock=clock, threads=threads, openapi=dict, usage=road.usage.rows),
            sockets=Sockets(road.station),
            metrics=metrics,
            gate=gate,
            meter=road.meter,
            names=PathNames(forms(road.settings)),
        )
        return road

    def start(self) -> None:
        server = Server("127.0.0.1", [(0, self.door)], most=self.most, arrive=self.station.arrive)
        self.url = f"http://127.0.0.1:{server.ports[0]}"
        self._thread = threading.Thread(target=server.run, args=(Loop("door", self._stop),))
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def poll(self, *names: str, interval_ms: int = 60_000) -> None:
        """One poll of each of these feeds; of all tickers without any."""
        feeds = {feed.name: polling for each in upstreams_of(self.settings.upstreams).values()
                 for feed, polling in each.feeds.items()}  # fmt: skip
        for name in names or POLLED.split(","):
            source = feeds[name].make()
            calls = source.calls()
            bodies = [self._ask(call).body for call in calls]
            if source.symbol_list is not None:
                self._load(source.symbol_list)
            slot_ms = self.clock.ms - self.clock.ms % interval_ms
            for call, body in zip(calls, bodies, strict=True):
                self.newest.take_answer(source.upstream, call.url, call.params, body, self.clock.ms)
            for record in source.read(bodies, slot_ms=slot_ms, fetched_at_ms=self.clock.ms).records:
                if isinstance(record, Ticker):
                    record.interval_ms = interval_ms
                    self.newest.take(record)

    def keep(self, name: str) -> None:
        """The answers to the calls of one poll, without a look at its records."""
        feeds = {feed.name: polling for each in upstreams_of(self.settings.upstreams).values()
                 for feed, polling in each.feeds.items()}  # fmt: skip
        source = feeds[name].make()
        for call in source.calls():
            self.newest.take_answer(source.upstream, call.url, call.params, self._ask(call).body, self.clock.ms)

    def walk(self, feed: str, symbol: str, since_ms: int) -> None:
        """The past of one series, as `cryptoproxy history` fetches it."""
        for each in upstreams_of(self.settings.upstreams).values():
            for there, make in each.histories.items():
                if there.name == feed:
                    history = make()
                    if history.symbol_list is not None:
                        self._load(history.symbol_list)
                    start = history.start(symbol, self._ask(history.start_call(symbol)))
                    begin, end = since_ms, self.clock.ms
                    while begin < end:
                        from cryptoproxy.datasets.times import Span

                        span = Span(begin, end)
                        answer = self._ask(history.call(symbol, span, now_ms=self.clock.ms))
                        page = history.page(symbol, start, span, answer, now_ms=self.clock.ms)
                        self.past.hold(list(page.records))
                        begin = page.covered_ms

    def _load(self, symbol_list: Any) -> None:
        bodies: list[bytes] = []
        while (call := symbol_list.next_call(bodies[-1] if bodies else None)) is not None:
            bodies.append(self._ask(call).body)
        symbol_list.load(bodies)

    def _ask(self, call: Call) -> Response:
        found = requests.get(call.url, params=dict(call.params), headers=dict(call.headers), timeout=PATIENCE)
        return Response(found.status_code, {k.lower(): v for k, v in found.headers.items()}, found.content)

    # --- asked

    def get(self, path: str, **more: Any) -> requests.Response:
        return requests.get(f"{self.url}{path}", timeout=PATIENCE, **more)

    def theirs(self, upstream: str, path: str, **more: Any) -> requests.Response:
        return requests.get(f"{self.sandbox.base_url(upstream)}/{path}", timeout=PATIENCE, **more)


def _no_queries(_: str) -> Any:
    raise AssertionError("nothing is asked of Elasticsearch here")


@pytest.fixture(scope="session")
def standing() -> Iterator[tuple[Sandbox, StandingClock]]:
    """One sandbox for all: nobody moves its clock."""
    clock = StandingClock()
    endless = StandInLimits(binance_weight_per_minute=None, bybit_calls_per_5s=None)  # its minute never ends
    with Sandbox(coins=60, clock=clock, limits=endless) as sandbox:
        yield sandbox, clock


@pytest.fixture
def road(standing: tuple[Sandbox, StandingClock]) -> Iterator[Callable[..., Road]]:
    """Makes a door that is up, over what was polled once; ``through``: read through as well."""
    made: list[Road] = []

    def make(*, polled: bool = True, **how: Any) -> Road:
        sandbox, clock = standing
        found = Road.made(sandbox, StandingClock(clock.ms), **how)
        if polled:
            found.poll()
        found.start()
        made.append(found)
        return found

    yield make
    for each in made:
        each.stop()
