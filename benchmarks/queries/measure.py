"""Each question over some periods, and each dashboard over 7 days, on an index that is loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from elasticsearch import Elasticsearch as Client

from benchmarks.queries.panels import searches
from benchmarks.queries.timing import Timed, timed
from cryptoproxy.queries import Answer, Queries
from kibana.definitions import market, pipeline, volatility

DAY_MS = 86_400_000
BROWSER = 6
"""Connections that a browser has to one server, so that many panels ask at once."""


@dataclass(frozen=True, slots=True)
class EndOfData:
    """The clock of the questions: "7d" is the last 7 days that are loaded."""

    end_ms: int

    def now_ms(self) -> int:
        return self.end_ms

    def monotonic(self) -> float:
        return 0.0


def asked_of(since: str) -> dict[str, Callable[[Queries], Answer[Any]]]:
    """By name: every question that is timed."""
    return {
        "percentiles BTC,ETH": lambda q: q.percentiles(symbols="BTC,ETH", since=since),
        "percentiles, all": lambda q: q.percentiles(since=since),
        "percentiles --top 10": lambda q: q.percentiles(top=10, since=since),
        "average, whole period": lambda q: q.average(since=since),
        "average --interval 1d": lambda q: q.average(interval="1d", since=since),
        "average --interval 1mo": lambda q: q.average(interval="1mo", since=since),
        "moves": lambda q: q.moves(since=since),
        "volatility --window 1h": lambda q: q.volatility("1h", since=since),
        "latest": lambda q: q.latest(),
        "freshness": lambda q: q.freshness(since=since),
        "sentiment --interval 1d": lambda q: q.sentiment(interval="1d", since=since),
        "candles BTC --interval 1d": lambda q: q.candles("1d", symbols="BTC", source="coingecko", since=since),
    }


def questions(client: Client, alias: str, pid: int, *, end_ms: int, since: str) -> Iterator[Timed]:
    """Without the request cache."""
    for name, ask in asked_of(since).items():
        yield timed(
            f"{name}, {since}",
            pid,
            lambda ask=ask: _asked(client, alias, end_ms, ask),
            rounds=3 if since == "7d" else 1,
        )


def dashboards(client: Client, alias: str, pid: int, *, end_ms: int, days: int = 7) -> Iterator[Timed]:
    """All panels of each dashboard, six searches at a time, as a browser asks."""
    for dashboard in (market.dashboard("coingecko"), volatility.dashboard("coingecko"), pipeline.dashboard()):
        bodies = list(searches(dashboard, end_ms - days * DAY_MS, end_ms))

        def ask(bodies: list[tuple[str, dict[str, Any]]] = bodies) -> tuple[int, int]:
            with ThreadPoolExecutor(BROWSER) as pool:
                list(pool.map(lambda each: client.search(index=alias, request_cache=False, **each[1]), bodies))
            return len(bodies), 0

        yield timed(dashboard.title, pid, ask)


def panels(client: Client, alias: str, pid: int, *, end_ms: int, days: int = 7) -> Iterator[Timed]:
    """One after the other."""
    for dashboard in (market.dashboard("coingecko"), volatility.dashboard("coingecko"), pipeline.dashboard()):
        for name, body in searches(dashboard, end_ms - days * DAY_MS, end_ms):

            def ask(body: dict[str, Any] = body) -> tuple[int, int]:
                client.search(index=alias, request_cache=False, **body)
                return 1, 0

            yield timed(f"{dashboard.title}: {name}", pid, ask)


def _asked(client: Client, alias: str, end_ms: int, ask: Callable[[Queries], Answer[Any]]) -> tuple[int, int]:
    queries = Queries(client, index=alias, clock=EndOfData(end_ms), request_cache=False)
    rows = sum(1 for _ in ask(queries))
    return queries.search.requests, rows
