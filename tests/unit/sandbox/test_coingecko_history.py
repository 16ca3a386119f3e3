"""Bars and points of CoinGecko: shapes as recorded, granularity as documented."""

from __future__ import annotations

import itertools
import re

import pytest

from cryptoproxy.sandbox import Rule, Sandbox
from cryptoproxy.sandbox.world.coins import make_coins
from cryptoproxy.sandbox.world.market import SeededMarket

DAY = 86_400
HALF_HOUR, FOUR_HOURS, FOUR_DAYS = 1800, 4 * 3600, 4 * DAY


def ask(http, box, path, *, host="coingecko", **params):
    return http.get(f"{box.base_url(host)}/coins/{path}", params={"vs_currency": "usd"} | params)


def test_bars_look_as_recorded(http, sandbox, recorded_json):
    for name in ("ohlc_30d_myr_2021-05-15", "ohlc_1d_documentation_2026-05"):
        known = recorded_json(f"coingecko/history/{name}.json")
        rows = ask(http, sandbox, "bitcoin/ohlc", days=1).json()
        assert [type(value) for value in rows[0]] == [type(value) for value in known[0]] == [int, *[float] * 4]
    text = ask(http, sandbox, "bitcoin/ohlc", days=1).text
    assert re.match(r"\[\[\d{13},\d+\.\d+,", text)


@pytest.mark.parametrize(
    ("days", "step", "count"),
    [(1, HALF_HOUR, 49), (7, FOUR_HOURS, 42), (14, FOUR_HOURS, 84), (30, FOUR_HOURS, 180), (90, FOUR_DAYS, 23)],
)
def test_bars_are_the_longer_the_more_days_and_stamped_by_their_end(http, sandbox, clock, days, step, count):
    """30 days had 180 rows in the recording, the last of them 26 minutes in the future."""
    rows = ask(http, sandbox, "bitcoin/ohlc", days=days).json()
    stamps = [row[0] for row in rows]
    assert {later - earlier for earlier, later in itertools.pairwise(stamps)} == {step * 1000}
    assert clock.now_ms() < stamps[-1] <= clock.now_ms() + step * 1000
    assert abs(len(rows) - count) <= 1
    for _, opened, high, low, closed in rows:
        assert low <= min(opened, closed) <= max(opened, closed) <= high


def test_a_bar_is_closed_by_the_price_at_its_end(http, sandbox, clock):
    first = ask(http, sandbox, "ethereum/ohlc", days=1).json()
    clock.turn((first[-1][0] - clock.now_ms()) / 1000 + 1)
    then = ask(http, sandbox, "ethereum/ohlc", days=1).json()
    assert then[-3:-2] == first[-2:-1]
    assert then[-2][0] == first[-1][0]
    price = http.get(
        sandbox.base_url("coingecko") + "/simple/price", params={"ids": "ethereum", "vs_currencies": "usd"}
    ).json()["ethereum"]["usd"]
    assert then[-2][4] == pytest.approx(price, rel=0.002)


def test_points_look_as_recorded(http, sandbox, recorded_json):
    for days, name in ((30, "market_chart_30d_2021-05-15"), (365, "market_chart_90d_2021-05-15")):
        known = recorded_json(f"coingecko/history/{name}.json")
        chart = ask(http, sandbox, "bitcoin/market_chart", days=days).json()
        assert list(chart) == list(known)
        assert len({len(points) for points in chart.values()}) == 1
        for series, points in known.items():
            assert [type(value) for value in chart[series][0]] == [type(value) for value in points[0]]


@pytest.mark.parametrize(
    ("params", "step", "count"),
    [
        ({"days": 1}, 300, 289),
        ({"days": 2}, 3600, 49),
        ({"days": 90}, 3600, 2161),
        ({"days": 91}, DAY, 92),
        ({"days": 90, "interval": "daily"}, DAY, 91),
        ({"days": 365}, DAY, 366),
    ],
)
def test_points_are_the_sparser_the_more_days_and_end_with_now(http, sandbox, clock, params, step, count):
    """90 days of them daily were 91 in the recording: the midnights, the last one today's, and now."""
    stamps = [stamp for stamp, _ in ask(http, sandbox, "bitcoin/market_chart", **params).json()["prices"]]
    assert abs(len(stamps) - count) <= 1
    assert clock.now_ms() - stamps[-1] < 60_000
    assert {stamp // 1000 // step for stamp in stamps[:-1]} == set(
        range(stamps[0] // 1000 // step, stamps[-2] // 1000 // step + 1)
    )
    assert all((stamp % 86_400_000 == 0) == (step == DAY) for stamp in stamps[:-1])


def test_ranges_are_in_seconds_and_a_past_day_is_hourly(http, sandbox, clock):
    now = clock.now_ms() // 1000
    today = ask(http, sandbox, "bitcoin/market_chart/range", **{"from": now - DAY + 60, "to": now}).json()["prices"]
    assert 286 <= len(today) <= 289
    past = ask(http, sandbox, "bitcoin/market_chart/range", **{"from": now - 9 * DAY, "to": now - 8 * DAY}).json()[
        "prices"
    ]
    assert len(past) in (24, 25)
    assert (now - 9 * DAY) * 1000 <= past[0][0] <= past[-1][0] <= (now - 8 * DAY) * 1000
    again = ask(http, sandbox, "bitcoin/market_chart", days=30).json()["prices"]
    assert [point for point in again if past[0][0] <= point[0] <= past[-1][0]] == past


def test_free_plans_reach_back_a_year_as_recorded(http, sandbox, clock, recorded_json):
    known = recorded_json("coingecko/history/error_401_10012.json")
    now = clock.now_ms() // 1000
    for path, params in (
        ("bitcoin/market_chart", {"days": "max"}),
        ("bitcoin/market_chart", {"days": 366}),
        ("bitcoin/ohlc", {"days": "max"}),
        ("bitcoin/market_chart/range", {"from": now - 366 * DAY, "to": now}),
    ):
        answer = ask(http, sandbox, path, **params)
        assert answer.status_code == 401
        body = answer.json()
        body["error"]["status"]["timestamp"] = known["error"]["status"]["timestamp"]
        assert body == known
    assert ask(http, sandbox, "bitcoin/market_chart", host="coingecko-pro", days="max").status_code == 200


def test_there_is_nothing_from_before_a_coins_birth(http, market):
    world = SeededMarket(make_coins(1000, 1), 1)
    young = next(i for i, coin in enumerate(world.coins) if coin.age_days < 300)
    for path in ("ohlc", "market_chart"):
        answer = ask(http, market, f"{world.coins[young].id}/{path}", days=365).json()
        first = answer[0][0] - FOUR_DAYS * 1000 if path == "ohlc" else answer["prices"][0][0]
        assert first >= world.born(young) * 1000


@pytest.mark.parametrize(
    ("path", "params", "status", "name"),
    [
        ("nonesuch/ohlc", {"days": 1}, 404, "error_404_coin_not_found"),
        ("nonesuch/market_chart", {"days": 1}, 404, "error_404_coin_not_found"),
        ("bitcoin/ohlc", {"vs_currency": None}, 500, "error_500_ohlc"),
        ("bitcoin/market_chart", {}, 422, "error_422_missing_days"),
        ("bitcoin/market_chart", {"days": 1, "vs_currency": "usdt"}, 400, "error_400_invalid_vs_currency"),
    ],
)
def test_refusals_are_the_recorded_ones(http, sandbox, recorded, path, params, status, name):
    answer = ask(http, sandbox, path, **params)
    assert (answer.status_code, answer.content) == (status, recorded(f"coingecko/history/{name}.json"))


def test_days_that_there_are_no_bars_for_are_refused(http, sandbox):
    assert ask(http, sandbox, "bitcoin/ohlc", days=3).status_code == 400


def test_rules_change_every_series_of_a_chart(http, clock):
    with Sandbox(coins=5, clock=clock) as box:
        good = ask(http, box, "bitcoin/market_chart", days=2).json()
        box.script.add(
            Rule(path="market_chart", rewrite="hole", times=1), Rule(path="market_chart", rewrite="corrected")
        )
        holed = ask(http, box, "bitcoin/market_chart", days=2).json()
        assert {name: len(points) for name, points in holed.items()} == dict.fromkeys(
            good, len(good["prices"]) // 3 * 2
        )
        changed = ask(http, box, "bitcoin/market_chart", days=2).json()
        differ = [n for n, point in enumerate(good["prices"]) if changed["prices"][n] != point]
        assert differ == [len(good["prices"]) // 2]
