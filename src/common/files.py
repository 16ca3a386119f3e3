"""Files written whole or not at all; where it is asked for, what returns is on the disk, not only in memory."""

from __future__ import annotations

import os
from pathlib import Path

_USUAL, _PRIVATE = 0o666, 0o600


def write(path: Path, content: bytes) -> None:
    """A new file, whole and on disk; on any error nothing of it remains.

    Raises:
        OSError: the disk is full (ENOSPC), a limit (EFBIG) or a right is missing.
    """
    _write(path, content, os.O_TRUNC, sync=True, mode=_USUAL)


def replace(path: Path, content: bytes, *, sync: bool = True, mode: int = _USUAL) -> None:
    """The file as a whole: on any error the old one stays. Without ``sync`` the new one survives the end of the
    process, but perhaps no power failure. Its rights are ``mode``, less the umask, whoever could read the old one.

    Raises:
        OSError: as :func:`write`.
    """
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)  # left by one that was killed, and perhaps with other rights
    _write(new, content, os.O_EXCL, sync=sync, mode=mode)
    new.replace(path)
    if sync:
        sync_folder(path.parent)


def write_private(path: Path, content: str | bytes) -> None:
    """:func:`replace` for what holds a secret: readable by its owner alone."""
    replace(path, content.encode() if isinstance(content, str) else content, sync=False, mode=_PRIVATE)


def _write(path: Path, content: bytes, flag: int, *, sync: bool, mode: int) -> None:
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | flag, mode), "wb") as file:
            file.write(content)
            if sync:
                file.flush()
                os.fsync(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """A name in a folder is only on disk when the folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
