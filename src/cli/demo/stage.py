"""Engines, sandbox and processes of a demo, started and ended together. If all went well, nothing is left."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

import requests

from cryptoproxy.common.files import write_private
from cryptoproxy.common.settings import Settings
from cryptoproxy.common.settings.environment import child_environment
from cryptoproxy.engines.ports import Ports, free_ports
from cryptoproxy.engines.stack import Memory, Stack
from cryptoproxy.errors import OperatorError
from cryptoproxy.producer.feeds.history.runs import RunsFile
from cryptoproxy.sandbox.app import Sandbox
from cryptoproxy.sandbox.rules.request import Rule

STOP_SECONDS = 15.0
DOOR_SECONDS = 60.0
"""Until the door has a price."""
SHOCK_AT = 4
"""The poll from which on the first coin is a tenth cheaper."""
RULES = """\
rules:
  falls:
    assets: [coingecko]
    when: {{falls: 8%, within: {window}s}}
    severity: critical
stats: all
"""
CANDLES = "binance.candle-1h"
CANDLE_SYMBOLS = ("BTCUSDT", "ETHUSDT")


_COMMANDS = {"watch": ("cryptoproxy.cli.main", "watch")}


def has_door() -> bool:
    """Whether the packages of the door are there: they are an extra."""
    return all(find_spec(each) is not None for each in ("uvicorn", "uvloop", "httptools"))


def _answers(url: str) -> bool:
    try:
        with requests.Session() as session:
            session.trust_env = False  # this machine's own: no proxy, no login of ~/.netrc
            return session.get(url, timeout=5).status_code == 200
    except requests.RequestException:
        return False


class Stage:
    """A context: everything is up inside it, and ended at its end, however that comes."""

    def __init__(self, folder: Path, *, interval: int, coins: int, say: Callable[[str], None]) -> None:
        self.folder = folder
        self._say = say
        self._interval = interval
        self._coins = coins
        # One to each: the demo shares its two cores with three engines.
        memory = Memory(kafka_mb=384, elasticsearch_mb=1024, s3_mb=128)
        self._stack = Stack(folder / "engines", ports=Ports.free(), memory=memory, die_with_parent=True, say=say)
        self._sandbox = Sandbox(keep_bodies=False, ledger_limit=1000)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.env_file = folder / "demo.env"
        self.settings: Settings

    def __enter__(self) -> Self:
        self._require_own_folder()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        try:
            self._start()
        except KeyboardInterrupt:
            self._end()
            self.remove()
            raise
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _require_own_folder(self) -> None:
        """It is emptied, so it must be a new one or an earlier demo's."""
        ours = (self.env_file, self.folder / "engines")
        if self.folder.exists() and any(self.folder.iterdir()) and not any(each.exists() for each in ours):
            raise OperatorError(
                f"{self.folder} holds something else than a demo", remedy="Name a folder that is new, or empty it"
            )

    def _start(self) -> None:
        endpoints = self._stack.up()
        self._sandbox.start()
        self._say(f"sandbox upstream answers at {self._sandbox.url}")
        self._sandbox.add(Rule(path=r"/coins/markets.*[?&]page=1(&|$)", first=SHOCK_AT, rewrite="crash"))
        producer_port, consumer_port, watch_port, serve_port, door_port = free_ports(5)
        rules = self.folder / "watch.yaml"
        rules.write_text(RULES.format(window=2 * self._interval))
        texts = {
            "KAFKA_BROKERS_HOST_PORT": endpoints.kafka,
            "ES_URL_ENDPOINT": endpoints.elasticsearch,
            "AWS_S3_ENDPOINT_URL": endpoints.s3,
            "AWS_S3_ACCESS_KEY": endpoints.s3_access_key,
            "AWS_S3_SECRET_KEY": endpoints.s3_secret_key,
            "COINGECKO_BASE_URL": self._sandbox.base_url("coingecko"),
            "COINGECKO_CALLS_PER_MINUTE": "0",  # the sandbox is ours
            "COINGECKO_TOP_N": str(self._coins),
            "KAFKA_PRODUCER_BATCH_INTERVAL": str(self._interval),
            "AWS_S3_OBJECT_SECONDS": str(self._interval),  # one object per poll, to see them come
            "BINANCE_BASE_URL": self._sandbox.base_url("binance"),
            "BYBIT_BASE_URL": self._sandbox.base_url("bybit"),
            "BINANCE_CANDLE_SYMBOLS": ",".join(CANDLE_SYMBOLS),
            "HISTORY": f"{CANDLES}=7d",
            "OUTBOX_DIR": str(self.folder / "outbox"),
            "PYTHON_PRODUCER_SERVER_PORT": str(producer_port),
            "PYTHON_CONSUMER_SERVER_PORT": str(consumer_port),
            "PYTHON_WATCH_SERVER_PORT": str(watch_port),
            "WATCH_RULES": str(rules),
            "PYTHON_SERVE_SERVER_PORT": str(serve_port),
            "SERVE_PORT": str(door_port),
            "READ_THROUGH_DIR": str(self.folder / "read-through"),
        }
        write_private(self.env_file, "".join(f"{name}={text}\n" for name, text in texts.items()))
        self.settings = Settings.from_texts(texts)
        self._run_setup(texts)
        for name in ("watch", "consumer", "producer", *(["serve"] if has_door() else [])):
            self._processes[name] = self._spawn(name, texts)
        if has_door():
            self._tell_door(f"http://127.0.0.1:{door_port}")

    def _tell_door(self, door: str) -> None:
        """Once it answers: what is told is there to be pasted."""
        address = f"{door}/coingecko/api/v3"
        price = f"{address}/simple/price?ids=bitcoin&vs_currencies=usd"
        deadline = time.monotonic() + DOOR_SECONDS
        while not _answers(price) and time.monotonic() < deadline:
            self.check_processes()
            time.sleep(0.2)
        places = ", ".join(f"{door}/{each}" for each in ("coingecko/api/v3/", "binance/api/v3/", "bybit/v5/", "v1/"))
        self._say(f"the door answers as its upstreams do, from the road: {places}")
        self._say("in another terminal, the second where pycoingecko is installed:")
        self._say(f"  curl -s '{price}'")
        client = f"c = CoinGeckoAPI(); c.api_base_url = '{address}/'; print(c.get_price('bitcoin', 'usd'))"
        self._say(f'  python -c "from pycoingecko import CoinGeckoAPI; {client}"')

    def _run_setup(self, texts: Mapping[str, str]) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "cryptoproxy.cli.main", "setup"],
            env=child_environment(texts), capture_output=True, text=True, check=False, cwd=self.folder,
        )  # fmt: skip
        if done.returncode:
            raise OperatorError(f"setup failed: {done.stderr.strip()}", remedy=f"Look at the logs in {self.folder}")
        for line in done.stdout.splitlines():
            self._say(line)

    def _spawn(self, name: str, texts: Mapping[str, str]) -> subprocess.Popen[bytes]:
        with self.log_file(name).open("wb") as output:
            return subprocess.Popen(
                [sys.executable, "-m", *_COMMANDS.get(name, (f"cryptoproxy.{name}",))],
                env=child_environment(texts), cwd=self.folder,
                stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def log_file(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def fetched(self) -> int:
        """Candles that the poller has fetched of the past, by its own file."""
        return sum(run.rows for run in RunsFile(self.settings.poller.outbox_dir).load())

    def check_processes(self) -> None:
        """Raises:
        OperatorError: one of them has ended by itself.
        """
        for name, process in self._processes.items():
            if process.poll() is not None:
                log = self.log_file(name)
                last = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
                raise OperatorError(f"the {name} ended with {process.returncode}:\n{last}", remedy=f"See {log}")

    def stop(self, name: str) -> int:
        """Asks a process to end, waits for it; its exit code."""
        process = self._processes.pop(name)
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def _end(self) -> None:
        for name in list(self._processes):
            self.stop(name)
        self._sandbox.stop()
        self._stack.down()

    def remove(self) -> None:
        """All that it has written; of a demo that failed, the logs tell why and stay."""
        self._stack.remove()
        shutil.rmtree(self.folder, ignore_errors=True)
