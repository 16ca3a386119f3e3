"""What comes on a topic as files, for whoever wants nothing else: each record once, across restarts.

A file is named by its first and its last offset: ``crypto-data/0/00000000000000001200-00000000000000001399.jsonl``. It
gets that name when it is whole and on disk, so what has a name is done, and the names say where to go on; what a kill
has left without one is written anew.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import BinaryIO

_NAME = re.compile(r"(\d{20})-(\d{20})\.jsonl")
_OPEN = "open.part"


class PartitionFiles:
    """Of one partition of a topic.

    Args:
        most: lines of a file.
        seconds: from the first line of a file until it is closed.
    """

    def __init__(self, folder: Path, topic: str, partition: int, *, most: int, seconds: float) -> None:
        self._folder = folder / topic / str(partition)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._most, self._seconds = most, seconds
        self._file: BinaryIO | None = None
        self._first = self._last = self._lines = 0
        self._begun = 0.0

    def next_offset(self) -> int | None:
        """Where to go on; None where nothing was ever written."""
        ends = [int(found[2]) for path in self._folder.iterdir() if (found := _NAME.fullmatch(path.name))]
        return max(ends) + 1 if ends else None

    def write(self, offset: int, line: bytes, now: float) -> None:
        """``line`` has no newline in it."""
        if self._file is None:
            self._file = (self._folder / _OPEN).open("wb")
            self._first, self._lines, self._begun = offset, 0, now
        self._file.write(line + b"\n")
        self._last = offset
        self._lines += 1
        self.close_if_due(now)

    def close_if_due(self, now: float) -> None:
        if self._file is not None and (self._lines >= self._most or now - self._begun >= self._seconds):
            self.close()

    def close(self) -> None:
        """What there is becomes a file."""
        if self._file is None:
            return
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._file = None
        (self._folder / _OPEN).replace(self._folder / f"{self._first:020}-{self._last:020}.jsonl")
