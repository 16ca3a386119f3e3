"""The published schema says the same as the codec."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from cryptoproxy.datasets import TICKER, Ticker, encode
from cryptoproxy.datasets.documents.schema import json_schema
from tests.unit.datasets.records import EXAMPLE, FLOATS, line, records, required

DERIVATIVE = {
    **{name: EXAMPLE[name] for name in required},
    "source": "bybit-linear",
    "asset_id": "BTCUSDT",
    "quote": "USDT",
    "open_interest": 51033.123,
    "funding_rate": -0.0000125,
    "price_24h_pcnt": -0.013,
    "next_funding_time": "1763654400000",
    "delivery_time": "0",
}


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json_schema(TICKER)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def valid(validator: Draft202012Validator, value: bytes) -> bool:
    return validator.is_valid(json.loads(value))


def test_every_field_is_described(validator: Draft202012Validator) -> None:
    schema = json_schema(TICKER)
    assert list(schema["properties"]) == list(Ticker.__struct_fields__)
    assert set(schema["required"]) == set(required)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("fields", [EXAMPLE, DERIVATIVE, {name: EXAMPLE[name] for name in required}])
def test_it_takes_the_examples(validator: Draft202012Validator, fields: dict[str, Any]) -> None:
    validator.validate(json.loads(encode(Ticker(**fields))))


@settings(deadline=None)
@given(each=records)
def test_it_takes_what_is_written(validator: Draft202012Validator, each: Ticker) -> None:
    validator.validate(json.loads(encode(each)))


def test_it_takes_what_a_newer_producer_adds(validator: Draft202012Validator) -> None:
    assert valid(validator, line(newer_field={"any": ["thing"]}, market_cap=None))


@pytest.mark.parametrize("field", required)
def test_it_refuses_a_record_without_what_every_record_has(validator: Draft202012Validator, field: str) -> None:
    assert not valid(validator, line(**{field: ...}))
    assert not valid(validator, line(**{field: None}))


@pytest.mark.parametrize("field", FLOATS)
@pytest.mark.parametrize("value", ["1.5", True, []])
def test_it_refuses_numbers_that_are_none(validator: Draft202012Validator, field: str, value: object) -> None:
    assert not valid(validator, line(**{field: value}))


@pytest.mark.parametrize(
    "changes",
    [
        {"price": 0},
        {"price": -1},
        {"symbol": ""},
        {"source": "Binance"},
        {"source": "a" * 33},
        {"asset_id": "a:b"},
        {"asset_id": "a/b"},
        {"asset_id": "a b"},
        {"asset_id": "x" * 129},
        {"quote": ""},
        {"timestamp": "2026-11-20T10:00:00Z"},
        {"timestamp": "2026-W47-5T10:00:00.000Z"},
        {"fetched_at": "now"},
        {"last_updated": "2026-11-20T10:00:00.000+00:00"},
        {"fetch_delay_ms": 1.5},
        {"market_cap_rank": "1"},
        {"next_funding_time": 1763654400000},
    ],
)
def test_it_refuses_what_breaks_the_contract(validator: Draft202012Validator, changes: dict[str, object]) -> None:
    assert not valid(validator, line(**changes))


@pytest.mark.parametrize("value", [b"[]", b"7", b"null", b"{}"])
def test_it_refuses_what_is_no_object(validator: Draft202012Validator, value: bytes) -> None:
    assert not valid(validator, value)
