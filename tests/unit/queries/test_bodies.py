"""What is asked, and how an answer is read: no Elasticsearch needed."""

from __future__ import annotations

from typing import Any

import pytest

from cryptoproxy.queries import absent, freshness, moves, percentiles
from cryptoproxy.queries.answer import Kind
from cryptoproxy.queries.fields import FIELDS
from cryptoproxy.queries.moves import Moves
from cryptoproxy.queries.output.numbers import number, shown
from cryptoproxy.queries.percentiles import Percentiles
from cryptoproxy.queries.periods import Interval, Period, interval
from cryptoproxy.queries.portions import portions
from cryptoproxy.queries.scope import Asset, Scope
from cryptoproxy.queries.volatility import Returns, Volatility
from cryptoproxy.queries.watch import Watch

HOUR = 3_600_000
SCOPE = Scope(Period(0, 24 * HOUR), symbols=("BTC",))
BTC = Asset("coingecko", "bitcoin", "USD", "BTC")


def test_rows_are_told_apart_by_source_asset_and_quote() -> None:
    composite = percentiles.body(Percentiles(SCOPE))["aggs"]["rows"]["composite"]
    assert [next(iter(each)) for each in composite["sources"]] == ["source", "asset_id", "quote"]


def test_the_next_page_begins_after_the_last_one() -> None:
    after = {"source": "coingecko", "asset_id": "bitcoin", "quote": "USD"}
    assert percentiles.body(Percentiles(SCOPE), after)["aggs"]["rows"]["composite"]["after"] == after


def test_every_question_is_asked_of_one_source_unless_told() -> None:
    assert {"terms": {"source": ["coingecko"]}} in SCOPE.query()["bool"]["filter"]
    assert not any("source" in each.get("terms", {}) for each in Scope(SCOPE.period, ()).query()["bool"]["filter"])


def test_chosen_assets_are_asked_for_exactly() -> None:
    both = (BTC, Asset("binance", "BTCUSDT", "USDT", "BTCUSDT"))
    (either, _) = Scope(SCOPE.period, chosen=both).query()["bool"]["filter"]
    assert [each["bool"]["filter"] for each in either["bool"]["should"]] == [
        [{"term": {"source": "coingecko"}}, {"term": {"quote": "USD"}}, {"terms": {"asset_id": ["bitcoin"]}}],
        [{"term": {"source": "binance"}}, {"term": {"quote": "USDT"}}, {"terms": {"asset_id": ["BTCUSDT"]}}],
    ]


def test_a_threshold_is_a_range_in_percent_or_in_a_fraction() -> None:
    filters = moves.body(Moves(SCOPE, "24h", (5.0,)))["aggs"]["rows"]["aggs"]["moves"]["filters"]["filters"]
    assert filters["down 5"]["bool"]["should"] == [
        {"range": {"change_24h": {"lte": -5.0}}},
        {"range": {"price_24h_pcnt": {"lte": -0.05}}},
    ]
    week = moves.body(Moves(SCOPE, "7d", (5.0,)))["aggs"]["rows"]["aggs"]["moves"]["filters"]["filters"]
    assert week["up 5"] == {"range": {"change_7d": {"gte": 5.0}}}


@pytest.mark.parametrize(
    "made",
    [
        lambda: Percentiles(SCOPE, "colour"),
        lambda: Percentiles(SCOPE, percents=(101.0,)),
        lambda: Percentiles(SCOPE, percents=()),
        lambda: Moves(SCOPE, "2h"),
        lambda: Moves(SCOPE, thresholds=(0.0,)),
        lambda: Moves(SCOPE, thresholds=tuple(range(1, 12))),
        lambda: Volatility(SCOPE, interval("1mo")),
        lambda: Volatility(Scope(Period(0, HOUR)), interval("1h")),
    ],
)
def test_words_that_mean_nothing_are_refused(made: Any) -> None:
    with pytest.raises(ValueError):
        made()


def test_every_number_field_has_a_unit() -> None:
    from cryptoproxy.common.record import Record

    texts = {"source", "asset_id", "symbol", "name", "quote", "timestamp", "fetched_at", "last_updated"}
    texts |= {"next_funding_time", "delivery_time"}
    assert set(Record.__struct_fields__) - texts == FIELDS.keys()


def test_only_whole_windows_count() -> None:
    request = Volatility(Scope(Period(HOUR // 2, 5 * HOUR + 1)), interval("1h"))
    assert request.whole_windows == Period(HOUR, 5 * HOUR)


def test_returns_go_from_one_window_to_the_next_and_not_over_a_gap() -> None:
    returns = Returns(HOUR)
    for window, price in ((0, 100.0), (1, 110.0), (2, 99.0), (5, 200.0), (6, 198.0)):
        returns.add(window * HOUR, price)
    row = returns.row(BTC)
    assert row is not None
    assert (row.returns, row.missing) == (3, 2)
    assert (row.lowest, row.highest, row.largest) == pytest.approx((-10.0, 10.0, 10.0))
    assert row.largest_ms == HOUR
    assert row.deviation == pytest.approx(10.0166528, rel=1e-7)  # of 10, -10, -1


def test_one_return_has_no_deviation() -> None:
    returns = Returns(HOUR)
    returns.add(0, 1.0)
    returns.add(HOUR, 2.0)
    assert returns.row(BTC) is None


def test_portions_hold_at_most_ten_thousand_steps() -> None:
    assets = [BTC] * 7
    day = Period(0, 24 * HOUR)
    (only,) = portions(assets, day, interval("1h"))
    assert (len(only.assets), only.periods) == (7, (day,))
    long = list(portions(assets, Period(0, 4_000 * HOUR), interval("1h")))
    assert [len(each.assets) for each in long] == [2, 2, 2, 1]
    for each in portions(assets, Period(5, 30_000 * HOUR), interval("1h")):
        assert len(each.assets) == 1
        assert [(p.end_ms - p.begin_ms) / HOUR <= 10_000 for p in each.periods] == [True] * len(each.periods)
        assert all(p.begin_ms % HOUR == 0 for p in each.periods[1:])
        assert each.periods[0].begin_ms == 5


def slots_answer(*slots: int, records: int = 1) -> dict[str, Any]:
    buckets = [{"key": {"timestamp": slot}, "doc_count": records} for slot in sorted(slots, reverse=True)]
    return {"aggregations": {"rows": {"buckets": buckets}}}


def test_the_interval_is_the_most_common_gap() -> None:
    grid, sure = freshness.grid_of(slots_answer(0, 60, 120, 300, 360, 420, records=3), None)
    assert (grid.interval_ms, grid.told, grid.records, sure) == (60, False, 3, False)
    assert freshness.grid_of(slots_answer(*range(0, 6000, 60)), None)[1]


def test_of_two_gaps_as_common_the_shorter_is_the_interval() -> None:
    assert freshness.grid_of(slots_answer(0, 60, 180), None)[0].interval_ms == 60


def test_one_slot_tells_no_interval() -> None:
    assert freshness.grid_of(slots_answer(0), None)[0].interval_ms is None


def test_nothing_is_expected_before_the_first_record_or_in_the_last_minute() -> None:
    minute = 60_000
    assert list(freshness.expected(Period(0, 10 * minute), first_ms=6 * minute, interval_ms=minute)) == [6, 7, 8, 9]
    assert list(freshness.expected(Period(0, 10 * minute), first_ms=0, interval_ms=5 * minute)) == [0, 1]
    assert not freshness.expected(Period(0, minute), first_ms=2 * minute, interval_ms=minute)


def test_a_stretch_is_short_where_polls_are_large() -> None:
    day = Period(0, 86_400_000)
    small = freshness.stretches(day, freshness.Grid(60_000, told=False, records=50))
    large = freshness.stretches(day, freshness.Grid(60_000, told=False, records=2_500))
    assert (len(small), len(large)) == (2, 72)


def test_a_scope_explains_the_first_condition_that_nothing_meets() -> None:
    def answer(total: int, **met: int) -> dict[str, Any]:
        counts = {"source": 9, "period": 9, "symbols": 9, "assets": 9} | met
        return {
            "hits": {"total": {"value": total}},
            "aggregations": {
                "met": {"buckets": {name: {"doc_count": count} for name, count in counts.items()}},
                "sources": {"buckets": [{"key": "binance"}]},
                "of_source": {"first": {"value": 0.0}, "newest": {"value": 3_600_000.0}},
                "of_period": {"symbols": {"buckets": [{"key": "BTC2"}, {"key": "XRP"}]}},
            },
        }

    def why(total: int, **met: int) -> str:
        return absent.why(SCOPE, answer(total, **met), index="crypto-prices")

    assert why(0) == "crypto-prices is empty: nothing has been indexed yet"
    assert why(9, source=0) == "no record of coingecko; there are records of binance"
    assert why(9, period=0).endswith("its records run from 1970-01-01 to 1970-01-01 01:00")
    assert why(9, symbols=0) == "no symbol BTC at coingecko (near it: BTC2) in 1970-01-01 to 1970-01-02 UTC"


def test_what_a_reader_must_know_is_gathered_by_the_way() -> None:
    watch = Watch(Scope(SCOPE.period, sources=("coingecko", "binance"), symbols=("BTC", "XRP")), "change_7d")
    watch.see(BTC)
    watch.see(Asset("coingecko", "bitcoin-copy", "USD", "BTC"))
    watch.see(Asset("binance", "BTCUSDT", "USDT", "BTCUSDT"), has_value=False)
    assert list(watch.notes()) == [
        "BTC is 2 assets at coingecko, shown apart: bitcoin in USD, bitcoin-copy in USD; --assets chooses",
        "binance sends no change_7d",
        "no record of XRP at coingecko, binance in the period",
    ]


def test_numbers_are_shown_with_five_digits() -> None:
    assert [number(each) for each in (97431.23, 1.23456789, 0.0000123456, 1.5e12, -3.2, 0.0)] == [
        "97,431",
        "1.2346",
        "0.000012346",
        "1.50 T",
        "-3.2000",
        "0",
    ]
    assert shown(None, Kind.NUMBER) == ""
    assert shown(0.123, Kind.SHARE) == "12.30 %"
    assert shown(Interval.of_ms(60_000).ms, Kind.SPAN) == "1m"
