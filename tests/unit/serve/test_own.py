"""Our own words: what each question takes is described, and what it does not take is refused."""

from __future__ import annotations

import asyncio
import inspect
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pyarrow
import pytest

from cryptoproxy.datasets.times import Span
from cryptoproxy.queries import Answer, Queries
from cryptoproxy.queries.answer import Cell, Covers, Look
from cryptoproxy.serve.houses import own
from cryptoproxy.serve.houses.openapi import document
from cryptoproxy.serve.houses.own import QUESTIONS, _read
from cryptoproxy.serve.reply import Reply
from cryptoproxy.serve.request import Request, read
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
        engine = {"engine"} if question.of_lake else set()
        assert {each["name"] for each in parameters} == {*question.takes, "limit", "page", "format"} | engine
        for each in parameters:
            if each["name"] in question.takes:
                question.takes[each["name"]](str(each["example"]))


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"colour": "red"}, "no parameter colour"),
        ({"symbols": ""}, "symbols is empty"),
        ({"top": "many"}, "no whole number"),
        ({"limit": "0"}, "between 1 and 10000"),
        ({"limit": "10001"}, "between 1 and 10000"),
        ({"format": "xml"}, "none of json, csv"),
        ({"engine": "postgres"}, "none of es, auto, lake"),
        ({"page": "0"}, "page must be between 1 and 10"),
        ({"page": "11"}, "of limit=10000 rows at most"),
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
        cast("Any", lambda _: None), live=cast("Any", None), clock=StandingClock(), threads=ThreadPoolExecutor(1), openapi=dict
    )  # fmt: skip
    reply = asyncio.run(asked.answer(Request("v1/latest")))
    assert reply.told is not None
    assert NOW_MS - reply.told.asked_ms == (old_ms or 0)


def answered(monkeypatch: pytest.MonkeyPatch, engines: Any = None, **asked: Any) -> Reply:
    cells = (Cell("price", "Price", Look.NUMBER, lambda row: row),)
    covers = Covers(Span(NOW_MS - 1000, NOW_MS))
    answer: Answer[Any] = Answer("latest", "t", "w", columns=cells, rows=iter((1.5, 2.5)), covers=covers)
    question = own.Question("", lambda *_, **__: answer, {}, of_lake=True)
    monkeypatch.setattr(own, "QUESTIONS", {"latest": question})
    with ThreadPoolExecutor(1) as threads:
        asks = own.Own(
            engines or (lambda _: cast(Any, None)),
            live=cast(Any, None),
            clock=StandingClock(),
            threads=threads,
            openapi=dict,
        )
        return asyncio.run(asks.answer(Request("v1/latest", **asked)))


def test_a_large_answer_comes_in_pages(monkeypatch: pytest.MonkeyPatch):
    params = {"limit": "1", "format": "csv"}
    refused = answered(monkeypatch, params=params)
    assert (refused.status, b"page=1" in refused.body) == (400, True)
    first, last, beyond = (answered(monkeypatch, params={**params, "page": each}) for each in ("1", "2", "3"))
    assert [each.body.split() for each in (first, last, beyond)] == [[b"price", b"1.5"], [b"price", b"2.5"], []]
    assert dict(first.more)[b"link"] == b'<?limit=1&format=csv&page=2>; rel="next"'
    assert b"link" not in dict(last.more)


@pytest.mark.parametrize("asked", [{"params": {"format": "arrow"}}, {"arrow": True}])
def test_an_answer_may_be_a_table_of_arrow(monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any]):
    reply = answered(monkeypatch, **asked)
    assert reply.content_type == b"application/vnd.apache.arrow.stream"
    assert pyarrow.ipc.open_stream(reply.body).read_all().to_pydict() == {"price": [1.5, 2.5]}


def test_the_lake_is_asked_where_that_is_said(monkeypatch: pytest.MonkeyPatch):
    asked: list[str] = []
    for engine in ({}, {"engine": "es"}, {"engine": "auto"}, {"engine": "lake"}):
        assert answered(monkeypatch, asked.append, params=engine).status == 200
    assert asked == ["es", "es", "auto", "lake"]
    monkeypatch.setattr(own, "find_spec", lambda _: None)
    refused = answered(monkeypatch, asked.append, params={"engine": "lake"})
    assert (refused.status, b"duckdb" in refused.body) == (400, True)


def test_arrow_is_refused_where_it_cannot_be_written(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(own, "find_spec", lambda _: None)
    assert answered(monkeypatch, arrow=True).status == 406
    assert answered(monkeypatch).status == 200


def test_arrow_is_chosen_by_what_a_client_accepts():
    assert read(b"/v1/latest", b"", {b"accept": b"application/vnd.apache.arrow.stream, */*"}).arrow
    assert not read(b"/v1/latest", b"", {b"accept": b"*/*"}).at("latest").arrow
