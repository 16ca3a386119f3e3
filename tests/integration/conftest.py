"""A world for each test here in the shared engines: its own topics, alias and prefix."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cryptoproxy.common import topics
from cryptoproxy.common.clients import elastic
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.settings import Settings
from cryptoproxy.consumer import template
from cryptoproxy.datasets import iso
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

    def set_up(self) -> None:
        """What `cryptoproxy setup` does."""
        settings = self.settings
        admin = kafka_client.admin(settings.kafka)
        try:
            list(topics.set_up(admin, settings.kafka))
        finally:
            admin.close()
        client = elastic.client(settings.elasticsearch)
        try:
            list(template.set_up(client, settings.elasticsearch, now=iso(SystemClock().now_ms())))
        finally:
            client.close()
        Store(settings.s3).make_bucket()


def make_world(endpoints: Endpoints, folder: Path) -> World:
    name = f"t{uuid.uuid4().hex[:10]}"
    return World(
        {
            "KAFKA_BROKERS_HOST_PORT": endpoints.kafka,
            "KAFKA_TOPIC": f"{name}-data",
            "KAFKA_CONSUMER_GROUP_ID": f"{name}-indexer",
            "ES_URL_ENDPOINT": endpoints.elasticsearch,
            "ES_INDEX": f"{name}-prices",
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
    yield made
    client = elastic.client(made.settings.elasticsearch)
    try:
        for index in client.indices.get(index=f"{made.settings.elasticsearch.alias}-*"):
            client.indices.delete(index=index)
        client.indices.delete_index_template(name=made.settings.elasticsearch.alias)
    finally:
        client.close()
