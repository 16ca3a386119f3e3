"""The queue of those that wait."""

from __future__ import annotations

from cryptoproxy.producer.budget.turns import GRACE_SECONDS, LONGEST_RESERVE_SECONDS, Turns


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
