"""What is taken from the topics, and what is passed over."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from cryptoproxy.common.asking import Question
from cryptoproxy.datasets import TICKER, key
from cryptoproxy.serve.road.follow import answers_into, tickers_into
from cryptoproxy.serve.road.newest import Newest

TEN = msgspec.structs.replace(TICKER.example, name='a "timestamp":"2099-01-01T00:00:00.000Z" in a name')
NEWER = msgspec.structs.replace(TEN, timestamp="2026-11-20T10:01:00.000Z", price=2.0)
OLDER = msgspec.structs.replace(TEN, timestamp="2020-11-20T10:01:00.000Z", price=3.0)


class Record(NamedTuple):
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]] = []  # noqa: RUF012


def of(ticker) -> Record:  # type: ignore[no-untyped-def]
    return Record(key(ticker).encode(), TICKER.codec.encode(ticker))


def test_the_newest_of_each_asset_counts_in_whatever_order_they_come():
    newest = Newest()
    assert tickers_into(newest)([of(TEN), of(NEWER), of(OLDER)]) == 0
    assert newest.ticker("coingecko", "bitcoin", "USD") == NEWER
    assert tickers_into(newest)([of(TEN), of(OLDER)]) == 0
    assert newest.ticker("coingecko", "bitcoin") == NEWER


def test_what_is_no_ticker_is_counted_and_takes_no_place():
    newest = Newest()
    take = tickers_into(newest)
    assert take([of(TEN), Record(b"x", b"{}"), Record(b"y", b"\xff"), Record(None, b"{}"), Record(b"z", None)]) == 2
    assert newest.ticker("coingecko", "bitcoin") == TEN


def test_an_answer_is_found_by_its_call():
    newest = Newest()
    take = answers_into(newest)
    params = {"vs_currency": "usd", "ids": "a,b", "empty": ""}
    for at, body in ((1000, b"[1]"), (3000, b"[3]"), (2000, b"[2]")):
        question = Question.of("coingecko", "coins/markets", params)
        assert take([Record(question.key.encode(), body, [("fetched_at", str(at).encode())])]) == 0
    kept = newest.answer("coingecko", "coins/markets", params)
    assert kept is not None
    assert (kept.body, kept.asked_ms, kept.every_ms, kept.params) == (b"[3]", 3000, 2000, params)


def test_one_answer_alone_tells_how_often_it_is_polled():
    """As after a restart, when nothing else does: what is polled each ten minutes is not late after five."""
    newest = Newest()
    headers = [("fetched_at", b"1000"), ("every_ms", b"600000")]
    assert answers_into(newest)([Record(b"coingecko/global", b"{}", headers)]) == 0
    kept = newest.answer("coingecko", "global", {})
    assert kept is not None
    assert kept.every_ms == 600_000


def test_an_outage_makes_of_a_poll_none_that_is_seldom():
    newest = Newest()
    for at in (0, 60_000, 120_000, 10_000_000):
        newest.take_answer("binance", "api/v3/ticker/24hr", {}, b"[]", at)
    kept = newest.answer("binance", "ticker/24hr", {})
    assert kept is not None
    assert (kept.apart_ms, kept.every_ms) == (9_880_000, 60_000)
    for at in (13_600_000, 17_200_000):
        newest.take_answer("binance", "api/v3/ticker/24hr", {}, b"[]", at)
    kept = newest.answer("binance", "ticker/24hr", {})
    assert kept is not None
    assert kept.every_ms == 3_600_000


def test_paths_stand_below_the_upstreams_base():
    newest = Newest()
    take = answers_into(newest)
    for upstream, path, short in [
        ("binance", "api/v3/ticker/24hr", "ticker/24hr"),
        ("bybit", "v5/market/tickers", "market/tickers"),
        ("coingecko", "coins/a%2Fb/ohlc", "coins/a/b/ohlc"),
    ]:
        assert take([Record(f"{upstream}/{path}".encode(), b"[]", [("fetched_at", b"1")])]) == 0
        assert newest.answer(upstream, short, {}) is not None


def test_what_is_no_answer_is_counted():
    newest = Newest()
    at = [("fetched_at", b"5")]
    strange = [
        Record(None, b"[]", at),
        Record(b"\xff", b"[]", at),
        Record(b"binance/x", None, at),
        Record(b"binance/x", b"[]"),
        Record(b"binance/x", b"[]", [("fetched_at", b"soon")]),
        Record(b"binance/x", b'[{"symbol":"BTCUSDT"},{"sym', at),
    ]
    assert answers_into(newest)(strange) == len(strange)
    assert newest.answers("binance", "x") == []
