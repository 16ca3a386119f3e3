"""The indexer's process, built from settings: the one place where its clients are made."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from prometheus_client import CollectorRegistry

from cryptoproxy.common.clients import elastic
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clock import Clock, SystemClock
from cryptoproxy.common.metrics import IndexerMetrics
from cryptoproxy.common.service import Health, Service
from cryptoproxy.common.settings import Settings
from cryptoproxy.consumer.alias_look import AliasLook
from cryptoproxy.consumer.bulk import BulkSender
from cryptoproxy.consumer.dead_letter_reader import Letter, Replayed, replay
from cryptoproxy.consumer.dead_letters import DeadLetterQueue
from cryptoproxy.consumer.delivery import Delivery
from cryptoproxy.consumer.fuse import Acceptances
from cryptoproxy.consumer.indexer import Indexer
from cryptoproxy.consumer.indices import Indices
from cryptoproxy.consumer.member import consumer, instance_id
from cryptoproxy.consumer.pipeline import Pipeline
from cryptoproxy.datasets import Period

DEAD_LETTER_BYTES = 64 * 1024 * 1024
"""Larger than any record a topic takes: what could be consumed can be set aside."""


def delivery(
    settings: Settings, health: Health, metrics: IndexerMetrics, clock: Clock, *, replayed: bool = False
) -> Delivery:
    """The indexing path, which replays use as well: of these a person has said that their times are meant."""
    indexer = settings.indexer
    sender = BulkSender(
        settings.elasticsearch,
        lambda: elastic.client(
            settings.elasticsearch, connections=indexer.bulk_in_flight, timeout=indexer.bulk_timeout
        ),
        compress=indexer.bulk_compress,
    )
    indices = Indices(settings.elasticsearch, clock=clock, announced=lambda _: replayed)
    return Delivery(sender, indices, health, metrics, max_bytes=indexer.bulk_bytes, now_ms=clock.now_ms)


def replay_dead_letters(settings: Settings, letters: Iterable[Letter]) -> Replayed:
    """Puts letters into the index by the indexer's own path; see :func:`consumer.dead_letter_reader.replay`."""
    clock = SystemClock()
    return replay(
        letters,
        delivery=delivery(settings, Health(), IndexerMetrics(CollectorRegistry()), clock, replayed=True),
        alias=settings.elasticsearch.alias,
        period=Period(settings.elasticsearch.period),
        now_ms=clock.now_ms(),
    )


def service(settings: Settings) -> Service:
    """The process, ready to run."""
    clock = SystemClock()
    process = Service(
        "indexer",
        host=settings.service.host,
        port=settings.indexer.port,
        watchdog_seconds=settings.service.watchdog,
    )
    metrics = IndexerMetrics(process.registry)
    kafka = settings.kafka
    pipeline = Pipeline(
        in_flight=settings.indexer.bulk_in_flight,
        delivery=delivery(settings, process.health, metrics, clock),
        dead_letters=DeadLetterQueue(
            kafka,
            process.health,
            metrics,
            now_ms=clock.now_ms,
            connect=lambda: kafka_client.producer(
                kafka, client_id="cryptoproxy-dlq", max_request_size=DEAD_LETTER_BYTES
            ),
        ),
        acceptances=Acceptances(kafka, lambda: kafka_client.consumer(kafka, group_id=None)),
        health=process.health,
        metrics=metrics,
        monotonic=clock.monotonic,
    )
    indexer = Indexer(
        kafka=kafka,
        alias=settings.elasticsearch.alias,
        period=Period(settings.elasticsearch.period),
        connect=partial(consumer, settings),
        name=instance_id(kafka.instance_id, settings.indexer.port),
        pipeline=pipeline,
        health=process.health,
        metrics=metrics,
        clock=clock,
    )
    process.add("indexer", indexer.run)
    connect = partial(elastic.client, settings.elasticsearch, connections=1, timeout=5)
    process.add("alias", AliasLook(settings.elasticsearch.alias, connect, process.health).run)
    return process
