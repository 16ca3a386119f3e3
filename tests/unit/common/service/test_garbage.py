"""What is there stays unvisited; what comes after is still collected."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from common.service import garbage


class Knot:
    """Garbage in a cycle."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def test_no_pass_visits_what_was_there() -> None:
    garbage.settle()
    assert gc.get_freeze_count() > 10_000
    assert len(gc.get_objects()) < 2_000


def test_what_comes_after_is_collected_by_itself() -> None:
    garbage.settle()
    knot = weakref.ref(Knot())
    kept = [[] for _ in range(2 * garbage.OBJECTS)]
    assert knot() is None
    assert len(kept) == 2 * garbage.OBJECTS


def test_what_went_before_is_not_kept() -> None:
    knot = weakref.ref(Knot())
    garbage.settle()
    assert knot() is None
