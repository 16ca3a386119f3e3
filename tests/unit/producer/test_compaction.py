"""Once a day, by the active poller alone, in a process of its own that ends with it."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from cryptoproxy.common.service import Loop
from cryptoproxy.datasets import from_iso
from cryptoproxy.producer.compaction import NICENESS, DailyCompaction, command
from tests.conftest import wait_until
from tests.unit.sandbox.conftest import HandClock

NOON = from_iso("2026-11-20T12:00:00.000Z")


class Rig:
    def __init__(self, program: Sequence[str], at: str = "12:30") -> None:
        self.clock = HandClock(NOON)
        self.active = True
        self.stop = threading.Event()
        self.loop = Loop("compact", self.stop)
        self.compaction = DailyCompaction(at, program, active=lambda: self.active, clock=self.clock)

    def at(self, time: str) -> None:
        self.clock.ms = from_iso(f"{time}:00.000Z")
        self.compaction.look(self.loop)


def writing(file: Path, code: int = 0) -> list[str]:
    """A program that leaves a line."""
    return [sys.executable, "-c", f"open({str(file)!r}, 'a').write('x'); raise SystemExit({code})"]


def runs(file: Path) -> int:
    return len(file.read_text()) if file.exists() else 0


def test_it_runs_once_a_day_at_its_time(tmp_path: Path) -> None:
    file = tmp_path / "runs"
    rig = Rig(writing(file))
    for time, expected in (
        ("2026-11-20T12:29", 0),
        ("2026-11-20T12:30", 1),
        ("2026-11-20T12:31", 1),
        ("2026-11-21T12:29", 1),
        ("2026-11-21T13:45", 2),
        ("2026-11-22T12:30", 3),
    ):
        rig.at(time)
        assert runs(file) == expected, time


def test_a_start_after_the_time_waits_for_the_next_day(tmp_path: Path) -> None:
    file = tmp_path / "runs"
    rig = Rig(writing(file), at="02:30")
    rig.at("2026-11-20T23:59")
    assert runs(file) == 0
    rig.at("2026-11-21T02:30")
    assert runs(file) == 1


def test_a_clock_that_was_ahead_and_is_right_again_does_not_put_it_off(tmp_path: Path) -> None:
    file = tmp_path / "runs"
    rig = Rig(writing(file))
    rig.at("2027-11-20T12:30")
    rig.at("2026-11-20T12:00")
    rig.at("2026-11-20T12:30")
    assert runs(file) == 2


def test_a_standby_leaves_it_to_the_active_poller(tmp_path: Path) -> None:
    file = tmp_path / "runs"
    rig = Rig(writing(file))
    rig.active = False
    rig.at("2026-11-20T12:30")
    rig.active = True
    rig.at("2026-11-20T12:31")
    assert runs(file) == 0
    rig.at("2026-11-21T12:30")
    assert runs(file) == 1


def test_a_failure_is_said_and_the_next_day_tries_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "runs"
    rig = Rig(writing(file, code=1))
    rig.at("2026-11-20T12:30")
    assert "exit code 1" in caplog.text
    rig.at("2026-11-21T12:30")
    assert runs(file) == 2


def test_a_stop_ends_the_process_at_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    file = tmp_path / "pid"
    waiting = f"import os, time; open({str(file)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    rig = Rig([sys.executable, "-c", waiting])
    rig.clock.ms = from_iso("2026-11-20T12:30:00.000Z")
    thread = threading.Thread(target=rig.compaction.look, args=(rig.loop,))
    thread.start()
    process = psutil.Process(int(wait_until(lambda: file.exists() and file.read_text())))
    wait_until(lambda: process.nice() >= NICENESS, what="its low priority")
    wait_until(lambda: rig.loop.seconds_since_turn < 5, what="a turn just now")
    rig.stop.set()
    thread.join(180)
    assert not thread.is_alive()
    assert not process.is_running()
    assert "broken off" in caplog.text


def test_the_loop_looks_and_ends(tmp_path: Path) -> None:
    file = tmp_path / "runs"
    rig = Rig(writing(file))
    thread = threading.Thread(target=rig.compaction.run, args=(rig.loop,))
    thread.start()
    rig.clock.ms = from_iso("2026-11-20T12:30:00.000Z")
    wait_until(lambda: runs(file) == 1, what="the run")
    rig.stop.set()
    thread.join(180)
    assert not thread.is_alive()


def test_the_command_is_this_program_s_with_the_same_settings() -> None:
    from click.testing import CliRunner

    from cryptoproxy.cli.main import cli

    program = command(Path("somewhere.env"))
    assert program[:3] == [sys.executable, "-m", "cryptoproxy.cli.main"]
    result = CliRunner().invoke(cli, [*program[3:], "--help"])
    assert result.exit_code == 0
    assert "--delete-raw" in result.output
