"""Poller, streams and indexer: whether they run, and how fresh what they made is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future

import requests

from cryptoproxy.cli.status import streamed
from cryptoproxy.cli.status.engines import OnKafka
from cryptoproxy.cli.status.part import SECONDS, Part
from cryptoproxy.common.settings import Settings
from cryptoproxy.common.settings.catalogue import Upstreams
from cryptoproxy.datasets import iso
from cryptoproxy.errors import CryptoProxyError
from cryptoproxy.producer.planning import fitting_intervals
from cryptoproxy.upstreams import sources_of

ON_ITS_WAY = 60.0
"""Seconds that a slot may take from its begin to where it is looked for, besides two intervals."""


def health_urls(settings: Settings) -> dict[str, str]:
    """Where the health ports of this machine's poller and indexer are, if they run."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.service.host, settings.service.host)  # noqa: S104
    return {
        "poller": f"http://{host}:{settings.poller.port}",
        "indexer": f"http://{host}:{settings.indexer.port}",
    }


def ask_health(url: str) -> dict[str, str] | None:
    """Why a process is not ready, by part; None if none of ours answers there."""
    try:
        reasons = get(f"{url}/readyz").json()["reasons"]
    except (requests.RequestException, ValueError, KeyError, TypeError):
        return None
    return {str(part): str(reason) for part, reason in dict(reasons).items()}


def get(url: str) -> requests.Response:
    """What a process of this machine answers at its health port."""
    with requests.Session() as session:
        session.trust_env = False  # this machine's own port: past any proxy, and no ~/.netrc
        return session.get(url, timeout=SECONDS)


def planned_intervals(upstreams: Upstreams) -> dict[str, float]:
    """Seconds between polls by feed, as the poller plans them with these settings."""
    sources = sources_of(upstreams)
    intervals = {
        name: each for fit in fitting_intervals(upstreams, sources).values() for name, each in fit.by_source.items()
    }
    return {source.feed.name: intervals[source.feed.name] for source in sources}


def poller_part(
    kafka: OnKafka | None, health: Mapping[str, str] | None, intervals: Mapping[str, float], *, now_ms: int
) -> Part:
    """Who polls, and whether each source's last slot is as new as it must be."""
    part = Part("poller")
    if kafka is None:
        part.faults.append("who polls cannot be told without Kafka")
    elif holder := kafka.holder():
        others = len(kafka.alive) - sum(f"-{holder.name}".replace(":", "-") in each for each in kafka.alive)
        part.words.append(
            f"{holder.name} polls since {_second(holder.since)}" + (f", {others} stand by" if others else "")
        )
    elif kafka.alive:
        part.faults.append("pollers run, and none is active yet: look again in 15 s")
    else:
        gone = kafka.note is not None and not kafka.note.released
        last = f"; the last was {kafka.note.name}, gone without a word" if gone and kafka.note else ""
        part.faults.append(f"none runs{last} (cryptoproxy produce)")
    for name, reason in (health or {}).items():
        # One that stands by is as ready as it can be.
        if name != "lease" or kafka is None:
            part.faults.append(f"{name}: {reason}")
    if kafka is not None:
        for source, interval in intervals.items():
            _judge(part, f"{source} was polled last for", kafka.slots.get(source), interval, now_ms=now_ms)
    return part


def streams_part(kafka: OnKafka | None, lacking: Future[Counter[str]], feeds: Sequence[str], *, now_ms: int) -> Part:
    """Of each stream whether it is connected, when its last data came, how far it is published, and what lacks."""
    part = Part("streams")
    if kafka is None:
        part.faults.append("how they go cannot be told without Kafka")
        return part
    if kafka.holder() is None:
        part.faults.append("nobody streams")
    gaps: Counter[str] | None = None
    try:
        gaps = lacking.result()
    except CryptoProxyError as error:
        part.faults.append(f"gaps cannot be told: {error}")
    for fault, words in streamed.said(feeds, kafka.streams, gaps, now_ms=now_ms):
        (part.faults if fault else part.words).append(words)
    return part


def indexer_part(
    kafka: OnKafka | None,
    health: Mapping[str, str] | None,
    newest: Mapping[str, int] | None,
    intervals: Mapping[str, float],
    *,
    now_ms: int,
) -> Part:
    """Whether it reads, how far it is behind, and how fresh what arrived is."""
    part = Part("indexer")
    if kafka is not None:
        running = f"{kafka.indexers} run{'s' if kafka.indexers == 1 else ''}, lag {kafka.lag:,} records"
        if kafka.indexers:
            part.words.append(running)
        else:
            part.faults.append(f"none runs, lag {kafka.lag:,} records (cryptoproxy consume)")
        for name, (indexers, lag) in kafka.others.items():
            said = f"{name}s: {indexers} run{'s' if indexers == 1 else ''}, lag {lag:,} records"
            (part.words if indexers or not lag else part.faults).append(said)
    for name, reason in (health or {}).items():
        part.faults.append(f"{name}: {reason}")
    if newest is None:
        part.faults.append("freshness cannot be told without Elasticsearch")
    else:
        for source, interval in intervals.items():
            _judge(part, f"newest document of {source}:", newest.get(source), interval, now_ms=now_ms)
    return part


def _judge(part: Part, what: str, slot_ms: int | None, interval: float, *, now_ms: int) -> None:
    if slot_ms is None:
        part.faults.append(f"{what} none yet")
        return
    age = max(0.0, (now_ms - slot_ms) / 1000)  # what came while this was asked for is new
    words = f"{what} {_second(slot_ms)}, {age:.0f} s ago"
    if age > 2 * interval + ON_ITS_WAY:
        part.faults.append(f"{words}, although it is polled every {interval:g} s")
    else:
        part.words.append(words)


def _second(milliseconds: int) -> str:
    return f"{iso(milliseconds)[:19]}Z"
