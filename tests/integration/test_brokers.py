"""How Kafka is, as Prometheus would be told it: of a real broker."""

from __future__ import annotations

import threading

import requests
from kafka import OffsetAndMetadata, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from cryptoproxy.cli.services.brokers import process
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.datasets import TICKER
from tests.conftest import wait_until
from tests.integration.conftest import World

COUNT = 90


def test_what_comes_who_is_behind_and_what_lies_on_disk_is_told(world: World) -> None:
    world.texts["PYTHON_BROKERS_SERVER_PORT"] = "0"
    kafka = world.settings.kafka
    producer = kafka_client.producer(kafka)
    try:
        sent = [producer.send(kafka.topic, key=str(each).encode(), value=b"x" * 100) for each in range(COUNT)]
        ends: dict[int, int] = {}
        for each in sent:
            where = each.get(60)
            ends[where.partition] = max(ends.get(where.partition, 0), where.offset + 1)
    finally:
        producer.close()
    group = kafka.group_of(TICKER)
    reader = kafka_client.consumer(kafka, group_id=group)
    try:
        reader.assign([TopicPartition(kafka.topic, 0)])
        reader.commit({TopicPartition(kafka.topic, 0): OffsetAndMetadata(ends[0] - 1, "", -1)})
    finally:
        reader.close()

    service = process(world.settings)
    thread = threading.Thread(target=service.run)
    thread.start()

    def told() -> dict[str, dict[tuple[str, ...], float]]:
        text = requests.get(f"{service.url}/metrics", timeout=60).text
        return {
            family.name: {
                tuple(each.labels.values()): each.value for each in family.samples if not each.name.endswith("_created")
            }
            for family in text_string_to_metric_families(text)
        }

    try:
        found = wait_until(lambda: each if (each := told())["cryptoproxy_kafka_records"] else None, what="a look at it")
    finally:
        service.stop()
        thread.join()

    def of_topic(name: str) -> dict[int, float]:
        """By partition; labels come in the order of their names."""
        return {int(labels[0]): value for labels, value in found[name].items() if labels[1] == kafka.topic}

    assert {at: end for at, end in of_topic("cryptoproxy_kafka_records").items() if end} == ends
    assert sum(of_topic("cryptoproxy_kafka_records_held").values()) == COUNT
    assert set(of_topic("cryptoproxy_kafka_replicas_missing").values()) == {0}
    assert found["cryptoproxy_kafka_group_lag_records"][group, kafka.topic] == 1
    ((broker, size),) = [
        (labels[0], value) for labels, value in found["cryptoproxy_kafka_log_bytes"].items() if labels[1] == kafka.topic
    ]
    assert size > COUNT
    assert found["cryptoproxy_kafka_partitions_led"][broker,] >= len(ends)
    ((place, free),) = found["cryptoproxy_kafka_disk_free_bytes"].items()
    assert 0 < free < found["cryptoproxy_kafka_disk_bytes"][place]
