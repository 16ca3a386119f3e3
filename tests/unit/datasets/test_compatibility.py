"""Optional fields may be added to the record, and nothing else may happen to it within a schema version."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cryptoproxy.datasets import TICKER
from cryptoproxy.datasets.documents.schema import breaches, json_schema, meaning

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "schemas"
PUBLISHED = sorted(FOLDER.glob("ticker-v1.*.json"), key=lambda path: int(path.stem.rpartition(".")[2]))

Change = Callable[[dict[str, Any]], object]


def load(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.name)
def test_the_record_keeps_what_every_published_schema_promised(path: Path) -> None:
    assert breaches(load(path), json_schema(TICKER)) == []


def test_there_is_a_published_schema_of_the_record_as_it_is() -> None:
    assert [path.name for path in PUBLISHED] == [f"ticker-v1.{number}.json" for number in range(len(PUBLISHED))]
    newest = meaning(load(PUBLISHED[-1]))
    assert newest == meaning(json_schema(TICKER)), (
        f"copy docs/schemas/ticker.schema.json to ticker-v1.{len(PUBLISHED)}.json"
    )


def test_published_schemas_follow_from_each_other() -> None:
    for before, after in itertools.pairwise(PUBLISHED):
        assert breaches(load(before), load(after)) == []


def changed(change: Change) -> list[str]:
    old = load(PUBLISHED[0])
    new = copy.deepcopy(old)
    change(new)
    return breaches(old, new)


def put(name: str, schema: Any, *, required: bool = False) -> Change:
    def change(new: dict[str, Any]) -> None:
        new["properties"][name] = schema
        if required:
            new["required"].append(name)

    return change


NUMBER = {"anyOf": [{"type": "number"}, {"type": "null"}], "default": None}


@pytest.mark.parametrize(
    "change",
    [
        lambda new: None,
        put("liquidity", NUMBER),
        lambda new: new["properties"]["price"].update(description="Said better."),
        lambda new: new["properties"]["market_cap"]["anyOf"].reverse(),
        lambda new: new["required"].reverse(),
        lambda new: new.update(title="Another title"),
    ],
)
def test_what_is_allowed(change: Change) -> None:
    assert changed(change) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (put("liquidity", NUMBER, required=True), "liquidity is new and required"),
        (lambda new: new["properties"].pop("market_cap"), "market_cap is gone"),
        (lambda new: new["properties"].update(cap=new["properties"].pop("market_cap")), "market_cap is gone"),
        (put("market_cap", {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}), "market_cap was"),
        (put("market_cap", {"type": "number"}), "market_cap was"),
        (put("market_cap_rank", NUMBER), "market_cap_rank was"),  # a whole number has become any number
        (lambda new: new["properties"]["price"].update(exclusiveMinimum=1), "price was"),
        (lambda new: new["properties"]["price"].pop("exclusiveMinimum"), "price was"),
        (lambda new: new["properties"]["source"].update(pattern="^[a-z]+$"), "source was"),
        (lambda new: new["properties"]["symbol"].update(maxLength=5), "symbol was"),
        (lambda new: new["required"].append("market_cap"), "market_cap was optional and is required"),
        (lambda new: new["required"].remove("name"), "name was required and is optional"),
        (lambda new: new.update(additionalProperties=False), "additionalProperties was None and is False"),
    ],
)
def test_what_breaks_a_promise(change: Change, said: str) -> None:
    found = changed(change)
    assert len(found) >= 1
    assert any(line.startswith(said) for line in found), found
