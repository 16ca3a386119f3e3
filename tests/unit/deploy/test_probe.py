"""The container's health check, against the real health server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from prometheus_client import CollectorRegistry

from cryptoproxy.common.service import Health
from cryptoproxy.common.service.http import HealthServer
from tests.unit.deploy.reading import NAMES, ROOT

PROBE = ROOT / "docker" / "probe.py"
PORTS = [f"PYTHON_{each}_SERVER_PORT" for each in ("PRODUCER", "CONSUMER", "SERVE", "WATCH", "MODELS", "BROKERS")]


class Process:
    """A poller or indexer, as the probe sees it."""

    def __init__(self) -> None:
        self.health = Health()
        self.late: list[str] = []
        self.server = HealthServer(
            "127.0.0.1", 0, health=self.health, stuck=lambda: self.late, registry=CollectorRegistry()
        )
        self.server.start()

    def probe(self, variable: str, *words: str) -> tuple[int, str]:
        # The other port is one on which nothing can listen.
        ports = dict.fromkeys(PORTS, "1")
        environ = os.environ | ports | {variable: str(urlsplit(self.server.url).port)}
        done = subprocess.run(
            [sys.executable, "-S", PROBE, *words], env=environ, capture_output=True, text=True, check=False, timeout=60
        )
        assert not done.stderr
        return done.returncode, done.stdout.strip()


@pytest.fixture
def process() -> Iterator[Process]:
    process = Process()
    yield process
    process.server.close()


@pytest.mark.parametrize("variable", ["PYTHON_PRODUCER_SERVER_PORT", "PYTHON_CONSUMER_SERVER_PORT"])
def test_either_process_is_alive_by_its_own_port(process: Process, variable: str) -> None:
    assert variable in NAMES
    assert process.probe(variable) == (0, "ok")


def test_standing_by_is_alive_and_not_ready(process: Process) -> None:
    process.health.hold("lease", "standing by")
    assert process.probe("PYTHON_PRODUCER_SERVER_PORT") == (0, "ok")
    code, words = process.probe("PYTHON_PRODUCER_SERVER_PORT", "/readyz")
    assert (code, "standing by" in words) == (1, True)
    assert process.probe("PYTHON_PRODUCER_SERVER_PORT", "/readyz?exclude=lease")[0] == 0


def test_a_stuck_loop_is_not_alive(process: Process) -> None:
    process.late.append("publish")
    assert process.probe("PYTHON_PRODUCER_SERVER_PORT") == (1, "stuck: publish")


def test_without_an_answer_it_is_not_alive() -> None:
    environ = os.environ | dict.fromkeys(("PYTHON_PRODUCER_SERVER_PORT", "PYTHON_CONSUMER_SERVER_PORT"), "1")
    done = subprocess.run(
        [sys.executable, PROBE], env=environ, capture_output=True, text=True, check=False, timeout=180
    )
    assert (done.returncode, done.stdout) == (1, "no health port answers\n")
