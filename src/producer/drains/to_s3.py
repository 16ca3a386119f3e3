"""Outbox → S3: one object per poll, or one for a minute of polls where they come faster. Oldest first, by itself.

An absent S3 is said loudly and never holds the topic back.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass
from itertools import groupby
from pathlib import Path

from cryptoproxy.common.clock import Clock
from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.common.retry import Backoff
from cryptoproxy.common.service import Health, Loop
from cryptoproxy.datasets import TICKER
from cryptoproxy.errors import OperatorError, TransientError
from cryptoproxy.lake import objects
from cryptoproxy.lake.store import Store
from cryptoproxy.producer.outbox import files
from cryptoproxy.producer.outbox.entry import Entry
from cryptoproxy.producer.outbox.outbox import S3, Outbox

log = logging.getLogger(__name__)

PART = "s3"
GRACE_MS = 2_000
"""After a window's last slot has ended, its poll may still be on its way to the disk."""

FAREWELL_SECONDS = 3.0
_FAILURES = (TransientError, OperatorError, OSError)


@dataclass(eq=False)
class Archiver:
    """The drain to S3; one thread.

    Args:
        interval_ms: of a source; decides whether its polls are grouped.
        object_ms: the time that one object holds, where the interval is shorter.
        quiet: whether objects that each hold so many ms are too many for a line each.
    """

    store: Store
    outbox: Outbox
    _: KW_ONLY
    interval_ms: Callable[[str], int]
    object_ms: int
    health: Health
    metrics: PollerMetrics
    clock: Clock
    quiet: Callable[[int], bool]

    def __post_init__(self) -> None:
        self._stored = self.outbox.folder / "stored.json"

    def run(self, loop: Loop) -> None:
        """Until the process stops; what is left is stored at the next start."""
        backoff = Backoff()
        well = False
        while loop.running:
            try:
                done = self.drain(lambda: loop.running)
            except _FAILURES as error:
                well = False
                self.health.hold(PART, f"{error} ({self.outbox.count(S3)} polls wait on disk; the topic goes on)")
                loop.wait(backoff.next())
                continue
            well = True
            self.health.release(PART)
            backoff.reset()
            if not done:
                loop.wait(0.5)
        if well:
            self._finish()

    def _finish(self) -> None:
        """What is closed by now: a successor on another machine cannot store what waits here."""
        deadline = time.monotonic() + FAREWELL_SECONDS
        try:
            self.drain(lambda: time.monotonic() < deadline)
        except _FAILURES as error:
            log.warning("at the stop: %s; what is not stored is stored at the next start", error)

    def drain(self, go_on: Callable[[], bool]) -> int:
        """Stores every group that is closed, as long as it may ``go_on``; returns how many.

        Raises:
            TransientError, OperatorError: S3 does not take it now.
            OperatorError, OSError: the outbox cannot be read or written.
        """
        self._finish_interrupted()
        done = 0
        for (source, window_ms), group in groupby(self._by_window(), key=self._window):
            if not go_on():
                break
            if self._closed(source, window_ms):
                self._archive(source, list(group))
                done += 1
        return done

    def _by_window(self) -> list[Entry]:
        """What waits, the oldest window first, each window's polls together."""
        return sorted(self.outbox.oldest(S3), key=lambda entry: (self._window(entry)[1], entry.source, entry))

    def _window(self, entry: Entry) -> tuple[str, int]:
        """Source and begin of the time that this poll's object holds."""
        if self.interval_ms(entry.source) >= self.object_ms:
            return entry.source, entry.slot_ms
        return entry.source, entry.slot_ms - entry.slot_ms % self.object_ms

    def _closed(self, source: str, window_ms: int) -> bool:
        """One poll an object: at once. Several: when the last slot's end has passed."""
        if self.interval_ms(source) >= self.object_ms:
            return True
        return self.clock.now_ms() >= window_ms + self.object_ms + GRACE_MS

    def _archive(self, source: str, entries: list[Entry]) -> None:
        whole: list[Entry] = []
        # One poll at a time: a minute of a whole market is tens of megabytes.
        made = objects.pack(
            self.store.settings.prefix, TICKER.name, source, entries[0].slot_ms, self._contents(entries, whole)
        )
        if made.records:
            with self.metrics.archive_seconds.labels(source).time():
                self.store.put(made.key, made.body)
            self.metrics.objects_archived.labels(source).inc()
            self.metrics.records_archived.labels(source).inc(made.records)
            log.log(
                logging.DEBUG if self.quiet(max(self.interval_ms(source), self.object_ms)) else logging.INFO,
                "archived s3://%s/%s (%d records)", self.store.settings.bucket, made.key, made.records,
            )  # fmt: skip
        self._leave(whole)

    def _contents(self, entries: list[Entry], whole: list[Entry]) -> Iterator[bytes]:
        """The content of each entry; those that are not damaged are added to ``whole`` on the way."""
        for entry in entries:
            content = self.outbox.read(S3, entry)
            if content is not None:
                whole.append(entry)
                yield content

    def _leave(self, entries: list[Entry]) -> None:
        """Takes a stored group out of the outbox, all of it or, after a crash, the rest at the next start.

        A group whose half was gone would be stored again as another object.
        """
        if len(entries) > 1:
            try:
                files.write(self._stored, json.dumps([entry.name for entry in entries]).encode())
            except OSError as error:
                # On a full disk nothing would ever leave. What a crash in this moment stores twice, readers drop.
                log.warning("no note of the stored group on disk (%s); takes it out of the outbox without", error)
        for entry in entries:
            self.outbox.done(S3, entry)
        self._stored.unlink(missing_ok=True)

    def _finish_interrupted(self) -> None:
        """The rest of a group that was stored, when the process or the disk did not let it leave."""
        if not self._stored.exists():
            return
        try:
            names = json.loads(self._stored.read_bytes())
        except ValueError:
            names = []  # half-written: nothing had been taken out yet
        for entry in filter(None, (Entry.parse(Path(name).name) for name in names)):
            self.outbox.done(S3, entry)
        self._stored.unlink(missing_ok=True)
