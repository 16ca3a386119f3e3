"""What each stage has, counted where it lies: by the processes' metrics, the brokers, Elasticsearch and the lake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import requests
from prometheus_client.parser import text_string_to_metric_families

from cryptoproxy.common.clients import elastic
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import ALERT, CANDLE, TICKER, Dataset
from cryptoproxy.lake.objects import RAW, folder, lines_of
from cryptoproxy.lake.store import Store

DATASETS: tuple[Dataset[Any], ...] = (TICKER, CANDLE)
"""What the demo carries."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Records of one dataset at each stage."""

    dataset: str
    fetched: int
    topic: int
    documents: int
    lake: int
    ids: int
    """Different ones among the lake's lines."""

    @property
    def agrees(self) -> bool:
        """Nothing lost, nothing twice, and not nothing at all."""
        return self.fetched > 0 and self.fetched == self.topic == self.documents == self.lake == self.ids


class Counter:
    """Counts; keeps its connections, so that it may be asked each second."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._elastic = elastic.client(settings.elasticsearch, connections=1)
        self._consumer: Any = kafka_client.consumer(settings.kafka, group_id=None)
        self._store = Store(settings.s3)
        self._objects: set[str] = set()
        self._lines = {dataset.name: 0 for dataset in DATASETS}
        self._ids: dict[str, set[str]] = {dataset.name: set() for dataset in DATASETS}

    def tallies(self, fetched: Sequence[int]) -> list[Tally]:
        """Of each dataset. ``fetched`` is the poller's own word."""
        return [self._tally(dataset, told) for dataset, told in zip(DATASETS, fetched, strict=True)]

    def _tally(self, dataset: Dataset[Any], fetched: int) -> Tally:
        topic, documents = self._topic(dataset), self._documents(dataset)
        self._read_lake(dataset)
        return Tally(dataset.name, fetched, topic, documents, self._lines[dataset.name], len(self._ids[dataset.name]))

    def _topic(self, dataset: Dataset[Any]) -> int:
        partitions = kafka_client.partitions_of(self._consumer, *self._settings.kafka.topics_of(dataset))
        return sum(self._consumer.end_offsets(partitions).values())

    def _documents(self, dataset: Dataset[Any]) -> int:
        alias = self._settings.elasticsearch.alias_of(dataset)
        self._elastic.indices.refresh(index=alias)
        return int(self._elastic.count(index=alias)["count"])

    def _read_lake(self, dataset: Dataset[Any]) -> None:
        """Objects never change, so each is read once."""
        for key in self._store.keys(folder(self._settings.s3.prefix, dataset.name, RAW)):
            if key in self._objects:
                continue
            for line in lines_of(key, self._store.get(key)):
                self._lines[dataset.name] += 1
                self._ids[dataset.name].add(dataset.id_of(dataset.codec.decode(line)))
            self._objects.add(key)

    def objects(self) -> int:
        """Of the lake, read so far."""
        return len(self._objects)

    def top(self, size: int = 10) -> list[dict[str, Any]]:
        """The largest coins of the newest slot, as Elasticsearch answers."""
        answer = self._elastic.search(
            index=self._settings.elasticsearch.alias,
            size=size,
            sort=[{"timestamp": "desc"}, {"market_cap": "desc"}],
            query={"term": {"source": "coingecko"}},
        )
        return [hit["_source"] for hit in answer["hits"]["hits"]]

    def alerts(self, size: int = 2) -> list[str]:
        """The newest, each in a sentence, as Elasticsearch answers."""
        answer = self._elastic.search(
            index=self._settings.elasticsearch.alias_of(ALERT), size=size, sort=[{"timestamp": "desc"}]
        )
        found = [hit["_source"] for hit in answer["hits"]["hits"]]
        said = [(each["severity"] if each["state"] == "open" else "over", each) for each in found]
        return [f"{each['timestamp'][11:19]} {state}: {each['words']}" for state, each in said]

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
