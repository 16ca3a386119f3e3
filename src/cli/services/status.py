"""`cryptoproxy status`: does it work? Looks only; nothing is written anywhere.

Each line is a part with its verdict. Who polls stands in the lease's group, what was polled last on the state topic,
what is behind in the indexers' committed offsets, what arrived in Elasticsearch; the processes of this machine are
asked at their health ports. So it tells the same from each machine that reaches the engines, but for the outbox,
which is where the poller is.
"""

from __future__ import annotations

import shutil
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import elastic_transport
import elasticsearch
import requests
from kafka import TopicPartition
from kafka import errors as kafka_errors

from cryptoproxy.cli.services import streamed
from cryptoproxy.common import topics
from cryptoproxy.common.clients import elastic, outcome, s3
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.settings import Settings
from cryptoproxy.common.settings.catalogue import S3, Elasticsearch, Kafka, Upstreams
from cryptoproxy.common.start import are_set, home, load_settings, stand_ins
from cryptoproxy.datasets import DATASETS, TICKER, Dataset, Feed, iso
from cryptoproxy.datasets.times import noted
from cryptoproxy.engines.stack import EngineStatus, Stack
from cryptoproxy.errors import CryptoProxyError, OperatorError
from cryptoproxy.producer.feeds.stream.marks import StreamNote
from cryptoproxy.producer.gauges import hours_in_words
from cryptoproxy.producer.handover import read_all, slot_key
from cryptoproxy.producer.lease.note import Note, decode
from cryptoproxy.producer.outbox.outbox import DRAINS
from cryptoproxy.producer.planning import fitting_intervals
from cryptoproxy.upstreams import sources_of, streams_of

SECONDS = 10.0
"""Longest wait for one answer."""
ON_ITS_WAY = 60.0
"""Seconds that a slot may take from its begin to where it is looked for, besides two intervals."""
STUCK_SECONDS = 600.0
"""Polls that wait for a drain so long are a fault, as the alarm has it."""


@dataclass
class Part:
    """One line of the answer; ``faults`` are why it does not work, ``words`` what there is to know."""

    name: str
    words: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class OnKafka:
    """What the brokers know of us. ``alive`` are client ids in the pollers' group."""

    note: Note | None
    alive: tuple[str, ...]
    slots: Mapping[str, int]
    lag: int
    """Of tickers."""
    indexers: int
    others: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Of the other datasets that are set up: how many indexers read it, and their lag."""
    streams: Mapping[str, StreamNote] = field(default_factory=dict)
    """What the active poller told last, by feed."""

    def holder(self) -> Note | None:
        """Whoever polls, if it lives: a note outlives a poller that was killed."""
        if self.note is None or self.note.released:
            return None
        client = f"cryptoproxy-lease-{self.note.name}".replace(":", "-")
        return self.note if any(each.startswith(client) for each in self.alive) else None


@click.command()
@click.pass_obj
@click.pass_context
def status(context: click.Context, env_file: Path) -> None:
    """Does it work? Engines, active poller, last slots, lag, outbox, freshness. Exit code 0 if all is well, else 1."""
    settings = load_settings(env_file)
    found = home()
    click.echo(f"folder {found.folder}" + ("" if found.known else ": nothing of this program is in it or above"))
    well = True
    for part in parts(settings, stand_ins(env_file), somebody_set=are_set(env_file), now_ms=SystemClock().now_ms()):
        well = well and not part.faults
        _print(part)
    click.secho("It works." if well else "It does not work as it should.", fg="green" if well else "red")
    context.exit(0 if well else 1)


def parts(settings: Settings, embedded: list[str], *, somebody_set: bool, now_ms: int) -> Iterator[Part]:
    """All parts, in the order of a record's way."""
    intervals = planned_intervals(settings.upstreams)
    tickers = {name: each for name, each in intervals.items() if Feed.parse(name).dataset == TICKER.name}
    urls = health_urls(settings)
    streams = [stream.feed.name for stream in streams_of(settings.upstreams)]
    with ThreadPoolExecutor(6, "status") as pool:
        asked = pool.submit(on_kafka, settings.kafka)
        arrived = pool.submit(_elasticsearch, settings.elasticsearch, tickers)
        stored = pool.submit(_s3, settings.s3)
        health = {name: pool.submit(ask_health, url) for name, url in urls.items()}
        lacking = (
            pool.submit(streamed.open_gaps, settings.elasticsearch, now_ms=now_ms, seconds=SECONDS) if streams else None
        )
        waiting = pool.submit(_outbox, urls["poller"], settings.poller.outbox_dir)
        engines = _embedded(settings, embedded)

        kafka, seen = _tried("Kafka", asked)
        kafka.words.append(", ".join(settings.kafka.brokers))
        elastic_part, newest = _tried("Elasticsearch", arrived)
        elastic_part.words.append(settings.elasticsearch.url)
        s3_part, _ = _tried("S3", stored)
        s3_part.words.append(f"{settings.s3.endpoint_url or 'Amazon'}, bucket {settings.s3.bucket}")
        for part in (kafka, elastic_part, s3_part):
            part.words.extend(_of_engine(engines.get(part.name.lower())))
            if part.faults and not embedded and not somebody_set:  # then that it is not there is no wonder
                part.faults = [
                    f"no address is set, and no engines of `cryptoproxy up` run in {settings.engines.folder}"
                ]
            yield part
        yield poller_part(seen, health["poller"].result(), intervals, now_ms=now_ms)
        if lacking is not None:
            yield streams_part(seen, lacking, streams, now_ms=now_ms)
        yield outbox_part(waiting.result(), running_here=health["poller"].result() is not None)
        yield indexer_part(seen, health["indexer"].result(), newest, tickers, now_ms=now_ms)


def _tried(name: str, asked: Future[Any]) -> tuple[Part, Any]:
    """The part, and what was answered; None with a fault."""
    part = Part(name)
    try:
        return part, asked.result()
    except CryptoProxyError as error:
        part.faults.append(str(error))
        return part, None


# --- the engines


def _embedded(settings: Settings, names: list[str]) -> dict[str, EngineStatus]:
    """Of those that stand in; as they were started, whatever ports are set by now."""
    if not names:
        return {}
    return {each.name: each for each in Stack(settings.engines.folder).status() if each.name in map(str.lower, names)}


def _of_engine(engine: EngineStatus | None) -> Iterator[str]:
    if engine is None:
        return
    if engine.answering:
        yield f"embedded, {engine.version}, pid {engine.pid}, heap {engine.heap_mb} MB"
    else:
        state = f"runs (pid {engine.pid}) and does not answer" if engine.running else "has ended"
        yield f"embedded; its process {state}, see {engine.log_file}"


def on_kafka(kafka: Kafka) -> OnKafka:
    """
    Raises:
        CryptoProxyError: why it cannot be told.
    """
    try:
        with closing(kafka_client.consumer(kafka, group_id=kafka.lease_topic)) as reader:
            known = reader.topics()
            for topic in (kafka.topic, kafka.dead_letter_topic, kafka.lease_topic, kafka.state_topic):
                if topic not in known:
                    raise OperatorError(f"topic {topic} is missing", remedy="Run `cryptoproxy setup`")
            stored = reader.committed(TopicPartition(kafka.lease_topic, 0), metadata=True)
        datasets = [TICKER, *(each for each in topics.there(known, kafka) if each is not TICKER and each.alias)]
        with closing(kafka_client.admin(kafka)) as admin:
            groups = admin.describe_groups([kafka.lease_topic, *map(kafka.group_of, datasets)])
        members = {name: [each["client_id"] for each in group["members"]] for name, group in groups.items()}
        lags = {each.name: _lag(kafka, each) for each in datasets}
    except kafka_errors.KafkaError as error:
        raise kafka_client.meaning(error, kafka) from error
    begin, states = slot_key(""), read_all(kafka, timeout=SECONDS)
    slots = {
        key.removeprefix(begin): slot_ms
        for key, value in states.items()
        if key.startswith(begin) and (slot_ms := noted(value))
    }
    return OnKafka(
        note=None if stored is None else decode(stored.metadata),
        alive=tuple(members.get(kafka.lease_topic, ())),
        slots=slots,
        lag=lags.pop(TICKER.name),
        indexers=len(members.get(kafka.group_id, ())),
        others={name: (len(members.get(kafka.group_of(DATASETS[name]), ())), lag) for name, lag in lags.items()},
        streams=streamed.found(states),
    )


def _lag(kafka: Kafka, dataset: Dataset[Any]) -> int:
    """Records that the indexers have not committed."""
    with closing(kafka_client.consumer(kafka, group_id=kafka.group_of(dataset))) as reader:
        partitions = kafka_client.partitions_of(reader, *kafka.topics_of(dataset))
        return kafka_client.unread(reader, partitions, {each: reader.committed(each) for each in partitions})


def _elasticsearch(settings: Elasticsearch, sources: Mapping[str, float]) -> dict[str, int]:
    """The newest slot of each source.

    Raises:
        CryptoProxyError: why it cannot be told.
    """
    newest: dict[str, int] = {}
    try:
        with closing(elastic.client(settings, connections=1, timeout=SECONDS)) as client:
            for source in sources:
                answer = client.search(
                    index=settings.alias,
                    size=1,
                    source=False,
                    sort=[{"timestamp": "desc"}],
                    query={"term": {"source": source}},
                )
                for hit in answer["hits"]["hits"]:
                    newest[source] = int(hit["sort"][0])
    except elasticsearch.NotFoundError as error:
        raise OperatorError(f"alias {settings.alias} is missing", remedy="Run `cryptoproxy setup`") from error
    except (elasticsearch.ApiError, elastic_transport.TransportError) as error:
        raise outcome.meaning(error, url=settings.url) from error
    return newest


def _s3(settings: S3) -> None:
    try:
        with closing(s3.client(settings, timeout=SECONDS)) as client:
            client.list_objects_v2(Bucket=settings.bucket, Prefix=f"{settings.prefix}/v1/", MaxKeys=1)
    except s3.FAILURES as error:
        raise s3.meaning(error, settings) from error


# --- the processes


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
        reasons = _get(f"{url}/readyz").json()["reasons"]
    except (requests.RequestException, ValueError, KeyError, TypeError):
        return None
    return {str(part): str(reason) for part, reason in dict(reasons).items()}


def _get(url: str) -> requests.Response:
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


@dataclass(frozen=True, slots=True)
class OutboxBacklog:
    """Polls in this machine's outbox by drain, the oldest one's age, and hours until it is full; None: not known."""

    folder: Path
    polls: Mapping[str, int]
    oldest: float | None = None
    hours: float | None = None


def _outbox(url: str, folder: Path) -> OutboxBacklog | None:
    """By the poller's own metrics; of one that does not run, by its folder; None if there is none here."""
    from prometheus_client.parser import text_string_to_metric_families

    try:
        samples = [
            each for family in text_string_to_metric_families(_get(f"{url}/metrics").text) for each in family.samples
        ]
    except (requests.RequestException, ValueError):
        samples = []
    by_name = {
        name: {each.labels.get("drain", ""): each.value for each in samples if each.name == f"cryptoproxy_{name}"}
        for name in ("outbox_polls", "outbox_oldest_seconds", "outbox_hours")
    }
    if by_name["outbox_polls"]:
        polls = {drain: int(count) for drain, count in by_name["outbox_polls"].items()}
        oldest = max(by_name["outbox_oldest_seconds"].values(), default=None)
        return OutboxBacklog(folder, polls, oldest, by_name["outbox_hours"].get(""))
    if not folder.is_dir():
        return None
    return OutboxBacklog(folder, waiting_in(folder))


def waiting_in(outbox: Path) -> dict[str, int]:
    """Polls by drain, counted on the disk, whoever has the outbox open."""
    folders = {drain: outbox / drain for drain in DRAINS}
    return {drain: sum(1 for _ in folder.iterdir()) if folder.is_dir() else 0 for drain, folder in folders.items()}


def in_words(polls: Mapping[str, int]) -> str:
    """``1 poll for Kafka, 3 polls for S3``."""
    names = {"kafka": "Kafka", "s3": "S3"}
    return ", ".join(f"{count} poll{'' if count == 1 else 's'} for {names[drain]}" for drain, count in polls.items())


def outbox_part(waiting: OutboxBacklog | None, *, running_here: bool) -> Part:
    """What is on this machine's disk alone."""
    part = Part("outbox")
    if waiting is None or not (running_here or any(waiting.polls.values())):
        part.words.append("none on this machine; it is where the poller is")
        return part
    room = "" if waiting.hours is None else f"; room for {hours_in_words(waiting.hours)}"
    part.words.append(f"{in_words(waiting.polls)}{room}; in {waiting.folder}")
    if waiting.oldest is not None and waiting.oldest > STUCK_SECONDS:
        part.faults.append(f"the oldest of them waits for {waiting.oldest / 60:.0f} minutes")
    if any(waiting.polls.values()) and not running_here:
        part.faults.append("no poller runs here to deliver them (cryptoproxy produce)")
    return part


def _print(part: Part) -> None:
    width = min(110, shutil.get_terminal_size().columns)
    mark = click.style("✗", fg="red") if part.faults else click.style("✓", fg="green")
    lines = [*part.faults, *part.words]
    for number, line in enumerate(lines):
        # Never inside a word: a path or an address cut short helps nobody.
        wrapped = textwrap.wrap(line, width - 17, break_long_words=False, break_on_hyphens=False) or [""]
        head = f"{mark} {part.name:<14}" if number == 0 else " " * 16
        click.echo(f"{head} {wrapped[0]}")
        for rest in wrapped[1:]:
            click.echo(" " * 19 + rest)
