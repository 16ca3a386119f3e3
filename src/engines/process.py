"""One server as a process: started in a session of its own, remembered in a pid file, signalled and stopped.

A pid alone proves nothing, since the kernel gives numbers out again: the pid file also holds when the process was born
(in the kernel's own clock ticks and boot, so that setting the clock changes nothing). A server may have children
(Elasticsearch's launcher has): all of its session belongs to it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from cryptoproxy.common.errors import OperatorError
from cryptoproxy.engines import launch
from cryptoproxy.engines.user import User
from cryptoproxy.engines.waiting import until

KILL_SECONDS = 15.0
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_children: dict[int, subprocess.Popen[bytes]] = {}
_lasting = ThreadPoolExecutor(1, "engines-spawner")
"""One thread that lasts as long as this process: for the kernel, "die with the parent" means its spawning thread."""


@dataclass(frozen=True)
class Record:
    """What a pid file holds. ``facts`` are the engine's own: endpoint, heap and so on, as it was started."""

    pid: int
    born: str
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Command:
    words: Sequence[str]
    environ: Mapping[str, str]
    folder: Path
    user: User | None = None


def read(pid_file: Path) -> Record | None:
    """The record of a server that runs; a stale, cut or foreign pid file is none."""
    for child in list(_children.values()):
        child.poll()  # takes away the remains of those that another process stopped
    try:
        record = Record(**json.loads(pid_file.read_text()))
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
        return None
    return record if members(record) else None


def write(pid_file: Path, record: Record) -> None:
    whole = pid_file.with_suffix(".new")
    whole.write_text(json.dumps(asdict(record), indent=1) + "\n")
    whole.replace(pid_file)


def start(command: Command, log: Path, *, die_with_parent: bool) -> Record:
    """Starts a server whose output goes to the end of ``log``. It lives on when we end, or dies with us."""
    order = {
        "command": list(command.words),
        "uid": command.user.uid if command.user else None,
        "gid": command.user.gid if command.user else None,
        "parent": os.getpid() if die_with_parent else None,
    }

    def spawn() -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", launch.__file__, json.dumps(order)],
                cwd=command.folder,
                env=dict(command.environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    child = _lasting.submit(spawn).result() if die_with_parent else spawn()
    _children[child.pid] = child
    return Record(child.pid, born(child.pid) or "")


def exit_code(pid: int) -> int | None:
    """Of a child of this process that has ended: its code, negative for a signal. None if unknown."""
    child = _children.get(pid)
    return None if child is None else child.poll()


def born(pid: int) -> str | None:
    """When the process was born, the same for each who asks; None if there is none or only its remains."""
    if child := _children.get(pid):
        child.poll()  # takes a dead child's remains away
    try:
        if sys.platform == "linux":
            state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            # The first thread of a process may be gone while others still close its files.
            gone = state in "ZX" and int(fields[16]) <= 1
            return None if gone else f"{_BOOT.read_text().strip()}:{fields[18]}"
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except (OSError, psutil.Error):
        return None


def members(record: Record) -> list[int]:
    """The living processes of this server: its first one and all of its session."""
    now = born(record.pid)
    if now is not None and now != record.born:
        return []  # the number belongs to another process, so nothing of the old session is left
    first = [record.pid] if now else []
    return first + [pid for pid in _session(record.pid) if pid != record.pid and _is_ours(pid, record)]


def stop(record: Record, seconds: float) -> None:
    """Ends the server in order, and by force after the deadline."""
    leader_lives = born(record.pid) == record.born
    _send(signal.SIGTERM, [record.pid] if leader_lives else members(record))
    signal_all(record, signal.SIGCONT)  # a suspended one must wake to end
    if not until(lambda: not members(record), seconds):
        kill(record)
    exit_code(record.pid)  # takes the remains away


def kill(record: Record) -> None:
    """Ends the server at once, as a power cut would."""
    signal_all(record, signal.SIGKILL)
    if not until(lambda: not members(record), KILL_SECONDS):
        raise OperatorError(
            f"process {record.pid} does not end even by force",
            remedy="See what holds it (a hung disk?), end it by hand.",
        )
    exit_code(record.pid)


def signal_all(record: Record, number: signal.Signals) -> None:
    """To all processes of the server; in one go as long as the first one lives, so that none sees another vanish."""
    _send(number, [-record.pid] if born(record.pid) == record.born else members(record))


def _send(number: signal.Signals, pids: list[int]) -> None:
    for pid in pids:
        try:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        except PermissionError as error:
            raise OperatorError(
                f"process {abs(pid)} belongs to another user", remedy="Run this as the user who started it."
            ) from error


def _session(sid: int) -> Iterator[int]:
    for pid in psutil.pids():
        with suppress(OSError):
            if os.getsid(pid) == sid and born(pid):
                yield pid


def _is_ours(pid: int, record: Record) -> bool:
    """A guard for the time when the first process is gone: the others carry the engine's folder in their command."""
    if born(record.pid) == record.born:
        return True
    with suppress(psutil.Error):
        command = psutil.Process(pid).cmdline()
        return not command or str(record.facts.get("mark", "\0")) in " ".join(command)  # an ending one has none
    return False
