"""Keep, drain, recovery; what waits is counted in ``waiting``."""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from cryptoproxy.common.clock import SystemClock
from cryptoproxy.datasets import Feed
from cryptoproxy.errors import CryptoProxyError, OperatorError
from cryptoproxy.producer.outbox import files
from cryptoproxy.producer.outbox.entry import NO_SLOT, Entry, Lane
from cryptoproxy.producer.outbox.waiting import DRAINS, KAFKA, S3, Waiting, blocks

log = logging.getLogger(__name__)

_SLOTS = "slots"

_LACKS = {KAFKA: "the topic lacks them (cryptoproxy replay brings them into the index)", S3: "the lake lacks them"}
_CLOCK = SystemClock()
_DAMAGE = (errno.ENOENT, errno.EIO, errno.EBADMSG, errno.EUCLEAN)
"""A file that cannot be read for one of these is lost. For another (no descriptors left, no rights) it may be good."""


class OutboxFullError(CryptoProxyError):
    """No room: nothing may be polled until a drain has made some. What was accepted stays."""


def _named(path: Path, entry: Entry) -> Path:
    """``path`` under the name that ``entry`` has today: that of an earlier version is another one."""
    return path if path.name == entry.name else path.rename(path.with_name(entry.name))


def _nobody(feed: str, drain: str) -> None: ...


class Piece(NamedTuple):
    """What becomes an entry."""

    feed: Feed
    content: bytes
    """The records' bytes, each with its newline; all of ``feed``, and in one span of its part's ``file``
    (:meth:`cryptoproxy.datasets.Part.file_of`)."""
    begin_ms: int
    """The earliest time among them."""
    slot_ms: int = NO_SLOT
    """Of a poll, the slot that is done with it: it is never polled again. A poll that has several entries gives it to
    its last one."""


class Outbox:
    """Thread-safe: feeds keep, each drain takes its own in the order of keeping. One process per folder.

    Args:
        max_bytes: of the folder.
        rooms: bytes that may wait for each drain; without, the whole folder.
        passed_over: told of each entry's feed that is kept without a drain, whose room is full.
        now_ms: the time of day.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int,
        rooms: Mapping[str, int] | None = None,
        passed_over: Callable[[str, str], None] = _nobody,
        now_ms: Callable[[], int] = _CLOCK.now_ms,
    ) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self._waiting = Waiting(max_bytes, rooms)
        self._passed_over = passed_over
        self._now_ms = now_ms
        self._kept_ms = 0
        self._without: list[str] = []
        """The drain that the last poll was kept without."""
        self._writing = folder / "writing"
        self._damaged = folder / "damaged"
        self._slots = folder / _SLOTS
        self._drains = {drain: folder / drain for drain in DRAINS}
        self._lock = threading.Lock()
        self._inherited: frozenset[Entry] = frozenset()
        self._marks: dict[str, files.Mark] = {}
        with self._disk("be made"):
            for path in (self._writing, self._damaged, self._slots, *self._drains.values()):
                path.mkdir(parents=True, exist_ok=True)
            files.sync_folder(folder)
            self._lock_file = files.lock(folder, remedy="Give each poller its own OUTBOX_DIR")
        try:
            with self._disk("be taken over"):
                self._recover()
        except BaseException:
            self.close()
            raise

    # --- keep

    def keep(
        self,
        feed: Feed,
        content: bytes,
        *,
        begin_ms: int,
        slot_ms: int = NO_SLOT,
        before_drains: Callable[[Entry], None] | None = None,
    ) -> Entry:
        """:meth:`keep_all` of one piece."""
        return self.keep_all([Piece(feed, content, begin_ms, slot_ms)], before_drains=before_drains)[0]

    def keep_all(self, pieces: Sequence[Piece], *, before_drains: Callable[[Entry], None] | None = None) -> list[Entry]:
        """All of these on disk or none, for each drain that has room, an entry each. Returns only when they would
        survive a power failure.

        Args:
            before_drains: told of each entry when all are safe, before a drain can see one.

        Raises:
            OutboxFullError: the folder's bound is reached.
            OSError: the disk refuses; nothing of it is kept.
        """
        sizes = [len(piece.content) for piece in pieces]
        self.require_room(*sizes)
        drains = self._waiting.with_room(*sizes)
        contents = {
            Entry.of(
                piece.feed,
                piece.content,
                kept_ms=self._stamp(),
                begin_ms=piece.begin_ms,
                slot_ms=piece.slot_ms,
            ): piece.content
            for piece in pieces
        }
        entries = list(contents)
        paths = files.write_all(self._writing, {entry.name: content for entry, content in contents.items()})
        # From here a crash loses nothing: the next start finds the whole files and goes on below.
        try:
            for entry in entries:
                if entry.slot_ms != NO_SLOT:
                    self._mark(entry.feed.name).advance(entry.slot_ms)
                if before_drains is not None:
                    before_drains(entry)
            self._publish(dict(zip(paths, entries, strict=True)), sizes, drains)
        except OSError:
            self._undo(paths)
            raise
        self._without = [drain for drain in DRAINS if drain not in drains]
        for drain in self._without:
            for entry in entries:
                self._passed_over(entry.feed.name, drain)
        return entries

    def _stamp(self) -> int:
        """The time of day, but later than of all that was kept before: a clock that is set back reverses nothing."""
        with self._lock:
            self._kept_ms = max(self._now_ms(), self._kept_ms + 1)
            return self._kept_ms

    def require_room(self, *sizes: int) -> None:
        """Asked before a poll, so that no call is spent on what could not be kept.

        Raises:
            OutboxFullError: with what to do.
        """
        used = self.bytes_used()
        if used + blocks(sizes) > self.max_bytes or not self._waiting.with_room(*sizes):
            raise OutboxFullError(
                f"the outbox {self.folder} is full ({used} of {self.stops_at} bytes), polling stops; nothing kept is "
                "lost. It goes on when Kafka or S3 takes what waits; or raise OUTBOX_MAX_SIZE"
            )

    @property
    def stops_at(self) -> int:
        """So many bytes stop polling while neither drain takes anything."""
        return max(self._waiting.rooms.values())

    def passes_over(self) -> dict[str, str]:
        """The drain that the last poll was kept without, and why, in words."""
        rooms = self._waiting.rooms
        return {
            drain: (
                f"its room in the outbox {self.folder} is full ({self.bytes_waiting(drain)} of {rooms[drain]} "
                f"bytes): polls are kept without it, so {_LACKS[drain]}; what waits already is kept. It goes on when "
                f"{drain} takes some; or raise OUTBOX_{drain.upper()}_MAX_SIZE"
            )
            for drain in self._without
        }

    def last_slot(self, feed: str) -> int | None:
        """The last slot of the feed of that name that was kept here, whether or not it has left since."""
        return self._mark(feed).read()

    @staticmethod
    def last_slot_in(folder: Path, feed: str) -> int | None:
        """:meth:`last_slot` of an outbox that another process has open."""
        return files.marked(folder / _SLOTS / feed)

    def advance_last_slot(self, feed: str, slot_ms: int) -> None:
        """Another machine has kept up to ``slot_ms``: it shall not be polled again here."""
        self._mark(feed).advance(slot_ms)

    def _publish(self, entries: Mapping[Path, Entry], sizes: Sequence[int], drains: tuple[str, ...] = DRAINS) -> None:
        files.link(entries, *(self._drains[drain] for drain in drains))
        files.remove(entries, self._writing)
        self._waiting.add(drains, zip(entries.values(), sizes, strict=True))

    def _undo(self, paths: Sequence[Path]) -> None:
        """What the caller takes for missed shall not be delivered after the next start."""
        for each in (folder / path.name for path in paths for folder in self._drains.values()):
            with suppress(OSError):
                each.unlink(missing_ok=True)
        with suppress(OSError):
            files.remove(paths, self._writing)

    # --- drain

    def inherited(self, entry: Entry) -> bool:
        """Whether an earlier run has kept it, which may have been another version with another contract."""
        return entry in self._inherited

    def oldest(self, drain: str, limit: int | None = None, *, without: Collection[Lane] = ()) -> list[Entry]:
        """What ``drain`` has not delivered yet, in the order of keeping, but for what is ``without``."""
        return self._waiting.oldest(drain, limit, without=without)

    def count(self, drain: str) -> int:
        """How many polls wait for ``drain``."""
        return self._waiting.count(drain)

    def wait(self, drain: str, seconds: float, *, without: Collection[Lane] = ()) -> None:
        """Returns when something waits for ``drain`` but for what is ``without``, or after ``seconds``."""
        self._waiting.wait(drain, seconds, without=without)

    def read(self, drain: str, entry: Entry) -> bytes | None:
        """The content of ``entry``; None if it is damaged, and then it is set aside.

        Raises:
            OperatorError: it cannot be read now, but may be good.
        """
        folder = self._drains[drain]
        with self._disk("be read"):
            try:
                content = (folder / entry.name).read_bytes()
            except OSError as error:
                if error.errno not in _DAMAGE or not folder.is_dir():  # a disk that is not mounted is no damage
                    raise
                fault = str(error)
            else:
                if entry.holds(content):
                    return content
                fault = "its content is not what its name says"
            self._set_aside(folder / entry.name, fault)
        self._waiting.remove(drain, entry)
        return None

    def done(self, drain: str, entry: Entry) -> None:
        """``drain`` has delivered ``entry``.

        Raises:
            OperatorError: it cannot be removed, and would be delivered again.
        """
        with self._disk("be written"):
            (self._drains[drain] / entry.name).unlink(missing_ok=True)
        self._waiting.remove(drain, entry)

    # --- bounds

    def bytes_used(self) -> int:
        """Bytes on disk, in whole blocks; a poll that waits for both drains is stored once."""
        return self._waiting.used()

    def bytes_waiting(self, drain: str) -> int:
        return self._waiting.bytes(drain)

    def close(self) -> None:
        for mark in self._marks.values():
            mark.close()
        self._lock_file.close()

    # --- start

    def _recover(self) -> None:
        """Takes over what an earlier run left: whole files are good wherever they lie, half-written ones are not."""
        for drain, folder in self._drains.items():
            for path in sorted(folder.iterdir()):
                if entry := Entry.parse(path.name):
                    self._waiting.add([drain], [(entry, _named(path, entry).stat().st_size)])
                else:
                    self._set_aside(path, "its name is not one of ours")
        for paths in files.left_in(self._writing):
            self._take_over(paths)
        self._inherited = frozenset(entry for each in DRAINS for entry in self._waiting.oldest(each, None))
        self._kept_ms = max((entry.kept_ms for entry in self._inherited), default=0)
        for feed, slot_ms in {entry.feed: entry.slot_ms for entry in sorted(self._inherited) if entry.slot_ms}.items():
            self.advance_last_slot(feed.name, slot_ms)
        if self._inherited:
            log.info(
                "the outbox holds %d polls for Kafka and %d for S3 from an earlier run", *map(self.count, (KAFKA, S3))
            )

    def _take_over(self, paths: Sequence[Path]) -> None:
        """What was kept together; what never was is removed, and what is damaged set aside."""
        whole: dict[Path, Entry] = {}
        sizes: list[int] = []
        for path in paths:
            entry = Entry.parse(path.name)
            try:
                content = path.read_bytes()
            except OSError as error:
                if error.errno not in _DAMAGE:
                    raise
                self._set_aside(path, str(error))
                continue
            if entry is None or not entry.holds(content):
                # It was never kept: keep() had not returned, and its poll counts as missed.
                log.warning("removed %s, half-written when the process ended", path)
                path.unlink()
                continue
            whole[_named(path, entry)] = entry
            sizes.append(len(content))
            log.info("took over %s, written when the process ended", entry.name)
        if whole:
            self._publish(whole, sizes)

    def _mark(self, feed: str) -> files.Mark:
        with self._lock:
            if feed not in self._marks:
                self._marks[feed] = files.Mark(self._slots / feed)
            return self._marks[feed]

    def _set_aside(self, path: Path, fault: str) -> None:
        target = self._damaged / f"{path.parent.name}-{path.name}"
        try:
            path.replace(target)
        except FileNotFoundError:
            log.error("%s is lost (%s); the rest is delivered", path, fault)  # noqa: TRY400
        else:
            log.error("%s is damaged (%s); set aside as %s, the rest is delivered", path, fault, target)

    @contextmanager
    def _disk(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OperatorError(
                f"the outbox {self.folder} cannot {what}: {error}", remedy="Free its disk, or mend OUTBOX_DIR's rights"
            ) from error
