from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptoproxy.datasets import (
    Period,
    Ticker,
    document_id,
    encode,
    from_iso,
    index_name,
    iso,
    key,
    key_of,
)
from tests.unit.datasets.records import EXAMPLE, records, slots

PARTS = ("source", "asset_id", "quote", "timestamp")
# Few values that could be mistaken for parts of each other, so that equal ones come up often.
identities = st.fixed_dictionaries(
    {
        "source": st.sampled_from(["a", "a-b", "b", "1", "0"]),
        "asset_id": st.sampled_from(["a", "b", "a-b", "b-c", "1", "10", "-", "a_b", "B", "ä"]),
        "quote": st.sampled_from(["b", "c", "a", "1", "0", "-"]),
        "timestamp": st.sampled_from([iso(1_230_768_000_000 + each) for each in (0, 1, 10, 60_000)]) | slots,
    }
)


def record(**changes: str) -> Ticker:
    return Ticker(**{**EXAMPLE, **changes})


@settings(deadline=None)
@given(st.lists(identities, min_size=2, max_size=8))
def test_an_id_is_unique_per_source_asset_quote_and_slot(found: list[dict[str, str]]) -> None:
    for one, other in itertools.combinations(found, 2):
        assert (document_id(record(**one)) == document_id(record(**other))) == (one == other)
        same_key = all(one[part] == other[part] for part in PARTS[:3])
        assert (key(record(**one)) == key(record(**other))) == same_key


@settings(deadline=None)
@given(records)
def test_an_id_tells_its_parts_and_is_short_enough_for_elasticsearch(each: Ticker) -> None:
    source, asset_id, quote, slot_ms = document_id(each).split(":")
    assert [source, asset_id, quote] == key(each).split(":") == [each.source, each.asset_id, each.quote]
    assert iso(int(slot_ms)) == each.timestamp
    assert len(document_id(each).encode()) <= 512


def test_an_id_does_not_depend_on_what_a_replay_changes() -> None:
    later = record(fetched_at="2026-11-20T11:00:00.000Z", name="another")
    assert document_id(later) == document_id(record()) == f"coingecko:bitcoin:USD:{from_iso(EXAMPLE['timestamp'])}"


@pytest.mark.parametrize(
    ("period", "name"), [(Period.MONTH, "crypto-prices-2026.11.01"), (Period.DAY, "crypto-prices-2026.11.20")]
)
def test_an_index_is_named_by_the_record_s_own_slot(period: Period, name: str) -> None:
    assert index_name("crypto-prices", EXAMPLE["timestamp"], period) == name


def test_months_are_what_an_index_holds_if_nothing_else_is_said() -> None:
    assert index_name("x", "2026-12-31T23:59:59.999Z") == "x-2026.12.01"
    assert index_name("x", "2027-01-01T00:00:00.000Z") == "x-2027.01.01"


@settings(deadline=None)
@given(records)
def test_the_key_of_the_bytes_is_that_of_the_record(each: Ticker) -> None:
    assert key_of(encode(each)) == key(each).encode()
