"""What processes cost, seen from outside by the kernel's own accounts."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of one process; 0 for one that is gone."""
    try:
        # The command's name, in brackets, may hold blanks.
        after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(after_name[11]) + int(after_name[12])) / _TICKS


def peak_rss_mb(pid: int) -> float:
    """The most memory that it has had at once, MB of 10⁶ bytes."""
    return _status_kb(pid, "VmHWM:") * 1024 / 1e6


def rss_mb(pid: int) -> float:
    """What it has now."""
    return _status_kb(pid, "VmRSS:") * 1024 / 1e6


def _status_kb(pid: int, name: str) -> int:
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(name):
                return int(line.split()[1])
    return 0


@dataclass(frozen=True, slots=True)
class Tree:
    """A process and its children, as they were when this was made."""

    pids: tuple[int, ...]

    @classmethod
    def of(cls, pid: int | None) -> Tree:
        if pid is None:
            return cls(())
        with suppress(psutil.NoSuchProcess):
            return cls((pid, *(each.pid for each in psutil.Process(pid).children(recursive=True))))
        return cls(())

    def cpu_seconds(self) -> float:
        return sum(map(cpu_seconds, self.pids))


def sum_cpu(pids: Iterable[int]) -> float:
    return sum(map(cpu_seconds, pids))
