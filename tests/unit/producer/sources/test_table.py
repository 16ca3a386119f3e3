"""The one table of sources."""

from __future__ import annotations

import re

from cryptoproxy.common.record.contract import SOURCE_PATTERN
from cryptoproxy.producer.sources import SOURCES, SourceConfig
from cryptoproxy.producer.sources.coingecko_calls import Plan


def test_every_line_builds_the_source_of_its_name():
    for name, kind in SOURCES.items():
        source = kind.build(SourceConfig())
        assert (source.name, source.upstream) == (name, kind.upstream)
        assert re.fullmatch(SOURCE_PATTERN, name)
        assert source.calls()


def test_the_configuration_reaches_the_sources():
    config = SourceConfig(
        coingecko_base_url="http://localhost:1/api/v3",
        coingecko_plan=Plan.DEMO,
        coingecko_api_key=lambda: "CG-key",
        coingecko_ids=("bitcoin",),
        coingecko_quote="eur",
        binance_base_url="http://localhost:2",
        binance_symbols=(),
        bybit_base_url="http://localhost:3",
        bybit_symbols=("BTCUSD",),
    )
    calls = {name: kind.build(config).calls()[0] for name, kind in SOURCES.items()}
    assert calls["coingecko"].url == "http://localhost:1/api/v3/coins/markets"
    assert calls["coingecko"].headers == {"x-cg-demo-api-key": "CG-key"}
    assert (calls["coingecko"].params["ids"], calls["coingecko"].params["vs_currency"]) == ("bitcoin", "eur")
    assert (calls["binance"].url, calls["binance"].params) == ("http://localhost:2/api/v3/ticker/24hr", {})
    assert calls["bybit-inverse"].url == "http://localhost:3/v5/market/tickers"
    assert calls["bybit-inverse"].params == {"category": "inverse", "symbol": "BTCUSD"}


def test_only_exchanges_have_a_list_of_symbols():
    lists = {name for name, kind in SOURCES.items() if kind.build(SourceConfig()).symbol_list is not None}
    assert lists == {"binance", "bybit-linear", "bybit-inverse", "bybit-spot"}
