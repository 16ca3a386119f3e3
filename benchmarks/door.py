"""`door`: the door's process beside nginx with proxy_cache, one worker, before the sandbox, in the same round: how many
questions each answers and what one costs, while the poller polls the whole Binance market each second.

Needs Debian's ``nginx`` and ``wrk``. nginx caches the gzipped answer as it is; keep-alive, one thread and 32
connections of wrk, no ETag; the other server rests meanwhile.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import requests
from confluent_kafka import Producer

from benchmarks.context import Context
from benchmarks.cost import cpu_seconds, peak_rss_mb
from benchmarks.figures import Report, at_least, at_most, percentile
from benchmarks.paced import paced
from benchmarks.quiet import words
from benchmarks.world import BenchmarkError, Child, Place, free_port, poller, wait_until
from cryptoproxy.datasets import TICKER, USAGE, Ticker, iso, key

MARKETS = "/coingecko/api/v3/coins/markets?vs_currency=usd&per_page=250&page=1"
PRICE = "/binance/api/v3/ticker/price?symbol=BTCUSDT"
SECONDS = 5
HALF_SECONDS = 10
ASKED_AGAIN = 200
"""Records whose way from Kafka's acknowledgement to the door's answer is timed."""
_REQUESTS = re.compile(r"(\d+) requests in ([\d.]+)(ms|s|m)")
NGINX = """
{user}
worker_processes 1;
daemon off;
pid {folder}/pid;
error_log {folder}/errors;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  gzip off;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  proxy_cache_path {folder}/cache keys_zone=answers:10m;
  keepalive_requests 100000000;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass {upstream};
      proxy_http_version 1.1;
      proxy_cache answers;
      proxy_cache_key $request_uri;
      proxy_cache_valid 200 1h;
      proxy_ignore_headers Cache-Control Expires Vary Set-Cookie;
    }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Load:
    """Requests a second, and CPU µs of the server for each."""

    rate: float
    cpu_us: float


@dataclass(frozen=True, slots=True)
class Round:
    """By path: the door's load, nginx's, and the door's p99 in ms at half of its own rate."""

    door: dict[str, Load]
    nginx: dict[str, Load]
    p99_ms: dict[str, float]


def benchmark(context: Context) -> Report:
    for name in ("nginx", "wrk"):
        if shutil.which(name) is None:
            raise BenchmarkError(f"{name} is not installed: apt-get install nginx wrk")
    with TemporaryDirectory(prefix="door-") as folder, sandbox() as upstream:
        place = market_place(context, upstream, Path(folder))
        with poller(place):
            with door_of(place) as (started, _):
                pass  # reads the code from the disk: the next start is the one that counts
            with door_of(place) as (started, door), _nginx(Path(folder), upstream) as (front, worker):
                url = address_of(door)
                for path in (MARKETS, PRICE):
                    warm(url + path)
                    warm(front + path)

                def one_round() -> Round:
                    return _round(url, door.pid, front, worker)

                rounds = context.quiet.rounds(
                    one_round, wanted=min(3, context.rounds), spare=context.spare, what="door"
                )
                report = _report([each.value for each in rounds], words(rounds))
                arrived = _arrivals(place, url)
                report.add(
                    "Kafka's acknowledgement → the door's answer, p99", percentile(arrived, 99), "ms", at_most(50)
                )
                report.add("Kafka's acknowledgement → the door's answer, p50", percentile(arrived, 50), "ms")
                report.add("start → ready, the whole market on the topic", started, "s", at_most(5))
                report.add("peak RSS with the whole Binance market", peak_rss_mb(door.pid), "MB", at_most(200))
    return report


def _report(rounds: list[Round], disturbed: str) -> Report:
    report = Report("door", disturbed=disturbed, facts={"seconds": SECONDS})
    for path, name, bound in (
        (MARKETS, "coins/markets, 250 rows, gzip", 0.35),
        (PRICE, "ticker/price?symbol=", 0.2),
    ):
        ours, theirs = [each.door[path] for each in rounds], [each.nginx[path] for each in rounds]
        ratios = [a.rate / b.rate for a, b in zip(ours, theirs, strict=True)]
        report.add(f"{name}: rate ÷ nginx's", ratios, "", at_least(bound))
        report.add(f"{name}: rate", [each.rate for each in ours], "requests/s")
        report.add(f"{name}: nginx's rate", [each.rate for each in theirs], "requests/s")
        report.add(f"{name}: own CPU", [each.cpu_us for each in ours], "µs/request")
        report.add(f"{name}: nginx's CPU", [each.cpu_us for each in theirs], "µs/request")
        report.add(f"{name}: p99 at half of its own rate", [each.p99_ms[path] for each in rounds], "ms", at_most(20))
    return report


def _round(url: str, door: int, front: str, worker: int) -> Round:
    ours, theirs, p99 = {}, {}, {}
    for path in (MARKETS, PRICE):
        theirs[path] = load(front + path, worker)
        ours[path] = load(url + path, door)
        p99[path] = percentile(paced(url + path, ours[path].rate / 2, HALF_SECONDS), 99)
    return Round(ours, theirs, p99)


def load(url: str, pid: int, *headers: str) -> Load:
    """wrk's, for :data:`SECONDS`. ``pid``: of the server."""
    before = cpu_seconds(pid)
    done = subprocess.run(
        ["wrk", "-t1", "-c32", f"-d{SECONDS}s", *(f"-H{each}" for each in ("Accept-Encoding: gzip", *headers)), url],
        capture_output=True,
        text=True,
        check=True,
    )
    used = cpu_seconds(pid) - before
    if (found := _REQUESTS.search(done.stdout)) is None or "Non-2xx" in done.stdout:
        raise BenchmarkError(f"{url} is not answered as it should be:\n{done.stdout}")
    count, seconds = int(found[1]), float(found[2]) * {"ms": 0.001, "s": 1, "m": 60}[found[3]]
    return Load(count / seconds, used / count * 1e6)


def _arrivals(place: Place, url: str) -> list[float]:
    """ms from the acknowledgement of a record until a question has it, asked without a pause over one connection."""
    producer = Producer({"bootstrap.servers": ",".join(place.settings.kafka.brokers), "acks": "all", "linger.ms": 0})
    parts = urlsplit(url)
    ask = f"GET /binance/api/v3/ticker/price?symbol=BENCHUSDT HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
    took = []
    with socket.create_connection((parts.hostname, parts.port)) as wire:
        for number in range(ASKED_AGAIN):
            acknowledged: list[float] = []
            price = 1000.0 + number
            record = _record(price)
            producer.produce(
                place.settings.kafka.topic, TICKER.codec.encode(record), key(record), headers=dict(TICKER.headers),
                on_delivery=lambda _error, _, to=acknowledged: to.append(time.perf_counter()),
            )  # fmt: skip
            wanted = f'"price":"{price:.8f}"'.encode()
            while not acknowledged:
                producer.poll(0.001)
            while True:
                wire.sendall(ask)
                if wanted in wire.recv(65_536):
                    break
            took.append((time.perf_counter() - acknowledged[0]) * 1000)
            time.sleep(0.01)
    return took


def _record(price: float) -> Ticker:
    now_ms = time.time_ns() // 1_000_000
    return Ticker(
        source="binance", asset_id="BENCHUSDT", symbol="BENCHUSDT", name="BENCHUSDT", quote="USDT", price=price,
        timestamp=iso(now_ms), fetched_at=iso(now_ms), fetch_delay_ms=0, interval_ms=1000,
    )  # fmt: skip


def market_place(context: Context, upstream: str, folder: Path, **texts: str) -> Place:
    """Polled from a sandbox, and served: the whole Binance market each second, unless ``texts`` say otherwise."""
    place = context.engines.place(
        SOURCES="coingecko,binance",
        COINGECKO_BASE_URL=f"{upstream}/coingecko/api/v3",
        COINGECKO_TOP_N="250",
        COINGECKO_CALLS_PER_MINUTE="0",
        BINANCE_BASE_URL=f"{upstream}/binance",
        BINANCE_SYMBOLS="*",
        BINANCE_INTERVAL="1",
        BINANCE_WEIGHT_PER_MINUTE="0",
        OUTBOX_DIR=str(folder / "outbox"),
        READ_THROUGH_DIR=str(folder / "read-through"),
        SERVE_PORT="0",
        PYTHON_SERVE_SERVER_PORT="0",
    ).with_texts(**texts)
    place.texts |= {"KAFKA_TOPICS": f"usage={place.texts['KAFKA_TOPIC']}-usage"}
    place.texts |= {"KAFKA_ANSWERS_TOPIC": f"{place.texts['KAFKA_TOPIC']}-answers"}
    place.make_topics(TICKER, USAGE)
    return place


@contextmanager
def sandbox() -> Iterator[str]:
    with Child(
        "cryptoproxy.cli.main", {}, ("sandbox", "--coins", "300", "--no-bodies", "--ledger-limit", "100")
    ) as child:
        yield child.wait_line("http://").strip()


@contextmanager
def door_of(place: Place) -> Iterator[tuple[float, Child]]:
    """Seconds until it was ready."""
    with Child("cryptoproxy.cli.main", place.texts, ("serve",)) as child:
        health = child.url
        wait_until(
            lambda: requests.get(f"{health}/readyz", timeout=5).status_code == 200, seconds=120, alive=child,
            what="a door that is ready",
        )  # fmt: skip
        yield time.monotonic() - child.started, child


def address_of(door: Child) -> str:
    return door.wait_line("the door is at").partition("the door is at ")[2].split(": ")[0]


@contextmanager
def _nginx(folder: Path, upstream: str) -> Iterator[tuple[str, int]]:
    """Its address, and its worker's pid."""
    port = free_port()
    file = folder / "nginx.conf"
    # Started by root its worker would be another user, to whom the folder is closed.
    user = "user root;" if os.geteuid() == 0 else ""
    file.write_text(NGINX.format(user=user, folder=folder, port=port, upstream=upstream))
    process = subprocess.Popen(["nginx", "-e", str(folder / "errors"), "-c", str(file)])
    try:

        def worker() -> int:
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            return next((int(each) for each in children if b"worker" in Path(f"/proc/{each}/cmdline").read_bytes()), 0)

        yield f"http://127.0.0.1:{port}", wait_until(worker, seconds=20, what="nginx")
    finally:
        process.terminate()
        process.wait(20)


def warm(url: str, **headers: str) -> None:
    """Until it is there at all: a poll may still be under way."""
    headers = {"Accept-Encoding": "gzip"} | headers
    wait_until(
        lambda: requests.get(url, headers=headers, timeout=10).status_code == 200, seconds=120, what=url, every=0.2
    )
