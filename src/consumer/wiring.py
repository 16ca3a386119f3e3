"""The indexer's process, built from settings: the one place where its clients are made."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Any

from kafka import errors as kafka_errors
from prometheus_client import CollectorRegistry

from cryptoproxy.common import topics
from cryptoproxy.common.clients import elastic
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clock import Clock, SystemClock
from cryptoproxy.common.metrics import DatasetMetrics, IndexerMetrics
from cryptoproxy.common.service import Health, Service
from cryptoproxy.common.settings import Settings
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.consumer.batch import place_of
from cryptoproxy.consumer.index.alias_look import AliasLook, Watched
from cryptoproxy.consumer.index.bulk import BulkSender
from cryptoproxy.consumer.index.corrections import Corrections
from cryptoproxy.consumer.index.delivery import Delivery
from cryptoproxy.consumer.index.indices import Indices
from cryptoproxy.consumer.indexer import LOOK_SECONDS, Indexer
from cryptoproxy.consumer.lanes import Lane
from cryptoproxy.consumer.letters.dead_letters import DeadLetterQueue
from cryptoproxy.consumer.letters.fuse import Acceptances
from cryptoproxy.consumer.letters.reader import Letter, Replayed, replay
from cryptoproxy.consumer.letters.state_topic import Announced, StateTopic
from cryptoproxy.consumer.member import consumer, instance_id
from cryptoproxy.consumer.pipeline import Pipeline
from cryptoproxy.consumer.progress import Progress
from cryptoproxy.datasets import DATASETS, TICKER, Dataset

DEAD_LETTER_BYTES = 64 * 1024 * 1024
"""Larger than any record a topic takes: what could be consumed can be set aside."""


def replaying(settings: Settings, dataset: Dataset[Any], clock: Clock) -> Delivery:
    """The indexing path for what a person brings in: of these it is said that their times are meant."""
    indices = Indices(settings.elasticsearch, dataset, clock=clock, announced=lambda _: True)
    metrics = IndexerMetrics(CollectorRegistry()).of(dataset.name)
    return _delivery(settings, indices, Health(), metrics, clock)


def _delivery(
    settings: Settings,
    indices: Indices,
    health: Health,
    metrics: DatasetMetrics,
    clock: Clock,
    *,
    corrections: Corrections | None = None,
) -> Delivery:
    indexer = settings.indexer
    sender = BulkSender(
        settings.elasticsearch,
        lambda: elastic.client(
            settings.elasticsearch, connections=indexer.bulk_in_flight, timeout=indexer.bulk_timeout
        ),
        compress=indexer.bulk_compress,
    )
    return Delivery(
        sender,
        indices,
        health,
        metrics,
        max_bytes=indexer.bulk_bytes,
        now_ms=clock.now_ms,
        corrections=corrections,
    )


def replay_dead_letters(settings: Settings, letters: Iterable[Letter]) -> Replayed:
    """Puts letters into the index by the indexer's own path; see :func:`consumer.letters.reader.replay`."""
    clock = SystemClock()
    return replay(
        letters,
        delivery=lambda dataset: replaying(settings, dataset, clock),
        place=partial(place_of, settings.elasticsearch),
        now_ms=clock.now_ms(),
    )


def service(settings: Settings, datasets: Collection[Dataset[Any]] = ()) -> Service:
    """The process, ready to run: a loop for each dataset that is indexed.

    Args:
        datasets: without any, tickers and all others that are set up, now or later.
    """
    clock = SystemClock()
    process = Service(
        "indexer",
        host=settings.service.host,
        port=settings.indexer.port,
        watchdog_seconds=settings.service.watchdog,
    )
    metrics = IndexerMetrics(process.registry)
    known = KnownTopics(settings.kafka, monotonic=clock.monotonic)
    aliases = []
    for dataset in datasets or DATASETS.values():
        if dataset.alias is None:
            continue
        set_up = None if datasets or dataset is TICKER else partial(known.holds_any_of, dataset)
        indexer = _indexer(settings, dataset, process.health, metrics.of(dataset.name), clock, set_up=set_up)
        process.add(f"indexer of {dataset.name}s", indexer.run)
        aliases.append(Watched(settings.elasticsearch.alias_of(dataset), process.health.of(dataset.name), set_up))
    connect = partial(elastic.client, settings.elasticsearch, connections=1, timeout=5)
    process.add("alias", AliasLook(aliases, connect).run)
    return process


def _indexer(
    settings: Settings,
    dataset: Dataset[Any],
    health: Health,
    metrics: DatasetMetrics,
    clock: Clock,
    *,
    set_up: Callable[[], bool] | None,
) -> Indexer:
    kafka = settings.kafka
    progress = Progress(metrics)
    state = partial(StateTopic, kafka, lambda: kafka_client.consumer(kafka, group_id=None))
    indices = Indices(
        settings.elasticsearch,
        dataset,
        clock=clock,
        announced=Announced(state(), settings.elasticsearch, dataset, now_ms=clock.now_ms),
    )

    corrections = Corrections(dataset, metrics) if dataset.corrected else None

    def lane(topic: str, part: str) -> Lane:
        of_lane = health.of(dataset.called(part))
        return Lane(
            place_of(settings.elasticsearch, dataset, part),
            Pipeline(
                in_flight=settings.indexer.bulk_in_flight,
                spelled="" if dataset is TICKER else f"{dataset.called(part)}:",
                delivery=_delivery(settings, indices, of_lane, metrics, clock, corrections=corrections),
                dead_letters=DeadLetterQueue(
                    kafka,
                    of_lane,
                    metrics,
                    now_ms=clock.now_ms,
                    connect=lambda: kafka_client.producer(
                        kafka, client_id="cryptoproxy-dlq", max_request_size=DEAD_LETTER_BYTES
                    ),
                ),
                acceptances=Acceptances(state(), topic),
                health=of_lane,
                metrics=metrics,
                monotonic=clock.monotonic,
                progress=progress,
            ),
        )

    return Indexer(
        kafka=kafka,
        dataset=dataset,
        lanes={topic: lane(topic, part.name) for topic, part in kafka.topics_of(dataset).items()},
        progress=progress,
        connect=partial(consumer, settings, dataset),
        name=instance_id(kafka.instance_id, settings.indexer.port),
        health=health.of(dataset.name),
        metrics=metrics,
        clock=clock,
        set_up=set_up,
    )


class KnownTopics:
    """The topics that are there, for all loops that stand by: asked for once in a while. Thread-safe."""

    def __init__(self, kafka: Kafka, *, monotonic: Callable[[], float]) -> None:
        self._kafka = kafka
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._asked_at = float("-inf")
        self._names: frozenset[str] = frozenset()

    def holds_any_of(self, dataset: Dataset[Any]) -> bool:
        """Whether the dataset is set up. While the brokers are away, what was known before counts."""
        with self._lock:
            if self._monotonic() - self._asked_at >= LOOK_SECONDS / 2:
                try:
                    reader = kafka_client.consumer(self._kafka, group_id=None)
                    try:
                        self._names = frozenset(reader.topics())
                    finally:
                        reader.close()
                except kafka_errors.KafkaError:
                    pass
                self._asked_at = self._monotonic()
            return dataset in topics.there(self._names, self._kafka)
