"""What holds for every dataset of the table."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from cryptoproxy.datasets import DATASETS, Dataset, key
from cryptoproxy.datasets.contracts.candle import end_of
from cryptoproxy.datasets.documents import mapping
from cryptoproxy.errors import PoisonError

EACH = pytest.mark.parametrize("dataset", DATASETS.values(), ids=list(DATASETS))


@EACH
def test_its_example_comes_back_from_its_bytes(dataset: Dataset[Any]) -> None:
    line = dataset.codec.encode(dataset.example)
    assert dataset.codec.decode(line) == dataset.example
    assert dataset.codec.encode(dataset.codec.decode(line)) == line


@EACH
def test_an_id_is_the_key_and_a_serial_without_a_colon(dataset: Dataset[Any]) -> None:
    name = dataset.id_of(dataset.example)
    assert name == key(dataset.example) if dataset.compacted else name.rpartition(":")[0] == key(dataset.example)


@EACH
def test_a_wrong_value_beside_one_that_is_nested_too_deeply_is_no_record(dataset: Dataset[Any]) -> None:
    """Who wants to name the value cannot read it either."""
    line = dataset.codec.encode(dataset.example)
    deep = line[:-1] + b',"more":' + b"[" * 3000 + b"]" * 3000 + b"}"
    for value in (deep, re.sub(rb'"source":"[^"]*"', b'"source":5', deep)):
        with pytest.raises(PoisonError):
            dataset.codec.decode(value)


@EACH
def test_a_count_fits_into_index_and_lake(dataset: Dataset[Any]) -> None:
    fields = json.loads(dataset.codec.encode(dataset.example))
    for column in dataset.columns:
        if column.kind == "long" and not column.many:
            with pytest.raises(PoisonError):
                dataset.codec.decode(json.dumps({**fields, column.name: 2 ** (column.bits - 1)}).encode())


@EACH
def test_every_record_has_what_all_have(dataset: Dataset[Any]) -> None:
    names = [column.name for column in dataset.columns if not column.optional]
    assert {"source", "asset_id", "quote", "timestamp", "fetched_at"} <= set(names)
    times = {column.name for column in dataset.columns if column.kind == "time"}
    assert {"timestamp", "fetched_at"} <= times


@EACH
def test_its_part_is_one_of_its_parts(dataset: Dataset[Any]) -> None:
    assert dataset.part(dataset.example) in dataset.parts
    assert all(name == part.name for name, part in dataset.parts.items())


@EACH
def test_every_field_is_mapped(dataset: Dataset[Any]) -> None:
    properties = mapping.properties(dataset)
    assert set(properties) == {column.name for column in dataset.columns} | set(dataset.old_names)
    assert {type(properties[column.name]) for column in dataset.columns} == {dict}


def test_no_alias_is_what_the_indices_of_another_begin_with() -> None:
    aliases = [dataset.alias for dataset in DATASETS.values() if dataset.alias]
    assert [(a, b) for a in aliases for b in aliases if a != b and b.startswith(f"{a}-")] == []
    assert len(set(aliases)) == len(aliases)


def test_no_topic_is_named_twice() -> None:
    topics = [
        f"{dataset.topic}.{name}" if name else dataset.topic for dataset in DATASETS.values() for name in dataset.parts
    ]
    assert len(set(topics)) == len(topics)
    assert all(re.fullmatch(r"[a-z0-9.-]+", topic) for topic in topics)


CANDLE = DATASETS["candle"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fetched_at": "2026-11-20T10:00:59.999Z"}, "before the end"),
        ({"low": 69130.0}, "no bar"),
        ({"high": 69130.0}, "no bar"),
        ({"trades": 2**63}, "trades"),
        ({"trades": -1}, "trades"),
        ({"timestamp": "2026-11-20 10:00:00"}, "timestamp"),
        ({"fetched_at": "now"}, "fetched_at"),
        ({"interval": "1M"}, "interval"),
        ({"open": 0.0}, "open"),
    ],
)
def test_what_is_no_closed_bar(changes: dict[str, Any], said: str) -> None:
    example = {name: getattr(CANDLE.example, name) for name in CANDLE.example.__struct_fields__}
    with pytest.raises(PoisonError, match=said):
        CANDLE.codec.encode(CANDLE.record(**example | changes))


def test_the_end_of_a_month() -> None:
    assert end_of("2026-12-01T00:00:00.000Z", "1mo") == 1_798_761_600_000
    assert end_of("2026-11-20T10:00:00.000Z", "1m") == 1_795_168_860_000
