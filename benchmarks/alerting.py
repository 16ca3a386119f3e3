"""How soon an alert is there: from Kafka's acknowledgement of the record to when `crypto.alerts` can be read with it.

With fifty rules over 500 assets, whose windows are filled before. Records come as polls do, `BURST` at once; one of
each burst begins or ends to hold for a rule of its own. Who reads is a `read_committed` client: so the wait has the
transaction in it, and a fetch.
"""

from __future__ import annotations

import threading
import time

from confluent_kafka import Consumer, TopicPartition

from benchmarks.context import Context
from benchmarks.records import Made, record
from benchmarks.watched import ASSETS, at_the_begin, fifty, place_for, watch
from benchmarks.world import Child, Place, wait_until
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.datasets import ALERT, RECORD_HEADERS, encode, from_iso, key

RATE = 2_000
SECONDS = 30
BURST = 50
PAST = 300
"""Records of each asset before, one each `PAST_STEP_MS`."""
PAST_STEP_MS = 10_000
HIGH, LOW = 1e15, 1e9
RULES = fifty() + f"  told: {{when: {{above: {int(HIGH)}, of: ticker.market_cap}}}}\n"


def waits(context: Context) -> list[float]:
    """Milliseconds for each alert."""
    place = place_for(context)
    now_ms = time.time_ns() // 1_000_000
    place.load(_made(coin, now_ms - back * PAST_STEP_MS, LOW) for back in range(PAST, 0, -1) for coin in range(ASSETS))
    at_the_begin(place)
    with watch(context, place, RULES) as child:
        wait_until(
            lambda: child.metric("watch_records") >= PAST * ASSETS, seconds=120, what="the past is judged", alive=child
        )
        return _live(place, child)


def _live(place: Place, child: Child) -> list[float]:
    kafka = place.settings.kafka
    acknowledged: dict[tuple[str, int], float] = {}
    seen: dict[tuple[str, int], float] = {}
    over = threading.Event()
    reader = threading.Thread(target=_read, args=(place, seen, over), daemon=True)
    reader.start()
    producer = kafka_client.producer(kafka)

    def note(each: tuple[str, int], _: object) -> None:
        acknowledged[each] = time.monotonic()

    begin, wanted, coin, open_ones = time.monotonic(), 0, 0, set[int]()
    for number in range(RATE * SECONDS // BURST):
        time.sleep(max(0.0, begin + number * BURST / RATE - time.monotonic()))
        now_ms = time.time_ns() // 1_000_000
        for each in range(BURST):
            coin = (coin + 1) % ASSETS
            changes = each == number % BURST
            if changes:
                open_ones ^= {coin}
            made = _made(coin, now_ms, HIGH if coin in open_ones else LOW)
            future = producer.send(kafka.topic, key=made.key, value=made.value, headers=RECORD_HEADERS)
            if changes:
                wanted += 1
                future.add_callback(note, (made.key.decode(), now_ms))
    producer.flush(30)
    wait_until(lambda: len(seen) >= wanted, seconds=60, what=f"{wanted} alerts", alive=child)
    over.set()
    reader.join(10)
    producer.close()
    return [(seen[each] - moment) * 1000 for each, moment in acknowledged.items()]


def _made(coin: int, at_ms: int, market_cap: float) -> Made:
    made = record(coin, (10.0 + coin) * (1 + (coin * 31 + at_ms // 997) % 97 * 1e-5), at_ms)
    made.market_cap = market_cap
    return Made(key(made).encode(), encode(made))


def _read(place: Place, seen: dict[tuple[str, int], float], over: threading.Event) -> None:
    """Notes when each alert could be read, by asset and time of its record."""
    kafka = place.settings.kafka
    topic = kafka.topic_of(ALERT)
    consumer = Consumer(
        {
            "bootstrap.servers": ",".join(kafka.brokers), "group.id": f"{topic}-bench", "fetch.wait.max.ms": 10,
            "isolation.level": "read_committed", "enable.auto.commit": False,
        }
    )  # fmt: skip
    consumer.assign([TopicPartition(topic, each, 0) for each in range(kafka.partitions)])
    while not over.is_set():
        message = consumer.poll(0.05)
        if message is None or message.error():
            continue
        now, alert = time.monotonic(), ALERT.codec.decode(message.value())
        if alert.rule == "told":
            seen.setdefault((alert.asset, from_iso(alert.timestamp)), now)
    consumer.close()
