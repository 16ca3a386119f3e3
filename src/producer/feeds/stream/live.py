"""Frames of named symbols on the topic of what is live, as they came: for the door, past the outbox.

It promises nothing. No stream waits for it: where Kafka does not keep up, frames are dropped and counted.

| | |
|---|---|
| key | ``binance:BTCUSDT`` |
| value | the frame, of Binance without what wraps it |
| headers | ``topic`` (``btcusdt@depth@100ms``), ``received-at`` (ms, by the upstream's clock) |
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clients.sender import Sender
from cryptoproxy.common.clock import Clock
from cryptoproxy.common.log import Limited
from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.common.retry import Backoff
from cryptoproxy.common.service import Loop
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.upstreams.live import symbol_of
from cryptoproxy.upstreams.stream import Heard

log = logging.getLogger(__name__)

ACK_SECONDS = 5.0
"""Short: a stop waits for it."""
MOST_WAITING = 2_000
"""Frames; of more the oldest go, which are worth the least."""
MOST_AT_ONCE = 500
_TURN_SECONDS = 0.05


class _Frame(NamedTuple):
    key: str
    topic: str
    body: bytes
    at_ms: int


class LiveFrames:
    """Give :meth:`run` a thread; :meth:`put` is for any.

    Args:
        connect: makes a producer.
    """

    def __init__(
        self, kafka: Kafka, *, metrics: PollerMetrics, clock: Clock, connect: Callable[[], Any] | None = None
    ) -> None:
        self._kafka = kafka
        self._symbols = frozenset(symbol.upper() for symbol in kafka.live_symbols or ())
        self._metrics = metrics
        options: dict[str, Any] = {"client_id": f"{kafka.client_id}-live", "delivery_timeout_ms": 35_000}
        self._sender = Sender(
            connect or partial(kafka_client.producer, kafka, **options), ack_seconds=ACK_SECONDS, end_seconds=None
        )
        self._lock = threading.Lock()
        self._waiting: deque[_Frame] = deque()
        self._often = Limited(log, seconds=300, clock=clock.monotonic)

    def put(self, source: str, heard: Heard, now_ms: int) -> None:
        """Never waits and never raises."""
        dropped = 0
        for topic, bodies in heard.data.items():
            if (symbol := symbol_of(topic)) not in self._symbols:
                continue
            with self._lock:
                self._waiting += [_Frame(f"{source}:{symbol}", topic, bytes(body), now_ms) for body in bodies]
                while len(self._waiting) > MOST_WAITING:
                    self._waiting.popleft()
                    dropped += 1
        if dropped:
            self._lost("dropped", dropped, "Kafka does not keep up")

    def run(self, loop: Loop) -> None:
        """Until the process stops."""
        backoff = Backoff(first=1.0, cap=30.0)
        while loop.running:
            if self.send():
                backoff.reset()
                loop.wait(_TURN_SECONDS)
            else:
                loop.wait(backoff.next())
        self._sender.discard()

    def send(self) -> bool:
        """What waits, now; False if the topic did not take all of it. It is not sent again: newer ones come."""
        with self._lock:
            taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_AT_ONCE))]
        if not taken:
            return True
        failures = self._sender.send_all([partial(self._send, each=each) for each in taken])
        lost = [each for each in failures if each is not None]
        self._metrics.live_frames.labels("sent").inc(len(failures) - len(lost))
        if lost:
            self._lost("failed", len(lost), str(kafka_client.meaning(lost[0], self._kafka)))
        return not lost

    def _send(self, producer: Any, each: _Frame) -> Any:
        headers = [("topic", each.topic.encode()), ("received-at", str(each.at_ms).encode())]
        return producer.send(self._kafka.live_topic, key=each.key.encode(), value=each.body, headers=headers)

    def _lost(self, outcome: str, count: int, why: str) -> None:
        self._metrics.live_frames.labels(outcome).inc(count)
        self._often.warning(outcome, f"{self._kafka.live_topic} lacks frames (records do not): {why}")
