"""Klines, trades and order books of Binance: shapes as recorded, bounds and errors as documented."""

from __future__ import annotations

import itertools

import pytest

from cryptoproxy.sandbox import Rule
from cryptoproxy.sandbox.binance.pairs import DOWN
from cryptoproxy.sandbox.world.intervals import BINANCE

KLINES, AGG_TRADES, TRADES, DEPTH = (f"/api/v3/{name}" for name in ("klines", "aggTrades", "trades", "depth"))
MINUTE_MS = 60_000


def ask(http, box, path=KLINES, *, headers=None, **params):
    usual = {"symbol": "BTCUSDT"} | ({"interval": "1m"} if path == KLINES else {})
    return http.get(box.base_url("binance") + path, params=usual | params, headers=headers)


def shape(value: object) -> object:
    """Types, and of text the number of decimals; of lists that of the first."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value] if value and not isinstance(value[0], list) else [shape(value[0])]
    return len(value.partition(".")[2]) if isinstance(value, str) else type(value)


def test_rows_look_as_recorded(http, sandbox, recorded_json):
    for name, interval in (("klines_1h_outage_2020-06-28", "1h"), ("klines_1d_ETHBTC_2019", "1d")):
        known = recorded_json(f"binance/history/{name}.json")[0]
        row = ask(http, sandbox, interval=interval, symbol="ETHBTC").json()[0]
        assert shape(row) == shape(known)
        assert (row[6] - row[0], row[11]) == (known[6] - known[0], known[11])


@pytest.mark.parametrize(("path", "name"), [(AGG_TRADES, "aggTrades"), (TRADES, "trades"), (DEPTH, "depth")])
def test_trades_and_books_look_as_recorded(http, sandbox, recorded_json, path, name):
    known = recorded_json(f"binance/history/{name}_2021-10-22.json")
    answer = ask(http, sandbox, path, limit=3).json()
    assert shape(answer[0] if isinstance(answer, list) else answer) == shape(
        known[0] if isinstance(known, list) else known
    )
    first, known = (answer, known) if isinstance(answer, dict) else (answer[0], known[0])
    assert list(first) == list(known)


def test_bounds_compare_with_the_open_time_and_are_inclusive_as_recorded(http, sandbox, recorded_json):
    known = recorded_json("binance/history/klines_1m_unaligned_bounds_2020-05-06.json")
    rows = ask(http, sandbox, startTime=1_588_740_088_000, endTime=1_588_743_688_000).json()
    assert len(rows) == 60
    assert [rows[0][0], rows[-1][0]] == [known[0][0], known[-1][0]]
    known = recorded_json("binance/history/klines_1m_start_equals_end.json")
    rows = ask(http, sandbox, startTime=known[0][0], endTime=known[0][0]).json()
    assert [row[0] for row in rows] == [row[0] for row in known]


def test_the_outage_has_no_rows_as_recorded(http, sandbox, recorded_json):
    known = recorded_json("binance/history/klines_1h_outage_2020-06-28.json")
    rows = ask(http, sandbox, interval="1h", startTime=known[0][0], endTime=known[-1][0]).json()
    assert [row[0] for row in rows] == [row[0] for row in known]


def test_which_end_is_cut(http, sandbox, clock):
    """With a beginning the newer rows, without one the older; the open bar is the last row."""
    end = clock.now_ms() // MINUTE_MS * MINUTE_MS
    clock.turn(30)
    assert [row[0] for row in ask(http, sandbox, limit=3).json()] == [end - 2 * MINUTE_MS, end - MINUTE_MS, end]
    assert [row[0] for row in ask(http, sandbox, limit=2, startTime=end - 9 * MINUTE_MS).json()] == [
        end - 9 * MINUTE_MS,
        end - 8 * MINUTE_MS,
    ]
    assert [row[0] for row in ask(http, sandbox, limit=2, endTime=end - 9 * MINUTE_MS + 1).json()] == [
        end - 10 * MINUTE_MS,
        end - 9 * MINUTE_MS,
    ]
    future = ask(http, sandbox, startTime=end, endTime=end + 10**9).json()
    assert [row[0] for row in future] == [end]
    assert future[0][6] > clock.now_ms()
    assert len(ask(http, sandbox).json()) == 500
    assert len(ask(http, sandbox, limit=5000).json()) == 1000
    assert len(ask(http, sandbox, limit=1000, interval="1s").json()) == 1000


def test_the_first_row_is_the_listing(http, sandbox):
    for interval in BINANCE:
        first = ask(http, sandbox, interval=interval, startTime=0, limit=1).json()[0]
        assert first[0] <= 1_502_942_400_000 <= first[6]
    assert ask(http, sandbox, startTime=1_795_000_000, endTime=1_795_100_000).json() == [], (
        "seconds are no milliseconds"
    )


def test_microseconds_where_asked_for(http, sandbox):
    bounds = {"startTime": 1_700_000_040_000, "endTime": 1_700_000_040_000}
    plain, fine = (
        ask(http, sandbox, headers=headers, **bounds).json() for headers in (None, {"X-MBX-TIME-UNIT": "MICROSECOND"})
    )
    assert (fine[0][0], fine[0][6]) == (plain[0][0] * 1000, plain[0][6] * 1000 + 999)
    assert ask(http, sandbox, startTime=1_700_000_040_000_000, endTime=1_700_000_040_000_000).json() == plain


def test_aggregate_trades_are_paged_by_number_and_by_time(http, sandbox, clock):
    newest = ask(http, sandbox, AGG_TRADES, limit=1000).json()
    numbers = [row["a"] for row in newest]
    assert numbers == list(range(numbers[0], numbers[0] + 1000))
    assert all(after["f"] == before["l"] + 1 for before, after in itertools.pairwise(newest))
    assert ask(http, sandbox, AGG_TRADES, fromId=numbers[10], limit=5).json() == newest[10:15]
    start, end = newest[100]["T"], newest[200]["T"]
    between = ask(http, sandbox, AGG_TRADES, startTime=start, endTime=end, limit=1000).json()
    assert between == [row for row in newest if start <= row["T"] <= end]
    assert ask(http, sandbox, AGG_TRADES, endTime=end, limit=3).json() == between[-3:]
    single = ask(http, sandbox, TRADES, limit=1000).json()
    ids = [row["id"] for row in single]
    assert ids == list(range(ids[0], ids[0] + 1000))
    assert ids[-1] == newest[-1]["l"]
    assert clock.now_ms() - single[-1]["time"] < 2000


def test_the_trades_of_a_minute_make_its_kline(http, sandbox, clock):
    row = ask(http, sandbox, symbol="LINKBRL", limit=1).json()[0]
    trades, number = ask(http, sandbox, AGG_TRADES, symbol="LINKBRL", startTime=row[0], limit=1000).json(), 0
    trades = [trade for trade in trades if row[0] <= trade["T"] <= row[6]]
    assert trades[0]["p"] == row[1]
    assert trades[-1]["p"] == row[4]
    number = sum(trade["l"] - trade["f"] + 1 for trade in trades)
    assert number == row[8]
    assert sum(float(trade["q"]) for trade in trades) == pytest.approx(float(row[5]), abs=1e-8)
    assert sum(float(trade["q"]) for trade in trades if not trade["m"]) == pytest.approx(float(row[9]), abs=1e-8)


def test_a_book_is_sorted_and_begins_at_the_tickers_best(http, sandbox):
    book = ask(http, sandbox, DEPTH, limit=5000).json()
    bids, asks = ([float(price) for price, _ in book[side]] for side in ("bids", "asks"))
    assert len(bids) == len(asks) == 5000
    assert bids == sorted(set(bids), reverse=True)
    assert asks == sorted(set(asks))
    assert bids[0] < asks[0]
    assert len(ask(http, sandbox, DEPTH).json()["bids"]) == 100
    halted = next(
        row["symbol"]
        for row in http.get(sandbox.base_url("binance") + "/api/v3/ticker/24hr").json()
        if not row["count"]
    )
    assert ask(http, sandbox, DEPTH, symbol=halted).json()["bids"] == []


@pytest.mark.parametrize(
    ("path", "params", "code"),
    [
        (KLINES, {"symbol": "NONESUCH"}, -1121),
        (KLINES, {"symbol": "btcusdt"}, -1100),
        (KLINES, {"symbol": None}, -1102),
        (KLINES, {"interval": "2m"}, -1120),
        (KLINES, {"interval": "1H"}, -1120),
        (KLINES, {"interval": None}, -1102),
        (KLINES, {"startTime": "None"}, -1100),
        (KLINES, {"startTime": ""}, -1105),
        (KLINES, {"limit": "x"}, -1100),
        (KLINES, {"limit": 0}, -1130),
        (KLINES, {"timeZone": "8"}, -1130),
        (AGG_TRADES, {"fromId": 1, "startTime": 1}, -1128),
        (AGG_TRADES, {"symbol": "NONESUCH"}, -1121),
        (TRADES, {"limit": "-1"}, -1100),
        (DEPTH, {"symbol": "NONESUCH"}, -1121),
    ],
)
def test_wrong_queries_are_refused(http, sandbox, path, params, code):
    answer = ask(http, sandbox, path, **params)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_refusals_are_the_recorded_ones(http, sandbox, recorded):
    assert ask(http, sandbox, interval="1x").content == recorded("binance/history/error_-1120.json")
    assert ask(http, sandbox, startTime="2018-03-31 00:00:00").content == recorded("binance/history/error_-1100.json")


@pytest.mark.parametrize(
    ("path", "params", "weight"),
    [
        (KLINES, {"limit": 1000}, 2),
        (AGG_TRADES, {}, 4),
        (TRADES, {}, 25),
        *[(DEPTH, {"limit": limit}, weight) for limit, weight in ((5, 5), (100, 5), (101, 25), (501, 50), (1001, 250))],
        (DEPTH, {}, 5),
    ],
)
def test_every_call_weighs_what_is_documented(http, sandbox, path, params, weight):
    first = int(ask(http, sandbox, "/api/v3/ping").headers["X-MBX-USED-WEIGHT-1M"])
    assert int(ask(http, sandbox, path, **params).headers["X-MBX-USED-WEIGHT-1M"]) - first == weight


def test_a_history_can_be_walked_over_the_hole(http, sandbox):
    start, end = ((second - 1800) * 1000 for second in DOWN[0])
    opens: list[int] = []
    while rows := ask(http, sandbox, startTime=start, endTime=end + 3_600_000, limit=20).json():
        opens += [row[0] for row in rows]
        start = rows[-1][0] + MINUTE_MS
    assert len(opens) == len(set(opens)) == 61
    assert opens[30] - opens[29] == 3 * 3_600_000 + MINUTE_MS


@pytest.mark.parametrize(
    ("rule", "changed"),
    [
        ({"rewrite": "hole"}, lambda rows, before: rows[:3] + rows[7:]),
        ({"rewrite": "no_rows"}, lambda rows, before: []),
        ({"rewrite": "twice"}, lambda rows, before: rows + rows[5:]),
        ({"earlier": 60}, lambda rows, before: [before, *rows[:9]]),
    ],
)
def test_a_page_can_go_wrong_by_script(http, sandbox, clock, rule, changed):
    start = clock.now_ms() // MINUTE_MS * MINUTE_MS - 20 * MINUTE_MS
    before, *good = ask(http, sandbox, startTime=start - MINUTE_MS, endTime=start + 9 * MINUTE_MS).json()
    sandbox.script.add(Rule(path="/klines", times=1, **rule))
    assert ask(http, sandbox, startTime=start, endTime=start + 9 * MINUTE_MS).json() == changed(good, before)
    assert ask(http, sandbox, startTime=start, endTime=start + 9 * MINUTE_MS).json() == good
    assert [entry.fault for entry in sandbox.ledger.entries()] == ["", next(iter(rule)), ""]


def test_rows_out_of_order_and_a_later_correction(http, sandbox, clock):
    good = ask(http, sandbox, limit=10).json()
    sandbox.script.add(Rule(path="/klines", rewrite="out_of_order", times=1), Rule(path="/klines", rewrite="corrected"))
    mixed = ask(http, sandbox, limit=10).json()
    assert mixed != good
    assert sorted(mixed) == good
    corrected = ask(http, sandbox, limit=10).json()
    assert [n for n in range(10) if corrected[n] != good[n]] == [5]
    assert [k for k in range(12) if corrected[5][k] != good[5][k]] == [4]
    assert float(good[5][3]) <= float(corrected[5][4]) <= float(good[5][2])
    assert ask(http, sandbox, limit=10).json() == corrected
