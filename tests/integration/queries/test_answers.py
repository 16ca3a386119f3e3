"""Each question against records whose answer is known."""

from __future__ import annotations

import json

import pytest

from cryptoproxy.datasets import Ticker, document_id, encode
from cryptoproxy.queries import NothingFound, Queries, TooMany
from tests.integration.queries.filled import HOUR, MINUTE, SLOTS, Filled, Stopped, index, record


def test_a_symbol_of_two_assets_is_shown_apart_and_said(queries: Queries) -> None:
    answer = queries.average(symbols="USDT", since="4h")
    assert {row.asset.asset_id: row.average for row in answer} == {"tether": 1.0, "bridged-usdt": 3.0}
    assert answer.notes == [
        "USDT is 2 assets at coingecko, shown apart: bridged-usdt in USD, tether in USD; --assets chooses"
    ]


def test_an_asset_chosen_by_its_id_needs_no_note(queries: Queries) -> None:
    answer = queries.average(assets=["tether"], since="4h")
    assert [row.average for row in answer] == [1.0]
    assert answer.notes == []


def test_a_source_that_sends_fractions_moves_as_well(queries: Queries) -> None:
    answer = queries.moves("24h", source="bybit-linear", since="4h")
    rows = {row.asset.symbol: row for row in answer}
    bitcoin = rows["BTCUSDT"]
    assert bitcoin.samples == SLOTS
    # The fraction runs from -0.120 to 0.119 in steps of 0.001.
    assert (bitcoin.beyond[1.0].up, bitcoin.beyond[1.0].down) == (110, 111)
    assert (bitcoin.beyond[10.0].up, bitcoin.beyond[10.0].down) == (20, 21)
    assert rows["ETHUSDT"].up(1.0) == 1.0
    assert "NEWUSDT" not in rows
    assert answer.notes == ["bybit-linear sends no change over 24h for NEWUSDT"]
    assert str(answer.covers).startswith("data of ")
    assert {row.seen.share for row in rows.values()} == {1.0}


def test_a_source_without_the_field_is_said(queries: Queries) -> None:
    answer = queries.percentiles("change_24h", source="all", since="4h")
    assert {row.asset.source for row in answer} == {"coingecko"}
    assert any(each.startswith("bybit-linear sends no change_24h") for each in answer.notes)


def test_only_sources_without_the_field_is_no_answer(queries: Queries) -> None:
    with pytest.raises(NothingFound, match="bybit-linear sends no change over 7d"):
        list(queries.moves("7d", source="bybit-linear", since="4h"))


@pytest.mark.parametrize(
    ("which", "words"),
    [
        ({"symbols": "ETHH"}, r"no symbol ETHH at coingecko \(near it: ETH\)"),
        ({"symbols": "BTC", "source": "kraken"}, "no record of kraken; there are records of"),
        ({"assets": "Bitcoin"}, r"no asset Bitcoin at coingecko \(near it: bitcoin\)"),
        ({"base": "XRP", "source": "all"}, "no symbol XRP at all sources"),
        ({"quote": "EUR"}, r"no quote EUR at coingecko \(there are: USD"),
        ({"since": "2020-01-01", "until": "2020-02-01"}, "its records run from"),
    ],
)
def test_why_nothing_was_found_is_said(queries: Queries, which: dict[str, str], words: str) -> None:
    with pytest.raises(NothingFound, match=words):
        list(queries.latest(**which))


def test_a_symbol_that_is_missing_beside_others_is_a_note(queries: Queries) -> None:
    answer = queries.latest(symbols=["btc", "nosuch"])
    assert [row.asset.asset_id for row in answer] == ["bitcoin"]
    assert answer.notes == ["no record of nosuch at coingecko in the period"]


def test_the_most_traded_are_ranked_by_volume(queries: Queries, filled: Filled) -> None:
    """And shown in that order, by every question."""
    ranked = [filled.year.asset(coin) for coin in range(3)]
    rows = queries.percentiles("change_24h", top=3, since="4h").held()
    assert [row.asset.asset_id for row in rows] == ranked
    assert {row.count for row in rows} == {SLOTS}
    for answer in (queries.latest(top=3), queries.moves(top=3, since="4h"), queries.average(top=3, since="4h")):
        assert [row.asset.asset_id for row in answer] == ranked
    steps = [row.asset.asset_id for row in queries.average(top=3, since="4h", interval="1h")]
    assert list(dict.fromkeys(steps)) == ranked


def test_a_coin_is_found_at_all_sources_under_whatever_symbol(queries: Queries) -> None:
    answer = queries.latest(base="btc", source="all")
    assert {(row.asset.source, row.asset.symbol) for row in answer} == {
        ("coingecko", "BTC"),
        ("bybit-linear", "BTCUSDT"),
    }
    only = queries.latest(symbols="BTC", source="all")
    assert len(list(only)) == 1
    assert any("bybit-linear" in each and "--base BTC" in each for each in only.notes)


def filled_with(filled: Filled, records: list[Ticker], *, days_ago: int) -> Queries:
    """Records of a source of their own, in an index that may be there already; asked at the end of their hour."""
    filled.client.options(ignore_status=400).indices.create(
        index=f"{filled.alias}-{records[0].timestamp[:7].replace('-', '.')}.01"
    )
    index(filled.client, filled.alias, [(document_id(each), encode(each)) for each in records])
    return Queries(filled.client, index=filled.alias, clock=Stopped(_hour(filled, days_ago) + HOUR))


def _hour(filled: Filled, days_ago: int) -> int:
    return (filled.end_ms - days_ago * 24 * HOUR) // HOUR * HOUR


@pytest.mark.parametrize("told", [True, False])
def test_a_change_of_the_interval_moves_no_mean_and_is_no_gap(filled: Filled, told: bool) -> None:
    """Half an hour at 100 each 2 minutes, then half an hour at 400 each 30 seconds."""
    begin, middle, end = (_hour(filled, 40 + told) + minutes * MINUTE for minutes in (0, 30, 60))
    records = [
        record(f"weighed-{told}".lower(), "AAA", slot, price=price, **({"interval_ms": every} if told else {}))
        for price, every, first, last in ((100.0, 120_000, begin, middle), (400.0, 30_000, middle, end))
        for slot in range(first, last, every)
    ]
    queries = filled_with(filled, records, days_ago=40 + told)
    source = records[0].source
    answer = queries.average(source=source, since="1h")
    (row,) = answer
    assert (row.average, row.over_time) == (pytest.approx(250 if told else (15 * 100 + 60 * 400) / 75), told)
    assert any("the mean is over samples" in each for each in answer.notes) is not told
    assert [round(each.average or 0) for each in queries.average(source=source, since="1h", interval="30m")] == [
        100,
        400,
    ]

    asked = queries.freshness(source=source, since="1h")
    (fresh,) = asked
    assert (fresh.missing, fresh.interval_ms) == (0, 30_000)
    assert fresh.interval_is == ("recorded" if told else "inferred")
    assert any("the interval changed within the period (2m, 30s)" in each for each in asked.notes)


def test_a_period_that_is_covered_in_part_is_said(filled: Filled, queries: Queries) -> None:
    answer = queries.average(since="1y", symbols="BTC")
    (row,) = answer
    assert row.seen.first_ms == filled.year.begin_ms
    assert answer.covers.first_ms == filled.year.begin_ms
    assert str(answer.covers).count(" to ") == 2
    assert any(each.startswith("the records begin at ") for each in answer.notes)


def test_thresholds_are_decimal(filled: Filled) -> None:
    begin = _hour(filled, 50)
    fractions = (0.011, 0.011, 0.011, 0.0, -0.011, 0.029, 0.007)
    records = [
        record("decimal", "AAA", begin + number * MINUTE, price_24h_pcnt=each) for number, each in enumerate(fractions)
    ]
    queries = filled_with(filled, records, days_ago=50)
    (row,) = queries.moves("24h", thresholds=(1.1, 2.9, 0.7, 1.10000001), source="decimal", since="1h")
    assert {each: (beyond.up, beyond.down) for each, beyond in row.beyond.items()} == {
        1.1: (4, 1),
        2.9: (1, 0),
        0.7: (5, 1),
        1.10000001: (1, 0),
    }


def test_a_sum_that_fits_into_no_double_is_empty_and_said(filled: Filled) -> None:
    begin = _hour(filled, 60)
    huge = {"price": 1.7e308, "market_cap": 1.7e308, "volume_24h": 1.7e308}
    records = [
        record("huge", "AAA", begin + number * MINUTE, change_24h=(-1) ** number * 1.7e308, **huge)
        for number in range(60)
    ]
    queries = filled_with(filled, records, days_ago=60)
    answer = queries.average("market_cap", source="huge", since="1h")
    (row,) = answer
    assert (row.average, row.highest) == (None, 1.7e308)
    assert "AAA: what does not fit into a double is left empty" in answer.notes
    assert [each.price for each in queries.latest(source="huge", top=3)] == [1.7e308]
    assert len(queries.percentiles("change_24h", source="huge", since="1h").held()) == 1
    (flat,) = queries.volatility("15m", source="huge", since="1h")
    assert (flat.deviation, flat.largest_ms) == (0.0, None)


def test_a_source_that_is_too_young_for_a_volatility_is_told_what_to_try(filled: Filled) -> None:
    begin = _hour(filled, 70)
    records = [record("young", "AAA", begin + (48 + number) * MINUTE) for number in range(12)]
    queries = filled_with(filled, records, days_ago=70)
    with pytest.raises(NothingFound, match=r"young has records of .*; try --window 1m"):
        list(queries.volatility("1h", source="young", since="1d"))
    assert len(queries.volatility("1m", source="young", since="1d").held()) == 1


def test_the_newest_record_of_each_asset(queries: Queries, filled: Filled) -> None:
    answer = queries.latest(source="all")
    rows = {row.asset.asset_id: row for row in answer}
    assert len(rows) == 12 + 2 + 3
    assert {row.age_ms for row in rows.values()} == {MINUTE}
    assert rows["BTCUSDT"].price == 10.0 + SLOTS - 1
    assert rows["ETHUSDT"].change_24h == pytest.approx(2.0)  # percent, also where a fraction was sent
    last = json.loads(list(filled.year.polls())[-1][1][0][1])
    assert rows["bitcoin"].price == last["price"]


def test_an_answer_that_is_too_large_is_refused_but_can_be_read_row_by_row(queries: Queries) -> None:
    with pytest.raises(TooMany, match="more than 100 rows"):
        queries.average(interval="1m", source="bybit-linear", since="4h").held(100)
    assert sum(1 for _ in queries.average(interval="1m", source="bybit-linear", since="4h")) == 3 * SLOTS


def test_a_period_of_more_steps_than_one_answer_holds_is_asked_in_parts(
    queries: Queries, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = queries.average(interval="5m", source="bybit-linear", since="4h").held()
    volatile = queries.volatility("5m", source="bybit-linear", since="4h").held()
    before = queries.search.requests
    monkeypatch.setattr("cryptoproxy.queries.elastic.search.MAX_BUCKETS", 10)
    assert queries.average(interval="5m", source="bybit-linear", since="4h").held() == whole
    assert queries.search.requests - before > 10
    assert queries.volatility("5m", source="bybit-linear", since="4h").held() == volatile


def test_freshness_counts_missing_slots_and_duplicates(filled: Filled) -> None:
    """A source of its own: an hour with 6 slots missing, one asset missing in some polls, and 2 records twice."""
    end = filled.end_ms - 30 * 24 * HOUR - filled.end_ms % HOUR
    records: list[Ticker] = []
    for number in range(60):
        if number in (10, 11, 12, 30, 31, 50):
            continue
        slot = end - HOUR + number * MINUTE
        records += [record("binance", "AAAUSDT", slot), record("binance", "AAAUSDT", slot, quote="USDC")]
        records += [record("binance", "BBBUSDT", slot)] if number % 2 else []
    documents = [(document_id(each), encode(each)) for each in records]
    strange = [(f"another writer's {number}", documents[number][1]) for number in (0, 7)]
    filled.client.options(ignore_status=400).indices.create(
        index=f"{filled.alias}-{records[0].timestamp[:7].replace('-', '.')}.01"
    )
    index(filled.client, filled.alias, [*documents, *strange])
    queries = Queries(filled.client, index=filled.alias, clock=Stopped(end + 5 * MINUTE))
    (row,) = queries.freshness(source="binance", since="3h")
    assert row.newest_ms == end - MINUTE
    assert row.age_ms == 6 * MINUTE
    assert (row.interval_ms, row.interval_is) == (MINUTE, "inferred")
    # Expected from the first record on, until a minute before now: 60 slots and 5 that came after it stopped.
    assert (row.expected, row.missing) == (65, 6 + 5)
    assert row.missing_share == pytest.approx(11 / 65)
    assert row.duplicates == 2
    assert row.records == len(records) + 2

    with pytest.raises(NothingFound, match="binance: no record before 2020-02-01, where the period ends"):
        list(queries.freshness(source="binance", since="2020-01-01", until="2020-02-01"))

    (told,) = queries.freshness(source="binance", since="3h", interval="5m")
    assert (told.interval_ms, told.interval_is, told.missing, told.duplicates) == (5 * MINUTE, "told", 1, 2)


def test_freshness_looks_at_all_sources_the_stalest_first(queries: Queries) -> None:
    rows = queries.freshness(since="4h").held()
    assert {row.source for row in rows} >= {"coingecko", "bybit-linear"}
    assert [row.newest_ms for row in rows] == sorted(row.newest_ms for row in rows)
    coingecko = next(row for row in rows if row.source == "coingecko")
    assert (coingecko.missing, coingecko.expected, coingecko.duplicates) == (0, SLOTS, 0)


def test_percentiles_as_they_are_already_run_for_bybit(filled: Filled) -> None:
    """`terms` on symbol.keyword with `percentiles` on price_24h_pcnt, and `match` on symbol, word for word."""
    by_symbol = {
        "size": 0,
        "aggs": {
            "symbols": {
                "terms": {"field": "symbol.keyword", "size": 50},
                "aggs": {
                    "spread": {"percentiles": {"field": "price_24h_pcnt", "percents": [1, 5, 25, 50, 75, 95, 99]}}
                },
            }
        },
    }
    buckets = filled.client.search(index=filled.alias, **by_symbol)["aggregations"]["symbols"]["buckets"]
    found = {bucket["key"]: bucket for bucket in buckets}
    assert found["BTCUSDT"]["doc_count"] == SLOTS
    assert found["BTCUSDT"]["spread"]["values"]["50.0"] == pytest.approx(0, abs=0.002)
    assert found["BTCUSDT"]["spread"]["values"]["95.0"] == pytest.approx(0.108, abs=0.002)
    assert found["ETHUSDT"]["spread"]["values"]["99.0"] == pytest.approx(0.02)

    by_match = {
        "size": 0,
        "query": {"match": {"symbol": "BTCUSDT"}},
        "aggs": {"spread": {"percentiles": {"field": "price_24h_pcnt"}}},
    }
    answer = filled.client.search(index=filled.alias, **by_match)
    assert answer["hits"]["total"]["value"] == SLOTS
    assert answer["aggregations"]["spread"]["values"]["5.0"] == pytest.approx(-0.108, abs=0.002)
    ours = next(iter(Queries(filled.client, index=filled.alias).percentiles(
        "price_24h_pcnt", source="bybit-linear", symbols="BTCUSDT", since="1d")))  # fmt: skip
    assert ours.values[95.0] == pytest.approx(found["BTCUSDT"]["spread"]["values"]["95.0"], abs=0.002)
