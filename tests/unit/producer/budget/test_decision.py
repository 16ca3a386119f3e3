"""Whether a call fits, and how long it must wait."""

from __future__ import annotations

from cryptoproxy.producer.budget.counts import Counts
from cryptoproxy.producer.budget.decision import SEND, Verdict, decide
from cryptoproxy.producer.budget.timeline import Moment
from cryptoproxy.upstreams.base import Limit, Limits

NOW_MS = 1_795_262_400_000
MINUTE = Limit(window="minute", amount=6000, setting="WEIGHT", slow_above=0.9)
MONTH = Limit(window="month", amount=100, setting="MONTH")


def verdict(*limits: Limit, used: int = 0, month: int = 0, need: int = 80, idle_ms: int | None = None) -> Verdict:
    counts = Counts(windows={"minute": ((NOW_MS, used),)}, months={"2026-11": month})
    of = Limits(upstream="upstream", unit="weight", interval_setting="INTERVAL", limits=limits)
    return decide(counts, of, Moment(NOW_MS, ("2026-11",), NOW_MS + 777), need=need, idle_ms=idle_ms)


def test_without_limits_all_is_sent() -> None:
    assert verdict(used=10**9, month=10**9) == SEND


def test_up_to_90_percent_nothing_is_slowed_down() -> None:
    assert verdict(MINUTE, used=5320, idle_ms=0) == SEND


def test_above_90_percent_the_rest_is_spread_over_a_minute() -> None:
    assert verdict(MINUTE, used=5400, idle_ms=0).wait_ms == 60_000 * 80 // 600
    assert verdict(MINUTE, used=5400, idle_ms=5_000).wait_ms == 3_000
    assert verdict(MINUTE, used=5400, idle_ms=8_000) == SEND
    assert verdict(MINUTE, used=5800, idle_ms=0).wait_ms == 60_000 * 80 // 200, "the less is left, the slower"


def test_it_goes_on_as_soon_as_enough_has_left_the_window() -> None:
    counts = Counts(windows={"minute": ((NOW_MS - 61_000, 100), (NOW_MS, 5320))})
    of = Limits(upstream="upstream", unit="weight", interval_setting="INTERVAL", limits=(MINUTE,))
    assert decide(counts, of, Moment(NOW_MS, (), NOW_MS), need=80, idle_ms=0).wait_ms == 1000


def test_the_first_call_of_a_run_is_not_slowed_down() -> None:
    assert verdict(MINUTE, used=5800) == SEND


def test_at_the_limit_it_waits_until_enough_has_left_the_window() -> None:
    assert verdict(MINUTE, used=5960).wait_ms == 62_000


def test_a_full_month_waits_for_the_next() -> None:
    assert verdict(MONTH, month=99, need=1) == SEND
    assert verdict(MONTH, month=100, need=1) == Verdict(777, MONTH)


def test_where_two_months_are_in_doubt_both_must_have_room() -> None:
    of = Limits(upstream="upstream", unit="calls", interval_setting="INTERVAL", limits=(MONTH,))
    for months in (("2026-11", "2026-12"), ("2026-12", "2026-11")):
        moment = Moment(NOW_MS, months, NOW_MS + 5)
        assert decide(Counts(months={"2026-11": 100}), of, moment, need=1, idle_ms=0).wait_ms == 5


def test_the_longest_wait_of_all_limits_is_told_with_its_limit() -> None:
    assert verdict(MINUTE, MONTH, used=5960, month=100).limit == MINUTE
