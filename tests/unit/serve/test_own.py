"""Our own words, of an answer that is held in memory."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from cryptoproxy.datasets.times import Span
from cryptoproxy.queries import Answer
from cryptoproxy.queries.answer import Covers
from cryptoproxy.serve import own
from cryptoproxy.serve.request import Request
from tests.unit.serve.conftest import NOW_MS, StandingClock


@pytest.mark.parametrize("old_ms", [3_600_000, None])
def test_an_answer_is_as_old_as_its_newest_record(monkeypatch: pytest.MonkeyPatch, old_ms: int | None):
    covers = Covers(Span(NOW_MS - 86_400_000, NOW_MS))
    covers.last_ms = None if old_ms is None else NOW_MS - old_ms
    answer: Answer[Any] = Answer("latest", "t", "w", columns=(), rows=iter(()), covers=covers)
    monkeypatch.setitem(cast("Any", own.QUESTIONS), "latest", own.Question("", lambda _: answer, {}))
    asked = own.Own(
        cast("Any", lambda: None), clock=StandingClock(), threads=ThreadPoolExecutor(1), openapi=dict
    )  # fmt: skip
    reply = asyncio.run(asked.answer(Request("v1/latest")))
    assert reply.told is not None
    assert NOW_MS - reply.told.asked_ms == (old_ms or 0)
