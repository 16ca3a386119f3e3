"""`cryptoproxy setup` where one thing cannot be made: all else is, and the end tells every fault."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from kafka.admin import ConfigResource, ConfigResourceType

from cryptoproxy.cli.main import cli
from cryptoproxy.cli.upkeep.setup import set_up
from cryptoproxy.common.clients import elastic, s3
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.engines.stack import Endpoints
from cryptoproxy.errors import CryptoProxyError
from tests.integration.conftest import World, make_world

PLACES = "cluster.routing.allocation.enable"


@pytest.fixture
def bare(endpoints: Endpoints, tmp_path: Path) -> Iterator[World]:
    """Nothing made yet, and no shard gets a place."""
    world = make_world(endpoints, tmp_path)
    world.texts["AWS_S3_BUCKET"] = world.texts["AWS_S3_FILENAME_PREFIX"]
    settings = world.settings
    with closing(elastic.client(settings.elasticsearch)) as client:
        client.cluster.put_settings(persistent={PLACES: "none"})
        try:
            yield world
        finally:
            client.cluster.put_settings(persistent={PLACES: None})
            for index in client.indices.get(index=f"{settings.elasticsearch.alias}-*"):
                client.indices.delete(index=index)
            client.options(ignore_status=404).indices.delete_index_template(name=settings.elasticsearch.alias)


def test_without_a_place_for_a_shard_the_bucket_is_made_all_the_same(
    bare: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in bare.texts.items():
        monkeypatch.setenv(name, text)
    done = CliRunner().invoke(cli, ["setup"])
    assert isinstance(done.exception, CryptoProxyError), "which ends the command with exit code 1"
    assert "no place for its shard" in str(done.exception)
    alias, bucket = bare.settings.elasticsearch.alias, bare.settings.s3.bucket
    assert f"alias {alias}: 1 indices" in done.output
    assert f"bucket {bucket}: made" in done.output
    assert [each["Name"] for each in s3.client(bare.settings.s3).list_buckets()["Buckets"]].count(bucket) == 1


def test_the_faults_of_several_steps_are_told_together(bare: World) -> None:
    kafka = bare.settings.kafka
    with closing(kafka_client.admin(kafka)) as admin:
        admin.create_topics({kafka.topic: {"num_partitions": 1, "replication_factor": 1}}, wait_for_metadata=True)
        compacted = ConfigResource(ConfigResourceType.TOPIC, kafka.dead_letter_topic, {"cleanup.policy": "compact"})
        admin.create_topics({kafka.dead_letter_topic: {"num_partitions": 1, "replication_factor": 1}})
        admin.alter_configs([compacted], incremental=True)
    said: list[str] = []
    with pytest.raises(CryptoProxyError) as caught:
        set_up(bare.settings, wait=60, say=said.append)
    for fault in ("KAFKA_TOPIC_PARTITIONS is 3", f"{kafka.dead_letter_topic} has cleanup.policy", "no place for its"):
        assert fault in str(caught.value)
    assert any(line.startswith(f"topic {kafka.state_topic}: made") for line in said)
    assert f"bucket {bare.settings.s3.bucket}: made" in said
