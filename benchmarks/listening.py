"""Who listens to the door: 2,000 WebSockets with five messages a second each, from one process, over Kafka."""

from __future__ import annotations

import json
import time
from functools import partial

import msgspec
import requests

from benchmarks.context import Context
from benchmarks.cost import cpu_seconds, peak_rss_mb
from benchmarks.figures import Report, at_most
from benchmarks.quiet import words
from benchmarks.world import BenchmarkError, Child, Engines, free_port, wait_until
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.datasets import TICKER, TRADE, iso, key

LISTENERS, A_SECOND, SECONDS = 2_000, 5, 20


def benchmark(context: Context) -> Report:
    found = context.quiet.rounds(
        partial(_told, context.engines), wanted=min(3, context.rounds), spare=context.spare, what="listeners"
    )
    facts: dict[str, object] = {"listeners": LISTENERS, "messages a second, each": A_SECOND}
    report = Report("listening", disturbed=words(found), facts=facts)
    middle, late, share, cost, memory = zip(*(each.value for each in found), strict=True)
    report.add("from before Kafka to the listener, half of the messages", middle, "ms")
    report.add("99 of 100", late, "ms", at_most(250))
    report.add("CPU of the door", share, "%", note="of one core")
    report.add("CPU of a message", cost, "µs")
    report.add("memory of the door, at most", memory, "MB", at_most(200))
    return report


def _told(engines: Engines) -> tuple[float, float, float, float, float]:
    port = free_port()
    place = engines.place(SERVE_PORT=str(port), PYTHON_SERVE_SERVER_PORT="0", READ_THROUGH="off")
    name = place.settings.kafka.topic
    place = place.with_texts(KAFKA_TOPICS=f"trade={name}.trades", KAFKA_ANSWERS_TOPIC="off")
    place.make_topics(TICKER, TRADE)
    kafka = place.settings.kafka
    producer = kafka_client.producer(kafka)

    def tell(number: int) -> None:
        now = iso(int(time.time() * 1000))
        trade = msgspec.structs.replace(TRADE.example, trade_id=f"{number}-{number}", timestamp=now, fetched_at=now)
        value = TRADE.codec.encode(trade)
        producer.send(kafka.topic_of(TRADE), key=key(trade).encode(), value=value).get(60)

    try:
        tell(0)
        messages = A_SECOND * SECONDS
        arguments = (str(port), str(LISTENERS), str(messages))
        with Child("cryptoproxy.serve", place.texts) as door:
            wait_until(lambda: _is_ready(door), seconds=60, what="a door that has read its topics", alive=door)
            with Child("benchmarks.listeners", {}, arguments) as listeners:
                listeners.wait_line("all listen")
                began, cpu = time.monotonic(), cpu_seconds(door.pid)
                for number in range(1, messages + 1):
                    time.sleep(max(0.0, began + number / A_SECOND - time.monotonic()))
                    tell(number)
                said = json.loads(listeners.wait_line('"p99"', seconds=120))
                seconds, used = time.monotonic() - began, cpu_seconds(door.pid) - cpu
            if said["cut"]:
                raise BenchmarkError(f"{said['cut']} listeners were cut")
            share, cost = used / seconds * 100, used / said["messages"] * 1e6
            return said["p50"], said["p99"], share, cost, peak_rss_mb(door.pid)
    finally:
        producer.close()


def _is_ready(door: Child) -> bool:
    return requests.get(f"{door.url}/readyz", timeout=5).status_code == 200
