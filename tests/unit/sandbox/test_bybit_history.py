"""Klines, trades and order books of Bybit: shapes as recorded, bounds and errors as documented."""

from __future__ import annotations

import pytest

from cryptoproxy.sandbox import Rule
from cryptoproxy.sandbox.bybit.instruments import DOWN
from cryptoproxy.sandbox.world.intervals import BYBIT

KLINE, TRADES, BOOK = (f"/v5/market/{name}" for name in ("kline", "recent-trade", "orderbook"))
MINUTE_MS = 60_000


def ask(http, box, path=KLINE, **params):
    usual = {"category": "linear", "symbol": "BTCUSDT"} | ({"interval": "1"} if path == KLINE else {})
    return http.get(box.base_url("bybit") + path, params=usual | params).json()


def rows(http, box, path=KLINE, **params):
    return ask(http, box, path, **params)["result"]["list"]


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("kline_linear_5m_2024-06-07", {"interval": "5"}),
        ("kline_spot_1m_unaligned_start_2023-05-08", {"category": "spot"}),
        ("kline_inverse_60_documentation", {"category": "inverse", "symbol": "BTCUSD", "interval": "60"}),
    ],
)
def test_klines_look_as_recorded(http, sandbox, recorded_json, name, params):
    known = recorded_json(f"bybit/history/{name}.json")
    answer = ask(http, sandbox, **params)
    assert list(answer) == list(known)
    assert set(answer["result"]) == set(known["result"])
    if params.get("category") != "inverse":  # there the documentation has another order than the recordings
        assert list(answer["result"]) == list(known["result"])
    step = [int(a[0]) - int(b[0]) for a, b in (known["result"]["list"][:2], answer["result"]["list"][:2])]
    assert step[0] == step[1] > 0
    for row in answer["result"]["list"]:
        assert len(row) == 7
        assert all(isinstance(value, str) for value in row)
        assert not [value for value in row if "." in value and value.endswith("0")]


def test_the_bar_that_contains_the_start_comes_as_recorded(http, sandbox, recorded_json):
    known = recorded_json("bybit/history/kline_spot_1m_unaligned_start_2023-05-08.json")["result"]["list"]
    found = rows(http, sandbox, category="spot", start=1_683_472_808_000, end=1_683_472_876_000)
    assert [row[0] for row in found] == [row[0] for row in known]


def test_seconds_instead_of_milliseconds_give_an_empty_list_as_recorded(http, sandbox, clock, recorded_json):
    known = recorded_json("bybit/history/kline_spot_empty_2024-09-30.json")
    answer = ask(http, sandbox, category="spot", start=1_795_000_000, end=1_795_100_000)
    assert answer == known | {"result": known["result"] | {"symbol": "BTCUSDT"}, "time": clock.now_ms()}


def test_bounds_limits_and_the_open_bar(http, sandbox, clock):
    end = clock.now_ms() // MINUTE_MS * MINUTE_MS
    clock.turn(30)
    assert [int(row[0]) for row in rows(http, sandbox, limit=3)] == [end, end - MINUTE_MS, end - 2 * MINUTE_MS]
    start = end - 10 * MINUTE_MS
    assert [int(row[0]) for row in rows(http, sandbox, limit=2, start=start)] == [start + MINUTE_MS, start]
    both = rows(http, sandbox, limit=2, start=start, end=start + 5 * MINUTE_MS)
    assert [int(row[0]) for row in both] == [start + 5 * MINUTE_MS, start + 4 * MINUTE_MS]
    assert len(rows(http, sandbox)) == 200
    assert len(rows(http, sandbox, limit=1000)) == 1000
    last = http.get(
        sandbox.base_url("bybit") + "/v5/market/tickers", params={"category": "linear", "symbol": "BTCUSDT"}
    )
    assert float(rows(http, sandbox, limit=1)[0][4]) == pytest.approx(
        float(last.json()["result"]["list"][0]["lastPrice"]), rel=0.001
    )


def test_inverse_volumes_are_the_other_way_round_and_add_up(http, sandbox):
    hour = 1_795_248_000_000
    bounds = {"category": "inverse", "symbol": "BTCUSD", "start": hour, "end": hour + 3_599_999}
    whole, parts = rows(http, sandbox, interval="60", **bounds), rows(http, sandbox, interval="1", **bounds)
    assert len(parts) == 60
    _, _, _, _, _, dollars, coins = whole[0]
    assert dollars.isdigit()
    assert int(dollars) == sum(int(row[5]) for row in parts)
    assert float(coins) == pytest.approx(sum(float(row[6]) for row in parts), abs=1e-6)
    assert int(dollars) / float(coins) == pytest.approx(float(whole[0][4]), rel=0.02)
    linear = rows(http, sandbox, interval="60", start=hour, end=hour)[0]
    assert float(linear[6]) / float(linear[5]) == pytest.approx(float(linear[4]), rel=0.02)


@pytest.mark.parametrize("interval", BYBIT)
def test_the_first_row_of_every_interval_is_the_launch(http, sandbox, interval):
    info = http.get(
        sandbox.base_url("bybit") + "/v5/market/instruments-info", params={"category": "linear", "symbol": "BTCUSDT"}
    ).json()
    launched = int(info["result"]["list"][0]["launchTime"])
    first = int(rows(http, sandbox, interval=interval, start=9999, limit=1)[0][0])
    assert BYBIT[interval].floor(launched // 1000) * 1000 == first


def test_while_it_is_down_there_are_no_rows(http, sandbox):
    start, end = (second * 1000 for second in DOWN[0])
    found = rows(http, sandbox, start=start - MINUTE_MS, end=end)
    assert [int(row[0]) for row in found] == [end, start - MINUTE_MS]


def test_recent_trades_look_as_recorded(http, sandbox, recorded_json):
    known = recorded_json("bybit/history/recent_trade_linear_testnet_2023-03-27.json")["list"][0]
    found = rows(http, sandbox, TRADES)
    assert list(found[0])[: len(known)] == list(known)
    assert {name: type(found[0][name]) for name in known} == {name: type(value) for name, value in known.items()}
    assert len(found[0]["execId"]) == len(known["execId"])
    assert len(found) == 500
    times = [int(row["time"]) for row in found]
    assert times == sorted(times, reverse=True)
    assert len({row["execId"] for row in found}) == 500
    spot = rows(http, sandbox, TRADES, category="spot")
    assert len(spot) == 60
    assert all(row["execId"].isdigit() and len(row["execId"]) == 19 for row in spot)
    assert all(row["size"].isdigit() for row in rows(http, sandbox, TRADES, category="inverse", symbol="BTCUSD"))


def test_a_book_looks_as_recorded(http, sandbox, recorded_json):
    known = recorded_json("bybit/history/orderbook_spot_2023-09-07.json")["result"]
    book = ask(http, sandbox, BOOK, category="spot", limit=2)["result"]
    assert list(book) == [*known, "seq", "cts"]
    assert [len(book["a"]), len(book["b"])] == [2, 2]
    assert float(book["b"][1][0]) < float(book["b"][0][0]) < float(book["a"][0][0]) < float(book["a"][1][0])
    assert len(ask(http, sandbox, BOOK, category="spot")["result"]["a"]) == 1
    assert len(ask(http, sandbox, BOOK)["result"]["a"]) == 25


@pytest.mark.parametrize(
    ("path", "params", "text"),
    [
        (KLINE, {"interval": "3d"}, "Invalid period!"),
        (KLINE, {"interval": None}, "Invalid period!"),
        (KLINE, {"symbol": "NONESUCH"}, "Not supported symbols"),
        (KLINE, {"symbol": None}, "params error: Symbol Invalid"),
        (KLINE, {"category": "x"}, "Illegal category"),
        (KLINE, {"limit": 1001}, "params error: Illegal limit"),
        (KLINE, {"start": "x"}, "Request parameter error."),
        (TRADES, {"category": "spot", "limit": 61}, "params error: Illegal limit"),
        (BOOK, {"limit": 1001}, "params error: Illegal limit"),
    ],
)
def test_errors_come_with_status_200(http, sandbox, path, params, text):
    answer = ask(http, sandbox, path, **params)
    assert (answer["retCode"], answer["retMsg"], answer["result"]) == (10001, text, {})


def test_the_refusal_of_an_interval_is_the_recorded_one(http, sandbox, clock, recorded_json):
    known = recorded_json("bybit/history/error_10001_invalid_period.json")
    assert list(ask(http, sandbox, interval="3d").items()) == list((known | {"time": clock.now_ms()}).items())


def test_linear_is_the_category_of_klines_without_one(http, sandbox):
    assert ask(http, sandbox, category=None)["result"]["category"] == "linear"


def test_rules_change_the_rows_in_the_envelope(http, sandbox):
    good = ask(http, sandbox, limit=9)
    for name in ("hole", "twice", "out_of_order", "corrected"):
        sandbox.script.add(Rule(path=r"/bybit/v5/market/kline\?", rewrite=name, times=1))
    for count in (6, 14, 9, 9):
        wrong = ask(http, sandbox, limit=9)
        assert len(wrong["result"]["list"]) == count
        assert wrong != good
        assert list(wrong) == list(good)
    assert ask(http, sandbox, limit=9) == good
