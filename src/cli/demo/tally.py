"""What each stage has, counted where it lies: by the processes' metrics, the brokers, Elasticsearch and the lake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import requests
from kafka import TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from cryptoproxy.common.clients import elastic
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.settings import Settings
from cryptoproxy.lake.objects import lines_of
from cryptoproxy.lake.store import Store


@dataclass(frozen=True, slots=True)
class Tally:
    """Records at each stage."""

    polled: int
    topic: int
    documents: int
    lake: int

    @property
    def agrees(self) -> bool:
        """Nothing lost, nothing twice, and not nothing at all."""
        return self.polled > 0 and self.polled == self.topic == self.documents == self.lake


class Counter:
    """Counts; keeps its connections, so that it may be asked each second."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._elastic = elastic.client(settings.elasticsearch, connections=1)
        self._consumer: Any = kafka_client.consumer(settings.kafka, group_id=None)
        self._store = Store(settings.s3)
        self._lines: dict[str, int] = {}

    def tally(self, polled: int) -> Tally:
        """``polled`` is the poller's own word, by its metrics."""
        return Tally(polled, self.topic(), self.documents(), self.lake())

    def topic(self) -> int:
        """Records on the topic."""
        topic = self._settings.kafka.topic
        partitions = [TopicPartition(topic, each) for each in self._consumer.partitions_for_topic(topic) or ()]
        return sum(self._consumer.end_offsets(partitions).values())

    def documents(self) -> int:
        alias = self._settings.elasticsearch.alias
        self._elastic.indices.refresh(index=alias)
        return int(self._elastic.count(index=alias)["count"])

    def lake(self) -> int:
        """Lines in the lake; objects never change, so each is read once."""
        for key in self._store.keys(f"{self._settings.s3.prefix}/v1/ticker/raw/"):
            if key not in self._lines:
                self._lines[key] = sum(1 for _ in lines_of(key, self._store.get(key)))
        return sum(self._lines.values())

    def objects(self) -> int:
        return len(self._lines)

    def top(self, size: int = 10) -> list[dict[str, Any]]:
        """The largest coins of the newest slot, as Elasticsearch answers."""
        answer = self._elastic.search(
            index=self._settings.elasticsearch.alias,
            size=size,
            sort=[{"timestamp": "desc"}, {"market_cap": "desc"}],
            query={"term": {"source": "coingecko"}},
        )
        return [hit["_source"] for hit in answer["hits"]["hits"]]

    def close(self) -> None:
        self._elastic.close()
        self._consumer.close()


def metrics_of(port: int) -> dict[str, float]:
    """A process's counters and gauges by name, summed over labels; empty while it does not answer."""
    try:
        with requests.Session() as session:
            session.trust_env = False  # this machine's own: no proxy, no login of ~/.netrc
            text = session.get(f"http://127.0.0.1:{port}/metrics", timeout=2).text
    except requests.RequestException:
        return {}
    totals: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if not sample.name.endswith(("_bucket", "_created")):
                totals[sample.name] = totals.get(sample.name, 0.0) + sample.value
    return totals
