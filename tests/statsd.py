"""statsd_exporter with the stack's mapping: what Airflow sends to it, and what Prometheus finds."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import requests

from cryptoproxy.engines.ports import free_ports
from tests.conftest import wait_until
from tests.go import installed

MAPPING = Path(__file__).parents[1] / "docker" / "prometheus" / "statsd.yml"
PROGRAM = "github.com/prometheus/statsd_exporter@v0.28.0"
"""The version of the compose file's image."""


class Exporter(NamedTuple):
    port: int
    """Of StatsD, by UDP."""
    url: str

    def metrics(self) -> str:
        return requests.get(f"{self.url}/metrics", timeout=60).text


@contextmanager
def exporter() -> Iterator[Exporter]:
    port, web = free_ports(2)
    started = subprocess.Popen(
        [
            installed(PROGRAM), f"--statsd.mapping-config={MAPPING}", f"--statsd.listen-udp=127.0.0.1:{port}",
            "--statsd.listen-tcp=", f"--web.listen-address=127.0.0.1:{web}", "--log.level=error",
        ]
    )  # fmt: skip
    found = Exporter(port, f"http://127.0.0.1:{web}")

    def answers() -> bool:
        assert started.poll() is None
        try:
            return bool(found.metrics())
        except requests.ConnectionError:
            return False

    try:
        wait_until(answers, what="statsd_exporter answers")
        yield found
    finally:
        started.terminate()
        started.wait()
