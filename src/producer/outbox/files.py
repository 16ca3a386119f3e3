"""What the outbox's files need besides :mod:`common.files`: its lock, names in several folders, numbers that only grow.
What returns is on the disk, not only in memory."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

from cryptoproxy.common.files import sync_folder, write
from cryptoproxy.errors import OperatorError

__all__ = [
    "Mark", "OutboxInUseError", "left_in", "link", "lock", "marked", "on_disk", "remove", "sync_folder", "write",
    "write_all",
]  # fmt: skip

log = logging.getLogger(__name__)

_PART, _TOGETHER = ".part", ".together"
"""Folders of what is written as one: until all of it is there, and from then on."""

BLOCK_BYTES = 4096
"""What a disk gives at once. Thousands of small files fill it by these, not by their bytes."""


class OutboxInUseError(OperatorError):
    """``holder`` is the process that has it."""

    def __init__(self, folder: Path, holder: str, *, remedy: str) -> None:
        super().__init__(f"the outbox {folder} is in use by process {holder}", remedy=remedy)
        self.holder = holder


def lock(folder: Path, *, remedy: str) -> IO[str]:
    """Outbox and budget of ``folder`` are this process's until the file is closed.

    Raises:
        OutboxInUseError: they are another one's; ``remedy`` says what to do then.
    """
    file = (folder / "lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        holder = file.read().strip()
        file.close()
        raise OutboxInUseError(folder, holder or "?", remedy=remedy) from error
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def on_disk(size: int) -> int:
    """Bytes of the disk that a file of ``size`` bytes takes: whole blocks, and one for an empty file's name."""
    return max(1, -(-size // BLOCK_BYTES)) * BLOCK_BYTES


def write_all(folder: Path, contents: Mapping[str, bytes]) -> list[Path]:
    """All of these new files on disk, or none. One alone is whole if its content is what its name says; several are in
    a folder of their own in ``folder``, which has its name as soon as they are whole.

    Raises:
        OSError: as :func:`write`; nothing of them remains.
    """
    first, *others = contents
    if not others:
        write(folder / first, contents[first])
        return [folder / first]
    part, whole = folder / f"{first}{_PART}", folder / f"{first}{_TOGETHER}"
    try:
        part.mkdir()
        for name, content in contents.items():
            write(part / name, content)
        sync_folder(part)
        part.rename(whole)
        sync_folder(folder)
    except OSError:
        for each in (part, whole):
            shutil.rmtree(each, ignore_errors=True)
        raise
    return [whole / name for name in contents]


def left_in(folder: Path) -> Iterator[list[Path]]:
    """What :func:`write_all` wrote there, together; what it did not write to the end is removed, but for a file, whose
    reader knows by its content."""
    for path in folder.iterdir():
        if path.suffix == _PART:
            log.warning("removed %s, half-written when the process ended", path)
            shutil.rmtree(path)
        elif path.suffix == _TOGETHER:
            yield sorted(path.iterdir())
            with suppress(FileNotFoundError):
                path.rmdir()
        else:
            yield [path]


def remove(paths: Iterable[Path], folder: Path) -> None:
    """These, that :func:`write_all` wrote in ``folder``."""
    for path in paths:
        path.unlink(missing_ok=True)
        if path.parent != folder:
            with suppress(OSError):  # others are still in it
                path.parent.rmdir()


def link(paths: Iterable[Path], *folders: Path) -> None:
    """Each of ``paths`` under the same name in each of ``folders`` as well, and the names on disk."""
    for folder in folders:
        for path in paths:
            with suppress(FileExistsError):  # kept before with the same content: its name says so
                os.link(path, folder / path.name)
        sync_folder(folder)


class Mark:
    """A number that survives and only grows: fixed width, overwritten in place, so that one fsync is enough."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        new = not path.exists()
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        if new:
            sync_folder(path.parent)

    def read(self) -> int | None:
        return _number(os.pread(self._descriptor, 64, 0))

    def advance(self, number: int) -> None:
        """To ``number``, unless it is there or further already."""
        with self._lock:
            if number > (self.read() or 0):
                os.pwrite(self._descriptor, b"%020d\n" % number, 0)
                os.fsync(self._descriptor)

    def close(self) -> None:
        """Afterwards every use fails; the descriptor's number may be another file's by then."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def marked(path: Path) -> int | None:
    """The number of a :class:`Mark` that is another process's, and perhaps not there."""
    try:
        return _number(path.read_bytes())
    except OSError:
        return None


def _number(text: bytes) -> int | None:
    return int(text) if text.strip().isdigit() else None
