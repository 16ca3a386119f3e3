"""Once a day the active poller has the lake compacted, by a process of its own at low priority, so that no poll waits.

What was missed (nobody was active at the time, S3 was away), what came late and what a history brought is done by the
next run: each looks at all that is over. What has not changed costs a listing.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import schedule

from cryptoproxy.common.clock import Clock
from cryptoproxy.common.service import Loop

log = logging.getLogger(__name__)

NICENESS = 10
_DAY_MS = 86_400_000
_FAREWELL_SECONDS = 3.0


def command(env_file: Path) -> list[str]:
    """What a run is, with the settings of this process."""
    program = [sys.executable, "-m", "cryptoproxy.cli.main", "--env-file", str(env_file)]
    return [*program, "lake", "compact", "--all", "--expire"]


class DailyCompaction:
    """A thread that waits for the time of day and starts ``command`` then.

    Args:
        at: time of day, UTC, as ``02:30``.
        active: whether this process is the one that polls.
    """

    def __init__(self, at: str, command: Sequence[str], *, active: Callable[[], bool], clock: Clock) -> None:
        hours, minutes = map(int, at.split(":"))
        self._at_ms = (hours * 60 + minutes) * 60_000
        self._command = command
        self._active = active
        self._clock = clock
        self._due_ms = self._next()

    def run(self, loop: Loop) -> None:
        """Until the process stops. `schedule` triggers; it knows no UTC, so the time of day is looked up here."""
        scheduler = schedule.Scheduler()
        scheduler.every(1).seconds.do(self.look, loop)
        while not loop.wait(1.0):
            scheduler.run_pending()

    def look(self, loop: Loop) -> None:
        """Compacts if it is time and this process is the one to do it; returns when it is done."""
        now_ms = self._clock.now_ms()
        if now_ms < self._due_ms:
            # A clock that was a day ahead and is right again.
            self._due_ms = min(self._due_ms, self._next())
            return
        self._due_ms = self._next()
        if self._active():
            self._compact(loop)

    def _next(self) -> int:
        now_ms = self._clock.now_ms()
        today_ms = now_ms - now_ms % _DAY_MS + self._at_ms
        return today_ms if now_ms < today_ms else today_ms + _DAY_MS

    def _compact(self, loop: Loop) -> None:
        begun = self._clock.monotonic()
        process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            psutil.Process(process.pid).nice(NICENESS)
        except psutil.Error as error:
            log.debug("the compaction runs at our own priority: %s", error)
        while process.poll() is None:
            if loop.wait(0.2):
                _end(process)
                log.info("the compaction of the lake was broken off by the stop; the next one does it")
                return
        seconds = self._clock.monotonic() - begun
        if process.returncode:
            log.warning(
                "the compaction of the lake ended with exit code %d after %.0f s; its lines above say why",
                process.returncode,
                seconds,
            )
        else:
            log.info("the lake is compacted (%.0f s)", seconds)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_FAREWELL_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
