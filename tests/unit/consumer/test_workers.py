"""Threads that wait for servers never hold up the end of the process."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref

import pytest

from cryptoproxy.consumer.workers import Workers
from tests.conftest import wait_until


def test_tasks_run_side_by_side_and_give_their_results() -> None:
    workers = Workers(2, "test")
    both = threading.Barrier(2)
    futures = [workers.submit(lambda: both.wait(180)) for _ in range(2)]
    assert {future.result(180) for future in futures} == {0, 1}
    workers.stop()


def test_an_error_comes_out_of_the_future() -> None:
    workers = Workers(1, "test")
    with pytest.raises(ZeroDivisionError):
        workers.submit(lambda: 1 // 0).result(180)
    assert workers.submit(lambda: "still there").result(180) == "still there"
    workers.stop()


def test_a_task_that_was_cancelled_before_its_turn_is_skipped() -> None:
    workers = Workers(1, "test")
    gate = threading.Event()
    ran: list[int] = []
    workers.submit(lambda: gate.wait(180))
    waiting = workers.submit(lambda: ran.append(1))
    assert waiting.cancel()
    gate.set()
    assert workers.submit(lambda: "after").result(180) == "after"
    assert ran == []
    workers.stop()


def test_nothing_of_a_finished_task_is_kept() -> None:
    class Batch: ...

    workers = Workers(1, "test")
    batch = Batch()
    gone = weakref.ref(batch)
    workers.submit(lambda batch=batch: batch).result(180)  # type: ignore[misc]
    del batch
    wait_until(lambda: gc.collect() is not None and gone() is None)
    workers.stop()


def test_a_task_that_hangs_does_not_keep_the_process_from_ending() -> None:
    code = (
        "import threading\n"
        "from cryptoproxy.consumer.workers import Workers\n"
        "begun = threading.Event()\n"
        "Workers(1, 'x').submit(lambda: (begun.set(), threading.Event().wait()))\n"
        "assert begun.wait(180)\n"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], timeout=180, env={"PYTHONPATH": "."}, check=False).returncode == 0
    )
