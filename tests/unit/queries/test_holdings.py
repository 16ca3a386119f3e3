"""Which days of the lake are read as files, and which record by record: no S3 and no DuckDB needed."""

from __future__ import annotations

import json

from cryptoproxy.datasets import CANDLE, TICKER
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, Span
from cryptoproxy.lake.store import Store
from cryptoproxy.queries.lake.holdings import Holdings, Loose
from tests.unit.lake import conftest
from tests.unit.lake.lakes import DAY, WHOLE_DAY, compact, fill, put, record

bucket, make_store, store = conftest.bucket, conftest.make_store, conftest.store
BOTH = Span(DAY, DAY + 2 * DAY_MS)


def test_a_day_that_is_not_compacted_is_read_record_by_record(store: Store) -> None:
    fill(store)
    plan = Holdings(store).of(TICKER, ["coingecko"], BOTH)
    assert (plan.files, plan.loose) == ([], [Loose("coingecko", "", WHOLE_DAY)])


def test_a_compacted_day_is_its_file_whether_its_objects_are_still_there_or_not(store: Store) -> None:
    fill(store)
    for options in ({}, {"delete_raw": True}):
        done = compact(store, **options)
        plan = Holdings(store).of(TICKER, ["coingecko"], BOTH)
        assert (plan.files, plan.loose) == ([file.key for file in done.files], [])


def test_what_came_since_makes_its_day_loose_and_no_other(store: Store) -> None:
    fill(store)
    compact(store)
    put(store, record("late", 3 * HOUR_MS))
    put(store, record("next", DAY_MS + HOUR_MS))
    plan = Holdings(store).of(TICKER, ["coingecko"], Span(DAY + HOUR_MS, DAY + DAY_MS + 2 * HOUR_MS))
    assert plan.files == []
    assert [each.span for each in plan.loose] == [
        Span(DAY + HOUR_MS, DAY + DAY_MS), Span(DAY + DAY_MS, DAY + DAY_MS + 2 * HOUR_MS)
    ]  # fmt: skip
    lines = list(Holdings(store).lines(TICKER, Loose("coingecko", "", WHOLE_DAY)))
    assert len(lines) == 9 * 5 + 1
    assert any(json.loads(line)["asset_id"] == "late" for line in lines)


def test_a_source_and_a_span_without_anything_have_no_part(store: Store) -> None:
    fill(store)
    compact(store)
    holdings = Holdings(store)
    assert holdings.of(TICKER, ["binance"], BOTH).files == []
    assert holdings.of(TICKER, ["coingecko"], Span(DAY + DAY_MS, DAY + 2 * DAY_MS)).files == []
    assert holdings.sources(TICKER) == ["coingecko"]
    assert holdings.days(TICKER, "coingecko") == {DAY}
    assert holdings.sources(CANDLE) == []
