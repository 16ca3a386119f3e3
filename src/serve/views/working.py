"""``/v1/working``: is it working? What this door and the brokers know of the road: how old each source is, what was
polled last, how far indexers are behind, what is used of each budget.

It asks for nothing that costs: no record is counted. How whole the past is `freshness` and `gaps` tell.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
from kafka import errors as kafka_errors

from cryptoproxy.common import topics
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clock import Clock
from cryptoproxy.common.settings import Settings
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.datasets import from_iso
from cryptoproxy.datasets.codec import UNREADABLE
from cryptoproxy.datasets.times import Span, noted
from cryptoproxy.errors import CryptoProxyError, TransientError
from cryptoproxy.queries import Answer
from cryptoproxy.queries.answer import Cell, Covers, Look
from cryptoproxy.serve.houses.house import ROAD
from cryptoproxy.serve.road.newest import Newest
from cryptoproxy.upstreams import upstreams_of
from cryptoproxy.upstreams.base import MONTH

LOOK_SECONDS = 5.0
"""For the brokers to answer; what they said is good for as long."""
ON_ITS_WAY_MS = 60_000
"""That a slot may take to where it is looked for, besides two intervals; as `cryptoproxy status` has it."""
QUIET_MS = 300_000
"""A stream that has told nothing for so long is said to be late."""
BEHIND = 50_000
"""Records: an indexer that is so far behind is said to be."""
_WINDOWS_MS = {"minute": 60_000, "5s": 5_000}

Brokers = Callable[[], "BrokerView"]


class _Ban(msgspec.Struct):
    until_ms: int = 0
    why: str = ""


class _Counts(msgspec.Struct):
    windows: dict[str, list[tuple[int, int]]] = {}
    """Of each call its time and its cost."""
    months: dict[str, int] = {}
    ban: _Ban | None = None


class _Used(msgspec.Struct):
    """What the poller tells of a budget."""

    counts: _Counts


class BrokerView(NamedTuple):
    """What the brokers know. ``state``: the newest value by key; ``lags``: records not committed, by dataset;
    ``untold``: why these are not known."""

    state: Mapping[str, bytes]
    lags: Mapping[str, int]
    untold: str = ""


@dataclass(frozen=True, slots=True)
class WorkingLine:
    """One line. ``state``: ok, late, away; empty where it cannot be judged. ``count`` of ``limit``, in ``unit``."""

    kind: str
    name: str
    state: str
    words: str
    age_ms: int | None = None
    every_ms: int | None = None
    count: int | None = None
    limit: int | None = None
    unit: str = ""


class Working:
    """
    Args:
        brokers: asks them; raises CryptoProxyError.
    """

    def __init__(self, settings: Settings, newest: Newest, clock: Clock, *, brokers: Brokers | None = None) -> None:
        self._settings, self._newest, self._clock = settings, newest, clock
        self._brokers = brokers or (lambda: seen(settings))
        self._lock = threading.Lock()
        self._known: tuple[float, BrokerView | CryptoProxyError] | None = None

    def answer(self) -> Answer[WorkingLine]:
        now_ms = self._clock.now_ms()
        parts = list(self._parts(now_ms))
        covers = Covers(Span(now_ms, now_ms + 1), now_ms, now_ms)
        return Answer("working", "Is it working?", "this door", columns(), iter(parts), covers=covers, engine=ROAD)

    def _parts(self, now_ms: int) -> Iterator[WorkingLine]:
        for name in sorted(self._newest.sources):
            slots = [from_iso(each.timestamp) for each in self._newest.tickers(name)]
            if slots:
                yield aged("source", name, max(slots), self._newest.every_ms(name), now_ms)
        looked = self._looked()
        if isinstance(looked, CryptoProxyError):
            yield WorkingLine("brokers", "Kafka", "away", str(looked))
            return
        yield from polled(looked.state, now_ms)
        if looked.untold:
            yield WorkingLine("indexer", "lag", "", f"it cannot be told: {looked.untold}")
        for dataset, lag in looked.lags.items():
            state, words = ("late", f"{lag:,} records behind") if lag > BEHIND else ("ok", f"lag {lag:,} records")
            yield WorkingLine("indexer", dataset, state, words, count=lag, unit="records")
        for upstream in upstreams_of(self._settings.upstreams).values():
            limits = upstream.limits
            if state_of := looked.state.get(f"budget:{limits.upstream}"):
                allowed = {each.window: each.amount for each in limits.limits}
                yield from budget(limits.upstream, limits.unit, allowed, state_of, now_ms)

    def _looked(self) -> BrokerView | CryptoProxyError:
        """One look for all who ask at once. While it takes, others get what was known before: threads that wait for a
        slow broker would hold up every other question."""
        known = self._known
        if known is not None and self._clock.monotonic() - known[0] <= LOOK_SECONDS:
            return known[1]
        if not self._lock.acquire(blocking=False):
            return TransientError("it has been asked, and has not answered yet") if known is None else known[1]
        try:
            found: BrokerView | CryptoProxyError = self._brokers()
        except CryptoProxyError as error:
            found = error
        finally:
            self._lock.release()
        self._known = self._clock.monotonic(), found
        return found


def aged(kind: str, name: str, at_ms: int, every_ms: int | None, now_ms: int) -> WorkingLine:
    """Something that comes at an interval: late after two of them and a minute. Where none is known nobody judges."""
    age_ms = max(0, now_ms - at_ms)
    if every_ms is None:
        return WorkingLine(kind, name, "", f"{age_ms / 1000:.0f} s old", age_ms)
    state = "late" if age_ms > 2 * every_ms + ON_ITS_WAY_MS else "ok"
    return WorkingLine(
        kind, name, state, f"{age_ms / 1000:.0f} s old, comes every {every_ms / 1000:g} s", age_ms, every_ms
    )


def polled(state: Mapping[str, bytes], now_ms: int) -> Iterator[WorkingLine]:
    """Who polls, and what of each feed it has kept last."""
    if "door" not in state:
        yield WorkingLine("poller", "poller", "away", "none has told that it polls (cryptoproxy produce)")
    for key, value in sorted(state.items()):
        kind, _, name = key.partition(":")
        if kind == "slot" and (slot_ms := noted(value)):
            yield aged("poll", name, slot_ms, None, now_ms)
        elif kind == "stream":
            try:
                told = msgspec.json.decode(value, type=dict[str, Any]).get("told_ms")
            except UNREADABLE:
                continue
            if isinstance(told, int):
                age_ms = max(0, now_ms - told)
                state_of = "late" if age_ms > QUIET_MS else "ok"
                yield WorkingLine("stream", name, state_of, f"{age_ms / 1000:.0f} s old", age_ms)


def budget(upstream: str, unit: str, allowed: Mapping[str, int], state: bytes, now_ms: int) -> Iterator[WorkingLine]:
    """What is used of each of an upstream's windows, by the poller's own count."""
    try:
        counts = msgspec.json.decode(state, type=_Used).counts
    except UNREADABLE:
        return
    for window, limit in allowed.items():
        if window == MONTH:
            used = max(counts.months.values(), default=0)
        else:
            since = now_ms - _WINDOWS_MS.get(window, 60_000)
            used = sum(cost for at, cost in counts.windows.get(window, ()) if at > since)
        words = f"{used:,} of {limit:,} {unit} per {window}"
        yield WorkingLine(
            "budget", upstream, "late" if used >= limit else "ok", words, count=used, limit=limit, unit=unit
        )
    if (ban := counts.ban) and ban.until_ms > now_ms:
        words = f"it is not asked for {(ban.until_ms - now_ms) / 1000:.0f} s more: {ban.why}"
        yield WorkingLine("budget", upstream, "away", words)


def seen(settings: Settings) -> BrokerView:
    """Raises:
    CryptoProxyError: the brokers are away, or the state topic is not there.
    """
    kafka = settings.kafka
    try:
        with closing(kafka_client.consumer(kafka, group_id=None)) as reader:
            state: dict[str, bytes] = {}
            for record in kafka_client.read_to_end(reader, kafka.state_topic, seconds=LOOK_SECONDS):
                key = (record.key or b"").decode(errors="replace")
                if record.value is None:
                    state.pop(key, None)
                else:
                    state[key] = record.value
    except kafka_errors.KafkaError as error:
        raise kafka_client.meaning(error, kafka) from error
    try:
        return BrokerView(state, _lags(kafka))
    except kafka_errors.KafkaError as error:  # a door needs no right to look at the indexers' groups
        return BrokerView(state, {}, str(kafka_client.meaning(error, kafka)))


def _lags(kafka: Kafka) -> dict[str, int]:
    """Of each dataset that is set up and indexed: records that the indexers have not committed."""
    with (
        closing(kafka_client.consumer(kafka, group_id=None)) as reader,
        closing(kafka_client.admin(kafka)) as admin,
    ):
        datasets = [each for each in topics.there(reader.topics(), kafka) if each.alias]
        committed = admin.list_group_offsets(dict.fromkeys(map(kafka.group_of, datasets)))
        lags = {}
        for dataset in datasets:
            offsets = {each: found.offset for each, found in committed[kafka.group_of(dataset)].items()}
            partitions = kafka_client.partitions_of(reader, *kafka.topics_of(dataset))
            lags[dataset.name] = kafka_client.unread(reader, partitions, offsets)
    return lags


def columns() -> tuple[Cell[WorkingLine], ...]:
    def field(name: str, title: str, kind: Look = Look.TEXT) -> Cell[WorkingLine]:
        return Cell(name, title, kind, lambda row: getattr(row, name))

    return (
        field("kind", "what"),
        field("name", "of"),
        field("state", "state"),
        field("words", "in words"),
        field("age_ms", "age", Look.AGE),
        field("every_ms", "interval", Look.SPAN),
        field("count", "count", Look.COUNT),
        field("limit", "limit", Look.COUNT),
        field("unit", "unit"),
    )
