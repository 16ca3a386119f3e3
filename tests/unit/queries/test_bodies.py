"""What is asked, and how an answer is read: no Elasticsearch needed."""

from __future__ import annotations

import math
from typing import Any

import pytest

from cryptoproxy.datasets.times import Span
from cryptoproxy.queries import notes
from cryptoproxy.queries.answer import Covers, Look
from cryptoproxy.queries.backend import FoundAsset
from cryptoproxy.queries.elastic.facts import facts_of
from cryptoproxy.queries.elastic.search import portions
from cryptoproxy.queries.fields import FIELDS, SENDERS
from cryptoproxy.queries.notes import Noting
from cryptoproxy.queries.output.text import number, shown
from cryptoproxy.queries.periods import Interval, interval
from cryptoproxy.queries.questions import average, latest, moves, percentiles, volatility
from cryptoproxy.queries.questions.moves import Moves
from cryptoproxy.queries.questions.percentiles import Percentiles
from cryptoproxy.queries.questions.volatility import Returns, Volatility
from cryptoproxy.queries.scope import AssetRef, Scope, Seen

MINUTE = 60_000
HOUR = 60 * MINUTE
SCOPE = Scope(Span(0, 24 * HOUR), symbols=("BTC",))
BTC = AssetRef("coingecko", "bitcoin", "USD", "BTC")


def test_rows_are_told_apart_by_source_asset_and_quote() -> None:
    composite = percentiles.body(Percentiles(SCOPE))["aggs"]["rows"]["composite"]
    assert [next(iter(each)) for each in composite["sources"]] == ["source", "asset_id", "quote"]


def test_the_next_page_begins_after_the_last_one() -> None:
    after = {"source": "coingecko", "asset_id": "bitcoin", "quote": "USD"}
    assert percentiles.body(Percentiles(SCOPE), after)["aggs"]["rows"]["composite"]["after"] == after


def test_every_question_is_asked_of_one_source_unless_told() -> None:
    assert {"terms": {"source": ["coingecko"]}} in SCOPE.query()["bool"]["filter"]
    assert not any("source" in each.get("terms", {}) for each in Scope(SCOPE.period, ()).query()["bool"]["filter"])


def test_symbols_and_quotes_are_asked_for_as_they_are_typed_and_in_capitals() -> None:
    asked = Scope(SCOPE.period, (), symbols=("btc", "$x$"), quotes=("USD", "eur")).query()["bool"]["filter"]
    assert asked[:2] == [
        {"terms": {"symbol": ["btc", "BTC", "$x$", "$X$"]}},
        {"terms": {"quote": ["USD", "eur", "EUR"]}},
    ]


def test_chosen_assets_are_asked_for_exactly() -> None:
    both = (BTC, AssetRef("binance", "BTCUSDT", "USDT", "BTCUSDT"))
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
        lambda: Moves(SCOPE, thresholds=(math.nan,)),
        lambda: Moves(SCOPE, thresholds=(math.inf,)),
        lambda: Percentiles(SCOPE, percents=(math.nan,)),
        lambda: Volatility(Scope(Span(0, 2 * HOUR)), interval("1h")),
        lambda: Moves(SCOPE, thresholds=tuple(range(1, 12))),
        lambda: Volatility(SCOPE, interval("1mo")),
        lambda: Volatility(Scope(Span(0, HOUR)), interval("1h")),
    ],
)
def test_words_that_mean_nothing_are_refused(made: Any) -> None:
    with pytest.raises(ValueError):
        made()


def test_every_number_field_has_a_unit() -> None:
    from cryptoproxy.datasets import Ticker

    texts = {"source", "asset_id", "symbol", "name", "quote", "timestamp", "fetched_at", "last_updated"}
    texts |= {"next_funding_time", "delivery_time"}
    assert set(Ticker.__struct_fields__) - texts == FIELDS.keys()


def test_only_whole_windows_count() -> None:
    request = Volatility(Scope(Span(HOUR // 2, 5 * HOUR + 1)), interval("1h"))
    assert request.whole_windows == Span(HOUR, 5 * HOUR)


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
    day = Span(0, 24 * HOUR)
    (only,) = portions(assets, day, interval("1h"))
    assert (len(only.assets), only.periods) == (7, (day,))
    long = list(portions(assets, Span(0, 4_000 * HOUR), interval("1h")))
    assert [len(each.assets) for each in long] == [2, 2, 2, 1]
    for each in portions(assets, Span(5, 30_000 * HOUR), interval("1h")):
        assert len(each.assets) == 1
        assert [(p.end_ms - p.begin_ms) / HOUR <= 10_000 for p in each.periods] == [True] * len(each.periods)
        assert all(p.begin_ms % HOUR == 0 for p in each.periods[1:])
        assert each.periods[0].begin_ms == 5


def test_a_scope_explains_the_first_condition_that_nothing_meets() -> None:
    def answer(total: int, **met: int) -> dict[str, Any]:
        counts = {"source": 9, "period": 9, "symbols": 9, "assets": 9} | met
        return {
            "hits": {"total": {"value": total}},
            "aggregations": {
                "met": {"buckets": {name: {"doc_count": count} for name, count in counts.items()}},
                "sources": {"buckets": [{"key": "binance"}]},
                "of_source": {"first": {"value": 0.0}, "newest": {"value": 3_600_000.0}},
                "of_period": {
                    "doc_count": 9,
                    "symbols": {"buckets": [{"key": "BTC2"}, {"key": "XRP"}]},
                    "assets": {"buckets": [{"key": "bitcoin"}, {"key": "ripple"}]},
                    "quotes": {"buckets": [{"key": "USD"}]},
                },
            },
        }

    def why(total: int, scope: Scope = SCOPE, **met: int) -> str:
        return notes.why(scope, facts_of(answer(total, **met)), place="crypto-prices", engine="es")

    assert why(0) == "crypto-prices is empty: nothing has been indexed yet"
    assert why(9, source=0) == "no record of coingecko; there are records of binance"
    assert why(9, period=0).endswith("its records run from 1970-01-01 to 1970-01-01 01:00")
    assert why(9, symbols=0) == "no symbol BTC at coingecko (near it: BTC2) in 1970-01-01 to 1970-01-02 UTC"
    day = SCOPE.period
    assert "no asset Bitcoin at coingecko (near it: bitcoin)" in why(9, Scope(day, assets=("Bitcoin",)), assets=0)
    assert "no quote EUR at coingecko (there are: USD …)" in why(9, Scope(day, quotes=("EUR",)))
    assert why(9).startswith("no row can be made of the 9 records of coingecko in 1970-01-01")


def watched(scope: Scope, lacks: str = "sends no change_7d", field: str | None = "change_7d", **more: Any) -> Noting:
    return Noting(scope, lacks, Covers(scope.period), field, **more)


def test_what_a_reader_must_know_is_gathered_by_the_way() -> None:
    watch = watched(
        Scope(SCOPE.period, sources=("coingecko", "binance"), symbols=("BTC", "XRP"), assets=("bitcoin", "x"))
    )
    watch.see(BTC)
    watch.see(AssetRef("coingecko", "bitcoin-copy", "USD", "BTC"))
    watch.see(AssetRef("binance", "BTCUSDT", "USDT", "BTCUSDT"), has_value=False)
    assert list(watch.notes()) == [
        "BTC is 2 assets at coingecko, shown apart: bitcoin in USD, bitcoin-copy in USD; --assets chooses",
        "binance sends no change_7d; coingecko does",
        "no record of XRP at coingecko, binance in the period",
        "no record of the asset x at coingecko, binance in the period",
    ]


def test_who_sends_a_field_is_told_where_the_source_does_not() -> None:
    watch = watched(SCOPE, "sends no funding_rate", "funding_rate")
    watch.see(BTC, has_value=False)
    assert list(watch.lacking()) == ["coingecko sends no funding_rate; bybit-linear, bybit-inverse do"]


def test_every_field_that_not_all_send_has_its_senders() -> None:
    everybody = {"price", "fetch_delay_ms", "interval_ms", "volume_24h", "high_24h", "low_24h", "change_24h"}
    assert SENDERS.keys() == FIELDS.keys() - everybody - {"price_change_24h"}


def day_of(*seen: Seen, asset: AssetRef = BTC, **more: Any) -> list[str]:
    """What is said of records of a day that was asked for."""
    watch = watched(Scope(Span(0, 24 * HOUR)), **more)
    for place, each in enumerate(seen):
        watch.see(asset._replace(asset_id=f"{asset.asset_id}{place}", symbol=f"{asset.symbol}{place}"), each)
    return list(watch.notes())


def test_a_period_that_is_covered_needs_no_word() -> None:
    assert day_of(Seen(0, 24 * HOUR - MINUTE)) == []
    assert day_of(Seen(0, 24 * HOUR - MINUTE, 24 * HOUR, MINUTE, MINUTE)) == []
    assert day_of(Seen(HOUR // 4, 24 * HOUR - HOUR // 4)) == []


def test_what_is_not_covered_of_the_period_is_said() -> None:
    (begins,) = day_of(Seen(20 * HOUR, 24 * HOUR - MINUTE))
    assert begins.startswith("the records begin at 1970-01-01 20:00: of the time from 1970-01-01 until then")
    (ends,) = day_of(Seen(0, 3 * HOUR))
    assert ends.startswith("the records end at 1970-01-01 03:00: of the time until 1970-01-02")
    assert day_of(Seen(0, 24 * HOUR - MINUTE), Seen(20 * HOUR, 24 * HOUR - MINUTE)) == [
        "only of a part of that time there are records of BTC1 (data_from, data_to)"
    ]
    (hole,) = day_of(Seen(0, 24 * HOUR - MINUTE, 6 * HOUR, MINUTE, MINUTE))
    assert "slots are missing of BTC0: 25 % of the time are covered" in hole
    assert day_of(Seen(20 * HOUR, 20 * HOUR), whole_period=False) == []  # the newest record is not about the period


def test_a_long_interval_is_no_gap() -> None:
    assert day_of(Seen(4 * HOUR, 20 * HOUR, 24 * HOUR, 4 * HOUR, 4 * HOUR)) == []


def test_samples_of_two_intervals_are_said_where_they_are_counted() -> None:
    mixed = Seen(0, 24 * HOUR - MINUTE, 24 * HOUR, 10_000, MINUTE)
    assert day_of(mixed) == []
    assert "the interval changed within the period" in day_of(mixed, by_samples=True)[0]


def bucket(*records: tuple[int, float, int | None], **more: Any) -> dict[str, Any]:
    """Of (slot, price, interval), as Elasticsearch adds them up."""
    prices = [price for _, price, _ in records]
    told = [(price, every) for _, price, every in records if every is not None]
    weights = sum(every for _, every in told)
    return {
        "key": {"source": "coingecko", "asset_id": "bitcoin", "quote": "USD"},
        "symbol": {"buckets": [{"key": "BTC"}]},
        "doc_count": len(records),
        "first": {"value": float(records[0][0])},
        "last": {"value": float(records[-1][0])},
        "intervals": {
            "count": len(told),
            "sum": float(weights),
            "min": float(min((every for _, every in told), default=0)),
            "max": float(max((every for _, every in told), default=0)),
        },
        "value": {"count": len(prices), "avg": sum(prices) / len(prices), "min": min(prices), "max": max(prices)},
        "over_time": {"value": sum(price * every for price, every in told) / weights if weights else None},
        **more,
    }


def test_a_mean_is_over_time_and_does_not_follow_the_interval() -> None:
    """An hour at 100 each 10 minutes, then ten minutes at 160 each 10 seconds."""
    slow = [(number * 10 * MINUTE, 100.0, 10 * MINUTE) for number in range(6)]
    quick = [(HOUR + number * 10_000, 160.0, 10_000) for number in range(60)]
    row = average.row(bucket(*slow, *quick))
    assert row is not None
    assert row.over_time
    assert row.average == pytest.approx((100 * 60 + 160 * 10) / 70)
    assert row.seen.planned_ms == 70 * MINUTE
    assert row.seen.share_of(Span(0, 140 * MINUTE)) == 0.5


def test_a_mean_over_samples_is_said() -> None:
    row = average.row(bucket((0, 1.0, None), (MINUTE, 3.0, MINUTE)))
    assert row is not None
    assert (row.average, row.over_time, row.seen.share) == (2.0, False, None)
    watch = watched(SCOPE)
    average.noted(watch, row)
    watch.see(row.asset)
    assert any("the mean is over samples" in each for each in watch.notes())


@pytest.mark.parametrize("text", ["Infinity", "-Infinity", "NaN"])
def test_what_elasticsearch_spells_as_text_is_empty(text: str) -> None:
    found = bucket((0, 1.7e308, MINUTE), (MINUTE, 1.7e308, MINUTE), over_time={"value": text})
    row = average.row(found)
    assert row is not None
    assert row.average is None
    ends = {"ends": {"count": 1, "min": 1.0, "max": 1.0}, "values": {"values": [{"key": 50.0, "value": text}]}}
    spread = percentiles.row(bucket((0, 1.0, None), **ends))
    assert spread is not None
    assert spread.values == {50.0: None}


def test_all_thresholds_are_those_of_decimal_numbers() -> None:
    """A record has the double nearest to what was sent; 1.1 / 100 is not the one nearest to 0.011."""
    for tenths in range(1, 301):
        body = moves.body(Moves(SCOPE, "24h", (tenths / 10,)))["aggs"]["rows"]["aggs"]["moves"]["filters"]["filters"]
        percent, fraction = body[f"up {tenths / 10:g}"]["bool"]["should"]
        assert percent["range"]["change_24h"]["gte"] == float(f"{tenths}e-1")
        assert fraction["range"]["price_24h_pcnt"]["gte"] == float(f"{tenths}e-3")
        percent, fraction = body[f"down {tenths / 10:g}"]["bool"]["should"]
        assert percent["range"]["change_24h"]["lte"] == float(f"-{tenths}e-1")
        assert fraction["range"]["price_24h_pcnt"]["lte"] == float(f"-{tenths}e-3")


def test_thresholds_and_percents_that_are_nearly_the_same_stay_apart() -> None:
    request = Moves(SCOPE, thresholds=(1.0, 1.00000001))
    assert len(moves.body(request)["aggs"]["rows"]["aggs"]["moves"]["filters"]["filters"]) == 1 + 4
    columns = percentiles.columns(Percentiles(SCOPE, percents=(99.99999, 100.0)))
    assert {"p99.99999", "p100"} <= {column.name for column in columns}


def test_a_constant_price_has_no_largest_return() -> None:
    returns = Returns(HOUR)
    for window in range(4):
        returns.add(window * HOUR, 5.0)
    row = returns.row(BTC)
    assert row is not None
    assert (row.deviation, row.largest, row.largest_ms) == (0.0, 0.0, None)
    assert row.seen == Seen(0, 4 * HOUR)


def test_returns_that_fit_into_no_double_are_empty() -> None:
    returns = Returns(HOUR)
    for window, price in enumerate((1e-300, 1e300, 1.0, 1e308)):
        returns.add(window * HOUR, price)
    row = returns.row(BTC)
    assert row is not None
    assert (row.deviation, row.highest, row.range) == (None, None, None)


def test_a_new_installation_is_told_since_when_there_are_records_and_what_to_try() -> None:
    request = Volatility(Scope(Span(0, 24 * HOUR)), interval("1h"))
    found = FoundAsset(BTC, 13, 1.0, Seen(10 * HOUR, 10 * HOUR + 12 * MINUTE))
    words = volatility.too_young(request, [found])
    assert "records of 1970-01-01 10:00 to 1970-01-01 10:12" in words
    assert words.endswith("try --window 1m")
    only = volatility.too_young(request, [found._replace(records=1, seen=Seen(10 * HOUR, 10 * HOUR))])
    assert only.endswith("take a longer --since, or wait until there are more")
    other = FoundAsset(BTC._replace(asset_id="x"), 1, 1.0, Seen(12 * HOUR, 12 * HOUR))  # two hours later: no return
    single = volatility.too_young(request, [found._replace(records=1, seen=Seen(10 * HOUR, 10 * HOUR)), other])
    assert single.endswith("take a longer --since, or wait until there are more")
    asked = Volatility(Scope(Span(0, 24 * HOUR)), interval("1m"))
    assert volatility.too_young(asked, [found]).endswith("take a longer --since, or wait until there are more")


def test_a_fraction_that_is_no_percent_any_more_is_left_out() -> None:
    record = {"timestamp": "2026-11-20T10:00:00.000Z", "name": "x", "price": 1.0, "price_24h_pcnt": 1e307}
    found = bucket((0, 1.0, None), newest={"hits": {"hits": [{"_source": record}]}})
    assert latest.row(latest.Latest(SCOPE), found).change_24h is None


def test_numbers_are_shown_with_five_digits() -> None:
    assert [number(each) for each in (97431.23, 1.23456789, 0.0000123456, 1.5e12, -3.2, 0.0)] == [
        "97,431",
        "1.2346",
        "0.000012346",
        "1.50 T",
        "-3.2000",
        "0",
    ]
    assert [number(each) for each in (1.7e308, -2.5e-15)] == ["1.7000e+308", "-2.5000e-15"]
    prices = (67_163.1234, 5.0, 0.000012346, 1.5e12, 123_456_789.0)
    assert [shown(each, Look.PRICE) for each in prices] == ["67,163.123", "5.00", "0.000012346", "1.50 T", "123.46 M"]
    assert shown("A\nB\x1b[31m", Look.TEXT) == r"A\nB\u001b[31m"
    assert shown(None, Look.NUMBER) == ""
    assert shown(0.123, Look.SHARE) == "12.30 %"
    assert shown(Interval.of_ms(60_000).ms, Look.SPAN) == "1m"
