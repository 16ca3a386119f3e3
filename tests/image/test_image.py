"""Poller and indexer in the image, with the rights and limits that docker/docker-compose.yml gives them."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cryptoproxy.common.clients import elastic
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import iso
from cryptoproxy.datasets.times import DAY_MS
from cryptoproxy.engines.ports import free_ports
from cryptoproxy.engines.stack import Endpoints
from cryptoproxy.sandbox import Sandbox
from tests.conftest import wait_until
from tests.integration.conftest import endpoints, make_world, remove_indices
from tests.unit.deploy.reading import COMPOSE, load_yaml
from tests.unit.deploy.test_compose import mebibytes

__all__ = ["endpoints"]
PODMAN = shlex.split(os.environ.get("PODMAN", "podman"))
IMAGE = "localhost/cryptoproxy:check"
SERVICES: dict[str, dict[str, Any]] = load_yaml(COMPOSE)["services"]
COINS = 20
OWN = {"environment", "ports", "depends_on", "image", "pull_policy", "env_file", "restart", "logging"}
"""Of a service: what is another's here (addresses, a network) or what only Compose can do."""
WORDS = {
    "init": lambda _: ["--init"],
    "read_only": lambda _: ["--read-only"],
    "cap_drop": lambda names: [f"--cap-drop={name}" for name in names],
    "security_opt": lambda words: [f"--security-opt={word.removesuffix(':true')}" for word in words],
    "tmpfs": lambda folders: [f"--tmpfs={folder}" for folder in folders],
    "mem_limit": lambda size: [f"--memory={size}"],
    "stop_grace_period": lambda seconds: [f"--stop-timeout={seconds.removesuffix('s')}"],
}
# Podman asks for more than a machine within a machine may give.
LIMITS = ("--ulimit=nofile=10000:10000", "--ulimit=nproc=4096:4096")


def podman(*words: str, code: int | None = 0) -> str:
    """What it prints; ``code``: what it must end with, None if that does not matter."""
    done = subprocess.run([*PODMAN, *words], capture_output=True, text=True, check=False, timeout=180)
    assert code in (None, done.returncode), f"{words}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout.strip()


class Stack:
    """Containers of the compose file's services, on this machine's network."""

    def __init__(self, name: str, texts: dict[str, str], folder: Path) -> None:
        self._name = name
        self._env = folder / "settings.env"
        self._env.write_text("".join(f"{key}={value}\n" for key, value in texts.items()))
        self._started: list[str] = []

    def start(self, service: str) -> str:
        """The container's name."""
        told = SERVICES[service]
        assert set(told) - OWN - set(WORDS) <= {"command", "volumes"}, "the compose file says something new of it"
        words = [word for key, say in WORDS.items() if key in told for word in say(told[key])]
        volumes = [f"--volume={self._name}-{each}" for each in told.get("volumes", [])]
        name = f"{self._name}-{service}"
        self._started.append(name)
        podman("run", "--detach", "--name", name, "--network=host", f"--env-file={self._env}", *LIMITS, *words, *volumes,
               IMAGE, *told["command"])  # fmt: skip
        return name

    def once(self, *words: str) -> str:
        """A command of the image in a container of its own."""
        return podman("run", "--rm", "--network=host", f"--env-file={self._env}", *LIMITS, IMAGE, *words, code=None)

    def end(self) -> None:
        for name in self._started:
            subprocess.run([*PODMAN, "logs", "--tail=40", name], check=False)  # pytest shows it where a test has failed
            podman("rm", "--force", "--time=1", name)
        podman("volume", "rm", "--all", "--force")


@pytest.fixture(scope="module")
def texts(endpoints: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("world")
    world = make_world(endpoints, folder)
    world.set_up()
    producer, consumer = free_ports(2)
    with Sandbox(coins=COINS) as upstream:
        del world.texts["OUTBOX_DIR"]  # the image has its own
        yield world.texts | {
            "COINGECKO_BASE_URL": upstream.base_url("coingecko"),
            "COINGECKO_CALLS_PER_MINUTE": "0",
            "COINGECKO_TOP_N": str(COINS),
            "KAFKA_PRODUCER_BATCH_INTERVAL": "1",
            "AWS_S3_OBJECT_SECONDS": "1",
            "PYTHON_PRODUCER_SERVER_PORT": str(producer),
            "PYTHON_CONSUMER_SERVER_PORT": str(consumer),
        }
    remove_indices(world.settings.elasticsearch)


@pytest.fixture(scope="module")
def stack(texts: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    found = Stack(texts["ES_INDEX"].removesuffix("-prices"), texts, tmp_path_factory.mktemp("stack"))
    yield found
    found.end()


@pytest.fixture(scope="module")
def running(stack: Stack, texts: dict[str, str]) -> dict[str, str]:
    """Service → container, when something has come all the way."""
    started = {service: stack.start(service) for service in ("poller", "indexer")}
    client = elastic.client(Settings.from_texts(texts).elasticsearch)
    try:
        wait_until(lambda: client.count(index=texts["ES_INDEX"])["count"] >= 5 * COINS, what="five polls in the index")
    finally:
        client.close()
    return started


def test_it_may_nothing_that_it_does_not_need(running: dict[str, str]) -> None:
    for service, name in running.items():
        told = json.loads(podman("inspect", name))[0]
        assert told["Config"]["User"] == "10001:10001"
        status = podman("exec", name, "cat", "/proc/1/status")
        for line in ("CapPrm:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"):
            assert line in status, service
        podman("exec", name, "touch", "/etc/x", code=1)
        assert told["HostConfig"]["Memory"] == mebibytes(SERVICES[service]["mem_limit"]) << 20
        print(service, podman("stats", "--no-stream", "--format={{.MemUsage}}", name))


def test_its_own_check_says_that_it_is_alive(running: dict[str, str]) -> None:
    for name in running.values():
        assert json.loads(podman("inspect", name))[0]["Config"]["Healthcheck"]["Test"][0] == "CMD"
        podman("healthcheck", "run", name)
        podman("exec", name, "python", "/opt/cryptoproxy/probe.py", "/readyz")


def test_stopped_each_ends_by_itself_and_nothing_is_missing(running: dict[str, str], stack: Stack) -> None:
    podman("stop", running["poller"])
    day_ms = SystemClock().now_ms() // DAY_MS * DAY_MS
    span = ("--from", iso(day_ms - DAY_MS)[:10], "--to", iso(day_ms + DAY_MS)[:10])

    def agreed() -> dict[str, Any] | None:
        """What the third container says of lake and index, when the indexer has come to the end."""
        told: dict[str, Any] = json.loads(
            stack.once("reconcile", "--dataset", "ticker", *span, "--grace", "1s", "--json")
        )
        return told if told["agrees"] else None

    told = wait_until(agreed, what="the same in lake and index")
    assert sum(hour["documents"] for hour in told["hours"]) >= 5 * COINS
    podman("stop", running["indexer"])
    for name in running.values():
        assert json.loads(podman("inspect", name))[0]["State"]["ExitCode"] == 0
