"""A world of one case of the indexing half: topics, an alias, a prefix in the lake, indexers, and what feeds them.

The road of a record is short (feeder → topic → indexer → index) or whole (sandbox → poller → topic and lake → …).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from elasticsearch import ApiError, Elasticsearch, TransportError
from kafka import KafkaAdminClient, TopicPartition
from kafka import errors as kafka_errors

from cryptoproxy.common.clients import elastic
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.settings import Settings
from cryptoproxy.consumer.index import template
from cryptoproxy.datasets import TICKER, Dataset, Period, index_name, iso
from cryptoproxy.sandbox import FaultProxy
from cryptoproxy.sandbox.ledger import CallLog
from tests.conftest import wait_until
from tests.faults import evidence
from tests.faults.indexing.feeder import Feeder
from tests.faults.indexing.judging import IndexCase, judge_index
from tests.faults.indexing.process import IndexerProcess
from tests.faults.judge import Verdict
from tests.faults.reading import Kind
from tests.faults.rig import Engines, Rig

_PAGE = 5000


class IndexerRig(Rig):
    """Usage: ``rig.start_indexer(); rig.feeder.feed(100); …; report(rig.judged(), rig.recovered(since))``."""

    def __init__(self, engines: Engines, elasticsearch_url: str, folder: Path, **texts: str) -> None:
        super().__init__(engines, folder, **texts)
        self._elasticsearch_url = elasticsearch_url
        self.indexers: list[IndexerProcess] = []
        self.letters_may_repeat = False
        """Set by a case in which an indexer may die between a letter's acknowledgement and its commit."""
        self.destroyed: set[str] = set()
        """Documents that the case itself took away, and that nobody can bring back: the judge does not ask for them."""
        self.taken: list[evidence.Found] = []
        """Messages that the case itself took off the topic: they count as published all the same."""

    def __enter__(self) -> Self:
        super().__enter__()
        self.texts |= {
            "KAFKA_CONSUMER_GROUP_ID": f"{self.name}-indexer",
            "ES_URL_ENDPOINT": self._elasticsearch_url,
            "ES_INDEX": f"{self.name}-prices",
            "PYTHON_CONSUMER_SERVER_PORT": "0",
            **self._texts,
        }
        settings = self.direct
        self.feeder = Feeder(settings)
        self.admin: KafkaAdminClient = kafka_client.admin(settings.kafka)
        self.es: Elasticsearch = elastic.client(settings.elasticsearch)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for indexer in self.indexers:
            indexer.close()
            print(f"--- {indexer.name}\n{indexer.log[-6000:]}")  # pytest shows it where the case has failed
        self._remove_indices()
        self.es.close()
        self.admin.close()
        self.feeder.close()
        super().__exit__(kind, error, at)

    @property
    def direct(self) -> Settings:
        """Of the engines themselves, without a proxy before Elasticsearch."""
        texts = self.texts | {"ES_URL_ENDPOINT": self._elasticsearch_url}
        return Settings.from_texts(texts | {"AWS_S3_ENDPOINT_URL": self.engines.s3.endpoint})

    @property
    def topic(self) -> str:
        return self.name

    @property
    def alias(self) -> str:
        return f"{self.name}-prices"

    @property
    def index(self) -> str:
        """Of the records that are fed, and polled, now."""
        return index_name(self.alias, iso(SystemClock().now_ms() - 2 * 3_600_000), Period.MONTH)

    def set_up(self) -> None:
        super().set_up()
        self.set_up_index()

    def set_up_index(self, dataset: Dataset[Any] = TICKER) -> list[str]:
        return list(template.set_up(self.es, self.direct.elasticsearch, dataset, now=iso(SystemClock().now_ms())))

    @contextmanager
    def proxied(self) -> Iterator[FaultProxy]:
        """For indexers started from here on, a scripted proxy stands before Elasticsearch."""
        with FaultProxy(self._elasticsearch_url, ledger=CallLog()) as proxy:
            self.texts["ES_URL_ENDPOINT"] = proxy.url
            yield proxy
            for indexer in self.indexers:
                if indexer.running:
                    indexer.terminate()

    def start_indexer(
        self, name: str = "indexer", *, test: dict[str, str] | None = None, **texts: str
    ) -> IndexerProcess:
        indexer = IndexerProcess(name, self.folder, self.texts | texts, test)
        self.indexers.append(indexer)
        return indexer

    # --- how far it is

    def lag(self, dataset: Dataset[Any] = TICKER, part: str = "") -> int:
        """Records of the topic that the group has not committed, by Kafka's own account."""
        kafka = self.settings.kafka
        group, topic = kafka.group_of(dataset), kafka.topic_of(dataset, part)
        admin: Any = kafka_client.admin(self.settings.kafka)  # a new one: it keeps the coordinator that it once found
        try:
            committed = {each: at.offset for each, at in admin.list_group_offsets({group: None})[group].items()}
        finally:
            admin.close()
        consumer: Any = kafka_client.consumer(self.settings.kafka, group_id=None)
        try:
            partitions = [TopicPartition(topic, each) for each in consumer.partitions_for_topic(topic)]
            begins, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        finally:
            consumer.close()
        return sum(ends[each] - max(begins[each], committed.get(each, 0)) for each in partitions)

    def wait_committed(self, dataset: Dataset[Any] = TICKER, part: str = "", *, seconds: float = 180) -> None:
        """Until nothing on the topic is uncommitted."""

        seen: list[int | str] = []

        def done() -> bool:
            try:
                seen[:] = [self.lag(dataset, part)]
            except kafka_errors.KafkaError as error:  # a broker is coming back
                seen[:] = [repr(error)]
            return seen == [0]

        try:
            wait_until(done, seconds=seconds, what="lag 0")
        finally:
            print(f"lag of the group: {seen}")

    def count(self) -> int:
        self._refresh()
        return int(self.es.count(index=self.alias, ignore_unavailable=True)["count"])

    def wait_count(self, least: int, *, seconds: float = 180) -> None:
        wait_until(lambda: self.count() >= least, seconds=seconds, what=f"{least} documents")

    def recovered(self, since: float, *, seconds: float = 180) -> float:
        """Seconds from ``since`` until a record that is fresh now is a document. Then waits for readiness and lag 0."""
        if any(poller.running for poller in self.pollers):
            now = iso(SystemClock().now_ms())
            wait_until(lambda: self._newest() > now, seconds=seconds, what="a fresh poll's document")
        else:
            (name,) = self.feeder.feed(1)
            wait_until(lambda: self._is_there(name), seconds=seconds, what="the fresh record's document")
        took = time.monotonic() - since
        for indexer in self.indexers:
            if indexer.running:
                indexer.wait_ready(seconds=seconds)
        if not any(poller.running for poller in self.pollers):
            self.wait_committed(seconds=seconds)
        return took

    # --- the judge

    def documents(self, dataset: Dataset[Any] = TICKER) -> list[tuple[str, dict[str, Any]]]:
        """All of them, through the alias."""
        alias = self.direct.elasticsearch.alias_of(dataset)
        self.es.indices.refresh(index=alias, ignore_unavailable=True)
        found: list[tuple[str, dict[str, Any]]] = []
        after: list[Any] | None = None
        while True:
            try:
                page = self.es.search(
                    index=alias,
                    ignore_unavailable=True,  # a case may have deleted it
                    size=_PAGE,
                    sort=[{name: "asc"} for name in ("source", *dataset.order)],
                    search_after=after,
                )["hits"]["hits"]
            except ApiError as error:
                if error.status_code == 503 and after is None:
                    return []
                raise
            if not page:
                return found
            found += [(hit["_id"], hit["_source"]) for hit in page]
            after = page[-1]["sort"]

    def judged(self, *, seconds: float = 180, two_holders: bool = False) -> Verdict:
        """What came of it, after all has come to rest. Raises where something is wrong."""
        if not self.pollers:
            self.wait_committed(seconds=seconds)
            return judge_index(self._case(self.feeder.fed)).require()
        self.settle()
        self.wait_committed(seconds=seconds)
        case = self._case({})
        verdict = self.judge(documents=dict(case.documents), two_holders=two_holders, taken=self.taken)
        doubled = len(case.documents) - len(dict(case.documents))
        assert (doubled, case.lag, list(case.letters)) == (0, 0, [])
        return verdict.require()

    def judged_as(self, kind: Kind, *, two_holders: bool = False) -> Verdict:
        """The same of what pollers have polled for another dataset. Of a compacted one, a document is the newest copy."""
        self.settle()
        self.wait_committed(kind.dataset)
        found = self.documents(kind.dataset)
        assert len(dict(found)) == len(found)
        if not kind.dataset.compacted:
            return self.judge(documents=dict(found), two_holders=two_holders, kind=kind).require()
        newest: dict[str, dict[str, Any]] = {}
        for message in evidence.on_topic(self.settings, self.settings.kafka.topic_of(kind.dataset)):
            record = json.loads(message.value)
            if record["fetched_at"] >= newest.get(message.key.decode(), record)["fetched_at"]:
                newest[message.key.decode()] = record
        assert dict(found) == newest
        return self.judge(two_holders=two_holders, kind=kind).require()

    def _case(self, fed: dict[str, bytes]) -> IndexCase:
        settings = self.settings
        return IndexCase(
            fed={name: value for name, value in fed.items() if name not in self.destroyed},
            documents=self.documents(),
            poison=self.feeder.poison,
            letters=evidence.on_topic(settings, settings.kafka.dead_letter_topic),
            lag=self.lag(),
            messages=len(evidence.on_topic(settings)) - len(self.destroyed),
            letters_may_repeat=self.letters_may_repeat,
        )

    # --- within

    def _refresh(self) -> None:
        self.es.indices.refresh(index=self.alias, ignore_unavailable=True)  # a case may have deleted the index

    def _newest(self) -> str:
        newest = [{"timestamp": "desc"}]
        try:
            self._refresh()
            hits = self.es.search(index=self.alias, size=1, sort=newest, ignore_unavailable=True)["hits"]["hits"]
        except (ApiError, TransportError):  # it is coming back, or its index was made this moment
            return ""
        return str(hits[0]["_source"]["timestamp"]) if hits else ""

    def _is_there(self, name: str) -> bool:
        try:
            self._refresh()
            return bool(
                self.es.count(index=self.alias, query={"ids": {"values": [name]}}, ignore_unavailable=True)["count"]
            )
        except (ApiError, TransportError):  # it is coming back
            return False

    def _remove_indices(self) -> None:
        es = self.es.options(ignore_status=404)
        for alias in (self.alias, *(self.direct.elasticsearch.aliases or {}).values()):
            for name in es.indices.get(index=f"{alias},{alias}-*", ignore_unavailable=True, expand_wildcards="all"):
                es.indices.delete(index=name)
            es.indices.delete_index_template(name=alias)
