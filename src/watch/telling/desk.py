"""One channel: what waits for it, and how far it was told.

How far is two places in the topic of alerts, noted in the ledger: before **done** all was told; **trying**, noted
before a message is sent, is how far that one goes. Whoever finds a **trying** sends that message once more and says so
in it; so a kill costs one marked repeat at most, and nothing is left out. All that waits goes in one message: a crash
of the market, or what has come together while the channel was away.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from kafka import TopicPartition

from cryptoproxy.common.metrics import WatchMetrics
from cryptoproxy.common.retry import Backoff
from cryptoproxy.common.service import Health
from cryptoproxy.datasets import Alert, from_iso
from cryptoproxy.errors import CryptoProxyError, TransientError
from cryptoproxy.watch.rulebook.rules import Channel, Rules
from cryptoproxy.watch.sharing.places import Places
from cryptoproxy.watch.telling.channels import SHOW_PICTURES, Outcome
from cryptoproxy.watch.telling.links import NOWHERE, Links
from cryptoproxy.watch.telling.messages import Message
from cryptoproxy.watch.telling.silences import silenced

log = logging.getLogger(__name__)

GATHER_SECONDS = 1.0
"""What comes within so long goes in one message."""
MOST = 500
"""Alerts in one message."""
GONE_SECONDS = 60.0
"""Between two tries of a channel that only a person can mend."""
LATE_MS = 300_000
_NOTE_SECONDS = 30.0


class Waiting(NamedTuple):
    """An alert, and where it is on its topic."""

    partition: TopicPartition
    offset: int
    alert: Alert


class Desk:
    """A thread of its own, so that one channel that is away holds up no other.

    Args:
        note: writes ``done`` and ``trying`` of this channel; raises CryptoProxyError, also where another process tells
            by now.
        send: one try; the last argument says whether as plain as it gets.
        picture: of an alert, for channels that show one.
    """

    def __init__(
        self,
        channel: Channel,
        *,
        done: Places,
        trying: Places | None,
        note: Callable[[str, Places, Places | None], None],
        send: Callable[[Channel, Message, bool], Outcome],
        silences: Callable[[], dict[str, int]],
        rules: Callable[[], Rules],
        now_ms: Callable[[], int],
        health: Health,
        metrics: WatchMetrics,
        links: Links = NOWHERE,
        picture: Callable[[Alert], bytes | None] = lambda _: None,
    ) -> None:
        self.channel = channel
        self.done = dict(done)
        self.error: CryptoProxyError | None = None
        self._trying = trying
        self._note = note
        self._send = send
        self._silences = silences
        self._rules = rules
        self._now_ms = now_ms
        self._health = health
        self._metrics = metrics
        self._links = links
        self._picture = picture
        self._part = f"channel {channel.name}"
        self._queue: deque[Waiting] = deque()
        self._guard = threading.Lock()
        self._seen: Places = dict(done)
        self._came_at = self._noted_at = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=self._part, daemon=True)

    # --- for who reads
    def start(self) -> None:
        """Once; a further call does nothing."""
        if not self._thread.ident:
            self._thread.start()

    @property
    def waits(self) -> int:
        """How many alerts it has not gone through."""
        return len(self._queue)

    def put(self, each: Waiting) -> None:
        """One more; what it has already is passed over."""
        if each.offset < self._seen.get(each.partition, 0):
            return
        self._seen[each.partition] = each.offset + 1
        with self._guard:
            if not self._queue:
                self._came_at = time.monotonic()
            self._queue.append(each)
        self._metrics.waiting.labels(self.channel.name).set(len(self._queue))

    def reached(self, places: Places) -> None:
        """All before these was put."""
        for partition, offset in places.items():
            self._seen[partition] = max(self._seen.get(partition, 0), offset)

    def stop(self, seconds: float) -> None:
        """Asks for the end, and waits so long; a message that is under way is found as tried by who goes on."""
        self._stop.set()
        self._thread.join(seconds)
        self._health.release(self._part)

    # --- its thread
    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                batch = self._next()
                if not batch:
                    self._stop.wait(0.1)
                    continue
                self._tell(batch)
        except CryptoProxyError as error:
            self.error = error
        except Exception as error:  # noqa: BLE001 - a thread may not end in silence
            # Whoever reads goes on with a new desk, and says so; its text may hold the address.
            self.error = TransientError(f"{self._part} failed in a way that nobody foresaw ({type(error).__name__})")

    def _next(self) -> list[Waiting]:
        """What goes in the next message."""
        if self._trying is not None:
            if any(self._seen.get(partition, 0) < offset for partition, offset in self._trying.items()):
                return []  # not all of it is read yet
            batch = [each for each in self._waiting() if each.offset < self._trying.get(each.partition, 0)]
            if not batch:  # the topic has them no more
                self._finish(dict(self._trying))
            return batch
        if not self._queue or time.monotonic() - self._came_at < GATHER_SECONDS:
            return []
        return self._waiting()[:MOST]

    def _tell(self, batch: list[Waiting]) -> None:
        rules, silences = self._rules().rules, self._silences()
        name = self.channel.name
        ours = [each.alert for each in batch if each.alert.rule in rules and name in rules[each.alert.rule].tell]
        wanted = [alert for alert in ours if not silenced(alert, silences)]
        quiet = len(ours) - len(wanted)
        if quiet:
            self._metrics.not_told.labels(self.channel.name, "silenced").inc(quiet)
        upto = dict(self.done)
        for each in batch:
            upto[each.partition] = max(upto.get(each.partition, 0), each.offset + 1)
        repeat = self._trying is not None
        if wanted:
            if not repeat:
                self._note(self.channel.name, self.done, upto)
                self._trying = upto
            if not self._try(wanted, repeat=repeat):
                return
        self._take_away(upto)
        self._finish(upto, at_once=bool(wanted or quiet or repeat))

    def _waiting(self) -> list[Waiting]:
        with self._guard:
            return list(self._queue)

    def _take_away(self, upto: Places) -> None:
        with self._guard:
            self._queue = deque(each for each in self._queue if each.offset >= upto.get(each.partition, 0))

    def _finish(self, upto: Places, *, at_once: bool = True) -> None:
        self.done, self._trying = upto, None
        self._metrics.waiting.labels(self.channel.name).set(len(self._queue))
        if at_once or time.monotonic() - self._noted_at > _NOTE_SECONDS:
            self._note(self.channel.name, self.done, None)
            self._noted_at = time.monotonic()

    def _try(self, alerts: list[Alert], *, repeat: bool) -> bool:
        """Until it is taken, or will never be; False where it is not known by the end of this process."""
        backoff, plain, name = Backoff(), False, self.channel.name
        picture = self._picture(alerts[0]) if len(alerts) == 1 and self.channel.way in SHOW_PICTURES else None
        while not self._stop.is_set():
            late = self._now_ms() - min(from_iso(each.fetched_at) for each in alerts) > LATE_MS
            message = Message(
                alerts=alerts, rows=self.channel.digest, repeat=repeat, late=late, links=self._links, picture=picture
            )
            outcome = self._sent(message, plain=plain)
            self._metrics.tries.labels(name, outcome.kind).inc()
            if outcome.kind == "taken":
                self._metrics.told.labels(name).inc(len(alerts))
                self._health.release(self._part)
                return True
            if outcome.kind == "unfit" and plain:
                log.error("%s: %d alerts are not told: %s", self._part, len(alerts), outcome.words)
                self._metrics.not_told.labels(name, "unfit").inc(len(alerts))
                return True
            plain = plain or outcome.kind == "unfit"
            repeat = repeat or outcome.kind == "unknown"
            if outcome.kind == "gone":
                self._health.hold(
                    self._part,
                    f"{outcome.words}. Put a new address at {self.channel.place}; what it was to tell is kept, the "
                    "other channels go on",
                )
                wait = GONE_SECONDS
            elif outcome.kind == "unfit":
                wait = 0.0
            else:
                self._health.hold(self._part, f"{outcome.words}; it is tried again")
                wait = max(backoff.next(), outcome.wait or 0.0)
            self._stop.wait(wait)
        return False

    def _sent(self, message: Message, *, plain: bool) -> Outcome:
        """One try. What nobody foresaw holds up this channel alone; its text may hold the address, and is not told."""
        try:
            return self._send(self.channel, message, plain)
        except Exception as error:  # noqa: BLE001 - a thread may not end in silence
            return Outcome("gone", f"the try failed in a way that nobody foresaw ({type(error).__name__})")
