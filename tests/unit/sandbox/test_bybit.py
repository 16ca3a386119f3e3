from __future__ import annotations

import json
import re

import pytest

from cryptoproxy.sandbox import Rule, Sandbox, StandInLimits
from cryptoproxy.sandbox.bybit.instruments import next_quarters

TICKERS = "/v5/market/tickers"
INSTRUMENTS = "/v5/market/instruments-info"
SINCE_2025 = [
    "basis",
    "preOpenPrice",
    "preQty",
    "curPreListingPhase",
    "fundingIntervalHour",
    "basisRateYear",
    "fundingCap",
]
"""Columns of contracts that came after the recording."""


def ask(http, box, path=TICKERS, **params):
    return http.get(box.base_url("bybit") + path, params=params)


def rows(http, box, category, **params):
    return ask(http, box, category=category, **params).json()["result"]["list"]


def test_the_envelope_is_the_recorded_one(http, sandbox, clock, recorded_json):
    recorded = recorded_json("bybit/v5_tickers_linear_2023-02-27.json")
    answer = ask(http, sandbox, category="linear", symbol="BTCUSDT").json()
    assert list(answer) == list(recorded)
    assert list(answer["result"]) == list(recorded["result"])
    assert (answer["retCode"], answer["retMsg"], answer["retExtInfo"]) == (0, "OK", {})
    assert answer["time"] == clock.now_ms()


@pytest.mark.parametrize(
    ("category", "name", "more"),
    [("linear", "v5_tickers_linear_2023-02-27", SINCE_2025), ("spot", "v5_tickers_spot_2023-09-07", [])],
)
def test_a_row_looks_as_recorded(http, market, recorded_json, category, name, more):
    recorded = recorded_json(f"bybit/{name}.json")["result"]["list"][0]
    row = rows(http, market, category, symbol="BTCUSDT")[0]
    assert list(row) == list(recorded) + more
    assert all(isinstance(value, str) for value in row.values())
    for column, value in recorded.items():
        assert (row[column] == "") == (value == ""), column
        assert (
            row[column].replace("-", "").replace(".", "").isdigit() == value.replace("-", "").replace(".", "").isdigit()
        )


def test_a_whole_market_is_all_text_and_plausible(http, market):
    for category in ("linear", "inverse", "spot"):
        found = rows(http, market, category)
        assert len({row["symbol"] for row in found}) == len(found)
        for row in found:
            assert all(isinstance(value, str) for value in row.values())
            assert not [value for value in row.values() if re.search(r"\de[-+]", value)]
            low, last, high = (float(row[name]) for name in ("lowPrice24h", "lastPrice", "highPrice24h"))
            assert 0 < low <= last <= high
    assert len(rows(http, market, "linear")) > 500
    assert any(row["usdIndexPrice"] == "" for row in rows(http, market, "spot"))


def test_inverse_contracts_count_the_other_way_round(http, market):
    linear, inverse = (
        rows(http, market, "linear", symbol="BTCUSDT")[0],
        rows(http, market, "inverse", symbol="BTCUSD")[0],
    )
    price = float(linear["lastPrice"])
    assert float(linear["turnover24h"]) == pytest.approx(float(linear["volume24h"]) * price, rel=0.2)
    assert float(inverse["volume24h"]) == pytest.approx(float(inverse["turnover24h"]) * price, rel=0.2)


def test_perpetuals_are_funded_and_futures_delivered(http, market):
    found = {row["symbol"]: row for row in rows(http, market, "linear")}
    now_ms = market.clock.now_ms()
    assert found["BTCUSDT"]["deliveryTime"] == "0"
    assert now_ms < int(found["BTCUSDT"]["nextFundingTime"]) <= now_ms + 8 * 3_600_000
    dated = [row for symbol, row in found.items() if re.fullmatch(r"BTC-\d+[A-Z]{3}\d\d", symbol)]
    assert len(dated) == 2
    for row in dated:
        assert int(row["deliveryTime"]) > now_ms
        assert (row["nextFundingTime"], row["fundingRate"], row["fundingIntervalHour"]) == ("0", "", "")
        assert row["basisRate"]
        assert row["basis"]
    assert "BTCPERP" in found
    assert any(symbol.startswith("1000") for symbol in found)


def test_futures_are_delivered_on_last_fridays_of_quarters():
    dates = [str(day)[:16] for day in next_quarters(1_795_253_400_123, 3)]
    assert dates == ["2026-12-25 08:00", "2027-03-26 08:00", "2027-06-25 08:00"]


def test_instruments_are_paged_by_cursor_and_name_the_quote(http, market):
    found, cursor, calls = {}, "", 0
    while True:
        result = ask(http, market, INSTRUMENTS, category="linear", cursor=cursor).json()["result"]
        found |= {row["symbol"]: row for row in result["list"]}
        cursor, calls = result["nextPageCursor"], calls + 1
        if not cursor:
            break
        assert len(result["list"]) == 500
    assert calls == 2
    assert set(found) == {row["symbol"] for row in rows(http, market, "linear")}
    assert (found["BTCPERP"]["baseCoin"], found["BTCPERP"]["quoteCoin"]) == ("BTC", "USDC")
    assert found["BTCUSDT"]["quoteCoin"] == "USDT"
    assert len(ask(http, market, INSTRUMENTS, category="linear", limit=1000).json()["result"]["list"]) == len(found)


def test_spot_instruments_come_on_one_page(http, market):
    result = ask(http, market, INSTRUMENTS, category="spot", limit=5).json()["result"]
    assert "nextPageCursor" not in result
    assert {row["symbol"] for row in result["list"]} == {row["symbol"] for row in rows(http, market, "spot")}
    assert all(row["symbol"] == row["baseCoin"] + row["quoteCoin"] for row in result["list"])


@pytest.mark.parametrize(("symbol", "name"), [("BTCUSDT", "v2_tickers_2022-12-29"), ("BTCUSD", None)])
def test_the_old_tickers_look_as_recorded(http, sandbox, recorded_json, symbol, name):
    answer = ask(http, sandbox, "/v2/public/tickers", symbol=symbol).json()
    whole = recorded_json("bybit/v2_tickers_2022-12-29.json")
    row = whole["result"][0] if name else recorded_json("bybit/v2_tickers_inverse_2021-05-07.json")[0]
    assert list(answer) == list(whole)
    assert list(answer["result"][0]) == list(row)
    assert {k: type(v) for k, v in answer["result"][0].items()} == {k: type(v) for k, v in row.items()}
    assert [k for k, v in answer["result"][0].items() if v == ""] == [k for k, v in row.items() if v == ""]
    assert re.fullmatch(r"\d{10}\.\d{6}", answer["time_now"])


def test_the_old_symbol_list_looks_as_recorded(http, market, recorded_json):
    recorded = recorded_json("bybit/v2_symbols_2019-09-05.json")
    answer = ask(http, market, "/v2/public/symbols").json()
    assert list(answer) == list(recorded)
    for known in recorded["result"]:
        row = next(row for row in answer["result"] if row["name"] == "BTCUSD")
        assert list(row) == list(known)
        assert {name: type(value) for name, value in row.items()} == {
            name: type(value) for name, value in known.items()
        }
        assert [list(row[name]) for name in ("price_filter", "lot_size_filter")] == [
            list(known[name]) for name in ("price_filter", "lot_size_filter")
        ]
    tickers = ask(http, market, "/v2/public/tickers").json()["result"]
    assert [row["name"] for row in answer["result"]] == [row["symbol"] for row in tickers]


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({}, "params error: Category is invalid"),
        ({"category": "x"}, "Illegal category"),
        ({"category": "spot", "symbol": "NONESUCH"}, "Not supported symbols"),
    ],
)
def test_errors_come_with_status_200(http, sandbox, params, text):
    answer = ask(http, sandbox, **params)
    assert (answer.status_code, answer.json()["retCode"], answer.json()["retMsg"]) == (200, 10001, text)


def test_an_error_body_is_the_recorded_one(http, sandbox, clock, recorded_json):
    recorded = recorded_json("bybit/error_10001.json")
    answer = ask(http, sandbox, category="spot", symbol="NONESUCH").json()
    assert list(answer.items()) == list((recorded | {"time": clock.now_ms()}).items())


def test_too_many_visits_answer_as_recorded(http, clock, recorded):
    with Sandbox(coins=10, clock=clock, limits=StandInLimits(bybit_visits_per_second=1)) as box:
        assert ask(http, box, category="spot").json()["retCode"] == 0
        answer = ask(http, box, category="spot")
        assert answer.status_code == 200
        assert answer.content == re.sub(rb"\d{13}", str(clock.now_ms()).encode(), recorded("bybit/error_10006.json"))
        assert answer.headers["X-Bapi-Limit-Status"] == "0"
        clock.turn(1)
        assert ask(http, box, category="spot").json()["retCode"] == 0


def test_too_frequent_access_is_forbidden_for_ten_minutes(http, clock):
    with Sandbox(coins=10, clock=clock, limits=StandInLimits(bybit_calls_per_5s=3)) as box:
        assert [ask(http, box, "/v5/market/time").status_code for _ in range(4)] == [200, 200, 200, 403]
        assert "access too frequent" in ask(http, box, "/v5/market/time").text
        clock.turn(599)
        assert ask(http, box, "/v5/market/time").status_code == 403
        clock.turn(1)
        assert ask(http, box, "/v5/market/time").status_code == 200


def test_time(http, sandbox, clock):
    result = json.loads(ask(http, sandbox, "/v5/market/time").content)["result"]
    assert result == {"timeSecond": str(clock.now_ms() // 1000), "timeNano": f"{clock.now_ms()}000000"}


def test_a_scripted_403_has_its_text(http, sandbox):
    sandbox.script.add(Rule(path="/bybit/", status=403))
    assert ask(http, sandbox, category="spot").text == "403, access too frequent"
