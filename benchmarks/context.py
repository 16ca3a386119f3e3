"""What every benchmark gets: engines, sizes, and how rounds are judged."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import requests
from kafka import errors as kafka_errors

from benchmarks.cost import cpu_seconds
from benchmarks.measure import Run, run
from benchmarks.quiet import Quiet
from benchmarks.records import Made, records
from benchmarks.world import Child, Engines, Place, free_port, indexer, wait_until
from cryptoproxy.common.clients import kafka as kafka_client


@dataclass
class Context:
    """``count`` records in a round, ``rounds`` of them that were quiet, at most ``spare`` more tried."""

    engines: Engines
    quiet: Quiet
    say: Callable[[str], None]
    count: int = 300_000
    rounds: int = 5
    spare: int = 3
    memory_records: int = 2_000_000
    _loaded: Place | None = field(default=None, init=False)
    _warm: bool = field(default=False, init=False)

    def records(self) -> list[Made]:
        return list(records(self.count))

    def loaded(self) -> Place:
        """A topic with ``count`` records, made once for all benchmarks that only read it; another group and alias
        each time."""
        if self._loaded is None:
            place = self.engines.place()
            place.make_topics()
            place.load(records(self.count))
            self._loaded = place
        return self._loaded.with_fresh_alias()

    def warm_up(self) -> None:
        """Once for all benchmarks of a run: a new Elasticsearch takes half as long again for each record."""
        if not self._warm:
            self.say("  two rounds to warm up")
            for _ in range(2):
                self.over_elasticsearch(indexer, self.loaded())
            self._warm = True

    # --- one round over Elasticsearch, or over the stand-in

    def over_elasticsearch(self, start: Callable[[Place], Child], place: Place) -> Run:
        """One program over all records of a loaded topic, into an index of its own, which is removed afterwards."""
        place.make_index()
        try:
            with start(place) as child:
                return run(
                    [child],
                    count=self.count,
                    through=place.documents,
                    engine=self.engines.elasticsearch_cpu,
                    found=place.found,
                )
        finally:
            place.remove_index()

    def over_standin(self, place: Place, processes: int = 1) -> Run:
        """So many indexers over all records, into a stand-in. With several, the topic is loaded once they share it."""
        with standin(place) as (child, at):
            children: list[Child] = []
            try:
                children += [indexer(at) for _ in range(processes)]
                if processes > 1:
                    at.make_topics()
                    wait_for_group(at, children)
                    load_frozen(at, children, records(self.count))
                return run(
                    children,
                    count=self.count,
                    through=lambda: taken(at),
                    engine=lambda: cpu_seconds(child.pid),
                )
            finally:
                for each in children:
                    each.stop()


@contextmanager
def standin(place: Place) -> Iterator[tuple[Child, Place]]:
    """A stand-in Elasticsearch as its own process, and the place with its address."""
    port = free_port()
    at = place.with_texts(ES_URL_ENDPOINT=f"http://127.0.0.1:{port}")
    with Child("benchmarks.standin", at.texts, (str(port),)) as child:
        child.wait_line("listens")
        yield child, at


def taken(place: Place) -> int:
    """Records that the stand-in has taken."""
    return int(requests.get(f"{place.texts['ES_URL_ENDPOINT']}/count", timeout=10).text)


def wait_for_group(place: Place, children: list[Child]) -> None:
    """Until every process has its share of the partitions: nothing shall be handed over while it is measured."""
    admin = kafka_client.admin(place.settings.kafka)
    try:
        group = place.settings.kafka.group_id

        def shared() -> bool:
            try:
                found = admin.describe_groups([group])[group]
            except kafka_errors.RetriableError:  # a new broker first makes its topic of offsets
                return False
            return found["group_state"] == "Stable" and len(found["members"]) == len(children)

        wait_until(shared, seconds=90, what="all processes are members of the group", every=0.3)
    finally:
        admin.close()


def load_frozen(place: Place, children: list[Child], made: Iterable[Made]) -> None:
    """Loads the topic while these processes are stopped: what they took meanwhile would not be measured."""
    for child in children:
        child.process.send_signal(signal.SIGSTOP)
    try:
        place.load(made)
    finally:
        for child in children:
            child.process.send_signal(signal.SIGCONT)
