"""The judge's rules for the index pass what is right, and find each thing that may be wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.faults.evidence import Found
from tests.faults.indexing.judging import IndexCase, judge_index


def letter(partition: int, offset: int, value: bytes | None = b"bad") -> Found:
    return Found(b"key", value, (("dlq-partition", b"%d" % partition), ("dlq-offset", b"%d" % offset)))


RIGHT = IndexCase(
    fed={"a": b'{"price":1.5}', "b": b'{"price":2}'},
    documents=[("a", {"price": 1.5}), ("b", {"price": 2})],
    poison={(0, 7): (b"key", b"bad"), (1, 7): (b"key", None)},
    letters=[letter(0, 7), letter(1, 7, None)],
    messages=4,
)


def test_what_is_right_passes() -> None:
    verdict = judge_index(RIGHT).require()
    assert (verdict.records, verdict.lost, verdict.doubled, verdict.again) == (4, 0, 0, 0)


def test_a_message_that_came_again_is_counted_and_allowed() -> None:
    assert judge_index(replace(RIGHT, messages=6)).require().again == 2


WRONG: dict[str, Callable[[], IndexCase]] = {
    "a document is missing": lambda: replace(RIGHT, documents=RIGHT.documents[1:]),
    "a document is foreign": lambda: replace(RIGHT, documents=[*RIGHT.documents, ("c", {})]),
    "a document is there twice": lambda: replace(RIGHT, documents=[*RIGHT.documents, RIGHT.documents[0]]),
    "a value is another": lambda: replace(RIGHT, documents=[("a", {"price": 1.6}), RIGHT.documents[1]]),
    "a field is missing": lambda: replace(RIGHT, documents=[("a", {}), RIGHT.documents[1]]),
    "a letter is missing": lambda: replace(RIGHT, letters=RIGHT.letters[1:]),
    "a good record is a letter": lambda: replace(RIGHT, letters=[*RIGHT.letters, letter(0, 8)]),
    "a letter is there twice": lambda: replace(RIGHT, letters=[*RIGHT.letters, letter(0, 7)]),
    "a letter has other bytes": lambda: replace(RIGHT, letters=[letter(0, 7, b"other"), RIGHT.letters[1]]),
    "something is not committed": lambda: replace(RIGHT, lag=1),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_found(wrong: str) -> None:
    assert judge_index(WRONG[wrong]()).faults


def test_a_letter_may_come_twice_where_an_indexer_was_killed() -> None:
    judge_index(replace(RIGHT, letters=[*RIGHT.letters, letter(0, 7)], letters_may_repeat=True)).require()
