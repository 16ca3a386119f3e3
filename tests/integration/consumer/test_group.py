"""Members that join, leave and die while records flow: nothing is lost, nothing is stored twice."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cryptoproxy.common.settings.environment import child_environment
from cryptoproxy.sandbox import FaultProxy, Rule, Script
from tests.conftest import wait_until
from tests.integration.consumer.conftest import Bench

MEMBER = Path(__file__).with_name("member.py")


class Member:
    """A process of its own."""

    def __init__(self, bench: Bench, folder: Path, name: str, **texts: str) -> None:
        self.log = folder / f"{name}.log"
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(MEMBER)],
                env=child_environment(bench.world.texts | texts) | {"PYTHONPATH": "."},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_indexing(self) -> None:
        wait_until(lambda: "indexed " in self.text(), what=f"{self.log.stem} has a part of the work")

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(180)


@contextmanager
def flow(bench: Bench) -> Iterator[None]:
    """Records that keep coming."""
    stop = threading.Event()

    def produce() -> None:
        while not stop.wait(0.02):
            bench.produce(25)

    thread = threading.Thread(target=produce, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(180)


@pytest.fixture
def members(bench: Bench, tmp_path: Path) -> Iterator[dict[str, Member]]:
    made: dict[str, Member] = {}
    yield made
    for member in made.values():
        if member.process.poll() is None:
            member.process.kill()
            member.process.wait()


def test_one_joins_and_leaves_and_one_is_killed_while_records_flow(
    bench: Bench, members: dict[str, Member], tmp_path: Path
) -> None:
    with flow(bench):
        for name in ("first", "second"):
            members[name] = Member(bench, tmp_path, name)
            members[name].wait_indexing()
        members["third"] = Member(bench, tmp_path, "third")
        members["third"].wait_indexing()
        assert members["third"].end(signal.SIGTERM) == 0
        members["second"].end(signal.SIGKILL)
        count = bench.count()
        wait_until(lambda: bench.count() > count + 300, what="the first goes on with its own part")
    bench.wait_committed()
    bench.account()
    assert members["first"].end(signal.SIGTERM) == 0
    assert "indexer stopped" in members["first"].text()


def test_what_a_rebalance_found_unfinished_is_not_skipped_by_the_member_that_keeps_the_partition(bench: Bench) -> None:
    """The client keeps its position in a partition that it had before and has after a rebalance."""
    script = Script([Rule(name="down", path="/_bulk", status=503)])
    with FaultProxy(bench.settings.elasticsearch.url, script) as proxy:
        first = bench.start(ES_URL_ENDPOINT=proxy.url)
        bench.produce(300)
        assert script.wait_fired(1, "down", timeout=180)
        bench.start()
        wait_until(lambda: bench.count() > 0, what="the second member has a partition")
        script.clear("down")
        bench.produce(100)
        bench.wait_committed()
        bench.account()
        assert first.stop() == 0


def test_a_loop_that_hangs_ends_the_process_with_a_clear_line(
    bench: Bench, members: dict[str, Member], tmp_path: Path
) -> None:
    members["hanging"] = Member(bench, tmp_path, "hanging", WATCHDOG_TIMEOUT="5", TEST_HANG="1")
    assert members["hanging"].process.wait(180) == 70
    assert "indexer of tickers has not turned for 5 s (WATCHDOG_TIMEOUT)" in members["hanging"].text()
