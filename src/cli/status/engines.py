"""What Kafka, Elasticsearch and S3 know of us, and how the embedded ones are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import elastic_transport
import elasticsearch
from kafka import TopicPartition
from kafka import errors as kafka_errors

from cryptoproxy.cli.status import streamed
from cryptoproxy.cli.status.part import SECONDS
from cryptoproxy.common import topics
from cryptoproxy.common.clients import elastic, outcome, s3
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.settings import Settings
from cryptoproxy.common.settings.catalogue import S3, Elasticsearch, Kafka
from cryptoproxy.datasets import DATASETS, TICKER, Dataset
from cryptoproxy.datasets.times import noted
from cryptoproxy.engines.stack import EngineStatus, Stack
from cryptoproxy.errors import OperatorError
from cryptoproxy.producer.feeds.stream.marks import StreamNote
from cryptoproxy.producer.handover import read_all, slot_key
from cryptoproxy.producer.lease.note import Note, decode


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


def embedded(settings: Settings, names: list[str]) -> dict[str, EngineStatus]:
    """Of those that stand in; as they were started, whatever ports are set by now."""
    if not names:
        return {}
    return {each.name: each for each in Stack(settings.engines.folder).status() if each.name in map(str.lower, names)}


def of_engine(engine: EngineStatus | None) -> Iterator[str]:
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


def newest_slots(settings: Elasticsearch, sources: Mapping[str, float]) -> dict[str, int]:
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


def lake(settings: S3) -> None:
    try:
        with closing(s3.client(settings, timeout=SECONDS)) as client:
            client.list_objects_v2(Bucket=settings.bucket, Prefix=f"{settings.prefix}/v1/", MaxKeys=1)
    except s3.FAILURES as error:
        raise s3.meaning(error, settings) from error
