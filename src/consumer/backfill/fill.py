"""Topic → lake: raw objects for records that the lake lacks, by their ids.

A poll that was kept for Kafka alone, since S3 was away for so long that its room in the outbox was full, is on the
topic and not in the lake. The topic has it for as long as it keeps records, so this is run soon after. What waits in
the outbox meanwhile may be stored twice by it, which does no harm: readers have each id once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from typing import Any

from kafka import errors as kafka_errors

from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.consumer.batch import check_version
from cryptoproxy.datasets import MAX_AHEAD_MS, Dataset, Part, from_iso
from cryptoproxy.datasets.times import HOUR_MS, Span
from cryptoproxy.errors import PoisonError
from cryptoproxy.lake.form import ignore
from cryptoproxy.lake.objects import pack
from cryptoproxy.lake.store import Store
from cryptoproxy.lake.whole import whole_lake

BATCH = 20_000
"""Records of the topic in memory at once; their hours are then looked up."""
HOURS = 50
"""Hours of a source whose ids are remembered: the next batch is mostly of the same."""
SECONDS = 30.0
"""From one answer of the brokers to the next."""


def topics_there(kafka: Kafka) -> set[str]:
    """Raises:
    CryptoProxyError: Kafka cannot be asked.
    """
    try:
        consumer = kafka_client.consumer(kafka, group_id=None)
        try:
            return set(consumer.topics())
        finally:
            consumer.close(timeout_ms=1000)
    except kafka_errors.KafkaError as error:
        raise kafka_client.meaning(error, kafka) from error


def records_since(kafka: Kafka, topic: str, since_ms: int) -> Iterator[Any]:
    """What was put onto ``topic`` from that moment until now; of a partition in its order.

    Raises:
        CryptoProxyError: the topic is missing, or cannot be read.
    """
    try:
        with kafka_client.reading_since(kafka, topic, since_ms, seconds=SECONDS) as records:
            for record in records:
                if record.value:
                    yield record
    except kafka_errors.KafkaError as error:
        raise kafka_client.meaning(error, kafka) from error


@dataclass(slots=True)
class Filled:
    """What came of it."""

    read: int = 0
    lacked: int = 0
    objects: int = 0
    poison: int = 0
    """Break the contract: a dead letter tells why."""
    ahead: int = 0
    """Have a time that is too far ahead of this clock: which of the two is wrong is not known, so they are left out."""


class Fill:
    """Of one part of a dataset."""

    def __init__(self, store: Store, dataset: Dataset[Any], part: Part) -> None:
        self._store = store
        self._dataset = dataset
        self._part = part
        self._lake = whole_lake(store, dataset, part.name)
        self._known: OrderedDict[tuple[str, int], set[tuple[int, str]]] = OrderedDict()

    def run(self, consumed: Iterable[Any], *, now_ms: int) -> Filled:
        """Stores what the lake lacks of these records of the topic.

        Raises:
            TransientError, OperatorError: the lake cannot be read or written.
        """
        result, left = Filled(), iter(consumed)
        while batch := list(islice(left, BATCH)):
            result.read += len(batch)
            by_hour: dict[tuple[str, int], list[tuple[int, str, bytes]]] = {}
            for each in batch:
                try:
                    check_version(each.headers or (), self._dataset.version)
                    record = self._dataset.codec.decode(each.value)
                except PoisonError:
                    result.poison += 1
                    continue
                slot_ms = from_iso(record.timestamp)
                if slot_ms > now_ms + MAX_AHEAD_MS:
                    result.ahead += 1
                    continue
                place = record.source, slot_ms - slot_ms % HOUR_MS
                by_hour.setdefault(place, []).append((slot_ms, self._dataset.id_of(record), each.value))
            for place, records in sorted(by_hour.items()):
                self._store_lacking(place, records, result)
        return result

    def _store_lacking(self, place: tuple[str, int], records: list[tuple[int, str, bytes]], result: Filled) -> None:
        known = self._ids(place)
        lacked: dict[tuple[int, str], bytes] = {}
        for slot_ms, identity, line in records:
            if (slot_ms, identity) not in known:
                lacked.setdefault((slot_ms, identity), line)
        if not lacked:
            return
        made = pack(
            self._store.settings.prefix,
            self._dataset.name,
            place[0],
            min(slot_ms for slot_ms, _ in lacked),
            (lacked[each] + b"\n" for each in sorted(lacked, key=itemgetter(0))),
            part=self._part.name,
        )
        self._store.put(made.key, made.body)
        known |= lacked.keys()
        result.objects += 1
        result.lacked += len(lacked)

    def _ids(self, place: tuple[str, int]) -> set[tuple[int, str]]:
        if place not in self._known:
            source, hour_ms = place
            stored = self._lake.records(source, Span(hour_ms, hour_ms + HOUR_MS), ignore)
            self._known[place] = {(each.slot_ms, each.id) for each in stored}
            if len(self._known) > HOURS:
                self._known.popitem(last=False)
        return self._known[place]
