"""The streams of one venue in this process: who asks them what, one at a time, and the three threads that do."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import partial

from cryptoproxy.common.clock import Clock
from cryptoproxy.common.log import Limited
from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.common.service import Health, Loop
from cryptoproxy.errors import CryptoProxyError
from cryptoproxy.producer.feeds.poll import PollOnce
from cryptoproxy.producer.feeds.stream.carrier import Carrier
from cryptoproxy.producer.feeds.stream.keeping import Keeper
from cryptoproxy.producer.feeds.stream.marks import Marks, StreamNote
from cryptoproxy.producer.feeds.stream.mending import Mender
from cryptoproxy.producer.outbox import Entry, Outbox
from cryptoproxy.upstreams.streaming.stream import BAD_FRAME, Heard, Joining, Left, Renewing, Stream, Unproved, Venue

log = logging.getLogger(__name__)

CLOCK_SECONDS = 10.0
"""The upstream's time is waited for so long before the first connection."""
STEP_SECONDS = 0.25
"""Longest time until a stop is seen: the publisher ends soon after it."""
MOST_BATCHES = 4
"""So many batches of records may wait in memory; then nothing more is read until one is kept."""

Listener = Callable[[Heard, int], None]
"""Told of all that a venue says, and when; for what shows it as it comes. Must not take long."""


@dataclass(eq=False)
class Room:
    """One venue. :meth:`threads` says what to run.

    Args:
        ask: what asks for each stream, by feed.
        told: what the state topic says of each stream, by feed, when the lease was acquired.
        left: what the holder before has left of a stream.
        may_poll: whether this process holds the lease.
        batch_seconds, batch_records: a batch is kept after so long, or so many records.
        kept: told of each entry that is kept, as :class:`Keeper` has it.
    """

    venue: Venue
    streams: Sequence[Stream]
    _: KW_ONLY
    ask: Mapping[str, PollOnce]
    told: Callable[[str], StreamNote]
    left: Callable[[Stream, StreamNote], Left]
    may_poll: Callable[[], bool]
    outbox: Outbox
    health: Health
    metrics: PollerMetrics
    clock: Clock
    batch_seconds: float
    batch_records: int
    kept: Callable[[Entry, float, int], None]
    listeners: Sequence[Listener] = ()

    def __post_init__(self) -> None:
        self._part = f"stream {self.venue.name}"
        self._lock = threading.Lock()
        self._keeping = threading.Lock()
        """Held while batches are kept; taken before the other one."""
        self._full = threading.Event()
        self._begun = False
        self._given_up = False
        """The keeper has found that another process streams; the carrier does not know it yet."""
        self._renewing = [stream for stream in self.streams if isinstance(stream, Renewing)]
        self._often = Limited(log, seconds=60, clock=self.clock.monotonic)
        self._frames_ms: dict[str, int] = {}
        """Our clock, when the last data of each feed came."""
        self._of: dict[str, list[Stream]] = {}
        for stream in self.streams:
            for topic in stream.topics:
                self._of.setdefault(topic, []).append(stream)
        self.marks = {stream.feed.name: Marks(self.clock.now_ms) for stream in self.streams}
        self._keepers = [
            Keeper(
                stream,
                outbox=self.outbox,
                marks=self.marks[stream.feed.name],
                metrics=self.metrics,
                monotonic=self.clock.monotonic,
                kept=self.kept,
            )
            for stream in self.streams
        ]
        self.mender = Mender(
            self.venue, self.streams, ask=self.ask, lock=self._lock, active=self.may_poll, clock=self.clock
        )
        self.carrier = Carrier(
            self.venue,
            list(self._of),
            active=self._is_active,
            begin=self._begin,
            paused=self._paused,
            heard=self._heard,
            cut=self._cut,
            joined=self._joined,
            refused=self._refused,
            state=self._state,
            monotonic=self.clock.monotonic,
            renewals=self._renewals,
        )

    def threads(self) -> Sequence[tuple[str, Callable[[Loop], None]]]:
        """Names and what each runs."""
        name = self.venue.name
        return (
            (f"stream {name}", self.carrier.run),
            (f"mend {name}", self.mender.run),
            (f"keep {name}", self.keep),
        )

    def states(self) -> Mapping[str, Callable[[], bytes]]:
        """By feed, what gives its line on the state topic."""
        return {name: partial(self._line_of, name) for name in self.marks}

    def _line_of(self, feed: str) -> bytes:
        return self.marks[feed].state(connected=self.carrier.connected, frame_ms=self._frames_ms.get(feed, 0))

    def published(self, entry: Entry) -> None:
        """Each record of ``entry`` is acknowledged by Kafka."""
        for marks in self.marks.values():
            marks.published(entry)

    # --- the carrier's thread

    def _is_active(self) -> bool:
        """However short this process was without the lease: what the keeper has given up is begun anew."""
        if self._given_up:
            self._given_up = False
            return False
        return self.may_poll()

    def _begin(self, loop: Loop) -> None:
        self._begun = False
        self._frames_ms = {}
        self.health.hold(self._part, "takes over from the holder before", expected=True)
        until = self.clock.monotonic() + CLOCK_SECONDS
        while self.mender.offset_ms is None and self.clock.monotonic() < until and not loop.wait(0.05):
            pass
        for stream, keeper in zip(self.streams, self._keepers, strict=True):
            loop.turn()
            told = self.told(stream.feed.name)
            left = self.left(stream, told)
            with self._keeping, self._lock:
                keeper.forget()
                self.marks[stream.feed.name].begin(told)
                stream.begin(left, now_ms=self.mender.now_ms())
        self._begun = True

    def _paused(self) -> bool:
        """While the outbox takes nothing; what is not read meanwhile, the network and then the upstream hold back."""
        why = next((each.why for each in self._keepers if each.held is not None), "")
        if why:
            self.health.hold(self._part, why)
        return bool(why)

    def _heard(self, heard: Heard) -> None:
        now_ms = self.mender.now_ms()
        for row in heard.rejected:
            self.metrics.rows_rejected.labels(self.venue.name, row.reason).inc()
            self._often.warning(row.reason, f"{self.venue.name}: {row.detail}")
        taken: dict[str, dict[str, Sequence[object]]] = {}
        for topic, bodies in heard.data.items():
            self.metrics.stream_frames.labels(self.venue.name).inc(len(bodies))
            for stream in self._of.get(topic, ()):
                taken.setdefault(stream.feed.name, {})[topic] = bodies
        self._frames_ms |= dict.fromkeys(taken, self.clock.now_ms())
        unread = any(row.reason == BAD_FRAME for row in heard.rejected)
        doubtful = [stream for stream in self.streams if unread and isinstance(stream, Unproved)]
        with self._lock:
            for stream in doubtful:  # the frame lay somewhere among those that came with it
                stream.unread()
            for stream in self.streams:
                if data := taken.get(stream.feed.name):
                    stream.take(data, now_ms=now_ms)  # type: ignore[arg-type]
            for stream in doubtful:
                stream.unread()
        self._hold_back()
        for listen in self.listeners:
            listen(heard, now_ms)

    def _hold_back(self) -> None:
        """Has a full batch kept; waits where several are full already."""
        while (waiting := sum(stream.waiting for stream in self.streams)) >= self.batch_records:
            self._full.set()
            if waiting < MOST_BATCHES * self.batch_records or any(each.held is not None for each in self._keepers):
                return
            if not self._begun:  # nobody keeps what another process streams now
                return
            time.sleep(0.005)  # the keeper's thread is at work

    def _cut(self, topics: Sequence[str], why: str) -> None:
        self.metrics.stream_cuts.labels(self.venue.name, why).inc()
        with self._lock:
            for stream in self.streams:
                stream.cut([topic for topic in topics if topic in stream.topics], now_ms=self.mender.now_ms())

    def _joined(self, topics: Sequence[str]) -> None:
        with self._lock:
            for stream in self.streams:
                if isinstance(stream, Joining):
                    stream.joined([topic for topic in topics if topic in stream.topics], now_ms=self.mender.now_ms())

    def _renewals(self) -> Mapping[str, Sequence[bytes]]:
        found: dict[str, Sequence[bytes]] = {}
        if self._renewing and self._begun:
            with self._lock:
                for stream in self._renewing:
                    found |= stream.renew(now_ms=self.mender.now_ms())
        return found

    def _refused(self, topic: str, why: str) -> None:
        with self._lock:
            for stream in self._of.get(topic, ()):
                stream.refused(topic, why)

    def _state(self, why: str) -> None:
        if why:
            self.health.hold(self._part, why)
        else:
            self.health.release(self._part)

    # --- the keeper's thread

    def keep(self, loop: Loop) -> None:
        """Until the process stops; then what has gathered is kept as well."""
        due = self.clock.monotonic() + self.batch_seconds
        while loop.running:
            left = due - self.clock.monotonic()
            if not self._full.wait(max(0.0, min(left, STEP_SECONDS))) and left > STEP_SECONDS:
                continue
            self._full.clear()
            due = self.clock.monotonic() + self.batch_seconds
            if loop.running:
                self.keep_now()
        with self._keeping:  # the lease may be given up already, but what was ours until now nobody else has
            if self._begun:
                self._keep_each()
            self._begun = False

    def keep_now(self) -> None:
        """A batch of each stream, unless another process streams now."""
        with self._keeping:
            if not self._begun:
                return
            if not self.may_poll():
                self._begun, self._given_up = False, True
                return
            self._keep_each()

    def _keep_each(self) -> None:
        now_ms = self.clock.now_ms()
        slot_ms = now_ms - now_ms % 1000
        for stream, keeper in zip(self.streams, self._keepers, strict=True):
            if keeper.held is not None and not keeper.keep(keeper.held, slot_ms=slot_ms):
                continue
            try:
                with self._lock:
                    batch = stream.collect(now_ms=self.mender.now_ms())
            except CryptoProxyError as error:
                self._often.warning("collect", f"{stream.feed.name}: {error}")
                continue
            keeper.keep(batch, slot_ms=slot_ms)
