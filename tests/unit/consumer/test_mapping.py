"""Whether an index's mapping is ours, and what the template says."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from common.record import Record
from common.settings import Settings
from consumer.template import expected_properties, template_body, wrong_mapping

SETTINGS = Settings.from_texts({"ES_NUMBER_OF_REPLICAS": "2", "ES_INDEX": "prices"}).elasticsearch


def mappings() -> dict[str, Any]:
    return copy.deepcopy({"dynamic": "false", "properties": dict(expected_properties())})


def test_our_own_mapping_is_right() -> None:
    assert wrong_mapping(mappings()) is None
    assert wrong_mapping(template_body(SETTINGS)["template"]["mappings"]) is None


def test_a_field_of_somebody_elses_is_no_fault_by_itself() -> None:
    found = mappings()
    found["properties"]["extra"] = {"type": "long"}
    assert wrong_mapping(found) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda found: found["properties"].pop("price"), "price is not mapped"),
        (lambda found: found["properties"].update(price={"type": "long"}), "price has type 'long' instead of 'double'"),
        (lambda found: found["properties"].update(name={"type": "text"}), "name has type 'text'"),
        (lambda found: found["properties"]["timestamp"].pop("format"), "timestamp has format None"),
        (lambda found: found["properties"]["symbol"].pop("fields"), "symbol has fields None"),
        (lambda found: found["properties"]["last_price"].update(path="low_24h"), "last_price has path 'low_24h'"),
        (lambda found: found.pop("dynamic"), "dynamic is True instead of false"),
        (lambda found: found.update(dynamic="strict"), "dynamic is strict instead of false"),
        (lambda found: found.clear(), "is not mapped"),
    ],
)
def test_the_first_difference_is_said(change: Any, words: str) -> None:
    found = mappings()
    change(found)
    assert words in (wrong_mapping(found) or "")


def test_every_field_of_a_record_is_mapped() -> None:
    aliases = {name for name, field in expected_properties().items() if field["type"] == "alias"}
    assert set(Record.__struct_fields__) == expected_properties().keys() - aliases


def test_settings_fill_the_template_in() -> None:
    body = template_body(SETTINGS)
    assert body["index_patterns"] == ["prices-*"]
    assert body["template"]["aliases"] == {"prices": {}}
    assert body["template"]["settings"]["index"]["number_of_replicas"] == 2
    assert body["_meta"]["period"] == "month"
