"""``/v1/stream``: records as they come, of any datasets, as WebSocket or as server-sent events.

| parameter | |
|---|---|
| ``dataset`` | ``trade``, ``candle-1m``, ``candle`` (all of its parts), with commas between; all without it |
| ``source``, ``asset`` | only these, with commas between |
| ``last_id`` | goes on there; server-sent events: the header ``Last-Event-ID`` as well |

Each message has the record as it was on the topic, the dataset, and the id to come back with. ``missed`` says which
offsets could not be told: they are older than what this door holds, or the topic had lost them before it read them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from cryptoproxy.common.metrics import ServeMetrics
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.datasets import DATASETS
from cryptoproxy.serve.streams import held
from cryptoproxy.serve.streams.held import Held, Missed, Place, Record
from cryptoproxy.serve.streams.hub import SLOW
from cryptoproxy.serve.streams.wire import POLICY

OURS = "v1"
PARAMETERS = ("dataset", "source", "asset", "last_id")


class Chosen(NamedTuple):
    """What somebody wants; empty is all."""

    datasets: frozenset[str]
    sources: frozenset[str]
    assets: frozenset[str]
    since: Mapping[Place, int]

    def takes(self, dataset: str, record: Record) -> bool:
        return (
            dataset in self.datasets
            and (not self.sources or record.source in self.sources)
            and (not self.assets or record.asset_id in self.assets)
        )


class Out(Protocol):
    """Where a reader's messages go."""

    def record(self, name: str, text: bytes, place: str) -> bool:
        """False where it is not read for too long."""

    def cut(self, code: int, reason: str) -> None: ...


class Reader:
    """One who reads ``/v1/stream``, and how far."""

    def __init__(self, chosen: Chosen, out: Out, places: dict[Place, int]) -> None:
        self.chosen, self._out = chosen, out
        self._places = places

    def has(self, place: Place, offset: int) -> bool:
        """Whether it has heard that: who comes back to a door that is still reading hears nothing twice."""
        return offset < self._places.get(place, 0)

    def begin_anew(self, place: Place) -> None:
        """The topic was made anew, and its offsets with it."""
        self._places.pop(place, None)

    def hear(self, place: Place, record: Record) -> bool:
        self._places[place] = record.offset + 1
        return self._out.record(place[0], record.value, held.written(self._places))

    def pass_by(self, place: Place, record: Record) -> None:
        """It is not for this one: who comes back is not to be told that it was missed."""
        self._places[place] = record.offset + 1

    def miss(self, missed: Missed) -> bool:
        self._places[missed.place] = missed.until
        (dataset, partition), since, until, why = missed
        words = {"dataset": dataset, "partition": partition, "from": since, "until": until, "why": why}
        return self._out.record("missed", msgspec.json.encode(words), held.written(self._places))

    def cut(self, code: int, reason: str) -> None:
        self._out.cut(code, reason)


class Ours:
    """Of the door's loop."""

    def __init__(self, kafka: Kafka, metrics: ServeMetrics) -> None:
        self._metrics = metrics
        self._names = {
            kafka.topic_of(dataset, part): f"{dataset.name}-{part}" if part else dataset.name
            for dataset in DATASETS.values()
            for part in dataset.parts
        }
        self._held = Held()
        self._readers: dict[str, set[Reader]] = {}
        """By dataset."""
        self._ends: dict[Place, int] = {}
        """Where partitions ended when this door began to read them."""

    @property
    def topics(self) -> list[str]:
        return list(self._names)

    def chosen(self, params: Mapping[str, str], last_id: str = "") -> Chosen:
        """Raises:
        ValueError: a parameter that there is not, or with what it is not.
        """
        if unknown := [each for each in params if each not in PARAMETERS]:
            raise ValueError(f"there is no parameter {unknown[0]}; there are {', '.join(PARAMETERS)}")
        known = set(self._names.values())
        datasets: set[str] = set()
        for each in _listed(params.get("dataset", "")):
            found = {name for name in known if each in (name, name.partition("-")[0])}
            if not found:
                there = ", ".join(sorted({name.partition("-")[0] for name in known}))
                raise ValueError(f"there is no dataset {each}; there are {there}, and parts as candle-1m")
            datasets |= found
        since = held.read(params.get("last_id", "") or last_id)
        sources, assets = (frozenset(_listed(params.get(name, ""))) for name in ("source", "asset"))
        return Chosen(frozenset(datasets or known), sources, assets, since)

    def enter(self, chosen: Chosen, out: Out) -> Reader:
        """From now on, or from the id on."""
        reader = Reader(chosen, out, self._held.ends(chosen.datasets) | _of(chosen.since, chosen.datasets))
        for dataset in chosen.datasets:
            self._readers.setdefault(dataset, set()).add(reader)
        self._metrics.listeners.labels(OURS).inc()
        for place, offset in _of(chosen.since, chosen.datasets).items():
            self._tell_anew(reader, place)
            for each in self._held.since(place, offset):
                heard = reader.miss(each) if isinstance(each, Missed) else self._hear(reader, place, each)
                if not heard:
                    self._cut(reader)
                    return reader
        return reader

    def leave(self, reader: Reader) -> None:
        self._drop(reader)
        self._metrics.listeners.labels(OURS).dec()

    def take(self, records: Sequence[Any]) -> int:
        """Of one partition of a topic."""
        for each in records:
            if each.key is None or each.value is None or each.topic not in self._names:
                continue
            source, _, rest = each.key.decode("utf-8", "replace").partition(":")
            place = self._names[each.topic], each.partition
            record = Record(each.offset, source, rest.rpartition(":")[0], each.value)
            readers = self._readers.get(place[0], set())
            is_first = place not in self._held
            if not is_first and self._held.is_anew(place, record.offset):
                for reader in readers:
                    reader.begin_anew(place)
            if self._held.put(place, record):
                if is_first:
                    self._tell_older(readers, place, record.offset)
                for slow in [reader for reader in readers if not self._hear(reader, place, record)]:
                    self._cut(slow)
        return 0

    def lose(self, topic: str, partition: int, since: int, until: int) -> int:
        """The topic has lost these offsets before they were read."""
        place = self._names.get(topic, ""), partition
        missed = Missed(place, since, until, "the topic had lost them before this door read them")
        if self._held.lose(missed):
            for slow in [each for each in self._readers.get(missed.place[0], ()) if not each.miss(missed)]:
                self._cut(slow)
        return 0

    def begun(self, topic: str, partition: int, end: int) -> int:
        """This door begins to read a partition whose next offset is ``end``."""
        place = self._names.get(topic, ""), partition
        self._ends[place] = end
        for reader in list(self._readers.get(place[0], ())):
            self._tell_anew(reader, place)
        return 0

    def _tell_anew(self, reader: Reader, place: Place) -> None:
        """An id beyond the end of what there is, of which nothing has come yet, is of a topic that is no more."""
        end = self._ends.get(place)
        if place in self._held or end is None or not reader.has(place, end):
            return
        reader.begin_anew(place)
        if not reader.miss(Missed(place, 0, 0, "this offset is not there yet: the topic was made anew")):
            self._cut(reader)

    def _tell_older(self, readers: Collection[Reader], place: Place, first: int) -> None:
        """Who came with an id of a partition of which nothing was held hears now what was before its first record."""
        for reader in list(readers):
            since = reader.chosen.since.get(place, first)
            if since < first and not reader.miss(Missed(place, since, first, "older than what is held here")):
                self._cut(reader)

    def _hear(self, reader: Reader, place: Place, record: Record) -> bool:
        if reader.has(place, record.offset):
            return True
        if not reader.chosen.takes(place[0], record):
            reader.pass_by(place, record)
            return True
        self._metrics.told.labels(OURS).inc()
        return reader.hear(place, record)

    def _cut(self, reader: Reader) -> None:
        self._metrics.cut.labels(OURS, "slow").inc()
        reader.cut(POLICY, SLOW)
        self._drop(reader)

    def _drop(self, reader: Reader) -> None:
        for readers in self._readers.values():
            readers.discard(reader)


def _of(places: Mapping[Place, int], datasets: Collection[str]) -> dict[Place, int]:
    return {place: offset for place, offset in places.items() if place[0] in datasets}


def _listed(text: str) -> list[str]:
    return [each for each in (part.strip() for part in text.split(",")) if each]
