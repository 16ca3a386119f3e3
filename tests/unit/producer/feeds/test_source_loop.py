"""The grid in action: no drift, nothing piles up, no slot twice, and no error ends the loop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.metrics import MISSED
from cryptoproxy.common.service import Health, Loop
from cryptoproxy.datasets import Feed, encode
from cryptoproxy.errors import OperatorError, PoisonError, TransientError
from cryptoproxy.producer.feeds.fetch import ClockError
from cryptoproxy.producer.feeds.lines import Lines
from cryptoproxy.producer.feeds.poll import CallAnswer, Polled, SlotMissedError, Wait
from cryptoproxy.producer.feeds.slots import PollGrid
from cryptoproxy.producer.feeds.source_loop import STANDBY_SECONDS, SourceLoop
from cryptoproxy.producer.outbox import Entry, OutboxFullError, Piece
from cryptoproxy.producer.statistics import Quota, Statistics
from cryptoproxy.upstreams.base import Call, Rejected
from tests.unit.producer.budget.hand_clock import HandClock
from tests.unit.producer.fakes import HandLoop, Metrics, kept_entry, record

SECOND = 1_000


class FakePoll:
    """``job`` is what a poll takes and may raise; without, 0.3 s and all is well."""

    def __init__(self, clock: Any, job: Callable[[int], None] | None = None) -> None:
        self.clock = clock
        self.job = job or (lambda slot_ms: clock.turn(0.3))
        self.slots: list[int] = []
        self.calls = 0
        self.rejected: list[Rejected] = []
        self.answers = [CallAnswer(Call("page-0"), b"x" * 1_000, 1)]

    def poll(self, slot_ms: int, end_ms: int, wait: Wait, *, turn: int, interval_ms: int) -> Polled:
        assert interval_ms == end_ms - slot_ms
        self.slots.append(slot_ms)
        self.calls += 1
        began = self.clock.monotonic()
        self.job(slot_ms)
        now_ms = self.clock.now_ms()
        records = [record("bitcoin", 1.0, slot_ms, now_ms)]
        arrived = self.clock.monotonic()
        parts = [Lines(slot_ms, encode(records[0]) + b"\n", 1)]
        return Polled(Feed("coingecko"), slot_ms, parts, self.rejected, arrived - began, arrived, self.answers)


class FakeOutbox:
    folder = Path("/outbox")

    def __init__(self, last: int | None = None) -> None:
        self.last = last
        self.slots: list[int] = []
        self.asked: list[int] = []
        self.failure: Exception | None = None

    def last_slot(self, source: str) -> int | None:
        return self.last

    def require_room(self, size: int = 0) -> None:
        self.asked.append(size)
        if isinstance(self.failure, OutboxFullError):
            raise self.failure

    def keep_all(self, pieces: Sequence[Piece], *, before_drains: Callable[[Entry], None]) -> None:
        if self.failure is not None:
            raise self.failure
        for piece in pieces:
            self.slots.append(piece.slot_ms)
            self.last = piece.slot_ms
            before_drains(kept_entry(piece.slot_ms, piece.feed.source, piece.content))


class Bench:
    """A loop over fakes; ``run`` lets so many seconds pass."""

    def __init__(
        self, *, interval_ms: int = SECOND, last: int | None = None, job: Callable[[int], None] | None = None
    ) -> None:
        self.clock = HandClock()
        self.start_ms = self.clock.now_ms()
        self.outbox = FakeOutbox(last)
        self.poll = FakePoll(self.clock, job)
        self.health, self.metrics = Health(), Metrics()
        self.statistics = Statistics("coingecko", every=1_000_000)
        self.active = True
        self.prepared = 0
        self.kept: list[tuple[int, float, int]] = []
        self.answered: list[CallAnswer] = []
        self.quotas: Mapping[str, Quota] = {}
        self.loop = SourceLoop(
            "coingecko",
            poll=self.poll,  # type: ignore[arg-type]
            grid=PollGrid(interval_ms, last),
            outbox=self.outbox,  # type: ignore[arg-type]
            may_poll=lambda: self.active,
            before_poll=self._prepare,
            kept=lambda entry, arrived, size: self.kept.append((entry.slot_ms, arrived, size)),
            answered=self.answered.extend,
            quotas=lambda: self.quotas,
            statistics=self.statistics,
            health=self.health,
            metrics=self.metrics,
            clock=self.clock,
        )

    def _prepare(self, wait: Wait) -> None:
        self.prepared += 1

    def run(self, seconds: float, before: Callable[[], None] | None = None) -> HandLoop:
        loop = HandLoop(self.clock, end=self.clock.monotonic() + seconds, before=before)
        self.loop.run(loop)
        return loop

    def missed(self, reason: str) -> int:
        return int(self.metrics.value("slots_missed_total", source="coingecko", reason=reason))

    def fail(self, error: Exception, *, times: int) -> None:
        """The next polls raise."""
        left = times

        def job(slot_ms: int) -> None:
            nonlocal left
            self.clock.turn(0.1)
            if left:
                left -= 1
                raise error

        self.poll.job = job


def test_a_thousand_slots_of_a_second_with_jobs_of_a_third_miss_none() -> None:
    bench = Bench()
    bench.run(1_000)
    assert bench.outbox.slots == [bench.start_ms + number * SECOND for number in range(1_000)]
    assert bench.statistics.missed == 0


def test_in_real_time_there_is_no_drift_either() -> None:
    bench, stop = Bench(), threading.Event()
    bench.poll.clock = bench.loop.clock = SystemClock()
    bench.poll.job = lambda slot_ms: time.sleep(0.03)
    bench.loop.grid = PollGrid(100, None)
    slots = bench.outbox.slots
    bench.loop.kept = lambda entry, arrived, size: stop.set() if len(slots) == 30 else None
    bench.loop.run(Loop("poll", stop))
    assert len(slots) == 30
    assert {slot % 100 for slot in slots} == {0}
    assert slots[-1] - slots[0] == 100 * (len(slots) - 1 + bench.statistics.missed)


def test_a_poll_longer_than_its_interval_skips_and_counts_slots_instead_of_piling_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()
    bench.poll.job = lambda slot_ms: bench.clock.turn(3.4 if slot_ms == bench.start_ms + 2 * SECOND else 0.3)
    bench.run(10)
    slots = [(slot - bench.start_ms) // SECOND for slot in bench.outbox.slots]
    assert slots == [0, 1, 2, 5, 6, 7, 8, 9]
    assert bench.missed("busy") == 2
    (line,) = [
        each.message for each in caplog.records if each.levelno >= logging.WARNING and "slots missed" in each.message
    ]
    assert "2 slots missed since 12:00:03 (2 s): the poll before took longer than its interval" in line


def test_the_slot_under_way_is_polled_after_a_poll_that_just_overran_its_own() -> None:
    bench = Bench()
    bench.poll.job = lambda slot_ms: bench.clock.turn(1.05 if slot_ms == bench.start_ms else 0.3)
    bench.run(4)
    assert bench.outbox.slots == [bench.start_ms + number * SECOND for number in range(4)]
    assert bench.statistics.missed == 0


FAILURES: list[tuple[Exception, str]] = [
    (SlotMissedError("failed", "503"), "failed"),
    (SlotMissedError("banned", "418"), "banned"),
    (SlotMissedError("budget", "none left"), "budget"),
    (SlotMissedError("late", "after its end"), "late"),
    (OperatorError("wrong key", remedy="Set it"), "operator"),
    (TransientError("odd"), "failed"),
    (PoisonError("contract", "odd"), "failed"),
    (OSError(28, "No space left on device"), "outbox"),
    (ClockError("this clock is 3600 s ahead", remedy="Set it"), "clock"),
    (ZeroDivisionError("a bug"), "error"),
    (KeyError("another"), "error"),
]


@pytest.mark.parametrize(("error", "reason"), FAILURES, ids=lambda each: getattr(each, "__name__", str(each))[:30])
def test_no_error_of_a_poll_ends_the_loop_and_each_is_counted_told_and_over_when_it_is_over(
    error: Exception, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench()
    bench.fail(error, times=3)
    reasons: list[dict[str, str]] = []
    bench.run(6, before=lambda: reasons.append(bench.health.reasons()))
    assert len(bench.outbox.slots) == 3
    assert bench.missed(reason) == bench.statistics.missed == 3
    assert any("no poll for 12:00:00" in each.get("source coingecko", "") for each in reasons)
    assert bench.health.reasons() == {}
    assert len([text for text in caplog.messages if text.startswith("not ready: source coingecko")]) == 1
    over = [text for text in caplog.messages if "polled again at 12:00:03; 3 slots missed since 12:00:00 (3 s)" in text]
    assert len(over) == 1


def test_an_outage_is_logged_once_however_long_it_is(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.fail(SlotMissedError("failed", "coingecko answered 503"), times=3_000)
    bench.run(3_005)
    lines = [each.message for each in caplog.records if each.levelno >= logging.WARNING and "coingecko" in each.message]
    assert len(lines) == 2, lines[:5]
    assert "3000 slots missed since 12:00:00 (3000 s): coingecko answered 503" in lines[1]


def test_an_outbox_that_refuses_misses_slots_and_says_what_to_do() -> None:
    bench = Bench()
    bench.outbox.failure = OSError(28, "No space left on device")
    bench.run(2)
    assert bench.missed("outbox") == 2
    assert "Free its disk" in bench.health.reasons()["source coingecko"]


def test_a_full_outbox_is_asked_for_the_room_of_the_last_poll_before_a_call_is_spent() -> None:
    bench = Bench()
    bench.run(2)
    size = bench.kept[0][2]
    assert bench.outbox.asked == [0, size]
    bench.outbox.failure = OutboxFullError("full, polling stops")
    asked = len(bench.poll.slots)
    bench.run(3)
    assert len(bench.poll.slots) == asked
    assert bench.missed("outbox_full") == 3
    bench.outbox.failure = None
    bench.run(1)
    assert bench.health.reasons() == {}


def test_a_step_back_polls_no_slot_twice_counts_what_passes_and_says_so() -> None:
    bench = Bench()
    bench.run(5)
    bench.clock.step(-3600)
    bench.run(4)
    assert len(bench.outbox.slots) == len(set(bench.outbox.slots)) == 5
    assert bench.missed("clock") == 4
    assert "behind the last slot that was polled, 12:00:04" in bench.health.reasons()["source coingecko"]
    bench.clock.step(3600)
    bench.run(2)
    assert bench.outbox.slots[-2:] == [bench.start_ms + 9 * SECOND, bench.start_ms + 10 * SECOND]
    assert bench.statistics.missed == 4
    assert bench.health.reasons() == {}


def test_the_last_slot_on_disk_holds_after_a_restart_too() -> None:
    last = HandClock().now_ms() + 10 * SECOND
    bench = Bench(last=last)
    bench.run(13)
    assert [slot - last for slot in bench.outbox.slots] == [SECOND, 2 * SECOND]


def test_a_step_ahead_is_not_believed_before_the_upstream_has_confirmed_it() -> None:
    bench = Bench()
    bench.run(2)

    def job(slot_ms: int) -> None:
        bench.clock.turn(0.1)
        if slot_ms > bench.start_ms + 1_800 * SECOND:
            raise ClockError("this clock is 3600 s ahead of the upstream's", remedy="Set the clock")

    bench.poll.job = job
    bench.clock.step(3600)
    bench.run(3)
    assert bench.statistics.missed == bench.missed("clock") == 3
    bench.clock.step(-3600)
    bench.run(2)
    assert [slot - bench.start_ms for slot in bench.outbox.slots] == [0, SECOND, 5 * SECOND, 6 * SECOND]
    assert bench.statistics.missed == 3


def test_a_standby_polls_nothing_and_looks_often() -> None:
    bench = Bench(interval_ms=60 * SECOND)
    bench.active = False
    loop = bench.run(10)
    assert bench.poll.slots == []
    assert bench.prepared == 0
    assert max(loop.waits) <= STANDBY_SECONDS


def test_who_takes_over_prepares_first_and_counts_what_nobody_polled(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.active = False
    bench.run(1)
    bench.outbox.last = bench.start_ms - 4 * SECOND  # told by the poller before this one
    bench.active = True
    bench.run(2)
    assert bench.prepared == len(bench.poll.slots) > 0
    assert bench.outbox.slots[0] == bench.start_ms + SECOND
    assert bench.missed("no_poller") == 4
    assert "4 slots missed since 11:59:57 (4 s): no poller was active" in caplog.text


def test_a_slot_that_the_poller_before_kept_is_not_polled_again_at_a_takeover() -> None:
    bench = Bench(interval_ms=60 * SECOND)
    bench.active = False
    bench.run(1)
    bench.outbox.last = bench.start_ms
    bench.active = True
    bench.run(58)
    assert bench.outbox.slots == []
    bench.run(2)
    assert bench.outbox.slots == [bench.start_ms + 60 * SECOND]


def test_a_lease_that_is_lost_during_the_preparations_polls_nothing() -> None:
    bench = Bench()

    def lose(wait: Wait) -> None:
        bench.active = False

    bench.loop.before_poll = lose
    bench.run(2)
    assert bench.poll.slots == []


def test_a_lease_that_is_lost_is_asked_for_before_each_poll() -> None:
    bench = Bench()
    bench.run(3)
    bench.active = False
    bench.run(3)
    assert len(bench.poll.slots) == 3
    bench.active = True
    bench.run(3)
    assert bench.missed("no_poller") == 3


def test_an_outage_is_no_longer_this_pollers_when_another_one_has_the_lease() -> None:
    bench = Bench()
    bench.fail(SlotMissedError("failed", "503"), times=1000)
    bench.run(3)
    assert "source coingecko" in bench.health.reasons()
    bench.active = False
    bench.run(2)
    assert bench.health.reasons() == {}


def test_a_stop_in_the_middle_of_a_poll_is_no_missed_slot() -> None:
    bench = Bench()
    bench.fail(SlotMissedError("stopped", "the process stops"), times=1)
    bench.run(0.5)
    assert bench.statistics.missed == 0
    assert bench.health.reasons() == {}


def test_a_kept_poll_is_counted_and_told_as_people_read_it(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(interval_ms=60 * SECOND)
    bench.poll.rejected = [Rejected("no_price", "dead", "price 0"), Rejected("no_price", "gone", "price missing")]
    with caplog.at_level(logging.INFO):
        bench.run(61)
    fetched = [text for text in caplog.messages if "fetched" in text or "next poll" in text]
    assert fetched == [
        "1 coins fetched from coingecko for 12:00:00 in 0.30 s",
        "next poll at 12:01:00",
        "1 coins fetched from coingecko for 12:01:00 in 0.30 s",
        "next poll at 12:02:00",
    ]
    assert caplog.text.count("dead is no record (no_price): price 0") == 1, "said once per asset"
    assert bench.metrics.value("polls_total", source="coingecko") == 2
    assert bench.metrics.value("records_polled_total", source="coingecko") == 2
    assert bench.metrics.value("rows_rejected_total", source="coingecko", reason="no_price") == 4
    assert bench.metrics.value("last_successful_poll_timestamp_seconds", source="coingecko") == (
        bench.start_ms / 1000 + 60
    )


def test_statistics_that_were_just_said_are_not_said_again_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.statistics._every = 10
    with caplog.at_level(logging.INFO):
        bench.run(20)
    assert len([text for text in caplog.messages if "so far" in text]) == 2


def test_a_fast_source_says_its_statistics_instead_of_a_line_per_poll(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.statistics._every = 10
    bench.quotas = {"minute": Quota(3, 27)}
    with caplog.at_level(logging.INFO):
        bench.run(25)
    assert caplog.text.count("fetched from") == 1, "the first, that people wait for"
    lines = [text for text in caplog.messages if "so far" in text]
    assert [line.split(": ")[1].split(",")[0] for line in lines] == ["10 polls", "20 polls", "25 polls"]
    assert "25 calls, budget: 3 used and 27 left per minute" in lines[-1]


@pytest.mark.parametrize(("last", "shown"), [(None, 0), (1_763_632_800_000, 1_763_632_800)])
def test_what_alarms_look_at_is_there_before_the_first_poll_with_what_was_on_disk(
    last: int | None, shown: float
) -> None:
    registry = Bench(last=last).metrics.registry
    samples = {
        (each.name, each.labels.get("reason")): each.value
        for family in registry.collect()
        for each in family.samples
        if each.labels.get("source") == "coingecko"
    }
    assert samples["cryptoproxy_last_successful_poll_timestamp_seconds", None] == shown
    assert samples["cryptoproxy_polls_total", None] == 0
    assert samples["cryptoproxy_records_published_total", None] == 0
    assert [samples["cryptoproxy_slots_missed_total", each] for each in MISSED] == [0] * len(MISSED)


def test_one_that_takes_over_shows_what_the_one_before_has_polled() -> None:
    def down(slot_ms: int) -> None:
        raise TransientError("503")

    bench = Bench()
    bench.active = False
    bench.run(1)
    bench.outbox.last = bench.start_ms
    bench.poll.job = down
    bench.active = True
    bench.run(2)
    assert bench.metrics.value("last_successful_poll_timestamp_seconds", source="coingecko") == bench.start_ms / 1000
