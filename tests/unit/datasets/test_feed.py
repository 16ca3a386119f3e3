"""How a feed is spelled."""

from __future__ import annotations

import pytest

from cryptoproxy.datasets import Feed


@pytest.mark.parametrize(
    ("name", "feed"),
    [
        ("binance", Feed("binance", "ticker")),
        ("bybit-linear.candle-1h", Feed("bybit-linear", "candle", "1h")),
        ("coingecko.market", Feed("coingecko", "market")),
    ],
)
def test_a_bare_source_is_its_tickers_and_others_stand_behind_a_dot(name: str, feed: Feed) -> None:
    assert Feed.parse(name) == feed
    assert feed.name == name
    assert Feed.parse(feed.whole_name) == feed
    assert "." in feed.whole_name


@pytest.mark.parametrize(
    "name", ["", ".candle", "binance.", "binance.candle-", "binance.candle-1m-2", "a.b.c", "Binance"]
)
def test_what_is_spelled_otherwise_is_none(name: str) -> None:
    with pytest.raises(ValueError, match="is no feed"):
        Feed.parse(name)
