"""The recorded answers of the unit tests are still what a real Elasticsearch answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cryptoproxy.common.clients import elastic
from tests.integration.consumer.answers import GOOD, PROVOCATIONS, Answer, Place
from tests.integration.consumer.conftest import Bench

FOLDER = Path(__file__).parents[2] / "fixtures" / "elasticsearch"


def essence(answer: Answer) -> Any:
    """Status and types, without the words."""
    if not isinstance(answer.body, dict):
        return answer.status, None
    items = [next(iter(item.values())) for item in answer.body.get("items", [])]
    whole = answer.body.get("error", {}).get("type")
    return answer.status, whole, [(item["status"], item.get("error", {}).get("type")) for item in items]


def test_they_are_given_again(bench: Bench) -> None:
    bench.es.indices.delete(index=bench.es.indices.get_alias(name=bench.alias).raw.popitem()[0])
    for name, provocation in PROVOCATIONS.items():
        if provocation.node:
            continue
        place = Place(bench.es, bench.alias)
        try:
            bench.es.indices.create(index=place.index)
            answer = provocation.provoke(place)
            provocation.mend(place)
        finally:
            for index in bench.es.indices.get(index=f"{bench.alias},{bench.alias}-*", ignore_unavailable=True):
                bench.es.indices.delete(index=index)
        known = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        assert essence(answer) == essence(Answer(known["status"], known["body"])), name


def test_the_ordinary_answer_is_told_by_one_comparison(bench: Bench) -> None:
    place = Place(bench.es, bench.alias)
    for lines in (1, 3):
        answer = place.bulk(*[GOOD] * lines)
        assert [item is elastic.CREATED for item in answer.body["items"]] == [True] * lines


def test_every_provocation_has_its_recorded_answer() -> None:
    assert {file.stem for file in FOLDER.glob("*.json")} == PROVOCATIONS.keys()
