"""Whether a call fits, how long it must wait, and who comes first."""

from __future__ import annotations

from cryptoproxy.producer.budget.counts import Counts
from cryptoproxy.producer.budget.granting import GRACE_SECONDS, LONGEST_RESERVE_SECONDS, Turns, decide
from cryptoproxy.producer.budget.ledger import Moment
from cryptoproxy.upstreams.base import Limit, Limits

NOW_MS = 1_795_262_400_000
MINUTE = Limit(window="minute", amount=6000, setting="WEIGHT", slow_above=0.9)
MONTH = Limit(window="month", amount=100, setting="MONTH")
SEND = (0, None)


def asked(
    *limits: Limit, used: int = 0, month: int = 0, need: int = 80, idle_ms: int | None = None
) -> tuple[int, Limit | None]:
    counts = Counts(windows={"minute": ((NOW_MS, used),)}, months={"2026-11": month})
    of = Limits(upstream="upstream", unit="weight", interval_setting="INTERVAL", limits=limits)
    return decide(counts, of, Moment(NOW_MS, ("2026-11",), NOW_MS + 777), need=need, idle_ms=idle_ms)


def test_without_limits_all_is_sent() -> None:
    assert asked(used=10**9, month=10**9) == SEND


def test_up_to_90_percent_nothing_is_slowed_down() -> None:
    assert asked(MINUTE, used=5320, idle_ms=0) == SEND


def test_above_90_percent_the_rest_is_spread_over_a_minute() -> None:
    assert asked(MINUTE, used=5400, idle_ms=0)[0] == 60_000 * 80 // 600
    assert asked(MINUTE, used=5400, idle_ms=5_000)[0] == 3_000
    assert asked(MINUTE, used=5400, idle_ms=8_000) == SEND
    assert asked(MINUTE, used=5800, idle_ms=0)[0] == 60_000 * 80 // 200, "the less is left, the slower"


def test_it_goes_on_as_soon_as_enough_has_left_the_window() -> None:
    counts = Counts(windows={"minute": ((NOW_MS - 61_000, 100), (NOW_MS, 5320))})
    of = Limits(upstream="upstream", unit="weight", interval_setting="INTERVAL", limits=(MINUTE,))
    assert decide(counts, of, Moment(NOW_MS, (), NOW_MS), need=80, idle_ms=0)[0] == 1000


def test_the_first_call_of_a_run_is_not_slowed_down() -> None:
    assert asked(MINUTE, used=5800) == SEND


def test_at_the_limit_it_waits_until_enough_has_left_the_window() -> None:
    assert asked(MINUTE, used=5960)[0] == 62_000


def test_a_full_month_waits_for_the_next() -> None:
    assert asked(MONTH, month=99, need=1) == SEND
    assert asked(MONTH, month=100, need=1) == (777, MONTH)


def test_where_two_months_are_in_doubt_both_must_have_room() -> None:
    of = Limits(upstream="upstream", unit="calls", interval_setting="INTERVAL", limits=(MONTH,))
    for months in (("2026-11", "2026-12"), ("2026-12", "2026-11")):
        moment = Moment(NOW_MS, months, NOW_MS + 5)
        assert decide(Counts(months={"2026-11": 100}), of, moment, need=1, idle_ms=0)[0] == 5


def test_the_longest_wait_of_all_limits_is_told_with_its_limit() -> None:
    assert asked(MINUTE, MONTH, used=5960, month=100)[1] == MINUTE


def test_the_first_who_waits_has_nobody_ahead_and_later_ones_have_it() -> None:
    turns = Turns()
    turns.wait("a", 80, 5, now=0)
    turns.wait("b", 2, 5, now=1)
    assert [turns.ahead_of(who, now=2) for who in ("a", "b", "newcomer")] == [0, 80, 82]


def test_who_asks_again_keeps_the_place() -> None:
    turns = Turns()
    turns.wait("a", 80, 5, now=0)
    turns.wait("b", 2, 5, now=0)
    turns.wait("a", 80, 5, now=4)
    assert turns.ahead_of("b", now=4) == 80


def test_who_has_what_it_asked_for_leaves() -> None:
    turns = Turns()
    turns.wait("a", 80, 5, now=0)
    turns.leave("a")
    turns.leave("never came")
    assert turns.ahead_of("b", now=0) == 0


def test_who_does_not_come_back_loses_the_place() -> None:
    turns = Turns()
    turns.wait("a", 80, 5, now=0)
    assert turns.ahead_of("b", now=5 + GRACE_SECONDS - 0.1) == 80
    assert turns.ahead_of("b", now=5 + GRACE_SECONDS) == 0


def test_a_wait_for_the_next_month_does_not_reserve_for_as_long() -> None:
    turns = Turns()
    turns.wait("a", 4, 10 * 86_400, now=0)
    assert turns.ahead_of("b", now=LONGEST_RESERVE_SECONDS + GRACE_SECONDS) == 0
