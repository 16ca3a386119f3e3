"""An Apache Kafka broker that is its own controller (KRaft, combined mode); several make a cluster."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from cryptoproxy.engines.engine import Engine, Options, Probe
from cryptoproxy.engines.machine import java
from cryptoproxy.engines.machine.java import as_properties, java_environ
from cryptoproxy.engines.machine.process import Command
from cryptoproxy.engines.ports import HOST
from cryptoproxy.errors import OperatorError

FORMAT_SECONDS = 120
PARTIAL = ".format-"
QUICK_JVM = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto")
"""For the short-lived tool, not for the server."""

DEFAULTS: Mapping[str, str] = {
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # A broker that was killed may come back only when its old session has ended: 9 s by default.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    # Each partition sets two index files of this size aside; the cleaner takes its buffer from the heap at start.
    "log.index.size.max.bytes": str(2 * 1024 * 1024),
    "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
}

LOGGING = """\
Configuration:
  status: warn
  Appenders:
    Console:
      name: out
      PatternLayout: {pattern: "[%d] %p %m (%c)%n"}
  Loggers:
    Root: {level: info, AppenderRef: {ref: out}}
    Logger:
      - {name: org.apache.kafka.common.config, level: warn}
      - {name: kafka.server.KafkaConfig, level: warn}
"""


class Kafka(Engine):
    """Extra ``properties`` win over the defaults; ``files`` are written beside server.properties, which may name them
    as ``config/<name>`` (the server runs in its folder); ``format_arguments`` go to ``StorageTool format``, once."""

    title: ClassVar[str] = "Kafka"
    bundle_name: ClassVar[str] = "kafka"
    first_heap_mb: ClassVar[int] = 128

    def __init__(
        self,
        folder: Path,
        *,
        port: int,
        controller_port: int,
        name: str = "kafka",
        heap_mb: int = 512,
        node_id: int = 1,
        voters: Mapping[int, int] | None = None,
        cluster_id: str | None = None,
        protocol: str = "PLAINTEXT",
        properties: Mapping[str, str] | None = None,
        files: Mapping[str, str | bytes] | None = None,
        format_arguments: Sequence[str] = (),
        probe: Probe | None = None,
        options: Options | None = None,
    ) -> None:
        super().__init__(name, folder, heap_mb=heap_mb, options=options, probe=probe)
        self.port = port
        self.controller_port = controller_port
        self.node_id = node_id
        self.voters = dict(voters or {node_id: controller_port})
        self.cluster_id = cluster_id
        self.protocol = protocol
        self.properties = dict(properties or {})
        self.files = dict(files or {})
        self.format_arguments = list(format_arguments)
        self.data = self.folder / "data"
        self.config = self.folder / "config"

    @property
    def endpoint(self) -> str:
        return f"{HOST}:{self.port}"

    def ports(self) -> dict[str, int]:
        return {"kafka": self.port, "kafka_controller": self.controller_port}

    def prepare(self) -> Command:
        found = java.find()
        jars = self.fetched()
        self.write_config(
            self.config,
            {
                **self.files,
                "server.properties": as_properties(self.settings(self.data.name)),
                "log4j2.yaml": LOGGING,
            },
        )
        classpath = os.pathsep.join(map(str, jars))
        self.set_aside_half_written()
        if not self.data.exists():
            self._format(found, classpath)
        return Command(
            words=[
                str(found.program),
                *self.heap(),
                self.mark(),
                "-Dlog4j2.configurationFile=config/log4j2.yaml",
                "-cp",
                classpath,
                "kafka.Kafka",
                "config/server.properties",
            ],
            environ=java_environ(),
            folder=self.folder,
        )

    def settings(self, data: str) -> dict[str, str]:
        """``data`` is relative to the folder, where the server runs: a comma in the whole path would mean two."""
        listener = f"{self.protocol}://{HOST}:{self.port}"
        return {
            **DEFAULTS,
            "process.roles": "broker,controller",
            "node.id": str(self.node_id),
            "controller.quorum.voters": ",".join(f"{node}@{HOST}:{port}" for node, port in self.voters.items()),
            "controller.listener.names": "CONTROLLER",
            "listeners": f"{listener},CONTROLLER://{HOST}:{self.controller_port}",
            "advertised.listeners": listener,
            "inter.broker.listener.name": self.protocol,
            "listener.security.protocol.map": f"CONTROLLER:PLAINTEXT,{self.protocol}:{self.protocol}",
            "log.dirs": data,
            **self.properties,
        }

    def answers(self) -> str | None:
        """A broker that takes requests and knows of as many brokers as the cluster has."""
        return probe_brokers(self.endpoint, expected=len(self.voters))

    def set_aside_half_written(self) -> None:
        """A data folder without its identity cannot be used. Kept, since a person may want what is in it."""
        if not self.data.exists() or is_formatted(self.data):
            return
        if not any(self.data.iterdir()):
            self.data.rmdir()
            return
        aside = self.data.with_name(f"data.broken-{time.strftime('%Y%m%dT%H%M%S')}")
        self.data.rename(aside)
        told = f"{self.data} was half-written (no whole meta.properties) and was set aside as {aside}"
        if any(aside.glob("*/*.log")):
            raise OperatorError(
                told, remedy="There are records in it: mend it and move it back, or start again with an empty one."
            )
        self.options.say(told)

    def _format(self, found: java.Java, classpath: str) -> None:
        """Into a folder of its own, renamed when whole: a format that was cut leaves nothing that looks finished, and
        a tool that outlived its killed parent writes where nobody looks."""
        for left_over in self.folder.glob(f"{PARTIAL}*"):
            shutil.rmtree(left_over, ignore_errors=True)
        new = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=self.folder)) / "data"
        settings = self.settings(str(new.relative_to(self.folder)))
        self.write_config(self.config, {"format.properties": as_properties(settings)})
        words = [
            *(str(found.program), *QUICK_JVM, "-Dlog4j2.configurationFile=config/log4j2.yaml"),
            *("-cp", classpath, "kafka.tools.StorageTool", "format"),
            *("--config", "config/format.properties", "--cluster-id", self.cluster_id or new_cluster_id()),
            *self.format_arguments,
        ]
        try:
            done = subprocess.run(
                words,
                cwd=self.folder,
                env=java_environ(),
                capture_output=True,
                text=True,
                errors="replace",
                timeout=FORMAT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise OperatorError(
                f"Kafka's data folder was not formatted within {FORMAT_SECONDS} s", remedy="Start it again."
            ) from error
        if done.returncode or not is_formatted(new):
            lines = "\n    ".join((done.stdout + done.stderr).strip().splitlines()[-15:])
            raise OperatorError(
                "Kafka's data folder cannot be formatted",
                remedy=f"Mend what its tool says, then start it again; its last lines:\n    {lines}",
            )
        new.rename(self.data)
        new.parent.rmdir()
        (self.config / "format.properties").unlink()


def probe_brokers(endpoint: str, *, expected: int = 1, **security: object) -> str | None:
    """None if the cluster has so many brokers, else what is missing. ``security``: as kafka-python's clients take."""
    host, _, port = endpoint.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()  # first, since the client is loud about it
    except OSError as error:
        return f"no connection to {endpoint} ({error.strerror or error})"
    from kafka import KafkaAdminClient
    from kafka.errors import KafkaError

    try:
        client = KafkaAdminClient(
            bootstrap_servers=endpoint, bootstrap_timeout_ms=5_000, request_timeout_ms=5_000, **security
        )
        try:
            found = len(client.describe_cluster()["brokers"])
        finally:
            client.close()
    except KafkaError as error:
        return f"{type(error).__name__}: {error}"
    return None if found >= expected else f"{found} of {expected} brokers"


def is_formatted(data: Path) -> bool:
    try:
        keys = {line.partition("=")[0] for line in (data / "meta.properties").read_text().splitlines()}
    except FileNotFoundError:
        return False
    return {"cluster.id", "node.id", "version"} <= keys


def new_cluster_id() -> str:
    """16 bytes in base64, without a dash: the tool would take one at the begin for an option."""
    return base64.b64encode(uuid.uuid4().bytes, altchars=b"AB").decode().rstrip("=")
