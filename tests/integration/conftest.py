"""A world for each test here in the shared engines: its own topics, alias and prefix."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cryptoproxy.common import topics
from cryptoproxy.common.clients import elastic
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.settings import Settings
from cryptoproxy.common.settings.catalogue import Elasticsearch
from cryptoproxy.consumer.index import template
from cryptoproxy.datasets import DATASETS, TICKER, Dataset, iso
from cryptoproxy.engines.stack import Endpoints
from cryptoproxy.lake.store import Store
from tests.engines import Shared


@pytest.fixture(scope="session")
def endpoints(shared: Shared) -> Endpoints:
    return shared.endpoints


@dataclass
class World:
    """Names of one test's own in the shared engines, and the texts of its settings."""

    texts: dict[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        return Settings.from_texts(self.texts)

    def set_up(self, *datasets: Dataset[Any]) -> None:
        """What `cryptoproxy setup --dataset …` does; without a name for tickers."""
        settings, datasets = self.settings, datasets or (TICKER,)
        admin = kafka_client.admin(settings.kafka)
        try:
            list(topics.set_up(admin, settings.kafka, datasets))
        finally:
            admin.close()
        client = elastic.client(settings.elasticsearch)
        try:
            for dataset in (each for each in datasets if each.alias is not None):
                list(template.set_up(client, settings.elasticsearch, dataset, now=iso(SystemClock().now_ms())))
        finally:
            client.close()
        Store(settings.s3).make_bucket()


def remove_indices(settings: Elasticsearch) -> None:
    """Of every dataset, with their templates, and whatever a test has left in an alias's place."""
    client = elastic.client(settings)
    try:
        for alias in [settings.alias_of(each) for each in DATASETS.values() if each.alias is not None]:
            for name in client.indices.get(index=f"{alias},{alias}-*", ignore_unavailable=True, expand_wildcards="all"):
                client.indices.delete(index=name)
            client.options(ignore_status=404).indices.delete_index_template(name=alias)
    finally:
        client.close()


def make_world(endpoints: Endpoints, folder: Path) -> World:
    name = f"t{uuid.uuid4().hex[:10]}"
    others = [each for each in DATASETS if each != TICKER.name]
    return World(
        {
            "KAFKA_BROKERS_HOST_PORT": endpoints.kafka,
            "KAFKA_TOPIC": f"{name}-data",
            "KAFKA_ANSWERS_TOPIC": f"{name}.answers",
            "KAFKA_TOPICS": ",".join(f"{each}={name}.{each}" for each in others),
            "KAFKA_CONSUMER_GROUP_ID": f"{name}-indexer",
            "ES_URL_ENDPOINT": endpoints.elasticsearch,
            "ES_INDEX": f"{name}-prices",
            "ES_INDICES": ",".join(f"{each}={name}-{each}" for each in others),
            "AWS_S3_ENDPOINT_URL": endpoints.s3,
            "AWS_S3_ACCESS_KEY": endpoints.s3_access_key,
            "AWS_S3_SECRET_KEY": endpoints.s3_secret_key,
            "AWS_S3_FILENAME_PREFIX": name,
            "OUTBOX_DIR": str(folder / "outbox"),
            "PYTHON_PRODUCER_SERVER_PORT": "0",
            "PYTHON_CONSUMER_SERVER_PORT": "0",
        }
    )


@pytest.fixture
def world(endpoints: Endpoints, tmp_path: Path) -> Iterator[World]:
    """A set-up world of its own for one test; its indices are removed afterwards."""
    made = make_world(endpoints, tmp_path)
    made.set_up()
    settings = made.settings.elasticsearch  # a test may put a proxy before it, which is gone by then
    yield made
    remove_indices(settings)
