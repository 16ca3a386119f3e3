"""Our own words: what each question takes is described, and what it does not take is refused."""

from __future__ import annotations

import inspect

import pytest

from cryptoproxy.queries import Queries
from cryptoproxy.serve.openapi import document
from cryptoproxy.serve.own import QUESTIONS, _read


@pytest.mark.parametrize("name", QUESTIONS)
def test_each_parameter_is_one_of_the_question(name: str):
    question = QUESTIONS[name]
    takes = set(inspect.signature(question.ask).parameters)
    which = set(inspect.signature(Queries.asked).parameters)
    assert set(question.takes) <= takes | (which if "which" in takes else set())


def test_all_of_it_is_described():
    found = document("1.0")
    assert set(found["paths"]) == {f"/v1/{each}" for each in QUESTIONS}
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
