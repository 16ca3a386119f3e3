"""Outbox → S3: one object per entry, or one for a minute of polls where they come faster. In the order of keeping, by
itself.

An absent S3 is said loudly and never holds the topic back.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any

from cryptoproxy.common.clock import Clock
from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.common.retry import Backoff
from cryptoproxy.common.service import Health, Loop
from cryptoproxy.errors import OperatorError, TransientError
from cryptoproxy.lake import objects
from cryptoproxy.lake.store import Store
from cryptoproxy.producer.outbox import files
from cryptoproxy.producer.outbox.entry import NO_SLOT, Entry
from cryptoproxy.producer.outbox.outbox import Outbox
from cryptoproxy.producer.outbox.waiting import S3

log = logging.getLogger(__name__)

PART = "s3"
GRACE_MS = 2_000
"""After a window's last slot has ended, its poll may still be on its way to the disk."""

MOST_RECORDS = 200_000
"""Of the entries that share an object: of more the first ones are stored before its time is over, so that neither
memory nor the outbox holds a minute of a stream at its fastest."""

FAREWELL_SECONDS = 3.0
_FAILURES = (TransientError, OperatorError, OSError)


@dataclass(slots=True)
class _Group:
    """Entries of one object, in the order of keeping."""

    entries: list[Entry] = field(default_factory=list)
    records: int = 0
    full: bool = False
    """The next entry is not in it any more."""


@dataclass(eq=False)
class Archiver:
    """The drain to S3; one thread.

    Args:
        interval_ms: of a feed; decides whether its polls are grouped.
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
                loop.wait(1.0)
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
        for group in self._groups():
            if not go_on():
                break
            if group.full or self._closed(group.entries[0]):
                self._archive(group.entries)
                done += 1
        return done

    def _groups(self) -> list[_Group]:
        """What waits, by what shares an object; the group that was begun first comes first. After a crash they are the
        same: those that were stored have left from the front."""
        groups: list[_Group] = []
        filling: dict[Any, _Group] = {}
        for entry in self.outbox.oldest(S3):
            shared = (entry.feed, entry.begin_ms // self.object_ms) if self._is_shared(entry) else entry
            group = filling.get(shared)
            if group is None or group.records + entry.records > MOST_RECORDS:
                if group is not None:
                    group.full = True
                filling[shared] = group = _Group()
                groups.append(group)
            group.entries.append(entry)
            group.records += entry.records
        return groups

    def _is_shared(self, entry: Entry) -> bool:
        """Whether its object holds all polls of some time, since they come so fast."""
        return entry.slot_ms != NO_SLOT and self.interval_ms(entry.feed.name) < self.object_ms

    def _closed(self, entry: Entry) -> bool:
        """One entry an object: at once. Several: when the last of them can be on the disk."""
        if not self._is_shared(entry):
            return True
        ends_ms = entry.begin_ms - entry.begin_ms % self.object_ms + self.object_ms
        return self.clock.now_ms() >= ends_ms + (entry.slot_ms - entry.begin_ms) + GRACE_MS

    def _archive(self, entries: list[Entry]) -> None:
        feed, whole = entries[0].feed, list[Entry]()
        # One poll at a time: a minute of a whole market is tens of megabytes.
        made = objects.pack(
            self.store.settings.prefix,
            feed.dataset,
            feed.source,
            min(entry.begin_ms for entry in entries),
            self._contents(entries, whole),
            part=feed.part,
        )
        if made.records:
            with self.metrics.archive_seconds.labels(feed.name).time():
                self.store.put(made.key, made.body)
            self.metrics.objects_archived.labels(feed.name).inc()
            self.metrics.records_archived.labels(feed.name).inc(made.records)
            too_many = entries[0].slot_ms == NO_SLOT or self.quiet(max(self.interval_ms(feed.name), self.object_ms))
            log.log(
                logging.DEBUG if too_many else logging.INFO,
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
