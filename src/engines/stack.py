"""Kafka, Elasticsearch and S3 together, in one folder: up, down, status.

The folder remembers its ports and keys, so ``down``, ``status`` and a later ``up`` from another process know them.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from cryptoproxy.common.files import write_private
from cryptoproxy.engines.cluster import Cluster, bring_up
from cryptoproxy.engines.elasticsearch import Elasticsearch
from cryptoproxy.engines.engine import Engine, Options
from cryptoproxy.engines.kafka import Kafka
from cryptoproxy.engines.machine import java
from cryptoproxy.engines.machine.process import Say, locked, say_nothing
from cryptoproxy.engines.ports import Ports
from cryptoproxy.engines.s3 import S3
from cryptoproxy.errors import OperatorError

REMEMBERED = "stack.json"


@dataclass(frozen=True)
class Memory:
    """Heap of each engine in MiB. Elasticsearch's process takes about 400 MiB more, the others 150."""

    kafka_mb: int = 512
    elasticsearch_mb: int = 1024
    s3_mb: int = 256


@dataclass(frozen=True)
class Remembered:
    """What a stack's folder remembers between processes: ports, memory, and the S3 keys that were made for it."""

    ports: Ports
    memory: Memory = field(default_factory=Memory)
    s3_access_key: str = field(default_factory=lambda: f"CP{secrets.token_hex(9).upper()}")
    s3_secret_key: str = field(default_factory=lambda: secrets.token_urlsafe(30), repr=False)

    @classmethod
    def load(cls, folder: Path) -> Remembered | None:
        """None for a new folder."""
        file = folder / REMEMBERED
        try:
            content = json.loads(file.read_text())
            return cls(**{**content, "ports": Ports(**content["ports"]), "memory": Memory(**content["memory"])})
        except FileNotFoundError:
            return None
        except PermissionError as error:
            raise OperatorError(f"{file} cannot be read: {error.strerror}", remedy="Run this as its owner.") from error
        except (ValueError, TypeError, KeyError) as error:
            raise OperatorError(
                f"{file} is damaged ({error})",
                remedy="Remove it: ports and memory are asked for anew, S3 gets new keys.",
            ) from error

    def save(self, folder: Path) -> None:
        """The keys in it are for its owner alone."""
        write_private(folder / REMEMBERED, json.dumps(asdict(self), indent=1))


@dataclass(frozen=True)
class Endpoints:
    kafka: str
    elasticsearch: str
    s3: str
    s3_access_key: str
    s3_secret_key: str = field(repr=False)


@dataclass(frozen=True)
class EngineStatus:
    name: str
    running: bool
    answering: bool
    pid: int | None
    endpoint: str
    version: str
    log_file: Path
    heap_mb: int
    missing: str | None
    """What a running engine that does not answer lacks."""


class Stack(Cluster):
    """``ports`` and ``memory`` of None are those that the folder remembers, and in a new one the usual; a port of 0 is
    the remembered one, and in a new folder a free one.

    ``settings`` names, per port (see ``Ports``), what a person changes to choose another: for errors. As a context
    manager it is for throwaway use: up at its begin, and at its end removed with all data.
    """

    def __init__(
        self,
        folder: Path,
        *,
        ports: Ports | None = None,
        memory: Memory | None = None,
        cache: Path | None = None,
        kafka_properties: Mapping[str, str] | None = None,
        elasticsearch_settings: Mapping[str, Any] | None = None,
        die_with_parent: bool = False,
        settings: Mapping[str, str] | None = None,
        say: Say = say_nothing,
    ) -> None:
        self._options = Options(cache=cache, die_with_parent=die_with_parent, say=say, settings=settings)
        self._extra = kafka_properties, elasticsearch_settings
        folder = folder.absolute()
        remembered = Remembered.load(folder)
        if ports is None:
            ports = remembered.ports if remembered else Ports.usual()
        ports = ports.settled(remembered.ports if remembered else None)
        memory = memory or (remembered.memory if remembered else Memory())
        remembered = replace(remembered, ports=ports, memory=memory) if remembered else Remembered(ports, memory)
        super().__init__(folder, self._build(folder, remembered), say=say)

    @property
    def endpoints(self) -> Endpoints:
        return Endpoints(
            kafka=self.kafka.endpoint,
            elasticsearch=self.elasticsearch.endpoint,
            s3=self.s3.endpoint,
            s3_access_key=self.remembered.s3_access_key,
            s3_secret_key=self.remembered.s3_secret_key,
        )

    def up(self) -> Endpoints:
        """Starts what does not run, all at the same time, and returns when all answer. What this call started is
        stopped again if one of them fails.

        Raises:
            OperatorError: no Java, a taken port, a server that died: what is wrong and what to do.
        """
        java.find()
        self._make_folder()
        with self._alone():
            mine = self.remembered
            if (kept := Remembered.load(self.folder)) and kept.s3_secret_key != mine.s3_secret_key:
                # Another process made the folder's keys between our look and now.
                self.engines = self._build(self.folder, replace(kept, ports=mine.ports, memory=mine.memory))
            if wanted := [engine.title for engine in self.engines if not engine.running]:
                self.say(f"starting {', '.join(wanted)} in {self.folder}; this takes up to a minute")
            bring_up(self.engines, say=self.say, begun=lambda: self.remembered.save(self.folder))
        return self.endpoints

    def down(self) -> list[str]:
        if not self.folder.is_dir():
            return []
        with self._alone():
            return super().down()

    def status(self) -> list[EngineStatus]:
        return [status_of(engine) for engine in self.engines]

    def _build(self, folder: Path, remembered: Remembered) -> tuple[Engine, ...]:
        self.remembered = remembered
        ports, memory, options = remembered.ports, remembered.memory, self._options
        kafka_properties, elasticsearch_settings = self._extra
        self.kafka = Kafka(
            folder / "kafka",
            port=ports.kafka,
            controller_port=ports.kafka_controller,
            heap_mb=memory.kafka_mb,
            properties=kafka_properties,
            options=options,
        )
        self.elasticsearch = Elasticsearch(
            folder / "elasticsearch",
            port=ports.elasticsearch,
            transport_port=ports.elasticsearch_transport,
            heap_mb=memory.elasticsearch_mb,
            settings=elasticsearch_settings,
            options=options,
        )
        self.s3 = S3(
            folder / "s3",
            port=ports.s3,
            access_key=remembered.s3_access_key,
            secret_key=remembered.s3_secret_key,
            heap_mb=memory.s3_mb,
            options=options,
        )
        return self.kafka, self.elasticsearch, self.s3

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OperatorError(
                f"the folder {self.folder} cannot be made: {error.strerror}", remedy="Choose one that you may write to."
            ) from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            lock = locked(self.folder / ".lock", why=f"starts or stops the engines in {self.folder}", say=self.say)
            with lock:
                yield
        except PermissionError as error:
            raise OperatorError(
                f"{error.filename or self.folder} belongs to another user",
                remedy="Run this as its owner, or choose another folder.",
            ) from error


def status_of(engine: Engine) -> EngineStatus:
    """As it was started, if it runs; else as it would be started."""
    server = engine.server
    missing = engine.probe() if server else None
    facts = server.facts if server else {}
    return EngineStatus(
        name=engine.name,
        running=server is not None,
        answering=server is not None and missing is None,
        pid=server.pid if server else None,
        endpoint=str(facts.get("endpoint", engine.endpoint)),
        version=str(facts.get("version", engine.bundle.version)),
        log_file=engine.log_file,
        heap_mb=int(facts.get("heap_mb", engine.heap_mb)),
        missing=missing,
    )
