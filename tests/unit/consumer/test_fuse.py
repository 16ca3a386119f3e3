"""One bad record is set aside; a flood of them stops the line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cryptoproxy.consumer.fuse import Fuse


def test_99_in_a_row_pass_and_100_do_not() -> None:
    assert not Fuse().judge([True] * 99)
    assert Fuse().judge([True] * 100)


def test_100_of_the_last_110_blow_it() -> None:
    assert Fuse().judge([True] * 50 + [False] * 10 + [True] * 50)
    assert not Fuse().judge([True] * 50 + [False] * 11 + [True] * 50)


def test_it_counts_across_batches() -> None:
    fuse = Fuse()
    assert not fuse.judge([True] * 60)
    fuse.remember()
    assert fuse.judge([True] * 40)


def test_a_batch_that_was_not_finished_does_not_count() -> None:
    """Its partitions went to another member, or came back: the records are judged when they are read again."""
    fuse = Fuse()
    for _ in range(5):
        assert not fuse.judge([True] * 60)
    fuse.remember()
    assert not fuse.judge([True] * 39)


def test_a_blown_batch_is_judged_again_as_if_for_the_first_time() -> None:
    fuse = Fuse()
    assert fuse.judge([True] * 200)
    assert fuse.judge([True] * 200)
    assert not fuse.judge([])


def test_good_batches_count_as_good() -> None:
    fuse = Fuse()
    fuse.judge([True] * 90)
    fuse.remember()
    fuse.judge_good(1000)
    fuse.remember()
    assert not fuse.judge([True] * 99)


@given(st.lists(st.lists(st.booleans(), max_size=150), max_size=6))
def test_it_blows_exactly_when_100_of_some_110_in_a_row_are_bad(batches: list[list[bool]]) -> None:
    fuse = Fuse()
    before: list[bool] = []
    for batch in batches:
        blows = fuse.judge(batch)
        everything = [False] * 110 + before + batch
        first = len(everything) - len(batch)
        assert blows == any(sum(everything[end - 110 : end]) >= 100 for end in range(first + 1, len(everything) + 1))
        if blows:
            return
        fuse.remember()
        before += batch
