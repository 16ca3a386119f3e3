"""The topic's AsyncAPI document is valid, and says what the code does."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from jsonschema import Draft7Validator

from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import DATASETS, TICKER, Ticker, encode, key
from cryptoproxy.datasets.documents.asyncapi import document
from cryptoproxy.datasets.documents.schema import json_schema
from tests.unit.datasets.records import records

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def asyncapi() -> Draft7Validator:
    schema = json.loads((ROOT / "tests/fixtures/asyncapi/3.0.0.schema.json").read_text(encoding="utf-8"))
    return Draft7Validator(schema)


def published() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docs/asyncapi.yaml").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def test_it_is_an_asyncapi_document(asyncapi: Draft7Validator) -> None:
    asyncapi.validate(published())
    assert published() == document(DATASETS)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("asyncapi",), "4.0.0"),
        (("info", "title"), None),
        (("operations", "publishTicker", "action"), "publish"),
        (("channels", "ticker", "messages", "ticker"), 7),
        (("servers", "local", "protocol"), ...),
        (("components", "schemas", "ticker", "type"), "price"),
        (("nonsense",), {}),
    ],
)
def test_the_check_would_notice(asyncapi: Draft7Validator, path: tuple[str, ...], value: Any) -> None:
    broken = copy.deepcopy(document(DATASETS))
    place = broken
    for part in path[:-1]:
        place = place[part]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    assert not asyncapi.is_valid(broken)


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [each for name, child in value.items() for each in ([child] if name == "$ref" else references(child))]
    return [each for child in value for each in references(child)] if isinstance(value, list) else []


def test_every_reference_leads_somewhere() -> None:
    whole = document(DATASETS)
    assert references(whole)
    for reference in references(whole):
        place: Any = whole
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]
        assert place


def test_its_payload_is_the_record_and_its_topics_are_ours() -> None:
    whole = document(DATASETS)
    payload = whole["components"]["schemas"]["ticker"]
    schema = json_schema(TICKER)
    assert payload == {name: schema[name] for name in payload}
    assert set(payload["properties"]) == set(Ticker.__struct_fields__)
    kafka = Settings.from_texts({}).kafka
    addresses = {channel["address"] for channel in whole["channels"].values()}
    assert {kafka.topic, kafka.dead_letter_topic} < addresses


@settings(deadline=None, max_examples=50)
@given(records)
def test_what_is_written_is_what_it_says(record: Ticker) -> None:
    whole = document(DATASETS)
    message = whole["components"]["messages"]["ticker"]
    Draft7Validator(whole["components"]["schemas"]["ticker"]).validate(json.loads(encode(record)))
    assert re.search(message["bindings"]["kafka"]["key"]["pattern"], key(record))


def test_its_example_is_a_record() -> None:
    (example,) = document(DATASETS)["components"]["messages"]["ticker"]["examples"]
    Draft7Validator(document(DATASETS)["components"]["schemas"]["ticker"]).validate(example["payload"])
    assert encode(Ticker(**example["payload"]))
