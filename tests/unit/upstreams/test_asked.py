"""The tables of what others may ask: every call of ours is in them at its cost, nothing private is."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from cryptoproxy.common.asking import NotAllowedError, Question
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets.times import DAY_MS, Span
from cryptoproxy.upstreams import asked_of, histories_of, upstreams_of
from cryptoproxy.upstreams.base import Call
from tests.unit.producer.budget.hand_clock import NOON_MS

TEXTS = {
    "COINGECKO_BASE_URL": "http://localhost:1/coingecko/api/v3",
    "BINANCE_BASE_URL": "http://localhost:1/binance",
    "COINGECKO_CANDLE_IDS": "bitcoin,0-5x-long,usd-coin",
    "COINGECKO_TOP_N": "600",
    "BINANCE_CANDLE_SYMBOLS": "BTCUSDT",
    "BYBIT_CANDLE_SYMBOLS": "BTCUSDT",
}
SPAN = Span(NOON_MS - DAY_MS, NOON_MS)


def calls(settings: Settings) -> Iterator[tuple[str, Call]]:
    for name, upstream in upstreams_of(settings.upstreams).items():
        for feed, polling in upstream.feeds.items():
            if settings.upstreams.bybit_api == "v2" and feed.source == "bybit-spot":
                continue
            source = polling.make()
            yield from ((name, call) for call in source.calls())
            if source.symbol_list is not None and (first := source.symbol_list.next_call(None)) is not None:
                yield name, first
    for make in histories_of(settings.upstreams).values():
        past = make()
        for symbol in past.symbols:
            yield past.upstream, past.start_call(symbol)
            yield past.upstream, past.call(symbol, SPAN, now_ms=NOON_MS)


@pytest.mark.parametrize(
    "more", [{}, {"BYBIT_API": "v2"}, {"BINANCE_SYMBOLS": "*"}, {"COINGECKO_IDS": "bitcoin,tether"}]
)
def test_every_call_of_ours_may_be_asked_by_others_and_comes_out_as_it_was(more: dict[str, str]) -> None:
    settings = Settings.from_texts(TEXTS | more)
    asked = asked_of(settings.upstreams)
    every = list(calls(settings))
    assert {name for name, _ in every} == {"coingecko", "binance", "bybit"}
    for name, call in every:
        question = asked[name].question(call)
        again = asked[name].call(question)
        assert (again.url, dict(again.params), again.cost) == (call.url, dict(call.params), call.cost)
        assert Question.from_key(question.key) == question
        assert asked[name].path_of(question).unread(question) == []


@pytest.mark.parametrize(
    ("params", "cost"),
    [
        ("depth", 5), ("depth?limit=100", 5), ("depth?limit=500", 25), ("depth?limit=5000", 250), ("depth?limit=x", 5),
        ("depth?limit=0000005000", 250), ("depth?limit=99999999999", 250),
        ("ticker/24hr", 80), ("ticker/24hr?symbol=A", 2), ('ticker/24hr?symbols=["A","B"]', 2),
        ("ticker/24hr?symbols=nonsense", 80), ("ticker/price", 4), ("ticker/price?symbol=A", 2), ("exchangeInfo", 20),
        ("aggTrades", 4), ("trades", 25), ("klines", 2),
    ],
)  # fmt: skip
def test_binance_weighs_what_its_documentation_says(params: str, cost: int) -> None:
    asked = asked_of(Settings.from_texts(TEXTS).upstreams)["binance"]
    assert asked.call(Question.from_key(f"binance/api/v3/{params}")).cost == cost


def test_a_coins_name_is_one_part_of_the_path_whatever_is_in_it() -> None:
    asked = asked_of(Settings.from_texts(TEXTS).upstreams)["coingecko"]
    assert asked.call(Question.of("coingecko", "coins/a b?c", {})).url.endswith("/api/v3/coins/a%20b%3Fc")
    for wrong in ("coins/..", "coins/.", "coins/a/b/c/d", "coins/a\0b", "coins/a\\b", "coins//ohlc", ""):
        with pytest.raises(NotAllowedError):
            asked.call(Question.of("coingecko", wrong, {}))


def test_nothing_private_is_in_the_tables() -> None:
    private = re.compile(r"\baccount\b(?!-ratio)|order(?!book)|key|user|sapi|wallet|position(?!s)|transfer|my")
    for each in asked_of(Settings.from_texts(TEXTS).upstreams).values():
        assert not [path for path in each.paths if private.search(path)]
        assert all(path.fresh >= 0 for path in each.paths.values())


def test_keys_of_others_are_no_part_of_a_question() -> None:
    one = Question.of(
        "coingecko", "/coins/list/", {"x_cg_demo_api_key": "a", "X_CG_PRO_API_KEY": "b", "b": "2", "a": "1"}
    )
    assert one == Question.of("coingecko", "coins/list", {"a": "1", "b": "2"})


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("api/v3/depth", {"symbol": "<script>alert(1)</script>"}),
        ("api/v3/depth", {"symbol": "BTCUSDT' OR '1'='1"}),
        ("api/v3/trades", {"symbol": "../../etc/passwd"}),
        ("api/v3/trades", {"symbol": "%3Cscript%3E"}),
        ("api/v3/avgPrice", {"symbol": "BTCUSDT", "${jndi:ldap://x}": "1"}),
        ("api/v3/avgPrice", {"symbol": "BTCUSDT\r\nX: y"}),
    ],
)
def test_what_a_firewall_takes_for_an_attack_never_reaches_it(path: str, params: dict[str, str]) -> None:
    """It would block our address, and live polls with it."""
    asked = asked_of(Settings.from_texts(TEXTS).upstreams)["binance"]
    with pytest.raises(NotAllowedError):
        asked.path_of(Question.of("binance", path, params))
    asked.path_of(Question.of("binance", "api/v3/ticker/24hr", {"symbols": '["BTCUSDT","币安人生USDT"]'}))


def test_what_an_upstream_does_not_read_makes_no_question_of_its_own():
    asked = asked_of(Settings.from_texts({}).upstreams)
    question = Question.of("coingecko", "coins/markets", {"vs_currency": "usd", "page": "2", "busting": "7"})
    line = asked["coingecko"].path_of(question)
    assert line.unread(question) == ["busting"]
    assert line.read(question) == Question.of("coingecko", "coins/markets", {"vs_currency": "usd", "page": "2"})
    assert line.read(line.read(question)) == line.read(question)
