"""One server as a process: started in a session of its own, remembered in a pid file, signalled and stopped.

A pid alone proves nothing, since the kernel gives numbers out again: the pid file also holds when the process was born
(in the kernel's own clock ticks and boot, so that setting the clock changes nothing). A server may have children
(Elasticsearch's launcher has): all of its session belongs to it. Below: waiting with a deadline, and the lock between
processes that work on one folder.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from cryptoproxy.engines.machine import launch
from cryptoproxy.errors import OperatorError

Say = Callable[[str], None]
"""Takes one line for the person who waits."""

PAUSE_S = 0.05
UNTOLD_S = 2.0
LOCK_DEADLINE_S = 900.0
"""Long enough for another process to fetch 200 MB over a slow line."""
KILL_SECONDS = 15.0
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_children: dict[int, subprocess.Popen[bytes]] = {}
_lasting = ThreadPoolExecutor(1, "engines-spawner")
"""One thread that lasts as long as this process: for the kernel, "die with the parent" means its spawning thread."""


@dataclass(frozen=True)
class Server:
    """One that was started, as its pid file holds it. ``facts`` are the engine's own: endpoint, heap and so on."""

    pid: int
    born: str
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class User:
    uid: int
    gid: int
    name: str


@dataclass(frozen=True)
class Command:
    words: Sequence[str]
    environ: Mapping[str, str]
    folder: Path
    user: User | None = None


def read(pid_file: Path) -> Server | None:
    """The server of a server that runs; a stale, cut or foreign pid file is none."""
    for child in list(_children.values()):
        child.poll()  # takes away the remains of those that another process stopped
    try:
        server = Server(**json.loads(pid_file.read_text()))
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
        return None
    return server if members(server) else None


def write(pid_file: Path, server: Server) -> None:
    whole = pid_file.with_suffix(".new")
    whole.write_text(json.dumps(asdict(server), indent=1) + "\n")
    whole.replace(pid_file)


def start(command: Command, log: Path, *, die_with_parent: bool) -> Server:
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
    return Server(child.pid, born(child.pid) or "")


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


def members(server: Server) -> list[int]:
    """The living processes of this server: its first one and all of its session."""
    now = born(server.pid)
    if now is not None and now != server.born:
        return []  # the number belongs to another process, so nothing of the old session is left
    first = [server.pid] if now else []
    return first + [pid for pid in _session(server.pid) if pid != server.pid and _is_ours(pid, server)]


def stop(server: Server, seconds: float) -> None:
    """Ends the server in order, and by force after the deadline."""
    leader_lives = born(server.pid) == server.born
    _send(signal.SIGTERM, [server.pid] if leader_lives else members(server))
    signal_all(server, signal.SIGCONT)  # a suspended one must wake to end
    if not until(lambda: not members(server), seconds):
        kill(server)
    exit_code(server.pid)  # takes the remains away


def kill(server: Server) -> None:
    """Ends the server at once, as a power cut would."""
    signal_all(server, signal.SIGKILL)
    if not until(lambda: not members(server), KILL_SECONDS):
        raise OperatorError(
            f"process {server.pid} does not end even by force",
            remedy="See what holds it (a hung disk?), end it by hand.",
        )
    exit_code(server.pid)


def signal_all(server: Server, number: signal.Signals) -> None:
    """To all processes of the server; in one go as long as the first one lives, so that none sees another vanish."""
    _send(number, [-server.pid] if born(server.pid) == server.born else members(server))


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


def _is_ours(pid: int, server: Server) -> bool:
    """A guard for the time when the first process is gone: the others carry the engine's folder in their command."""
    if born(server.pid) == server.born:
        return True
    with suppress(psutil.Error):
        command = psutil.Process(pid).cmdline()
        return not command or str(server.facts.get("mark", "\0")) in " ".join(command)  # an ending one has none
    return False


def say_nothing(line: str) -> None:
    """The default of every ``say``."""


def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition came true before the deadline. It is asked at least once."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= end:
            return False
        time.sleep(PAUSE_S)
    return True


@contextmanager
def locked(
    file: Path, *, why: str, say: Say = say_nothing, seconds: float = LOCK_DEADLINE_S, untold: float = UNTOLD_S
) -> Iterator[None]:
    """Holds a lock, which the kernel frees however its holder ends. ``why`` completes "another process …"."""
    with file.open("a") as handle:

        def taken() -> bool:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        if not until(taken, untold):
            say(f"another process {why}: waiting for it")
            if not until(taken, seconds):
                raise OperatorError(
                    f"another process {why} for more than {seconds:.0f} s (lock: {file})",
                    remedy="Wait for it or end it, then try again.",
                )
        yield
