"""The one table of upstreams: what is made of the settings."""

from __future__ import annotations

import re

import pytest

from cryptoproxy.common.settings import Settings
from cryptoproxy.common.settings.catalogue import SOURCE_NAMES
from cryptoproxy.common.settings.loading import declared_in
from cryptoproxy.datasets import DATASETS, Feed
from cryptoproxy.datasets.fields import SOURCE_PATTERN
from cryptoproxy.errors import SettingsError
from cryptoproxy.upstreams import UPSTREAMS, sources_of, upstreams_of
from cryptoproxy.upstreams.base import Source

DEMO = {"COINGECKO_PLAN": "demo", "COINGECKO_API_KEY": "a-key"}
PRO = {"COINGECKO_PLAN": "pro", "COINGECKO_API_KEY": "a-key"}
ALL = {"SOURCES": ",".join(SOURCE_NAMES)}


def sources(texts: dict[str, str]) -> dict[str, Source]:
    return {source.feed.name: source for source in sources_of(Settings.from_texts(texts).upstreams)}


def amounts(texts: dict[str, str], upstream: str) -> dict[str, int]:
    limits = upstreams_of(Settings.from_texts(texts).upstreams)[upstream].limits
    return {limit.window: limit.amount for limit in limits.limits}


def test_every_line_makes_the_sources_of_its_name_and_the_settings_know_them_all():
    settings = Settings.from_texts({"COINGECKO_IDS": "bitcoin", "BYBIT_CANDLE_SYMBOLS": "BTCUSDT"}).upstreams
    made = []
    for each in UPSTREAMS:
        upstream = each(settings)
        for feed, polling in upstream.feeds.items():
            source = polling.make()
            assert (source.feed, source.upstream) == (feed, upstream.limits.upstream)
            assert re.fullmatch(SOURCE_PATTERN, feed.source)
            assert feed.part in DATASETS[feed.dataset].parts
            assert 86_400_000 % round(polling.interval * 1000) == 0
            assert source.calls()
            made.append(feed.source)
    assert tuple(dict.fromkeys(made)) == SOURCE_NAMES


def test_the_settings_reach_the_sources():
    made = sources(
        ALL
        | {
            "COINGECKO_BASE_URL": "http://localhost:1/api/v3",
            "COINGECKO_PLAN": "demo",
            "COINGECKO_API_KEY": "CG-key",
            "COINGECKO_IDS": "bitcoin",
            "COINGECKO_QUOTE": "eur",
            "BINANCE_BASE_URL": "http://localhost:2",
            "BINANCE_SYMBOLS": "*",
            "BYBIT_BASE_URL": "http://localhost:3",
            "BYBIT_SYMBOLS": "BTCUSD",
        }
    )
    calls = {name: source.calls()[0] for name, source in made.items()}
    assert calls["coingecko"].url == "http://localhost:1/api/v3/coins/markets"
    assert calls["coingecko"].headers == {"x-cg-demo-api-key": "CG-key"}
    assert (calls["coingecko"].params["ids"], calls["coingecko"].params["vs_currency"]) == ("bitcoin", "eur")
    assert (calls["binance"].url, calls["binance"].params) == ("http://localhost:2/api/v3/ticker/24hr", {})
    assert calls["bybit-inverse"].url == "http://localhost:3/v5/market/tickers"
    assert calls["bybit-inverse"].params == {"category": "inverse", "symbol": "BTCUSD"}


def test_binance_is_asked_for_two_pairs_unless_told_otherwise():
    (call,) = sources({"SOURCES": "binance"})["binance"].calls()
    assert call.params == {"symbols": '["BTCUSDT","ETHUSDT"]'}


def test_the_sources_come_in_the_order_of_the_setting_and_what_is_not_polled_may_be_wrong():
    texts = {"SOURCES": "bybit-spot,coingecko", "BINANCE_SYMBOLS": "BTC/USDT"}
    assert list(sources(texts)) == ["bybit-spot", "coingecko"]
    with pytest.raises(SettingsError, match="BINANCE_SYMBOLS"):
        sources(texts | ALL)


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("binance.candel-1m", r"binance\.candle-1s\|1m\|"),
        ("coingecko.tickers", "coingecko"),
        ("bybit-spot.x", "bybit-spot"),
    ],
)
def test_a_feed_that_is_none_lists_those_that_are_the_nearest_first(name: str, first: str):
    with pytest.raises(SettingsError, match=f"SOURCES knows no {name}; there are {first}.*bybit-inverse"):
        sources({"SOURCES": f"coingecko,{name}"})


def test_only_exchanges_have_a_list_of_symbols():
    lists = {name for name, source in sources(ALL).items() if source.symbol_list is not None}
    assert lists == {"binance", "bybit-linear", "bybit-inverse", "bybit-spot"}


def test_how_many_records_are_expected_follows_from_what_is_asked_for():
    named = ALL | {"COINGECKO_TOP_N": "300", "BINANCE_SYMBOLS": "BTCUSDT", "BYBIT_SYMBOLS": "BTCUSDT,ETHUSDT"}
    assert {name: source.expected for name, source in sources(named).items()} == {
        "coingecko": 300,
        "binance": 1,
        **dict.fromkeys(SOURCE_NAMES[2:], 2),
    }
    assert sources({"COINGECKO_IDS": "bitcoin,ethereum"})["coingecko"].expected == 2
    markets = {name: source.expected for name, source in sources(ALL | {"BINANCE_SYMBOLS": "*"}).items()}
    assert markets["binance"] > markets["bybit-linear"] > markets["bybit-inverse"] > 0


def test_each_upstream_has_its_interval_or_the_common_one():
    def intervals(texts: dict[str, str]) -> list[float]:
        upstreams = upstreams_of(Settings.from_texts(texts).upstreams)
        return [upstreams[name.partition("-")[0]].feeds[Feed(name)].interval for name in SOURCE_NAMES[:3]]

    assert intervals({}) == [60, 1, 60]
    assert intervals({"KAFKA_PRODUCER_BATCH_INTERVAL": "30"}) == [30, 1, 30]
    assert intervals({"KAFKA_PRODUCER_BATCH_INTERVAL": "30", "BYBIT_INTERVAL": "10"}) == [30, 1, 10]
    own = {"COINGECKO_INTERVAL": "120", "BINANCE_INTERVAL": "5", "BYBIT_INTERVAL": "10"}
    assert intervals(own) == [120, 5, 10]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({}, {"minute": 5}),
        (DEMO, {"minute": 30, "month": 10_000}),
        (PRO, {"minute": 500, "month": 500_000}),
        (DEMO | {"COINGECKO_CALLS_PER_MINUTE": "100"}, {"minute": 100, "month": 10_000}),
        ({"COINGECKO_CALLS_PER_MONTH": "900"}, {"minute": 5, "month": 900}),
    ],
)
def test_the_plan_decides_what_coingecko_allows_unless_the_settings_do(texts, expected):
    assert amounts(texts, "coingecko") == expected


def test_zero_is_no_limit():
    texts = DEMO | {
        "COINGECKO_CALLS_PER_MINUTE": "0",
        "COINGECKO_CALLS_PER_MONTH": "0",
        "BINANCE_WEIGHT_PER_MINUTE": "0",
        "BYBIT_CALLS_PER_5S": "0",
    }
    assert [amounts(texts, upstream) for upstream in ("coingecko", "binance", "bybit")] == [{}, {}, {}]


def test_binance_counts_weight_and_slows_down_above_90_percent():
    limits = upstreams_of(Settings.from_texts({}).upstreams)["binance"].limits
    assert limits.unit == "weight"
    (limit,) = limits.limits
    assert (limit.amount, limit.calm) == (6000, 5400)


def test_bybit_counts_calls_in_5_seconds():
    assert amounts({}, "bybit") == {"5s": 300}


def test_every_limit_names_a_setting_that_exists():
    settings = Settings.from_texts(DEMO).upstreams
    names = {declared.name for _, declared in declared_in(type(settings))}
    for upstream in upstreams_of(settings).values():
        assert {upstream.limits.interval_setting, *(limit.setting for limit in upstream.limits.limits)} <= names
