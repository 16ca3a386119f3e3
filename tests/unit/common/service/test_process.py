"""Loops begin, are watched and end; exit codes."""

from __future__ import annotations

import http.client
import json
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from cryptoproxy.common.service import Loop, Service, process
from cryptoproxy.errors import OperatorError
from tests.conftest import wait_until
from tests.unit.common.conftest import Program

Run = Callable[..., Program]

SERVICE = """
    import logging, os, signal, threading, time
    from cryptoproxy.common.log import configure
    from cryptoproxy.common.service import Service, process
    configure()
    service = Service("test", host="127.0.0.1", port=0, watchdog_seconds={watchdog})
    turns = 0
    def turn(loop):
        while loop.running:
            loop.wait(0.01)
    def waits(loop):
        loop.wait(3600)
    def hangs(loop):
        threading.Event().wait()
    def begun(loop):
        print("begun", service.url, flush=True)
        loop.wait(3600)
    {loops}
    service.add("begun", begun)
    code = service.run()
    print("ended", flush=True)
    raise SystemExit(code)
"""


def program(run: Run, *loops: str, watchdog: float = 60) -> Program:
    return run(SERVICE.format(watchdog=watchdog, loops="; ".join(f'service.add("{each}", {each})' for each in loops)))


def test_what_is_there_at_the_start_is_nothing_for_the_garbage_collector(run: Run) -> None:
    look = 'import gc; service.add("look", lambda loop: print("frozen", gc.get_freeze_count(), flush=True))'
    started = run(SERVICE.format(watchdog=60, loops=look))
    (said,) = [line for line in (started.line(), started.line(), started.line()) if line.startswith("frozen")]
    assert int(said.split()[1]) > 10_000


@pytest.fixture
def service() -> Iterator[Service]:
    """Run by :func:`running` on a thread of the test, so without signals."""
    service = Service("test", host="127.0.0.1", port=0, watchdog_seconds=60)
    yield service
    service.stop()
    service._server._server.server_close()


def running(service: Service) -> Callable[[], int]:
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(service.run()), daemon=True)
    thread.start()

    def ended() -> int:
        thread.join(180)
        return codes[0]

    return ended


def get(service: Service, path: str) -> tuple[int, str]:
    parts = urlsplit(service.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=180)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_a_stop_ends_every_loop_at_once(service: Service) -> None:
    begun = threading.Barrier(4)

    def waits(loop: Loop) -> None:
        begun.wait(180)
        assert loop.wait(3600)

    for number in range(3):
        service.add(f"loop {number}", waits)
    ended = running(service)
    begun.wait(180)
    service.stop()
    assert ended() == 0
    assert service.wait_for_stop(3600)


def test_the_end_of_a_loop_ends_the_process(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    service.add("short", lambda loop: None)
    service.add("long", lambda loop: loop.wait(3600) or None)
    assert running(service)() == 0
    assert "short has ended, and with it the process" in caplog.messages


@pytest.mark.parametrize(
    "error", [ValueError("broken"), KeyError("x"), AssertionError(), MemoryError(), TimeoutError()]
)
def test_an_error_that_nobody_foresaw_is_exit_code_1_and_one_line(
    service: Service, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def fails(loop: Loop) -> None:
        raise error

    service.add("fails", fails)
    service.add("waits", lambda loop: loop.wait(3600) or None)
    assert running(service)() == 1
    (line,) = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert line.getMessage() == f"fails ends the process: {type(error).__name__}: {error}"
    assert line.exc_info


def test_an_error_made_on_purpose_is_said_without_its_trace(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    def fails(loop: Loop) -> None:
        raise OperatorError("no rights", remedy="Give them")

    service.add("fails", fails)
    assert running(service)() == 1
    (line,) = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert line.getMessage() == "fails ends the process: no rights. Give them"
    assert not line.exc_info


def test_health_and_metrics_are_served_while_it_runs(service: Service) -> None:
    service.add("waits", lambda loop: loop.wait(3600) or None)
    ended = running(service)
    assert get(service, "/livez") == (200, "ok\n")
    assert get(service, "/readyz")[0] == 200
    service.health.hold("kafka", "away")
    status, body = get(service, "/readyz")
    assert (status, json.loads(body)["reasons"]) == (503, {"kafka": "away"})
    assert get(service, "/metrics")[0] == 200
    service.stop()
    assert ended() == 0
    with pytest.raises(ConnectionRefusedError):
        get(service, "/livez")


def test_a_loop_that_does_not_turn_is_stuck(service: Service) -> None:
    release = threading.Event()

    def hangs(loop: Loop) -> None:
        loop.turn()
        loop._turned -= 100
        release.wait(180)

    service.add("hangs", hangs)
    service.add("turns", lambda loop: loop.wait(3600) or None)
    left: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "leave", lambda code: (left.append(code), service.stop()))
        ended = running(service)
        wait_until(lambda: left, what="the watchdog")
        assert service.stuck() == ["hangs"]
        assert get(service, "/livez") == (503, "stuck: hangs\n")
        release.set()
        ended()
    assert left[0] == 70


def test_a_process_that_was_held_as_a_whole_is_not_stuck(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A machine that slept for an hour: the watchdog wakes first and finds loops that have not turned for an hour."""
    service = Service("test", host="127.0.0.1", port=0, watchdog_seconds=4)
    release = threading.Event()
    looks, left = [0], []
    stuck, monotonic, slept = service.stuck, time.monotonic, [0.0]

    def counted() -> list[str]:
        looks[0] += 1
        return stuck()

    monkeypatch.setattr(service, "stuck", counted)
    monkeypatch.setattr(process, "leave", left.append)
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + slept[0])
    service.add("waits", lambda loop: release.wait(180) or None)
    ended = running(service)
    wait_until(lambda: looks[0] >= 1, what="the first look")
    slept[0] = 3600.0
    looked = looks[0]
    wait_until(lambda: looks[0] >= looked + 2, what="two looks after the sleep")
    release.set()
    assert ended() == 0
    assert left == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_ends_the_process_with_code_0_whatever_its_loops_wait_for(run: Run, number: int) -> None:
    started = program(run, "turn", "waits")
    assert started.line().startswith("begun http://127.0.0.1:")
    started.signal(number)
    assert started.line() == "ended"
    assert started.ended() == 0
    assert "test stopped" in started.log


def test_a_signal_while_the_main_thread_holds_its_lock_is_not_lost(run: Run) -> None:
    """A handler runs in the middle of whatever the main thread does: here within the wait of its event."""
    started = run(
        """
        import os, signal
        from cryptoproxy.common.service import Service
        class Caught(Service):
            def _watch(self):
                with self._stop._cond:
                    os.kill(os.getpid(), signal.SIGTERM)
                super()._watch()
        service = Caught("test", host="127.0.0.1", port=0, watchdog_seconds=60)
        service.add("waits", lambda loop: loop.wait(3600))
        raise SystemExit(service.run())
        """
    )
    assert started.ended() == 0


def test_a_stuck_loop_ends_the_process_with_code_70(run: Run) -> None:
    started = program(run, "turn", "hangs", watchdog=1.5)
    assert started.ended() == 70
    assert "hangs has not turned for" in started.log
    assert "WATCHDOG_TIMEOUT" in started.log


def test_a_loop_that_hangs_is_left_after_the_time_to_stop(run: Run) -> None:
    started = run(SERVICE.format(watchdog=60, loops='process.STOP_SECONDS = 0.3; service.add("hangs", hangs)'))
    assert started.line().startswith("begun")
    started.signal(signal.SIGTERM)
    assert started.ended() == 0
    assert "stopped without waiting longer for hangs; the next start goes on there" in started.log


def test_a_loop_that_hangs_does_not_hide_another_s_error(run: Run) -> None:
    started = run(
        SERVICE.format(
            watchdog=60,
            loops='process.STOP_SECONDS = 0.3; service.add("hangs", hangs); service.add("fails", lambda loop: 1 / 0)',
        )
    )
    assert started.ended() == 1
    assert "fails ends the process: ZeroDivisionError: division by zero" in started.log


def test_a_reader_of_the_output_that_is_gone_does_not_change_the_exit_code(run: Run) -> None:
    started = run(
        """
        import sys, threading
        from cryptoproxy.common.service import Service
        service = Service("test", host="127.0.0.1", port=0, watchdog_seconds=0.3)
        def hangs(loop):
            print("begun", flush=True)
            sys.stdin.readline()
            print("nobody reads this")
            threading.Event().wait()
        service.add("hangs", hangs)
        service.run()
        """
    )
    assert started.line() == "begun"
    assert started.process.stdout is not None
    started.process.stdout.close()
    assert started.ended() == 70


def test_a_port_that_is_taken_is_said_before_anything_begins(service: Service) -> None:
    port = urlsplit(service.url).port
    assert port
    with pytest.raises(OperatorError, match=f"127.0.0.1:{port} cannot be opened"):
        Service("second", host="127.0.0.1", port=port, watchdog_seconds=60)
