"""What Kafka, Elasticsearch and S3 have in common: one folder, one process, ready when it answers.

folder/            config, data: the engine's own
folder/<name>.pid  who runs, since when, and how it was started
folder/<name>.log  all that the process writes
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from cryptoproxy.common.files import write_private
from cryptoproxy.engines import artefacts, ports
from cryptoproxy.engines.machine import process
from cryptoproxy.engines.machine.process import Command, Say, Server, say_nothing, until
from cryptoproxy.errors import OperatorError

LOG_LINES = 15
LOG_BYTES = 64 * 1024
LOG_KEPT_BYTES = 16 * 1024 * 1024
READY_SECONDS = 300.0
"""One that runs gets there, however busy the machine is; one that ended is noticed at once."""
STOP_SECONDS = 30.0
TELL_SECONDS = 10.0
"""How often a start that takes long is told of."""
_STACK_FRAME = re.compile(r"\s+(at |\.\.\. \d+ )")

Probe = Callable[[], str | None]
"""None if the engine answers as it should, else what is still missing, in a few words."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """How an engine is run, the same for all."""

    cache: Path | None = None
    """Where fetched files are kept; the user's own cache if None."""
    die_with_parent: bool = False
    """For demos and tests: the kernel ends the engine when this process ends, even by SIGKILL (on Linux)."""
    say: Say = say_nothing
    ready_seconds: float = READY_SECONDS
    stop_seconds: float = STOP_SECONDS
    settings: Mapping[str, str] | None = None
    """By port name (``kafka``, ``s3`` …): what a person changes to have another port, for the error that says so."""


class Engine(ABC):
    title: ClassVar[str]
    bundle_name: ClassVar[str]
    first_heap_mb: ClassVar[int]

    def __init__(self, name: str, folder: Path, *, heap_mb: int, options: Options | None, probe: Probe | None) -> None:
        self.name = name
        self.folder = folder.absolute()
        self.heap_mb = heap_mb
        self.options = options or Options()
        self.bundle = artefacts.bundle(self.bundle_name)
        self.pid_file = self.folder / f"{name}.pid"
        self.log_file = self.folder / f"{name}.log"
        self._probe = probe
        self._log_began = 0
        self._last_pid = 0

    @property
    @abstractmethod
    def endpoint(self) -> str:
        """Where clients find it."""

    @abstractmethod
    def ports(self) -> dict[str, int]:
        """The ports it listens on, by the name of the setting."""

    @abstractmethod
    def prepare(self) -> Command:
        """Fetches what is needed, writes the configuration, and says how to start. May take long."""

    @abstractmethod
    def answers(self) -> str | None:
        """The usual probe."""

    @property
    def server(self) -> Server | None:
        """Of the process that runs, as it was started; None if none does."""
        try:
            return process.read(self.pid_file)
        except PermissionError as error:
            raise OperatorError(
                f"{self.pid_file} cannot be read: {error.strerror}", remedy="Run this as the user who started it."
            ) from error

    @property
    def running(self) -> bool:
        return self.server is not None

    @property
    def pid(self) -> int | None:
        server = self.server
        return server.pid if server else None

    def probe(self) -> str | None:
        return (self._probe or self.answers)()

    def require_startable(self) -> None:
        """Raises an OperatorError if it runs with other ports already, or if a port is taken."""
        if server := self.server:
            self._require_same(server)
            return
        for name, port in self.ports().items():
            setting = (self.options.settings or {}).get(name, f"the {name.replace('_', ' ')} port")
            ports.require_free(port, what=self.title, setting=setting)

    def start(self) -> bool:
        """Starts it, unless it runs; whether it did. It does not answer yet: see ``wait_ready``."""
        self.require_startable()
        if self.running:
            return False
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            command = self.prepare()
            self._begin_log()
            server = process.start(command, self.log_file, die_with_parent=self.options.die_with_parent)
            server.facts.update(self._facts())
            self._last_pid = server.pid
            process.write(self.pid_file, server)
        except OSError as error:
            raise OperatorError(
                f"{self.title} cannot be started in {self.folder}: {error}",
                remedy="Mend that (another user's folder? a full disk?), then start it again.",
            ) from error
        log.info("started %s pid=%d port=%s heap_mb=%d", self.name, server.pid, self.ports(), self.heap_mb)
        return True

    def wait_ready(self, *, abort: threading.Event | None = None) -> None:
        """Returns when it answers.

        Raises:
            OperatorError: it ended, or did not answer in time; with the last lines of its log.
        """
        missing: str | None = "it was not asked yet"
        ended = False
        began = told = time.monotonic()

        def settled() -> bool:
            nonlocal missing, ended, told
            ended = not self.running
            missing = None if ended else self.probe()
            if missing and (now := time.monotonic()) - told >= TELL_SECONDS:
                told = now
                self.options.say(f"  {self.title}: starting for {now - began:.0f} s")
            return ended or missing is None or bool(abort and abort.is_set())

        in_time = until(settled, self.options.ready_seconds)
        if ended:
            self.pid_file.unlink(missing_ok=True)
            how = f" with code {code}" if (code := process.exit_code(self._last_pid)) is not None else ""
            raise OperatorError(f"{self.title} did not start: its process ended{how}", remedy=self._look_at_log())
        if not in_time:
            raise OperatorError(
                f"{self.title} runs but does not answer after {self.options.ready_seconds:.0f} s: {missing}",
                remedy=self._look_at_log(),
            )
        if missing is None:
            log.info("%s answers at %s after %.1f s", self.name, self.endpoint, time.monotonic() - began)

    def stop(self) -> bool:
        """Ends it in order; whether there was anything to end."""
        server = self.server
        if server is not None:
            process.stop(server, self.options.stop_seconds)
            log.info("stopped %s pid=%d", self.name, server.pid)
        self.pid_file.unlink(missing_ok=True)
        return server is not None

    def remove(self) -> None:
        """Ends it, and removes its folder with all data."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self) -> None:
        """SIGKILL."""
        process.kill(self._running_server())

    def suspend(self) -> None:
        """SIGSTOP: it keeps its connections and answers nothing."""
        process.signal_all(self._running_server(), signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        process.signal_all(self._running_server(), signal.SIGCONT)

    def last_lines(self) -> list[str]:
        """The end of the log of this start, without the frames of stack traces, which would push out what matters."""
        try:
            with self.log_file.open("rb") as handle:
                size = handle.seek(0, os.SEEK_END)
                handle.seek(max(self._log_began, size - LOG_BYTES))
                text = handle.read().decode(errors="replace")
        except OSError:
            return []
        return [line[:300] for line in text.splitlines() if line.strip() and not _STACK_FRAME.match(line)][-LOG_LINES:]

    def write_config(self, folder: Path, files: Mapping[str, str | bytes]) -> None:
        """Writes configuration that only its owner may read: it may hold keys."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            write_private(file, content)

    def mark(self) -> str:
        """A word in the command lines of all its processes by which they can be told."""
        return f"-Dcryptoproxy.engine={self.folder}"

    def fetched(self) -> list[Path]:
        """Its files, fetched where they are not yet."""
        return artefacts.fetch(self.bundle, self.options.cache or artefacts.user_cache(), say=self.options.say)

    def heap(self) -> tuple[str, str]:
        """What the JVM is told of it."""
        return f"-Xms{min(self.first_heap_mb, self.heap_mb)}m", f"-Xmx{self.heap_mb}m"

    def _facts(self) -> dict[str, object]:
        return {
            "endpoint": self.endpoint,
            "heap_mb": self.heap_mb,
            "version": self.bundle.version,
            "mark": self.mark(),
        }

    def _running_server(self) -> Server:
        server = self.server
        if server is None:
            raise OperatorError(f"{self.title} does not run in {self.folder}", remedy="Start it first.")
        return server

    def _require_same(self, server: Server) -> None:
        if server.facts.get("endpoint") != self.endpoint:
            raise OperatorError(
                f"{self.title} runs already, at {server.facts.get('endpoint')} and not at {self.endpoint}",
                remedy="Stop it (down) before you start it with other ports.",
            )

    def _begin_log(self) -> None:
        if self.log_file.exists() and self.log_file.stat().st_size > LOG_KEPT_BYTES:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        self._log_began = self.log_file.stat().st_size if self.log_file.exists() else 0

    def _look_at_log(self) -> str:
        lines = "".join(f"\n    {line}" for line in self.last_lines())
        return f"Mend what {self.log_file} says, then start it again; its last lines:{lines or ' (none)'}"
