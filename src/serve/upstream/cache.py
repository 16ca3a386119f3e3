"""Answers that were read through: in memory by use, and what is dear on disk as well, for the next start.

The folder is one for all doors of a machine: each file is written whole or not at all.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

import msgspec
import zstandard

from cryptoproxy.common import files
from cryptoproxy.common.asking import Question, Replied
from cryptoproxy.common.log import Limited

log = logging.getLogger(__name__)

MEMORY_BYTES = 64 * 1024 * 1024
DISK_BYTES = 256 * 1024 * 1024
_LOOK_EVERY = 50
"""Files written between two looks at how much the folder holds."""


class _File(msgspec.Struct, array_like=True):
    key: str
    replied: Replied


_decoder = msgspec.msgpack.Decoder(_File)


class Cache:
    """Thread-safe. Holds answers of any age: who asks decides.

    Args:
        folder: None where nothing is kept on disk.
    """

    def __init__(
        self, folder: Path | None = None, *, memory_bytes: int = MEMORY_BYTES, disk_bytes: int = DISK_BYTES
    ) -> None:
        self._folder = folder
        self._memory_bytes = memory_bytes
        self._disk_bytes = disk_bytes
        self._held = 0
        self._written = 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[Question, Replied] = OrderedDict()
        self._often = Limited(log, seconds=600)

    def get(self, question: Question, *, dear: bool = False, since_ms: int = 0) -> Replied | None:
        """The newest answer here.

        Args:
            dear: where there is none that was fetched ``since_ms``, look on disk as well: another door, or one before
                a restart, may have left it there.
        """
        with self._lock:
            if (kept := self._kept.get(question)) is not None:
                self._kept.move_to_end(question)
        if dear and (kept is None or kept.fetched_at_ms < since_ms):
            other = self._read(question)
            if other is not None and (kept is None or other.fetched_at_ms > kept.fetched_at_ms):
                self._keep(question, other)
                return other
        return kept

    def put(self, question: Question, replied: Replied, *, dear: bool = False) -> None:
        """Takes the place of an older one."""
        self._keep(question, replied)
        if dear:
            self._write(question, replied)

    def _keep(self, question: Question, replied: Replied) -> None:
        with self._lock:
            if (before := self._kept.pop(question, None)) is not None:
                self._held -= _size(question, before)
            self._kept[question] = replied
            self._held += _size(question, replied)
            while self._held > self._memory_bytes and self._kept:
                gone, its = self._kept.popitem(last=False)
                self._held -= _size(gone, its)

    def _path(self, question: Question) -> Path | None:
        """Named by a digest: whatever stands in a question, it is a file of this folder."""
        if self._folder is None:
            return None
        return self._folder / f"{hashlib.blake2b(question.key.encode(), digest_size=20).hexdigest()}.zst"

    def _read(self, question: Question) -> Replied | None:
        if (path := self._path(question)) is None:
            return None
        try:
            packed = zstandard.ZstdDecompressor().decompress(path.read_bytes(), max_output_size=MEMORY_BYTES)
            file = _decoder.decode(packed)
        except FileNotFoundError:
            return None
        except (OSError, zstandard.ZstdError, msgspec.DecodeError) as error:
            self._often.warning("read", f"{path} cannot be read, it is asked for anew: {error}")
            return None
        return file.replied if file.key == question.key else None

    def _write(self, question: Question, replied: Replied) -> None:
        if (path := self._path(question)) is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            content = msgspec.msgpack.encode(_File(question.key, replied))
            files.replace(path, zstandard.ZstdCompressor().compress(content), sync=False)
            self._written += 1
            if self._written % _LOOK_EVERY == 1:
                self._make_room(path.parent)
        except OSError as error:
            self._often.warning("write", f"{path} cannot be written, a restart asks for it anew: {error}")

    def _make_room(self, folder: Path) -> None:
        """The oldest go."""
        found = sorted((each.stat().st_mtime, each.stat().st_size, each) for each in folder.glob("*.zst"))
        over = sum(size for _, size, _ in found) - self._disk_bytes
        for _, size, each in found:
            if over <= 0:
                return
            with suppress(FileNotFoundError):  # another door was faster
                each.unlink()
            over -= size


def _size(question: Question, replied: Replied) -> int:
    return len(replied.body) + len(question.key) + 500
