"""The process of watch, built from settings: the one place where its clients are made."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from cryptoproxy.common.clients import elastic
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clients.kafka_python.fetching import fetch_without_waiting_for_others
from cryptoproxy.common.metrics import WatchMetrics
from cryptoproxy.common.service import Service
from cryptoproxy.common.settings import Settings
from cryptoproxy.lake.store import Store
from cryptoproxy.models.registry import Registry
from cryptoproxy.watch.clock import SteadyClock
from cryptoproxy.watch.engine import Engine
from cryptoproxy.watch.rulebook.forests import bring
from cryptoproxy.watch.rulebook.reading import read
from cryptoproxy.watch.rulebook.rules import Rules
from cryptoproxy.watch.sharing.ledger import Ledger
from cryptoproxy.watch.sharing.share import Share
from cryptoproxy.watch.sharing.shares import Shares
from cryptoproxy.watch.telling.links import Links
from cryptoproxy.watch.telling.picture import Pictures
from cryptoproxy.watch.telling.teller import Teller

PICTURE_SECONDS = 2.0
"""For each answer of Elasticsearch that a picture needs."""


def service(settings: Settings) -> tuple[Service, Callable[[], Rules]]:
    """The process, ready to run, and the rules in force.

    Raises:
        SettingsError: the file of rules has mistakes.
        CryptoProxyError: a model that they ask cannot be had.
    """
    kafka, watch = settings.kafka, settings.watch
    rules = read(watch.rules)

    def prepare(read_rules: Rules) -> None:
        bring(read_rules, lambda: Registry(Store(settings.s3)))

    prepare(rules)
    process = Service("watch", host=settings.service.host, port=watch.port, watchdog_seconds=settings.service.watchdog)
    metrics = WatchMetrics(process.registry)
    clock = SteadyClock()
    connect = partial(kafka_client.consumer, kafka, client_id="cryptoproxy-watch")
    shares = Shares(kafka, connect, process.health)

    def ledger(partition: int) -> Ledger:
        return Ledger(
            kafka,
            partition,
            lambda name: kafka_client.producer(
                kafka, client_id=f"cryptoproxy-{name}", transactional_id=name, delivery_timeout_ms=15_000
            ),
            clock.stamp_ms,
        )

    def make(number: int, in_force: Rules) -> Share:
        return Share(
            kafka, number, count=shares.count, ledger=ledger(number), rules=in_force, now_ms=clock.now_ms,
            catch_up=clock.catch_up,
        )  # fmt: skip

    def reader(**options: Any) -> Any:
        return fetch_without_waiting_for_others(
            connect(
                group_id=None, fetch_max_bytes=8 * 1024 * 1024, max_partition_fetch_bytes=2 * 1024 * 1024, **options
            )
        )

    pictures = Pictures(
        settings.elasticsearch, partial(elastic.client, settings.elasticsearch, connections=1, timeout=PICTURE_SECONDS)
    )
    engine = Engine(
        kafka=kafka, path=watch.rules, rules=rules, shares=shares, make=make, connect=reader, health=process.health,
        metrics=metrics, now_ms=clock.now_ms, catch_up=clock.catch_up, prepare=prepare,
    )  # fmt: skip
    teller = Teller(
        kafka=kafka, shares=shares, make_ledger=ledger, connect=reader, rules=lambda: engine.rules,
        now_ms=clock.now_ms, health=process.health, metrics=metrics, links=Links(watch.page, watch.kibana),
        picture=pictures.of if watch.pictures else lambda _: None,
    )  # fmt: skip
    process.add("shares", shares.run)
    process.add("rules", engine.run)
    process.add("telling", teller.run)
    return process, lambda: engine.rules
