"""The one place of the outbox that writes to disk. What returns is on the disk, not only in memory."""

from __future__ import annotations

import fcntl
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO

from cryptoproxy.errors import OperatorError

BLOCK_BYTES = 4096
"""What a disk gives at once. Thousands of small files fill it by these, not by their bytes."""


def lock(folder: Path, *, remedy: str) -> IO[str]:
    """Outbox and budget of ``folder`` are this process's until the file is closed.

    Raises:
        OperatorError: they are another one's; ``remedy`` says what to do then.
    """
    file = (folder / "lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        holder = file.read().strip()
        file.close()
        raise OperatorError(f"the outbox {folder} is in use by process {holder or '?'}", remedy=remedy) from error
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def on_disk(size: int) -> int:
    """Bytes of the disk that a file of ``size`` bytes takes: whole blocks, and one for an empty file's name."""
    return max(1, -(-size // BLOCK_BYTES)) * BLOCK_BYTES


def write(path: Path, content: bytes) -> None:
    """A new file, whole and on disk; on any error nothing of it remains.

    Raises:
        OSError: the disk is full (ENOSPC), a limit (EFBIG) or a right is missing.
    """
    _write(path, content, sync=True)


def replace(path: Path, content: bytes, *, sync: bool = True) -> None:
    """The file as a whole: on any error the old one stays. Without ``sync`` the new one survives the end of the
    process, but perhaps no power failure.

    Raises:
        OSError: as :func:`write`.
    """
    new = path.with_name(f"{path.name}.new")
    _write(new, content, sync=sync)
    new.replace(path)
    if sync:
        sync_folder(path.parent)


def _write(path: Path, content: bytes, *, sync: bool) -> None:
    try:
        with path.open("wb") as file:
            file.write(content)
            if sync:
                file.flush()
                os.fsync(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise


def link(path: Path, *folders: Path) -> None:
    """``path`` under the same name in each of ``folders`` as well, and the names on disk."""
    for folder in folders:
        with suppress(FileExistsError):  # kept before with the same content: its name says so
            os.link(path, folder / path.name)
        sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """A name in a folder is only on disk when the folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Mark:
    """A number that survives and only grows: fixed width, overwritten in place, so that one fsync is enough."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        new = not path.exists()
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        if new:
            sync_folder(path.parent)

    def read(self) -> int | None:
        text = os.pread(self._descriptor, 64, 0)
        return int(text) if text.strip().isdigit() else None

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
