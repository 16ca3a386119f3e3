"""Our own words: what each question takes is described, and what it does not take is refused."""

from __future__ import annotations

import asyncio
import inspect
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from cryptoproxy.datasets.times import Span
from cryptoproxy.queries import Answer, Queries
from cryptoproxy.queries.answer import Covers
from cryptoproxy.serve.houses import own
from cryptoproxy.serve.houses.openapi import document
from cryptoproxy.serve.houses.own import QUESTIONS, _read
from cryptoproxy.serve.request import Request
from tests.unit.serve.conftest import NOW_MS, StandingClock


@pytest.mark.parametrize("name", QUESTIONS)
def test_each_parameter_is_one_of_the_question(name: str):
    question = QUESTIONS[name]
    takes = set(inspect.signature(question.ask).parameters)
    which = set(inspect.signature(Queries.asked).parameters)
    assert set(question.takes) <= takes | (which if "which" in takes else set())


def test_all_of_it_is_described():
    found = document("1.0")
    assert set(found["paths"]) == {f"/v1/{each}" for each in (*QUESTIONS, "usage")}
    for name, question in QUESTIONS.items():
        parameters = found["paths"][f"/v1/{name}"]["get"]["parameters"]
        assert {each["name"] for each in parameters} == {*question.takes, "limit", "format"}
        for each in parameters:
            if each["name"] in question.takes:
                question.takes[each["name"]](str(each["example"]))


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"colour": "red"}, "no parameter colour"),
        ({"top": "many"}, "no whole number"),
        ({"limit": "0"}, "between 1 and 10000"),
        ({"limit": "10001"}, "between 1 and 10000"),
        ({"format": "xml"}, "none of json, csv"),
    ],
)
def test_a_wrong_word_is_named(params: dict[str, str], words: str):
    with pytest.raises(ValueError, match=words):
        _read(QUESTIONS["latest"], params)


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
