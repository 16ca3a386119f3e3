"""The quote currency of a symbol, where no list tells it."""

from __future__ import annotations

import pytest

from cryptoproxy.producer.sources import quotes


@pytest.mark.parametrize(
    ("symbol", "quote"),
    [
        ("BTCUSDT", "USDT"),
        ("ETHBTC", "BTC"),
        ("BNBETH", "ETH"),
        ("BTCBUSD", "BUSD"),
        ("BTCFDUSD", "FDUSD"),
        ("BTCTUSD", "TUSD"),
        ("TUSDBTC", "BTC"),
        ("USDCUSDT", "USDT"),
        ("USDTTRY", "TRY"),
        ("USDTBRL", "BRL"),
        ("EURUSDT", "USDT"),
        ("ADAEUR", "EUR"),
        ("BTCAEUR", "AEUR"),
        ("SHIBDOGE", "DOGE"),
        ("BTCUSD1", "USD1"),
        ("1000SATSFDUSD", "FDUSD"),
        ("币安人生USDT", "USDT"),
        ("USDT", "UNKNOWN"),
        ("BTC", "UNKNOWN"),
        ("123456", "UNKNOWN"),
        ("", "UNKNOWN"),
    ],
)
def test_binance(symbol, quote):
    assert quotes.of_binance(symbol) == quote


@pytest.mark.parametrize(
    ("symbol", "quote"),
    [
        ("BTCUSDT", "USDT"),
        ("1000PEPEUSDT", "USDT"),
        ("BTCPERP", "USDC"),
        ("BTC-26MAR26", "USDC"),
        ("BTC-5DEC25", "USDC"),
        ("BTCUSDT-26DEC25", "USDT"),
        ("ETHUSDC", "USDC"),
        ("PERPUSDT", "USDT"),
        ("PERP", "UNKNOWN"),
        ("USDT", "UNKNOWN"),
        ("-26MAR26", "UNKNOWN"),
        ("BTC", "UNKNOWN"),
    ],
)
def test_bybit_linear(symbol, quote):
    assert quotes.of_bybit_linear(symbol) == quote


@pytest.mark.parametrize(
    ("symbol", "quote"),
    [
        ("BTCUSD", "USD"),
        ("DOTUSD", "USD"),
        ("BTCUSDH23", "USD"),
        ("BTCUSDZ26", "USD"),
        ("USD", "UNKNOWN"),
        ("X", "UNKNOWN"),
    ],
)
def test_bybit_inverse(symbol, quote):
    assert quotes.of_bybit_inverse(symbol) == quote


@pytest.mark.parametrize(
    ("symbol", "quote"),
    [
        ("BTCUSDT", "USDT"),
        ("BTCUSDC", "USDC"),
        ("ETHBTC", "BTC"),
        ("BTCEUR", "EUR"),
        ("BTCBRL", "BRL"),
        ("X", "UNKNOWN"),
    ],
)
def test_bybit_spot(symbol, quote):
    assert quotes.of_bybit_spot(symbol) == quote


def test_a_list_adds_to_what_is_known_and_leaves_unusable_quotes_out():
    known = quotes.Quotes(quotes.of_binance)
    assert known.learn({"BNBUSD": "USD", "OLD999": "999", "BAD": "a b", "EMPTY": ""}) == 2
    assert known.learn({"NEW999": "999"}) == 1
    assert [known.of(s) for s in ("BNBUSD", "OLD999", "NEW999", "BAD", "EMPTY")] == [
        *("USD", "999", "999", "UNKNOWN", "UNKNOWN"),
    ]
