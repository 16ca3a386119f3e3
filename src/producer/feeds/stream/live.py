"""Frames of named symbols on the topic of what is live, as they came: for the door, past the outbox.

It promises nothing. No stream waits for it: where Kafka does not keep up, frames are dropped and counted.

| | |
|---|---|
| key | ``binance:BTCUSDT`` |
| value | the frame, of Binance without what wraps it |
| headers | ``topic`` (``btcusdt@depth@100ms``), ``received-at`` (ms, by the upstream's clock) |
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from cryptoproxy.common.clock import Clock
from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.producer.aside import Aside
from cryptoproxy.upstreams.streaming.live import symbol_of
from cryptoproxy.upstreams.streaming.stream import Heard

MOST_WAITING = 2_000
"""Frames; of more the oldest go, which are worth the least."""
MOST_AT_ONCE = 500


class _Frame(NamedTuple):
    key: str
    topic: str
    body: bytes
    at_ms: int


class LiveFrames(Aside):
    """:meth:`put` is for any thread.

    Args:
        connect: makes a producer.
    """

    def __init__(
        self, kafka: Kafka, *, metrics: PollerMetrics, clock: Clock, connect: Callable[[], Any] | None = None
    ) -> None:
        super().__init__(
            kafka,
            kafka.live_topic,
            counted=metrics.live_frames,
            lacks="frames",
            turn_seconds=0.05,
            clock=clock,
            connect=connect,
            options={"client_id": f"{kafka.client_id}-live"},
        )
        self._symbols = frozenset(symbol.upper() for symbol in kafka.live_symbols or ())
        self._lock = threading.Lock()
        self._waiting: deque[_Frame] = deque()

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

    def send(self) -> bool:
        """What waits, now; False if the topic did not take all of it. It is not sent again: newer ones come."""
        with self._lock:
            taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_AT_ONCE))]
        if not taken:
            return True
        return not any(self._send_all([partial(self._send, each=each) for each in taken]))

    def _send(self, producer: Any, each: _Frame) -> Any:
        headers = [("topic", each.topic.encode()), ("received-at", str(each.at_ms).encode())]
        return producer.send(self._topic, key=each.key.encode(), value=each.body, headers=headers)
