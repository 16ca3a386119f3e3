"""Usage to its topic, once a minute, and that of all doors from it into memory, for ``/v1/usage``.

What the topic does not take is sent again with the next minute; a process that is killed takes its last minute along.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clients.kafka_python.sender import Sender
from cryptoproxy.common.clock import Clock
from cryptoproxy.common.log import Limited
from cryptoproxy.common.service import Loop
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.datasets import USAGE, Usage, from_iso, key
from cryptoproxy.datasets.times import DAY_MS, MINUTE_MS
from cryptoproxy.errors import CryptoProxyError, PoisonError
from cryptoproxy.serve.teams.meter import Meter

log = logging.getLogger(__name__)

ACK_SECONDS = 5.0
"""Short: a stop waits for it."""
MOST_WAITING = 50_000
"""Records that wait for the topic; beyond them the oldest are lost."""
_BEHIND_MS = 100
"""Into the next minute: a clock that is set back by less than that tells no minute twice."""
HELD_MS = DAY_MS
"""How far back ``/v1/usage`` reaches."""
STEP_MS = 5 * MINUTE_MS
"""What is added up there: minutes of a day would be many."""
_MINUTES = (HELD_MS + 2 * STEP_MS) // MINUTE_MS
_ALL_MINUTES = (1 << _MINUTES) - 1


class Teller:
    """Sends what the meter has counted.

    Args:
        connect: makes a producer.
    """

    def __init__(self, kafka: Kafka, meter: Meter, clock: Clock, *, connect: Callable[[], Any] | None = None) -> None:
        self._kafka, self._meter, self._clock = kafka, meter, clock
        self._topic = kafka.topic_of(USAGE)
        self._sender = Sender(
            connect or partial(kafka_client.producer, kafka, client_id="cryptoproxy-door", delivery_timeout_ms=35_000),
            ack_seconds=ACK_SECONDS,
            end_seconds=None,
        )
        self._waiting: list[Usage] = []
        self._often = Limited(log, seconds=600)

    def run(self, loop: Loop) -> None:
        """Each minute, until the process stops, and then once more."""
        while loop.running:
            now_ms = self._clock.now_ms()
            if not loop.wait((MINUTE_MS - now_ms % MINUTE_MS + _BEHIND_MS) / 1000):
                self.tell(now_ms)
        self.tell(self._clock.now_ms())
        self._sender.discard()

    def tell(self, at_ms: int) -> None:
        """What was counted up to now, as of the minute of ``at_ms``, and what waits."""
        self._waiting += self._meter.since_last(at_ms, self._clock.now_ms())
        del self._waiting[: max(0, len(self._waiting) - MOST_WAITING)]
        if not self._waiting:
            return
        try:
            failures: list[Any] = list(self._sender.send_all([partial(self._send, each) for each in self._waiting]))
        except CryptoProxyError as error:
            failures = [error] * len(self._waiting)
        left = [each for each, failure in zip(self._waiting, failures, strict=True) if failure is not None]
        if left:
            why = next(each for each in failures if each is not None)
            self._often.warning("sent", f"{len(left)} records of usage wait for {self._topic}: {why}")
        self._waiting = left

    def _send(self, record: Usage, producer: Any) -> Any:
        return producer.send(
            self._topic, key=key(record).encode(), value=USAGE.codec.encode(record), headers=USAGE.headers
        )


class Told:
    """The usage of the last day, of all doors: rows by team and path, added up over steps of five minutes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._steps: dict[int, dict[tuple[str, str], list[int]]] = {}
        self._seen: dict[tuple[str, str, str], tuple[int, int]] = {}
        """By door, team and path: its last minute, and a bit for each minute up to it that has been told (the lowest is
        its own). What is sent again counts once."""

    def take(self, records: Iterable[Any]) -> int:
        """As a follower gives them; how many of them are none."""
        strange = 0
        for record in records:
            try:
                usage = USAGE.codec.decode(record.value)
            except PoisonError:
                strange += 1
                continue
            at_ms = from_iso(usage.timestamp)
            step = at_ms // STEP_MS * STEP_MS
            if not self._is_new((usage.door, usage.team, usage.path), at_ms // MINUTE_MS):
                continue
            counts = self._steps.setdefault(step, {}).setdefault((usage.team, usage.path), [0, 0, 0, 0])
            for number, count in enumerate((usage.requests, usage.refused, usage.made, usage.saved)):
                counts[number] += count
        self._forget()
        return strange

    def _is_new(self, whose: tuple[str, str, str], minute: int) -> bool:
        last, told = self._seen.get(whose, (minute, 0))
        if minute > last:
            last, told = minute, (told << min(minute - last, _MINUTES)) & _ALL_MINUTES
        bit = 1 << min(last - minute, _MINUTES)
        if told & bit:
            return False
        self._seen[whose] = last, told | bit
        return True

    def _forget(self) -> None:
        oldest = self._clock.now_ms() - HELD_MS - STEP_MS
        for step in [each for each in self._steps if each < oldest]:
            del self._steps[step]
            for whose in [each for each, (last, _) in self._seen.items() if last * MINUTE_MS < oldest]:
                del self._seen[whose]

    def rows(self, since_ms: int, team: str | None = None) -> list[dict[str, Any]]:
        """Sums since the begin of the step of ``since_ms``, who asked most first."""
        sums: dict[tuple[str, str], list[int]] = {}
        for step, by_place in list(self._steps.items()):
            if step + STEP_MS <= since_ms:
                continue
            for place, counts in list(by_place.items()):
                if team is None or place[0] == team:
                    total = sums.setdefault(place, [0, 0, 0, 0])
                    total[:] = [a + b for a, b in zip(total, counts, strict=True)]
        ordered = sorted(sums.items(), key=lambda each: (-each[1][0], each[0]))
        return [
            {"team": who, "path": path, "requests": n, "refused": refused, "made": made, "saved": saved}
            for (who, path), (n, refused, made, saved) in ordered
        ]
