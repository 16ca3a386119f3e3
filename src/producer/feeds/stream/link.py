"""One connection of a venue: what it was asked for, what was taken, and whether it is still alive."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence

from cryptoproxy.errors import TransientError
from cryptoproxy.producer.feeds.stream.websocket import WebSocket
from cryptoproxy.upstreams.streaming.stream import Ack, Heard, Venue

log = logging.getLogger(__name__)

ACK_SECONDS = 10.0
"""A subscription that is not answered by then has failed, unless data came."""
_NOTHING = Heard({})


class Link:
    """Used by the thread of its venue.

    Args:
        refused: told of each topic that the upstream does not give, and why.
        now: monotonic seconds.
    """

    def __init__(
        self,
        venue: Venue,
        topics: Sequence[str],
        socket: WebSocket,
        *,
        refused: Callable[[str, str], None],
        now: float,
    ) -> None:
        self.socket = socket
        self.opened = self.heard_at = self.data_at = now
        self.ends = False
        """The upstream has said that it ends."""
        self.pause = 0.0
        """Seconds without data before the last data."""
        self.subscribed_at: float | None = None
        """Since when all its topics come, as far as answers tell."""
        self._venue = venue
        self._refused = refused
        size = venue.topics_of_a_frame
        self._to_ask: deque[Sequence[str]] = deque(topics[at : at + size] for at in range(0, len(topics), size))
        self._to_send: deque[bytes] = deque()
        self._asked: dict[int, tuple[Sequence[str], float]] = {}
        self._number = 0
        self._sent_at = float("-inf")
        self._beat_at = now

    @property
    def ended(self) -> str:
        """Why nothing more comes of it; empty while it lives."""
        return self.socket.ended

    def step(self, now: float) -> None:
        """Sends what is due: one subscription, or the heartbeat.

        Raises:
            TransientError: it cannot be sent, or was not answered.
        """
        if self._to_ask and now - self._sent_at >= self._venue.frame_seconds:
            topics = self._to_ask.popleft()
            self._number += 1
            self._asked[self._number] = topics, now
            self.socket.send(self._venue.subscribe(topics, number=self._number))
            self._sent_at = now
        elif self._to_send and now - self._sent_at >= self._venue.frame_seconds:
            self.socket.send(self._to_send.popleft())
            self._sent_at = now
        beat = self._venue.heartbeat
        if beat is not None and now - self._beat_at >= beat.seconds:
            self._beat_at = now
            self.socket.send(beat.frame)
        oldest = next(iter(self._asked.values()), None)
        if oldest is not None and now - oldest[1] > ACK_SECONDS:
            if self.data_at == self.opened:
                raise TransientError(f"{self._venue.name}: no answer to a subscription for {ACK_SECONDS:.0f} s")
            self._asked.clear()
        if self.subscribed_at is None and not self._to_ask and not self._asked:
            self.subscribed_at = now
        if now - self.heard_at > self._venue.silence_seconds:
            raise TransientError(f"{self._venue.name}: nothing was heard for {self._venue.silence_seconds:.0f} s")

    def send(self, frames: Sequence[bytes]) -> None:
        """One after the other, as the upstream allows."""
        self._to_send += frames

    def receive(self, now: float) -> Heard:
        """What has come, without waiting."""
        frames = self.socket.receive()
        if self.socket.ended.startswith("closed") and not frames:
            return _NOTHING
        if self.socket.spoke:
            self.heard_at = now
        if not frames:
            return _NOTHING
        heard = self._venue.hear(frames)
        if heard.data:
            self.pause, self.data_at = now - self.data_at, now
        self.ends = self.ends or heard.ends
        for ack in heard.acks:
            self._answered(ack)
        return heard

    def _answered(self, ack: Ack) -> None:
        number = ack.number or next(iter(self._asked), 0)
        topics, _ = self._asked.pop(number, ((), 0.0))
        if not ack.why or not topics:
            return
        if ack.topic in topics or len(topics) == 1:
            bad = ack.topic if ack.topic in topics else topics[0]
            log.warning("%s does not give %s: %s", self._venue.name, bad, ack.why)
            self._refused(bad, ack.why)
            if rest := [each for each in topics if each != bad]:
                self._to_ask.append(rest)
        else:  # one of them, and it does not say which
            half = len(topics) // 2
            self._to_ask += [topics[:half], topics[half:]]

    def close(self) -> None:
        self.socket.close()
