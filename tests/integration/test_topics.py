"""What `cryptoproxy setup` says of the topics, on a real broker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from kafka.admin import ConfigResource, ConfigResourceType

from cryptoproxy.common import topics
from cryptoproxy.common.checks import check_kafka
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.errors import OperatorError
from tests.conftest import wait_until
from tests.integration.conftest import World


@pytest.fixture
def admin(world: World) -> Iterator[Any]:
    made = kafka_client.admin(world.settings.kafka)
    yield made
    made.close()


def test_partitions_copies_and_retention_are_read_back(world: World, admin: Any) -> None:
    kafka = world.settings.kafka
    assert list(topics.found(admin, kafka)) == [
        f"topic {kafka.topic}: partitions 3, copies 1, in-sync copies needed 1, keeps 7 days",
        f"topic {kafka.dead_letter_topic}: partitions 1, copies 1, in-sync copies needed 1, keeps for ever",
        f"topic {kafka.lease_topic}: partitions 1, copies 1, in-sync copies needed 1, keeps 7 days",
        f"topic {kafka.state_topic}: partitions 1, copies 1, in-sync copies needed 1, keeps last of each key",
        f"topic {kafka.answers_topic}: partitions 1, copies 1, in-sync copies needed 1, keeps last of each key",
    ]


def test_what_somebody_changed_is_seen_and_the_next_set_up_mends_it(world: World, admin: Any) -> None:
    kafka = world.settings.kafka
    changed = ConfigResource(ConfigResourceType.TOPIC, kafka.topic, {"retention.ms": "3600000"})
    admin.alter_configs([changed], incremental=True)

    def complaint() -> str:
        try:
            list(topics.found(admin, kafka))
        except OperatorError as error:
            return str(error)
        return ""  # a broker learns of a change a little late

    assert "retention.ms=3600000 although 604800000" in wait_until(complaint, what="the change is seen")
    list(topics.set_up(admin, kafka))
    assert "keeps 7 days" in next(topics.found(admin, kafka))


def test_the_check_says_which_topic_is_missing(world: World) -> None:
    world.texts["KAFKA_TOPIC"] = "my-topic"
    with pytest.raises(OperatorError, match=r"topic my-topic, my-topic\.state is missing") as caught:
        check_kafka(world.settings.kafka)
    assert "cryptoproxy setup" in caught.value.remedy
