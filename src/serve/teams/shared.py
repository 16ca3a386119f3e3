"""What a team has taken of all doors of one machine together (``LIMITS=shared``): a small file for each team, beside
the file of teams, which each of these processes changes under a lock.

| bytes | are |
|---|---|
| 0–7 | the bucket of its questions, as :class:`Bucket` has it: a moment of the machine's own monotonic clock |
| 8 and on | nothing: an open stream holds the lock of one of them, so the streams of a killed door count no more |

The locks are a process's own (POSIX): one of them opens the file of a team once, and keeps it open.
"""

from __future__ import annotations

import fcntl
import logging
import os
import random
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptoproxy.common.log import Limited
from cryptoproxy.errors import OperatorError
from cryptoproxy.serve.teams.limits import Bucket, Places

_FULL = struct.Struct("<d")
TRIES = 5
_told = Limited(logging.getLogger(__name__), seconds=300)


class SharedFile:
    """Of one team.

    Raises:
        OperatorError: it cannot be made.
    """

    def __init__(self, folder: Path, team: str) -> None:
        try:
            folder.mkdir(mode=0o770, exist_ok=True)
            self.fd = os.open(folder / team, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
        except OSError as error:
            raise OperatorError(
                f"LIMITS=shared counts in {folder}, which cannot be written: {error.strerror}",
                remedy="Let the door write there, or set LIMITS=process",
            ) from error
        self.places = SharedPlaces(self)
        """Of this process, whatever becomes of the team meanwhile."""

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Raises:
        OSError: another door has it for longer than it takes to count (it was stopped), or the disk takes no lock.
        """
        for left in reversed(range(TRIES)):
            try:
                fcntl.lockf(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB, _FULL.size)
                break
            except OSError:
                if not left:
                    raise
                time.sleep(0.0002)
        try:
            yield
        finally:
            fcntl.lockf(self.fd, fcntl.LOCK_UN, _FULL.size)


class SharedBucket(Bucket):
    """See :class:`Bucket`."""

    __slots__ = ("_file",)

    def __init__(self, per_minute: int, file: SharedFile) -> None:
        super().__init__(per_minute)
        self._file = file

    def take(self, now: float) -> float:
        """What cannot be counted together is counted by this process alone: nobody waits for another door."""
        try:
            with self._file.locked():
                raw = os.pread(self._file.fd, _FULL.size, 0)
                full = _FULL.unpack(raw)[0] if len(raw) == _FULL.size else 0.0
                # Later than any door can have made it: the machine has begun its clock anew.
                full = full if full <= now + self._ahead else 0.0
                own, self._full = self._full, full
                wait = super().take(now)
                try:
                    os.pwrite(self._file.fd, _FULL.pack(self._full), 0)
                except OSError:
                    self._full = own
                    raise
        except OSError as error:
            _told.warning("shared", f"LIMITS=shared: this door counts alone for now: {error.strerror}")
            return super().take(now)
        return wait


class SharedPlaces(Places):
    """See :class:`Places`."""

    __slots__ = ("_file", "_held")

    def __init__(self, file: SharedFile) -> None:
        super().__init__()
        self._file = file
        self._held: set[int] = set()

    def take(self, most: int) -> bool:
        if len(self._held) >= most:
            return False
        begin = random.randrange(most)
        for number in (*range(begin, most), *range(begin)):
            if number not in self._held and self._lock(number):
                self._held.add(number)
                return True
        return False

    def give_back(self) -> None:
        number = self._held.pop()
        fcntl.lockf(self._file.fd, fcntl.LOCK_UN, 1, _FULL.size + number)

    def _lock(self, number: int) -> bool:
        try:
            fcntl.lockf(self._file.fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _FULL.size + number)
        except OSError:
            return False
        return True
