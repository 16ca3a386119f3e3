from __future__ import annotations

import json
import re

import pytest

from cryptoproxy.sandbox import Sandbox, StandInLimits

TICKER = "/api/v3/ticker/24hr"
INFO = "/api/v3/exchangeInfo"


def ask(http, box, path=TICKER, **params):
    return http.get(box.base_url("binance") + path, params=params)


def shape(row: dict) -> dict[str, object]:
    """Key by key the type, and for text its number of decimals."""
    return {
        name: len(value.partition(".")[2]) if isinstance(value, str) else type(value)
        for name, value in row.items()
        if name != "symbol"
    }


def test_a_row_looks_as_recorded(http, market, recorded_json):
    recorded = {row["symbol"]: row for row in recorded_json("binance/ticker_24hr_2024-01-05.json")}
    row = ask(http, market, symbol="BTCUSDT").json()
    assert list(row) == list(recorded["BTCUSDT"])
    assert shape(row) == shape(recorded["BTCUSDT"])
    assert list(row) == list(recorded_json("binance/ticker_24hr_2019-08-22.json")[0])


def test_halted_pairs_stay_in_the_list_as_recorded(http, market, recorded_json):
    recorded = {row["symbol"]: row for row in recorded_json("binance/ticker_24hr_2024-01-05.json")}
    rows = ask(http, market).json()
    halted = [row for row in rows if row["count"] == 0]
    assert len(rows) > 2000
    assert 0.35 < len(halted) / len(rows) < 0.65
    zeros = {name for name, value in recorded["BCCBTC"].items() if isinstance(value, str) and not value.strip("0.")}
    for row in halted:
        known = recorded["BTCIDRT" if row["symbol"].endswith("BIDR") else "BCCBTC"]
        assert shape(row) == shape(known)
        assert all(row[name] == known[name] for name in (*zeros, "firstId", "lastId"))
        assert row["closeTime"] < market.clock.now_ms() - 14 * 86_400_000


def test_trading_pairs_are_plausible(http, market):
    rows = {row["symbol"]: row for row in ask(http, market).json() if row["count"]}
    for row in rows.values():
        low, last, high = (float(row[name]) for name in ("lowPrice", "lastPrice", "highPrice"))
        assert 0 < low <= last <= high
        assert 0 < float(row["bidPrice"]) <= float(row["askPrice"])
        assert row["closeTime"] - row["openTime"] == 86_400_000
        assert row["lastId"] - row["firstId"] + 1 == row["count"] or row["firstId"] == 0
    cross = float(rows["ETHUSDT"]["lastPrice"]) / float(rows["BTCUSDT"]["lastPrice"])
    assert cross == pytest.approx(float(rows["ETHBTC"]["lastPrice"]), rel=0.01)


def test_one_symbol_is_an_object_and_several_are_a_list(http, sandbox):
    assert ask(http, sandbox, symbol="ETHUSDT").json()["symbol"] == "ETHUSDT"
    rows = ask(http, sandbox, symbols='["ETHUSDT","BTCUSDT"]', type="FULL").json()
    assert [row["symbol"] for row in rows] == ["BTCUSDT", "ETHUSDT"]


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"symbol": "NONESUCH"}, -1121),
        ({"symbols": '["BTCUSDT","NONESUCH"]'}, -1121),
        ({"symbols": '["BTCUSDT", "ETHUSDT"]'}, -1100),
        ({"symbols": "BTCUSDT"}, -1100),
        ({"symbol": "BTCUSDT", "symbols": '["ETHUSDT"]'}, -1128),
    ],
)
def test_wrong_symbols_are_refused(http, sandbox, params, code):
    answer = ask(http, sandbox, **params)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_the_invalid_symbol_body_is_the_recorded_one(http, sandbox, recorded):
    assert ask(http, sandbox, symbol="NONESUCH").content == recorded("binance/error_-1121.json")


@pytest.mark.parametrize(
    ("path", "params", "weight"),
    [
        (TICKER, {"symbol": "BTCUSDT"}, 2),
        (TICKER, {"symbols": '["BTCUSDT","ETHUSDT"]'}, 2),
        (TICKER, {"symbols": json.dumps(["BTCUSDT"] * 21, separators=(",", ":"))}, 40),
        (TICKER, {"symbols": json.dumps(["BTCUSDT"] * 101, separators=(",", ":"))}, 80),
        (TICKER, {}, 80),
        (INFO, {}, 20),
        ("/api/v3/ping", {}, 1),
        ("/api/v3/time", {}, 1),
    ],
)
def test_every_call_weighs_what_is_documented(http, sandbox, path, params, weight):
    first = int(ask(http, sandbox, "/api/v3/ping").headers["X-MBX-USED-WEIGHT-1M"])
    headers = ask(http, sandbox, path, **params).headers
    assert int(headers["X-MBX-USED-WEIGHT-1M"]) - first == weight
    assert headers["X-MBX-USED-WEIGHT"] == headers["X-MBX-USED-WEIGHT-1M"]


def test_weight_is_counted_per_minute_of_the_clock(http, sandbox, clock):
    ask(http, sandbox)
    clock.turn(60)
    assert ask(http, sandbox).headers["X-MBX-USED-WEIGHT-1M"] == "80"


def test_over_the_limit_then_banned_then_free_again(http, clock, recorded):
    limits = StandInLimits(binance_weight_per_minute=1200, binance_calls_until_ban=2, binance_ban_s=120)
    with Sandbox(coins=10, clock=clock, limits=limits) as box:
        assert [ask(http, box).status_code for _ in range(17)] == [200] * 15 + [429] * 2
        clock.turn(60)
        assert [ask(http, box).status_code for _ in range(17)] == [200] * 15 + [429] * 2
        banned = ask(http, box)
        assert (banned.status_code, banned.headers["Retry-After"]) == (418, "120")
        until = clock.now_ms() + 120_000
        assert (
            banned.text
            == re.sub(rb"until \d+", b"until %d" % until, recorded("binance/error_418_banned.json")).decode()
        )
        clock.turn(119)
        assert ask(http, box).headers["Retry-After"] == "1"
        clock.turn(1)
        assert ask(http, box).status_code == 200
        while (again := ask(http, box)).status_code != 418:
            assert again.status_code in (200, 429)
        assert again.headers["Retry-After"] == "240"


def test_the_body_over_the_limit_is_the_recorded_one(http, clock, recorded):
    with Sandbox(coins=10, clock=clock, limits=StandInLimits(binance_weight_per_minute=1200)) as box:
        for _ in range(16):
            answer = ask(http, box)
    assert answer.status_code == 429
    assert answer.content == recorded("binance/error_429_weight.json")
    assert answer.headers["Retry-After"] == "60"
    assert answer.headers["X-MBX-USED-WEIGHT-1M"] == "1280"


def test_exchange_info_looks_as_recorded(http, sandbox, recorded_json):
    old, new = recorded_json("binance/exchangeInfo_2020-10.json"), recorded_json("binance/exchangeInfo_2025-08-07.json")
    info = ask(http, sandbox, INFO, symbol="BTCUSDT").json()
    assert list(info) == list(old)
    assert set(info["symbols"][0]) == set(new["symbols"][0])
    shared = [name for name in old["symbols"][0] if name in info["symbols"][0]]
    assert [name for name in info["symbols"][0] if name in shared] == shared
    assert {limit["rateLimitType"] for limit in info["rateLimits"]} == {"REQUEST_WEIGHT", "ORDERS", "RAW_REQUESTS"}
    assert info["rateLimits"][0] == {
        "rateLimitType": "REQUEST_WEIGHT",
        "interval": "MINUTE",
        "intervalNum": 1,
        "limit": 6000,
    }


def test_exchange_info_lists_what_the_ticker_has(http, sandbox):
    listed = {row["symbol"]: row for row in ask(http, sandbox, INFO).json()["symbols"]}
    for row in ask(http, sandbox).json():
        pair = listed.pop(row["symbol"])
        assert pair["baseAsset"] + pair["quoteAsset"] == row["symbol"]
        assert (pair["status"] == "BREAK") == (row["count"] == 0)
    assert not listed


def test_headers_are_those_recorded(http, sandbox, recorded_json):
    recorded = recorded_json("binance/ticker_24hr_2019-08-22.headers.json")["response_headers"]
    headers = ask(http, sandbox, symbol="BTCUSDT").headers
    for name in ("Server", "Vary", "Cache-Control", "Pragma", "Expires", "X-Cache", "Transfer-Encoding"):
        assert headers[name] == recorded[name][0]
    assert headers["Content-Type"].lower() == recorded["Content-Type"][0]
    assert set(recorded) & {"X-Mbx-Uuid", "X-Mbx-Used-Weight", "X-Mbx-Used-Weight-1m"} <= set(
        map(str.title, headers)
    ) | {"X-Mbx-Used-Weight-1m"}


def test_ping_and_time(http, sandbox, clock):
    assert ask(http, sandbox, "/api/v3/ping").content == b"{}"
    assert ask(http, sandbox, "/api/v3/time").json() == {"serverTime": clock.now_ms()}


def test_parts_of_tickers_are_those_of_the_rows(http, sandbox):
    url = f"{sandbox.base_url('binance')}/api/v3/ticker"
    rows = {each["symbol"]: each for each in http.get(f"{url}/24hr").json()}
    for path, names in (
        ("bookTicker", ["symbol", "bidPrice", "bidQty", "askPrice", "askQty"]),
        ("24hr?type=MINI", ["symbol", "openPrice", "highPrice", "lowPrice", "lastPrice", "volume", "quoteVolume",
                            "openTime", "closeTime", "firstId", "lastId", "count"]),
    ):  # fmt: skip
        parts = http.get(f"{url}/{path}").json()
        assert len(parts) == len(rows)
        for each in parts:
            assert list(each) == names
        one = http.get(f"{url}/{path}", params={"symbol": "BTCUSDT"}).json()
        assert list(one) == names
    bars = sandbox.base_url("binance") + "/api/v3/{}?symbol=BTCUSDT&interval=1h&limit=3&endTime=1790000000000"
    assert http.get(bars.format("uiKlines")).json() == http.get(bars.format("klines")).json()
