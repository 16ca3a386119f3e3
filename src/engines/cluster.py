"""More than one of a kind, for trying out failures: three brokers in one cluster, two Elasticsearch nodes."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from cryptoproxy.engines.elasticsearch import Elasticsearch
from cryptoproxy.engines.engine import Engine, Options
from cryptoproxy.engines.kafka import Kafka, new_cluster_id
from cryptoproxy.engines.ports import HOST, free_ports
from cryptoproxy.engines.probes import probe_health
from cryptoproxy.engines.stack import bring_up, take_down

REPLICATED: Mapping[str, str] = {
    f"{topic}.{what}": value
    for topic in ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic")
    for what, value in (("replication.factor", "3"), ("min.isr", "2"))
    if (topic, what) != ("offsets.topic", "min.isr")  # that one is the broker's min.insync.replicas
} | {"default.replication.factor": "3", "min.insync.replicas": "2"}


class Cluster:
    """Engines that belong together, on free ports. As a context manager: up at first, removed with all data at last."""

    def __init__(self, folder: Path, engines: tuple[Engine, ...], options: Options) -> None:
        self.folder = folder
        self.engines = engines
        self._options = options

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def up(self) -> None:
        """Starts those that do not run, and returns when all answer and know of each other."""
        bring_up(self.engines, say=self._options.say)

    def down(self) -> list[str]:
        return take_down(self.engines)

    def remove(self) -> None:
        self.down()
        for engine in self.engines:
            engine.remove()
        shutil.rmtree(self.folder, ignore_errors=True)


class ThreeBrokers(Cluster):
    """Each broker is a controller too, so any one may fail. Topics have three replicas; two must be in sync."""

    def __init__(
        self,
        folder: Path,
        *,
        heap_mb: int = 256,
        properties: Mapping[str, str] | None = None,
        options: Options | None = None,
    ) -> None:
        options = options or Options(die_with_parent=True)
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
                heap_mb=heap_mb,
                properties={**REPLICATED, **(properties or {})},
                options=options,
            )
            for node in nodes
        )
        super().__init__(folder, self.brokers, options)

    @property
    def bootstrap(self) -> str:
        return ",".join(broker.endpoint for broker in self.brokers)


class TwoNodes(Cluster):
    """An Elasticsearch master that also holds data, and a node that only holds data: that one may fail."""

    def __init__(
        self,
        folder: Path,
        *,
        heap_mb: int = 512,
        settings: Mapping[str, Any] | None = None,
        options: Options | None = None,
    ) -> None:
        options = options or Options(die_with_parent=True)
        http_1, transport_1, http_2, transport_2 = free_ports(4)
        shared = {
            "discovery.type": "multi-node",
            "discovery.seed_hosts": [f"{HOST}:{transport_1}"],
            **(settings or {}),
        }

        def node(name: str, port: int, transport_port: int, own: Mapping[str, Any]) -> Elasticsearch:
            return Elasticsearch(
                folder / name,
                name=name,
                port=port,
                transport_port=transport_port,
                heap_mb=heap_mb,
                settings={**shared, **own},
                probe=lambda: probe_health(f"http://{HOST}:{port}", nodes=2),
                options=options,
            )

        self.master = node(
            "elasticsearch-1", http_1, transport_1, {"cluster.initial_master_nodes": ["elasticsearch-1"]}
        )
        self.data = node("elasticsearch-2", http_2, transport_2, {"node.roles": ["data"]})
        super().__init__(folder, (self.master, self.data), options)
