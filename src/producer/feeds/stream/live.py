"""Frames of named symbols on the topic of what is live, as they came: for the door, past the outbox.

It promises nothing. No stream waits for it: where Kafka does not keep up, frames are dropped and counted.

| | |
|---|---|
| key | ``binance:BTCUSDT`` |
| value | the frame, of Binance without what wraps it |
| headers | ``topic`` (``btcusdt@depth@100ms``), ``received-at`` (ms, by the upstream's clock) |

Bybit shows a book once, when it is subscribed to, and its changes from then on. Who comes later finds it here as well:
behind a change, each :data:`WHOLE_MS`, stands a snapshot with the number of that change.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from cryptoproxy.common.clock import Clock
from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.errors import TransientError
from cryptoproxy.producer.aside import Aside
from cryptoproxy.upstreams.bybit.streams.shown import ShownBook, frame_of
from cryptoproxy.upstreams.streaming.live import symbol_of
from cryptoproxy.upstreams.streaming.stream import Heard

MOST_WAITING = 2_000
"""Frames; of more the oldest go, which are worth the least."""
MOST_AT_ONCE = 500
WHOLE_MS = 20_000


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
        self._books: dict[str, ShownBook] = {}
        """Of Bybit, by key and topic, with every frame that came, also those that were dropped then."""
        self._whole_ms: dict[str, int] = {}

    def put(self, source: str, heard: Heard, now_ms: int) -> None:
        """Never waits and never raises."""
        dropped = 0
        for topic, bodies in heard.data.items():
            if (symbol := symbol_of(topic)) not in self._symbols:
                continue
            with self._lock:
                for body in bodies:
                    frame = _Frame(f"{source}:{symbol}", topic, bytes(body), now_ms)
                    self._waiting += (frame, *self._whole(frame))
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

    def _whole(self, frame: _Frame) -> Iterator[_Frame]:
        """The book as it is after this change, where it is due. All that came counts, not only what is sent: where a
        frame was dropped, who listens has a book again by the next one."""
        if not frame.topic.startswith("orderbook."):
            return
        place = f"{frame.key} {frame.topic}"
        book = self._books.setdefault(place, ShownBook())
        try:
            told = frame_of(frame.body)
        except TransientError:
            return  # whose stream it is counts it
        book.take(told)
        if told.whole:
            self._whole_ms[place] = frame.at_ms
        elif book.whole and frame.at_ms - self._whole_ms.get(place, 0) >= WHOLE_MS:
            self._whole_ms[place] = frame.at_ms
            _, levels, symbol = frame.topic.split(".", 2)
            yield frame._replace(body=book.snapshot(symbol, int(levels)))

    def _send(self, producer: Any, each: _Frame) -> Any:
        headers = [("topic", each.topic.encode()), ("received-at", str(each.at_ms).encode())]
        return producer.send(self._topic, key=each.key.encode(), value=each.body, headers=headers)
