"""Kafka, Elasticsearch and S3 together, in one folder: up, down, status.

The folder remembers its ports and keys, so ``down``, ``status`` and a later ``up`` from another process know them.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from cryptoproxy.common.errors import OperatorError
from cryptoproxy.engines import java, state, user
from cryptoproxy.engines.elasticsearch import Elasticsearch
from cryptoproxy.engines.engine import Engine, Options
from cryptoproxy.engines.kafka import Kafka
from cryptoproxy.engines.ports import Ports
from cryptoproxy.engines.s3 import S3
from cryptoproxy.engines.state import Memory, State
from cryptoproxy.engines.waiting import Say, locked, say_nothing

__all__ = ["Endpoints", "EngineStatus", "Memory", "Ports", "Stack", "bring_up", "take_down"]


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


class Stack:
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
        s3_properties: Mapping[str, str] | None = None,
        die_with_parent: bool = False,
        settings: Mapping[str, str] | None = None,
        say: Say = say_nothing,
    ) -> None:
        self.folder = folder.absolute()
        self.say = say
        self._options = Options(cache=cache, die_with_parent=die_with_parent, say=say, settings=settings)
        self._extra = (kafka_properties, elasticsearch_settings, s3_properties)
        remembered = state.load(self.folder)
        if ports is None:
            ports = remembered.ports if remembered else Ports.usual()
        ports = ports.settled(remembered.ports if remembered else None)
        memory = memory or (remembered.memory if remembered else Memory())
        self.state = replace(remembered, ports=ports, memory=memory) if remembered else State(ports, memory)
        self._build()

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    @property
    def engines(self) -> tuple[Engine, ...]:
        return self.kafka, self.elasticsearch, self.s3

    @property
    def endpoints(self) -> Endpoints:
        return Endpoints(
            kafka=self.kafka.endpoint,
            elasticsearch=self.elasticsearch.endpoint,
            s3=self.s3.endpoint,
            s3_access_key=self.state.s3_access_key,
            s3_secret_key=self.state.s3_secret_key,
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
            if (kept := state.load(self.folder)) and kept.s3_secret_key != self.state.s3_secret_key:
                # Another process made the folder's keys between our look and now.
                self.state = replace(kept, ports=self.state.ports, memory=self.state.memory)
                self._build()
            if wanted := [engine.title for engine in self.engines if not engine.running]:
                self.say(f"starting {', '.join(wanted)} in {self.folder}; this takes up to a minute")
            bring_up(self.engines, say=self.say, begun=lambda: state.save(self.folder, self.state))
        return self.endpoints

    def down(self) -> list[str]:
        """Stops what ``up`` started, all at the same time; the names of what was stopped."""
        if not self.folder.is_dir():
            return []
        with self._alone():
            return take_down(self.engines)

    def status(self) -> list[EngineStatus]:
        return [status_of(engine) for engine in self.engines]

    def remove(self) -> None:
        """Stops it, and removes the folder and all data."""
        self.down()
        for engine in self.engines:
            engine.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _build(self) -> None:
        ports, memory, options = self.state.ports, self.state.memory, self._options
        kafka_properties, elasticsearch_settings, s3_properties = self._extra
        self.kafka = Kafka(
            self.folder / "kafka",
            port=ports.kafka,
            controller_port=ports.kafka_controller,
            heap_mb=memory.kafka_mb,
            properties=kafka_properties,
            options=options,
        )
        self.elasticsearch = Elasticsearch(
            self.folder / "elasticsearch",
            port=ports.elasticsearch,
            transport_port=ports.elasticsearch_transport,
            heap_mb=memory.elasticsearch_mb,
            settings=elasticsearch_settings,
            options=options,
        )
        self.s3 = S3(
            self.folder / "s3",
            port=ports.s3,
            access_key=self.state.s3_access_key,
            secret_key=self.state.s3_secret_key,
            heap_mb=memory.s3_mb,
            properties=s3_properties,
            options=options,
        )

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
    record = engine.record
    missing = engine.probe() if record else None
    facts = record.facts if record else {}
    return EngineStatus(
        name=engine.name,
        running=record is not None,
        answering=record is not None and missing is None,
        pid=record.pid if record else None,
        endpoint=str(facts.get("endpoint", engine.endpoint)),
        version=str(facts.get("version", engine.bundle.version)),
        log_file=engine.log_file,
        heap_mb=int(facts.get("heap_mb", engine.heap_mb)),
        missing=missing,
    )


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
