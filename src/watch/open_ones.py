"""What is open now, by the topic of alerts."""

from __future__ import annotations

from kafka import errors as kafka_errors

from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.datasets import ALERT, Alert
from cryptoproxy.errors import PoisonError

_SECONDS = 30.0


def open_ones(kafka: Kafka) -> list[Alert]:
    """Each alert whose end is not on the topic, as long as the topic has its beginning; the newest first.

    Raises:
        CryptoProxyError: Kafka refuses, or is away.
    """
    newest: dict[str, Alert] = {}
    try:
        reader = kafka_client.consumer(kafka, group_id=None)
        try:
            for record in kafka_client.read_to_end(reader, kafka.topic_of(ALERT), seconds=_SECONDS, renewed=True):
                try:
                    alert = ALERT.codec.decode(record.value)
                except PoisonError:
                    continue
                newest[f"{alert.rule}:{alert.asset}"] = alert
        finally:
            reader.close(timeout_ms=1_000)
    except kafka_errors.KafkaError as error:
        raise kafka_client.meaning(error, kafka) from error
    return sorted((each for each in newest.values() if each.state == "open"), key=lambda each: each.since, reverse=True)
