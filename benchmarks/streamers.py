"""Beside ours: cryptofeed and ccxt.pro, which read the same frames of the same exchange and only write them to the same
Kafka. Each alone, as fast as it can; counted at the topic. ccxt.pro hands nothing on where frames come faster than it
handles them: it gets so many a second as it takes without losing any, found by doubling.

They keep nothing on a disk, mend nothing and store nothing on S3; ours does all that. ccxt.pro has no way to Kafka and
gets librdkafka; cryptofeed is measured with its own, which waits for each message, and with librdkafka too. It speaks
only TLS, so ours is measured over it as well.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import trustme
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from benchmarks.context import Context
from benchmarks.cost import peak_rss_mb, sum_cpu
from benchmarks.figures import Report
from benchmarks.quiet import words
from benchmarks.streaming import place_for
from benchmarks.world import PARTITIONS, ROOT, BenchmarkError, Child, Engines, Place, free_port, poller
from cryptoproxy.datasets import TRADE
from cryptoproxy.sandbox import Sandbox

OTHERS: dict[str, tuple[str, tuple[str, ...], bool]] = {
    "ccxt.pro": ("ccxt==4.5.90", ("ccxt_pro.py",), False),
    "cryptofeed": ("cryptofeed==2.4.1", ("cryptofeed_trades.py", "own"), True),
    "cryptofeed with librdkafka": ("cryptofeed==2.4.1", ("cryptofeed_trades.py", "librdkafka"), True),
}
"""By name: its package, what runs it, and whether it speaks only TLS."""
SLOW = 20_000
"""Trades for who takes a thousand a second."""
NO_LEADER = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.UNKNOWN_TOPIC_OR_PART)
BEGIN_SHARE = 0.05
STILL_SECONDS = 10.0
"""Without a new message for so long it is at its end; what lacks then was lost on its way."""


RATES = (1_000, 2_000, 4_000, 8_000, 16_000, 32_000)
RATE_SECONDS = 15
FEW = 0.001
"""Share that may be lost, since the last ones may wait in a client's queue."""


class Measured(NamedTuple):
    rate: float
    """Messages a second on the topic."""
    cpu_us: float
    """For each, in the client's process."""
    lost: float
    """Share of the trades that are not on the topic."""
    peak_mb: float


def benchmark(context: Context) -> Report:
    report = Report("streamers", facts={"trades": context.count})
    with tempfile.TemporaryDirectory(prefix="streamers-") as folder, Sandbox(coins=60) as rest:
        packages = {each[0] for each in OTHERS.values()}
        pythons = {
            each: environment(Path(folder) / each.partition("=")[0], each, "aiokafka==0.14.0") for each in packages
        }
        pem = _certificates(Path(folder))
        asked = rest.base_url("binance")
        others = {name: partial(_other, context.engines, pythons[OTHERS[name][0]], name, asked, pem) for name in OTHERS}
        ways = {
            "ours": partial(_ours, context.engines, context.count),
            "ours over TLS": partial(_ours, context.engines, context.count, pem),
            "cryptofeed": partial(others["cryptofeed"], min(SLOW, context.count)),
            "cryptofeed with librdkafka": partial(others["cryptofeed with librdkafka"], context.count),
            "ccxt.pro": partial(_fastest, others["ccxt.pro"]),
        }
        for name, way in ways.items():
            rounds = context.quiet.rounds(way, wanted=min(3, context.rounds), spare=context.spare, what=name)
            report.disturbed = report.disturbed or words(rounds)
            each = [done.value for done in rounds]
            note = "kept, mended, stored" if name.startswith("ours") else f"{OTHERS[name][0]}, only written"
            report.add(f"{name}: rate", [one.rate for one in each], "messages/s", note=note)
            report.add(f"{name}: CPU", [one.cpu_us for one in each], "µs/message")
            report.add(f"{name}: lost", [one.lost * 100 for one in each], "%", note="not on the topic at the end")
            report.add(f"{name}: peak RSS", [one.peak_mb for one in each], "MB")
    return report


def _ours(engines: Engines, count: int, pem: Path | None = None) -> Measured:
    with _exchange(count, pem) as (port, place_texts):
        place = place_for(engines, port, **place_texts)
        with poller(place) as child:
            return _measured(place, place.settings.kafka.topic_of(TRADE), child, count)


def _fastest(measure: Callable[[int, float], Measured]) -> Measured:
    """At the highest rate at which next to nothing is lost, or at the lowest one whatever is."""
    best: Measured | None = None
    for rate in RATES:
        try:
            found = measure(rate * RATE_SECONDS, rate)
        except BenchmarkError:  # so few came that there is nothing to measure
            if best is None:
                raise
            break
        if best is not None and found.lost > FEW:
            break
        best = found
    assert best is not None
    return best


def _other(engines: Engines, python: Path, name: str, rest: str, pem: Path, count: int, rate: float = 0) -> Measured:
    _, (script, *way), tls = OTHERS[name]
    with _exchange(count, pem if tls else None, rate) as (port, texts):
        place = place_for(engines, port)
        topic = place.settings.kafka.topic_of(TRADE)
        address = texts.get("BINANCE_WS_URL", f"ws://127.0.0.1:{port}")
        path = str(ROOT / "benchmarks" / "stream_clients" / script)
        arguments = (rest, address, place.texts["KAFKA_BROKERS_HOST_PORT"], topic, *way)
        environment = {"SSL_CERT_FILE": str(pem.with_name("ca.pem"))}
        with Child(name, environment, command=(str(python), path, *arguments)) as child:
            return _measured(place, topic, child, count)


@contextmanager
def _exchange(count: int, pem: Path | None, rate: float = 0) -> Iterator[tuple[int, dict[str, str]]]:
    """Its port, and the settings that lead a poller of ours to it over TLS."""
    port = free_port()
    tls, texts = tuple[str, ...](), dict[str, str]()
    if pem is not None:
        tls = ("--tls", str(pem))
        texts = {"BINANCE_WS_URL": f"wss://127.0.0.1:{port}", "SSL_CERT_FILE": str(pem.with_name("ca.pem"))}
    with Child("benchmarks.exchange", {}, (str(port), str(count), "--rate", str(rate), *tls)) as exchange:
        exchange.wait_line("listens")
        yield port, texts


def _measured(place: Place, topic: str, child: Child, count: int) -> Measured:
    """From the first part of the messages on, until all are there or no more come."""
    ends = _Ends(place, topic)
    try:
        return _until_still(ends, child, count)
    finally:
        ends.close()


def _until_still(ends: _Ends, child: Child, count: int) -> Measured:
    began = moved = time.monotonic()
    begin: tuple[float, int, float] | None = None
    last = 0
    end = (began, 0, 0.0)
    while last < count:
        child.require_alive()
        done, now = ends.sum(), time.monotonic()
        if done > last:
            last, moved = done, now
            end = (now, done, sum_cpu([child.pid]))
            if begin is None and done >= count * BEGIN_SHARE:
                begin = end
        if now - moved > (STILL_SECONDS if last else 120.0):
            break
        time.sleep(0.1)
    if begin is None or end[1] <= begin[1]:
        raise BenchmarkError(f"only {last} of {count} messages came:\n" + "\n".join(child.lines[-15:]))
    messages = end[1] - begin[1]
    return Measured(
        messages / (end[0] - begin[0]),
        (end[2] - begin[2]) / messages * 1e6,
        max(0.0, 1 - last / count),
        peak_rss_mb(child.pid),
    )


class _Ends:
    """How many messages a topic has."""

    def __init__(self, place: Place, topic: str) -> None:
        brokers = place.texts["KAFKA_BROKERS_HOST_PORT"]
        self._consumer = Consumer({"bootstrap.servers": brokers, "group.id": f"{topic}-ends"})
        self._partitions = [TopicPartition(topic, each) for each in range(PARTITIONS)]
        self._last = 0

    def sum(self) -> int:
        """As it was last, where a partition has no leader yet."""
        try:
            self._last = sum(self._consumer.get_watermark_offsets(each, timeout=10)[1] for each in self._partitions)
        except KafkaException as error:
            if error.args[0].code() not in NO_LEADER:
                raise
        return self._last

    def close(self) -> None:
        self._consumer.close()


def environment(folder: Path, *packages: str) -> Path:
    """Its python; librdkafka's client is there as well, as we have it."""
    python = folder / "bin" / "python"
    _uv("venv", "--python", sys.executable, str(folder))
    _uv("pip", "install", "--python", str(python), f"confluent-kafka=={version('confluent-kafka')}", *packages)
    return python


def _uv(*arguments: str) -> None:
    command: Sequence[str] = (sys.executable, "-m", "uv", "--quiet", *arguments)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"{' '.join(command)}: {done.stderr[-2000:]}")


def _certificates(folder: Path) -> Path:
    """Certificate and key of the exchange; who signed it is beside them."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(folder / "exchange.pem"))
    return folder / "exchange.pem"
