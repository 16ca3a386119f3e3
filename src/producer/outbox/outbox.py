"""Keep, drain, bounds, recovery."""

from __future__ import annotations

import bisect
import fcntl
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

from common.errors import CryptoProxyError, OperatorError
from producer.outbox import files
from producer.outbox.entry import Entry

log = logging.getLogger(__name__)

KAFKA = "kafka"
S3 = "s3"
DRAINS = (KAFKA, S3)


class OutboxFullError(CryptoProxyError):
    """No room: nothing may be polled until a drain has made some. What was accepted stays."""


class Outbox:
    """Thread-safe: sources keep, each drain takes its own. One process per folder."""

    def __init__(self, folder: Path, *, max_bytes: int) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self._writing = folder / "writing"
        self._damaged = folder / "damaged"
        self._slots = folder / "slots"
        self._drains = {drain: folder / drain for drain in DRAINS}
        self._changed = threading.Condition()
        self._waiting: dict[str, list[Entry]] = {drain: [] for drain in DRAINS}
        """Sorted, oldest first."""
        self._sizes: dict[Entry, int] = {}
        self._used = 0
        self._marks: dict[str, files.Mark] = {}
        try:
            for path in (self._writing, self._damaged, self._slots, *self._drains.values()):
                path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OperatorError(f"the outbox {folder} cannot be made: {error}", remedy="Mend OUTBOX_DIR") from error
        self._lock_file = self._lock()
        self._recover()

    # --- keep

    def keep(
        self, slot_ms: int, source: str, content: bytes, *, before_drains: Callable[[Entry], None] | None = None
    ) -> Entry:
        """A poll on disk, for both drains. Returns only when it would survive a power failure.

        Args:
            content: the records' bytes, each with its newline.
            before_drains: told of the entry when it is safe, before a drain can see it.

        Raises:
            OutboxFullError: the folder's bound is reached.
            OSError: the disk refuses; nothing of the poll is kept.
        """
        entry = Entry.of(slot_ms, source, content)
        self.require_room(len(content))
        path = self._writing / entry.name
        files.write(path, content)
        # From here a crash loses nothing: the next start finds the whole file and goes on below.
        self._mark(source).write(slot_ms)
        if before_drains is not None:
            before_drains(entry)
        self._publish(path, entry, len(content))
        return entry

    def require_room(self, size: int = 0) -> None:
        """Asked before a poll, so that no call is spent on what could not be kept.

        Raises:
            OutboxFullError: with what to do.
        """
        if (used := self.bytes_used()) + size > self.max_bytes:
            raise OutboxFullError(
                f"the outbox {self.folder} is full ({used} of {self.max_bytes} bytes), polling stops; nothing kept is "
                "lost. It goes on when Kafka and S3 take what waits; or raise OUTBOX_MAX_SIZE"
            )

    def last_slot(self, source: str) -> int | None:
        """The last slot of ``source`` that was kept here, whether or not it has left since."""
        return self._mark(source).read()

    def advance_last_slot(self, source: str, slot_ms: int) -> None:
        """Another machine has kept up to ``slot_ms``: it shall not be polled again here."""
        mark = self._mark(source)
        if slot_ms > (mark.read() or 0):
            mark.write(slot_ms)

    def _publish(self, path: Path, entry: Entry, size: int) -> None:
        files.link(path, *self._drains.values())
        path.unlink()
        with self._changed:
            self._count(entry, size)
            for waiting in self._waiting.values():
                if not self._has(waiting, entry):
                    bisect.insort(waiting, entry)
            self._changed.notify_all()

    # --- drain

    def oldest(self, drain: str, limit: int | None = None) -> list[Entry]:
        """What ``drain`` has not delivered yet, oldest first."""
        with self._changed:
            return self._waiting[drain][:limit]

    def count(self, drain: str) -> int:
        """How many polls wait for ``drain``."""
        with self._changed:
            return len(self._waiting[drain])

    def wait(self, drain: str, seconds: float) -> None:
        """Returns when something waits for ``drain``, or after ``seconds``."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._waiting[drain]), timeout=seconds)

    def read(self, drain: str, entry: Entry) -> bytes | None:
        """The content of ``entry``; None if it is damaged, and then it is set aside."""
        try:
            content = (self._drains[drain] / entry.name).read_bytes()
        except OSError as error:
            content, fault = b"", str(error)
        else:
            fault = "its content is not what its name says"
        if entry.holds(content):
            return content
        self._set_aside(drain, entry, fault)
        return None

    def done(self, drain: str, entry: Entry) -> None:
        """``drain`` has delivered ``entry``."""
        (self._drains[drain] / entry.name).unlink(missing_ok=True)
        self._forget(drain, entry)

    # --- bounds

    def bytes_used(self) -> int:
        """Bytes on disk; a poll that waits for both drains is stored once."""
        with self._changed:
            return self._used

    def bytes_waiting(self, drain: str) -> int:
        with self._changed:
            return sum(self._sizes[entry] for entry in self._waiting[drain])

    def close(self) -> None:
        for mark in self._marks.values():
            mark.close()
        self._lock_file.close()

    # --- start

    def _lock(self) -> IO[str]:
        file = (self.folder / "lock").open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read().strip()
            file.close()
            raise OperatorError(
                f"the outbox {self.folder} is in use by process {holder or '?'}",
                remedy="Give each poller its own OUTBOX_DIR",
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        return file

    def _recover(self) -> None:
        """Takes over what an earlier run left: whole files are good wherever they lie, half-written ones are not."""
        for drain, folder in self._drains.items():
            for path in folder.iterdir():
                entry = Entry.parse(path.name)
                if entry is None:
                    self._set_aside_path(path, "its name is not one of ours")
                    continue
                self._waiting[drain].append(entry)
                self._count(entry, path.stat().st_size)
            self._waiting[drain].sort()
        for path in self._writing.iterdir():
            entry = Entry.parse(path.name)
            content = path.read_bytes()
            if entry is None or not entry.holds(content):
                # It was never kept: keep() had not returned, and its poll counts as missed.
                log.warning("removed %s, half-written when the process ended", path)
                path.unlink()
                continue
            self._publish(path, entry, len(content))
            log.info("took over %s, written when the process ended", entry.name)
        for entry in sorted(self._sizes):
            self.advance_last_slot(entry.source, entry.slot_ms)
        if self._sizes:
            log.info(
                "the outbox holds %d polls for Kafka and %d for S3 from an earlier run",
                len(self._waiting[KAFKA]), len(self._waiting[S3]),
            )  # fmt: skip

    def _mark(self, source: str) -> files.Mark:
        with self._changed:
            if source not in self._marks:
                self._marks[source] = files.Mark(self._slots / source)
            return self._marks[source]

    def _set_aside(self, drain: str, entry: Entry, fault: str) -> None:
        self._set_aside_path(self._drains[drain] / entry.name, fault)
        self._forget(drain, entry)

    def _set_aside_path(self, path: Path, fault: str) -> None:
        target = self._damaged / f"{path.parent.name}-{path.name}"
        log.error("%s is damaged (%s); set aside as %s, the rest is delivered", path, fault, target)
        if path.exists():
            path.replace(target)

    def _forget(self, drain: str, entry: Entry) -> None:
        with self._changed:
            waiting = self._waiting[drain]
            if self._has(waiting, entry):
                del waiting[bisect.bisect_left(waiting, entry)]
            if not any(self._has(each, entry) for each in self._waiting.values()):
                self._used -= self._sizes.pop(entry, 0)
            self._changed.notify_all()

    @staticmethod
    def _has(waiting: list[Entry], entry: Entry) -> bool:
        at = bisect.bisect_left(waiting, entry)
        return at < len(waiting) and waiting[at] == entry

    def _count(self, entry: Entry, size: int) -> None:
        self._used += size - self._sizes.get(entry, 0)
        self._sizes[entry] = size
