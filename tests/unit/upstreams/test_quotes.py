"""The quote currency of a symbol, where no list tells it."""

from __future__ import annotations

import pytest

from cryptoproxy.upstreams.answers import quotes
from cryptoproxy.upstreams.binance import symbols as binance
from cryptoproxy.upstreams.bybit import symbols as bybit


@pytest.mark.parametrize(
    ("symbol", "quote"),
    [
        ("BTCUSDT", "USDT"),
        ("ETHBTC", "BTC"),
        ("BNBETH", "ETH"),
        ("BTCUSD1", "USD1"),
        ("BTCGBP", "GBP"),
        ("TUSDBTC", "BTC"),
        ("USDCUSDT", "USDT"),
        ("USDTTRY", "TRY"),
        ("USDTBRL", "BRL"),
        ("EURUSDT", "USDT"),
        ("SHIBDOGE", "DOGE"),
        ("币安人生USDT", "USDT"),
        ("USDT", "UNKNOWN"),
        ("BTC", "UNKNOWN"),
        ("123456", "UNKNOWN"),
        ("", "UNKNOWN"),
    ],
)
def test_binance(symbol, quote):
    assert binance.quote_of(symbol) == quote


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
    assert bybit.linear_quote(symbol) == quote


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
    assert bybit.inverse_quote(symbol) == quote


@pytest.mark.parametrize(
    ("symbol", "quote"),
    [
        ("BTCUSDT", "USDT"),
        ("BTCUSDC", "USDC"),
        ("ETHBTC", "BTC"),
        ("BTCBRL", "BRL"),
        ("X", "UNKNOWN"),
    ],
)
def test_bybit_spot(symbol, quote):
    assert bybit.spot_quote(symbol) == quote


@pytest.mark.parametrize("rule", [binance.quote_of, bybit.spot_quote, bybit.linear_quote])
@pytest.mark.parametrize(
    "symbol", ["DOTUSD", "APTUSD", "BATUSD", "VETUSD", "BTCUSD", "BTCTUSD", "BTCFDUSD", "USDTUSD", "BTCZUSD"]
)
def test_a_suffix_that_may_be_another_quote_or_ends_one_tells_nothing(rule, symbol):
    assert rule(symbol) == "UNKNOWN"


@pytest.mark.parametrize("symbol", ["ADAEUR", "BTCAEUR", "GALAEUR"])
def test_the_euro_neither(symbol):
    assert binance.quote_of(symbol) == bybit.spot_quote(symbol) == "UNKNOWN"


@pytest.mark.parametrize("symbol", ["BTCUSD-26MAR26", "BTCUSDEPERP", "XUSD1-5DEC25"])
def test_a_contract_in_another_dollar_is_not_in_usdc(symbol):
    assert bybit.linear_quote(symbol) == "UNKNOWN"


def test_a_list_adds_to_what_is_known_and_leaves_unusable_quotes_out():
    known = quotes.Quotes(binance.quote_of)
    assert known.learn({"BNBUSD": "USD", "OLD999": "999", "BAD": "a b", "EMPTY": ""}) == 2
    assert known.learn({"NEW999": "999"}) == 1
    assert [known.of(s) for s in ("BNBUSD", "OLD999", "NEW999", "BAD", "EMPTY")] == ["USD", "999", "999", None, None]


def test_what_nothing_tells_waits_for_the_list_to_be_read_anew_and_is_then_unknown_for_good():
    known = quotes.Quotes(binance.quote_of)
    assert known.of("DOTUSD") is None
    assert known.waiting == {"DOTUSD"}
    asked = frozenset(known.waiting)
    assert known.of("NEWUSD") is None, "comes up while the list is read"
    known.learn({"BTCUSD": "USD"})
    known.settle(asked)
    assert (known.of("DOTUSD"), known.of("NEWUSD"), known.waiting) == ("UNKNOWN", None, {"NEWUSD"})
    known.learn({"DOTUSD": "USD", "NEWUSD": "USD"})
    known.settle(frozenset(known.waiting))
    assert (known.of("DOTUSD"), known.of("NEWUSD")) == ("UNKNOWN", "USD"), "an asset has one id"


def test_a_list_that_says_otherwise_does_not_change_an_id():
    known = quotes.Quotes(binance.quote_of)
    known.learn({"DOTUSD": "USD"})
    known.learn({"DOTUSD": "TUSD"})
    assert known.of("DOTUSD") == "USD"


def test_where_no_list_will_come_it_is_unknown_at_once():
    known = quotes.Quotes(binance.quote_of)
    known.waits = False
    assert (known.of("DOTUSD"), known.of("BTCUSDT")) == ("UNKNOWN", "USDT")
