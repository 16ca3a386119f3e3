"""What is there stays unvisited; what comes after is still collected."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from collections.abc import Iterator

import pytest

from cryptoproxy.common.clients import elastic
from cryptoproxy.common.service.process import settle
from cryptoproxy.common.settings import Settings
from cryptoproxy.consumer.index.bulk import BulkSender
from cryptoproxy.errors import TransientError

MEGABYTE = 2**20
SETTINGS = Settings.from_texts({"ES_URL_ENDPOINT": "http://127.0.0.1:1"}).elasticsearch
"""Nobody listens there."""


class Knot:
    """Garbage in a cycle."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_no_pass_visits_what_was_there() -> None:
    settle()
    assert gc.get_freeze_count() > 10_000
    assert len(gc.get_objects()) < 2_000


def test_what_comes_after_is_collected_by_itself() -> None:
    settle()
    knot = weakref.ref(Knot())
    kept: list[list[int]] = []
    while knot() is not None and len(kept) < 10_000:
        kept.append([])
    assert knot() is None


def test_requests_that_fail_do_not_pile_up() -> None:
    """Each leaves its body in a cycle: error, traceback, frame."""
    sender = BulkSender(SETTINGS, lambda: elastic.client(SETTINGS))
    settle()
    tracemalloc.start()
    try:
        for _ in range(60):
            with pytest.raises(TransientError):
                sender.send([bytes(MEGABYTE)])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 30 * MEGABYTE


def test_what_went_before_is_not_kept() -> None:
    knot = weakref.ref(Knot())
    settle()
    assert knot() is None
