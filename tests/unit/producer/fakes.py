"""Stand-ins for what stands around the poller's stages: time that only tests turn, an upstream, a budget, Kafka."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kafka import errors as kafka_errors
from prometheus_client import CollectorRegistry

from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.common.service import Loop
from cryptoproxy.datasets import Feed, Ticker, iso
from cryptoproxy.errors import TransientError
from cryptoproxy.producer.outbox import Entry, Outbox
from cryptoproxy.upstreams.base import Call, Poll, Priority, Rejected, Response, SymbolList
from tests.unit.producer.budget.hand_clock import HandClock

NOON_MS = 1_795_262_400_000


class Metrics(PollerMetrics):
    """With its registry at hand."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        super().__init__(self.registry)

    def value(self, name: str, **labels: str) -> float:
        """0 where it was never set. Names as in `PollerMetrics`, with ``_total`` for counters."""
        return self.registry.get_sample_value(f"cryptoproxy_{name}", labels) or 0.0


class HandLoop(Loop):
    """Its waits turn the clock; it ends at ``end`` (monotonic seconds of that clock), or when told."""

    def __init__(
        self, clock: HandClock, *, end: float = float("inf"), before: Callable[[], None] | None = None
    ) -> None:
        self.clock = clock
        self.end = end
        self.stopped = False
        self.waits: list[float] = []
        self._before = before or (lambda: None)

    @property
    def running(self) -> bool:
        self._before()
        return not self.stopped and self.clock.monotonic() < self.end

    def turn(self) -> None: ...

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.clock.turn(max(seconds, 0.001))
        return not self.running


@dataclass
class FakeBudget:
    """Grants at once; or after the waits in ``waits``, one for each time it is asked."""

    waits: list[float] = field(default_factory=list)
    taken: int = 0
    bans: list[tuple[float, str]] = field(default_factory=list)
    reports: list[int] = field(default_factory=list)
    left_for_retries: int = 1_000_000
    least: float = 0.0
    answers: int = 0
    priorities: list[Priority] = field(default_factory=list)
    """Of what was granted."""

    def take(self, cost: int, *, priority: Priority) -> float:
        if self.waits and (seconds := self.waits.pop(0)) > 0:
            return seconds
        self.taken += cost
        self.priorities.append(priority)
        return 0.0

    def reported(self, used: int) -> None:
        self.reports.append(used)

    def ban(self, seconds: float, why: str, *, least: float = 0.0) -> None:
        self.bans.append((seconds, why))
        self.least = least
        self.waits.insert(0, seconds)

    def answered(self) -> None:
        self.answers += 1

    def ban_ends_in(self) -> float:
        return self.bans[-1][0] if self.bans else 0.0

    def ban_reason(self) -> str:
        return self.bans[-1][1] if self.bans else ""

    def spare(self) -> int:
        return self.left_for_retries


def keep_poll(outbox: Outbox, slot_ms: int, source: str, content: bytes, **more: Any) -> Entry:
    """A poll of tickers, as its feed keeps it."""
    return outbox.keep(Feed(source), content, begin_ms=slot_ms, slot_ms=slot_ms, **more)


def kept_entry(slot_ms: int, source: str = "coingecko", content: bytes = b"") -> Entry:
    """What it was kept as, had that been at its slot."""
    return Entry.of(Feed(source), content, kept_ms=slot_ms, begin_ms=slot_ms, slot_ms=slot_ms)


Step = bytes | Exception | Callable[[], Any]


class FakeUpstream:
    """Answers from a script, one step for each request: a body, an error, or a function that gives either."""

    def __init__(self, *steps: Step, clock: HandClock, seconds: float = 0.1) -> None:
        self.steps = list(steps)
        self.clock = clock
        self.seconds = seconds
        self.asked: list[tuple[str, float]] = []
        """Address and timeout of each request."""

    def get(self, call: Call, *, timeout: float) -> Response:
        self.asked.append((call.url, timeout))
        self.clock.turn(min(self.seconds, timeout))
        if self.seconds > timeout:
            raise TransientError(f"upstream did not answer within {timeout:.1f} s")
        step = self.steps.pop(0) if self.steps else b"[]"
        if callable(step):
            step = step()
        if isinstance(step, Exception):
            raise step
        return step if isinstance(step, Response) else Response(200, {}, step)


class FakeSource:
    """Pages of ``name:price`` separated by commas. ``refusals``: what `check` raises, by status."""

    feed = Feed("coingecko")
    upstream = "coingecko"

    def __init__(
        self, *, pages: int = 1, refusals: Mapping[int, Exception] | None = None, symbols: SymbolList | None = None
    ) -> None:
        self.pages = pages
        self.refusals = dict(refusals or {})
        self.symbol_list = symbols

    def calls(self, turn: int | None = None) -> Sequence[Call]:
        return [Call(f"page-{number}") for number in range(self.pages)]

    def check(self, answer: Response, *, now_ms: int) -> None:
        if answer.status in self.refusals:
            raise self.refusals[answer.status]

    def used(self, answer: Response) -> int | None:
        return int(answer.headers["used"]) if "used" in answer.headers else None

    def read(self, bodies: Sequence[bytes], *, slot_ms: int, fetched_at_ms: int) -> Poll:
        if any(body == b"garbage" for body in bodies):
            raise TransientError("not what it speaks")
        rows = [row.split(":") for body in bodies for row in body.decode().split(",") if ":" in row]
        return Poll(
            [record(asset, float(price), slot_ms, fetched_at_ms) for asset, price in rows if float(price) > 0],
            [Rejected("no_price", asset, price) for asset, price in rows if float(price) <= 0],
        )


def record(asset: str, price: float, slot_ms: int, fetched_at_ms: int) -> Ticker:
    return Ticker(
        source="coingecko",
        asset_id=asset,
        symbol=asset.upper(),
        name=asset,
        quote="USD",
        price=price,
        timestamp=iso(slot_ms),
        fetched_at=iso(fetched_at_ms),
        fetch_delay_ms=fetched_at_ms - slot_ms,
    )


class FakeFuture:
    """As kafka-python's: resolved by the test, or by a wait for it where ``on_wait`` does so."""

    def __init__(self, on_wait: Callable[[float], None]) -> None:
        self.is_done = False
        self.error: Exception | None = None
        self._on_wait = on_wait

    def acknowledge(self) -> None:
        self.is_done = True

    def fail(self, error: Exception) -> None:
        self.is_done, self.error = True, error

    def get(self, timeout: float | None = None) -> None:
        if not self.is_done:
            self._on_wait(timeout or 0.0)
        if not self.is_done:
            raise kafka_errors.KafkaTimeoutError(f"Timeout after waiting for {timeout} secs.")
        if self.error is not None:
            raise self.error


@dataclass
class Sent:
    topic: str
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]
    future: FakeFuture


class FakeProducer:
    """Scripted: ``react`` decides at once what becomes of each message; without, they stay unanswered."""

    def __init__(self, clock: HandClock, react: Callable[[Sent], None] | None = None) -> None:
        self.clock = clock
        self.react = react or (lambda sent: None)
        self.sent: list[Sent] = []
        self.closed = False

    def send(
        self, topic: str, *, value: bytes, headers: list[tuple[str, bytes]], key: bytes | None = None
    ) -> FakeFuture:
        future = FakeFuture(self.clock.turn)
        self.sent.append(Sent(topic, key, value, headers, future))
        self.react(self.sent[-1])
        return future

    def close(self, timeout: float) -> None:
        self.closed = True

    def values(self, topic: str) -> list[bytes]:
        return [sent.value for sent in self.sent if sent.topic == topic]


def acknowledge(sent: Sent) -> None:
    sent.future.acknowledge()
