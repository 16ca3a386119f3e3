"""Starting, failing, waiting and stopping, with a small server of Python in an engine's place."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from cryptoproxy.engines import engine as engine_module
from cryptoproxy.engines import ports
from cryptoproxy.engines.cluster import bring_up, take_down
from cryptoproxy.engines.engine import Engine, Options
from cryptoproxy.engines.machine.process import Command, locked, until
from cryptoproxy.engines.ports import HOST, free_ports
from cryptoproxy.engines.stack import status_of
from cryptoproxy.errors import OperatorError
from tests.conftest import PATIENCE

SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"ok")
print("begins", flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
DIES = "import sys; print('java.lang.Exception: boom\\n\\tat a.b.C(C.java:1)\\n\\t... 3 more'); sys.exit(3)"
SILENT = "import time; print('begins', flush=True); time.sleep(600)"


class Small(Engine):
    title: ClassVar[str] = "Small"
    bundle_name: ClassVar[str] = "s3"

    def __init__(self, folder: Path, port: int, *, code: str = SERVER, options: Options, name: str = "small") -> None:
        super().__init__(name, folder, heap_mb=1, options=options, probe=None)
        self.port = port
        self.code = code

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.port}"

    def ports(self) -> dict[str, int]:
        return {"s3": self.port}

    def prepare(self) -> Command:
        return Command([sys.executable, "-c", self.code, str(self.port), self.mark()], os.environ, self.folder)

    def answers(self) -> str | None:
        try:
            return None if ports.get(self.endpoint)[1] == b"ok" else "?"
        except OSError as error:
            return str(error)


Make = Callable[..., Small]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Small] = []

    def make(name: str = "small", *, ready_seconds: float = 180, port: int | None = None, code: str = SERVER) -> Small:
        options = Options(die_with_parent=True, ready_seconds=ready_seconds, settings={"s3": "--s3-port"})
        made.append(Small(tmp_path / name, port or free_ports(1)[0], code=code, options=options, name=name))
        return made[-1]

    yield make
    take_down(tuple(engine for engine in made if engine.folder.is_dir()))


def test_a_start_that_takes_long_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "TELL_SECONDS", 0.0)
    said: list[str] = []
    options = Options(die_with_parent=True, ready_seconds=0.3, say=said.append)
    silent = Small(tmp_path / "small", free_ports(1)[0], code=SILENT, options=options)
    try:
        with pytest.raises(OperatorError):
            bring_up((silent,), say=said.append)
    finally:
        take_down((silent,))
    assert any(line.strip().startswith("Small: starting for ") for line in said)


def test_up_again_keeps_what_runs_and_down_stops_it(make: Make) -> None:
    engine = make()
    bring_up((engine,))
    first = engine.pid
    again = make(port=engine.port)
    bring_up((again,))
    assert again.pid == first
    assert status_of(again).answering
    assert take_down((again,)) == ["small"]
    assert take_down((again,)) == []
    assert not status_of(engine).running
    assert not engine.pid_file.exists()


def test_one_that_dies_is_told_with_its_last_lines_and_the_next_start_works(make: Make) -> None:
    engine = make(code=DIES)
    with pytest.raises(OperatorError) as caught:
        bring_up((engine,))
    said = str(caught.value)
    assert "Small did not start: its process ended with code 3" in said
    assert str(engine.log_file) in said
    assert "java.lang.Exception: boom" in said
    assert "C.java" not in said
    engine.code = SERVER
    bring_up((engine,))
    assert engine.last_lines()[0] == "begins"


def test_one_that_does_not_answer_in_time_is_told_and_stopped(make: Make) -> None:
    engine = make(code=SILENT, ready_seconds=1)
    with pytest.raises(OperatorError, match=r"runs but does not answer after 1 s: .*refused") as caught:
        bring_up((engine,))
    assert "begins" in str(caught.value)
    assert not engine.running


def test_a_failure_stops_what_this_call_started_and_nothing_else(make: Make) -> None:
    before, fails, besides = make("before"), make("fails", code=DIES), make("besides")
    bring_up((before,))
    with pytest.raises(OperatorError, match="did not start"):
        bring_up((before, fails, besides))
    assert [engine.running for engine in (before, fails, besides)] == [True, False, False]


def test_a_taken_port_stops_it_all_before_anything_is_started(make: Make) -> None:
    holder = make("holder")
    bring_up((holder,))
    fine, clashes = make("fine"), make("clashes", port=holder.port)
    with pytest.raises(OperatorError, match=rf"port {holder.port}.*taken by .*pid {holder.pid}.*--s3-port"):
        bring_up((fine, clashes))
    assert not fine.running
    assert not fine.folder.exists()


def test_one_that_runs_with_another_port_is_not_started_twice(make: Make) -> None:
    engine = make()
    bring_up((engine,))
    with pytest.raises(OperatorError, match=rf"runs already, at {engine.endpoint}.*down"):
        make(port=free_ports(1)[0]).start()


def test_a_killed_one_starts_again_and_a_suspended_one_goes_on(make: Make) -> None:
    engine = make()
    bring_up((engine,))
    engine.kill()
    assert not engine.running
    bring_up((engine,))
    engine.suspend()
    engine.resume()
    assert until(lambda: status_of(engine).answering, PATIENCE)
    engine.kill()
    with pytest.raises(OperatorError, match="does not run"):
        engine.suspend()


def test_removing_leaves_neither_process_nor_folder(make: Make) -> None:
    engine = make()
    bring_up((engine,))
    engine.remove()
    assert not engine.running
    assert not engine.folder.exists()


def test_a_folder_that_cannot_be_made_is_named(make: Make, tmp_path: Path) -> None:
    (tmp_path / "small").write_text("a file where the folder should be")
    with pytest.raises(OperatorError, match=r"cannot be started in .*small"):
        make().start()


def test_a_long_log_is_put_away_and_begun_anew(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cryptoproxy.engines.engine.LOG_KEPT_BYTES", 10)
    engine = make()
    engine.folder.mkdir()
    engine.log_file.write_text("old lines of an earlier start")
    bring_up((engine,))
    assert engine.log_file.read_text().startswith("begins")
    assert engine.log_file.with_suffix(".log.1").read_text() == "old lines of an earlier start"


def test_configuration_is_readable_for_its_owner_only(make: Make, tmp_path: Path) -> None:
    make().write_config(tmp_path / "config", {"deep/secret": b"1", "other": "2"})
    assert (tmp_path / "config" / "deep" / "secret").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "config" / "other").read_text() == "2"


def test_who_waits_for_a_lock_too_long_is_told_by_whom(tmp_path: Path) -> None:
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with locked(tmp_path / "lock", why="holds it"):
            entered.set()
            leave.wait(180)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert entered.wait(180)
        with pytest.raises(OperatorError, match="another process holds it"):
            with locked(tmp_path / "lock", why="holds it", seconds=0.1, untold=0.1):
                pass
    finally:
        leave.set()
        thread.join()
