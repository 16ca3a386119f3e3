"""Only what we started is signalled, and all of it; a pid alone proves nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from cryptoproxy.engines.machine import process
from cryptoproxy.engines.machine.process import Command, Server, until
from tests.conftest import PATIENCE

SLEEPS = "import time; print('up', flush=True); time.sleep(600)"
DEAF = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
WITH_CHILD = (
    "import subprocess, sys; "
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)', sys.argv[1]]); "
    "print('up', flush=True); child.wait()"
)
MARK = "mark-of-this-test"
Start = Callable[..., Server]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a Python program as a server and waits until it says so."""
    started: list[Server] = []

    def start(code: str, *, die_with_parent: bool = False) -> Server:
        log = tmp_path / f"{len(started)}.log"
        command = Command([sys.executable, "-c", code, MARK], os.environ, tmp_path)
        record = process.start(command, log, die_with_parent=die_with_parent)
        record.facts["mark"] = MARK
        started.append(record)
        assert until(lambda: "up" in log.read_text(), PATIENCE), log.read_text()
        return record

    yield start
    for record in started:
        process.kill(record)


def test_a_server_is_known_again_by_its_pid_file(start: Start, tmp_path: Path) -> None:
    record = start(SLEEPS)
    process.write(tmp_path / "pid", record)
    assert process.read(tmp_path / "pid") == record
    process.stop(record, 20)
    assert process.read(tmp_path / "pid") is None


def test_the_number_of_another_process_is_never_signalled(tmp_path: Path) -> None:
    """The pid of this very test stands in the file: were it believed, the test would end here."""
    stale = Server(os.getpid(), "another boot:1", {"mark": MARK})
    process.write(tmp_path / "pid", stale)
    assert process.read(tmp_path / "pid") is None
    process.stop(stale, 1)
    process.kill(stale)
    process.signal_all(stale, signal.SIGSTOP)


@pytest.mark.parametrize("content", ["", "{", "12345", "[]", '{"pid": 1}', json.dumps({"pid": 2**22 + 7, "born": "x"})])
def test_a_cut_or_foreign_pid_file_is_no_server(tmp_path: Path, content: str) -> None:
    (tmp_path / "pid").write_text(content)
    assert process.read(tmp_path / "pid") is None


def test_stopping_ends_the_children_too(start: Start) -> None:
    record = start(WITH_CHILD)
    assert until(lambda: len(process.members(record)) == 2, PATIENCE)
    family = process.members(record)
    process.stop(record, 0.2)
    assert [process.born(pid) for pid in family] == [None, None]


def test_what_its_dead_first_process_left_is_still_ours(start: Start) -> None:
    record = start(WITH_CHILD)
    assert until(lambda: len(process.members(record)) == 2, PATIENCE)
    os.kill(record.pid, signal.SIGKILL)
    assert until(lambda: len(process.members(record)) == 1, PATIENCE)
    process.stop(record, 20)
    assert process.members(record) == []


def test_one_that_does_not_listen_is_ended_by_force(start: Start) -> None:
    record = start(DEAF)
    process.stop(record, 0.2)
    assert process.exit_code(record.pid) == -signal.SIGKILL


def test_a_suspended_one_can_be_stopped_in_order(start: Start) -> None:
    record = start(SLEEPS)
    process.signal_all(record, signal.SIGSTOP)
    assert until(lambda: psutil.Process(record.pid).status() == psutil.STATUS_STOPPED, PATIENCE)
    process.stop(record, 20)
    assert process.exit_code(record.pid) == -signal.SIGTERM


def test_it_outlives_the_thread_that_started_it(start: Start) -> None:
    """For the kernel the parent is a thread."""
    records: list[Server] = []
    thread = threading.Thread(target=lambda: records.append(start(SLEEPS, die_with_parent=True)))
    thread.start()
    thread.join()
    assert not until(lambda: process.members(records[0]) == [], 0.3)


@pytest.mark.skipif(sys.platform != "linux", reason="only this kernel can do it")
def test_it_dies_with_its_parent_even_if_that_is_killed(tmp_path: Path) -> None:
    parent_code = (
        "import os, sys, time; from pathlib import Path; from cryptoproxy.engines.machine import process; "
        f"record = process.start(process.Command([sys.executable, '-c', {SLEEPS!r}], os.environ, Path('.')), "
        "Path('log'), die_with_parent=True); "
        "process.write(Path('pid'), record); time.sleep(600)"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", parent_code], cwd=tmp_path, env=environ) as parent:
        try:
            assert until(lambda: process.read(tmp_path / "pid") is not None, PATIENCE)
            record = process.read(tmp_path / "pid")
        finally:
            parent.kill()
    assert record is not None
    assert until(lambda: process.members(record) == [], PATIENCE)
