"""Engines that belong together, started and stopped at the same time; and more than one of a kind, for trying out
failures: three brokers in one cluster, two Elasticsearch nodes."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Self

from cryptoproxy.engines.elasticsearch import Elasticsearch, probe_health
from cryptoproxy.engines.engine import Engine, Options
from cryptoproxy.engines.kafka import Kafka, new_cluster_id
from cryptoproxy.engines.machine import user
from cryptoproxy.engines.machine.process import Say, say_nothing
from cryptoproxy.engines.ports import HOST, free_ports

REPLICATED: Mapping[str, str] = {
    f"{topic}.{what}": value
    for topic in ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic")
    for what, value in (("replication.factor", "3"), ("min.isr", "2"))
    if (topic, what) != ("offsets.topic", "min.isr")  # that one is the broker's min.insync.replicas
} | {"default.replication.factor": "3", "min.insync.replicas": "2"}


OPTIONS = Options(die_with_parent=True)
"""Of those that are there to be broken."""


class Cluster:
    """In one folder. As a context manager: up at first, removed with all data at last."""

    def __init__(self, folder: Path, engines: tuple[Engine, ...], *, say: Say = say_nothing) -> None:
        self.folder = folder
        self.engines = engines
        self.say = say

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def up(self) -> object:
        """Starts those that do not run, and returns when all answer and know of each other."""
        bring_up(self.engines, say=self.say)
        return None

    def down(self) -> list[str]:
        """Stops those that run, all at the same time; their names."""
        return take_down(self.engines)

    def remove(self) -> None:
        """Stops them, and removes the folder and all data."""
        self.down()
        for engine in self.engines:
            engine.remove()
        shutil.rmtree(self.folder, ignore_errors=True)


class ThreeBrokers(Cluster):
    """Each broker is a controller too, so any one may fail. Topics have three replicas; two must be in sync."""

    def __init__(self, folder: Path) -> None:
        nodes = (1, 2, 3)
        free = free_ports(6)
        ports, controllers = dict(zip(nodes, free[:3], strict=True)), dict(zip(nodes, free[3:], strict=True))
        cluster_id = new_cluster_id()
        self.brokers = tuple(
            Kafka(
                folder / f"kafka-{node}",
                name=f"kafka-{node}",
                port=ports[node],
                controller_port=controllers[node],
                node_id=node,
                voters=controllers,
                cluster_id=cluster_id,
                heap_mb=256,
                properties=REPLICATED,
                options=OPTIONS,
            )
            for node in nodes
        )
        super().__init__(folder, self.brokers)

    @property
    def bootstrap(self) -> str:
        return ",".join(broker.endpoint for broker in self.brokers)


class TwoNodes(Cluster):
    """An Elasticsearch master that also holds data, and a node that only holds data: that one may fail."""

    def __init__(self, folder: Path) -> None:
        http_1, transport_1, http_2, transport_2 = free_ports(4)

        def node(name: str, port: int, transport_port: int, own: Mapping[str, Any]) -> Elasticsearch:
            return Elasticsearch(
                folder / name,
                name=name,
                port=port,
                transport_port=transport_port,
                heap_mb=512,
                settings={"discovery.type": "multi-node", "discovery.seed_hosts": [f"{HOST}:{transport_1}"], **own},
                probe=lambda: probe_health(f"http://{HOST}:{port}", nodes=2),
                options=OPTIONS,
            )

        self.master = node(
            "elasticsearch-1", http_1, transport_1, {"cluster.initial_master_nodes": ["elasticsearch-1"]}
        )
        self.data = node("elasticsearch-2", http_2, transport_2, {"node.roles": ["data"]})
        super().__init__(folder, (self.master, self.data))


def bring_up(engines: tuple[Engine, ...], *, say: Say = say_nothing, begun: Callable[[], None] | None = None) -> None:
    """Starts all at the same time and waits until all answer; on a failure stops those that it started.

    ``begun`` is called when nothing stands against a start any more.
    """
    for engine in engines:
        engine.require_startable()
    user.sweep()
    if begun:
        begun()
    abort = threading.Event()
    started: list[Engine] = []
    with ThreadPoolExecutor(len(engines), "engines-up") as pool:
        tasks = [pool.submit(_bring_up_one, engine, started, abort, say) for engine in engines]
        try:
            _first_failure(tasks)
        except BaseException:  # Ctrl-C too leaves nothing half started
            abort.set()
            wait(tasks)
            take_down(tuple(started))
            raise


def take_down(engines: tuple[Engine, ...]) -> list[str]:
    """Stops all at the same time; the names of those that ran."""
    if not engines:
        return []
    with ThreadPoolExecutor(len(engines), "engines-down") as pool:
        stopped = list(pool.map(lambda engine: engine.stop(), engines))
    return [engine.name for engine, was_running in zip(engines, stopped, strict=True) if was_running]


def _bring_up_one(engine: Engine, started: list[Engine], abort: threading.Event, say: Say) -> None:
    began = time.monotonic()
    if abort.is_set():
        return
    if engine.start():
        started.append(engine)
    engine.wait_ready(abort=abort)
    if engine in started and not abort.is_set():
        say(f"{engine.title} {engine.bundle.version} answers at {engine.endpoint} ({time.monotonic() - began:.1f} s)")


def _first_failure(tasks: list[Future[None]]) -> None:
    done, _ = wait(tasks, return_when=FIRST_EXCEPTION)
    for task in done:
        task.result()
