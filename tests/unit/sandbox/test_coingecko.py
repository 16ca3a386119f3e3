from __future__ import annotations

import json
import re
from collections import Counter
from datetime import datetime

import pytest

from cryptoproxy.sandbox import Sandbox, StandInLimits
from cryptoproxy.sandbox.coingecko.rows import change, money

ALL_CHANGES = "1h,24h,7d,14d,30d,200d,1y"
WHOLE_MARKET = {"vs_currency": "usd", "per_page": 250}


def ask(http, box, **params):
    return http.get(box.base_url("coingecko") + "/coins/markets", params={"vs_currency": "usd"} | params)


def pages(http, box, **params):
    rows = []
    for page in range(1, 6):
        answer = ask(http, box, per_page=250, page=page, **params)
        rows += answer.json()
    return rows


def tokens(row: str) -> dict[str, str]:
    """The spelling of every plain value of one row."""
    return dict(re.findall(r'"(\w+)":("[^"]*"|[^,{}"]+)', row))


def kind(token: str) -> str:
    if token.startswith('"'):
        return "text"
    if token == "null":
        return "null"
    if "e-" in token:
        return "scientific"
    return "decimal" if "." in token else "int"


def test_columns_come_in_the_recorded_order(http, market, recorded_json):
    recorded = recorded_json("coingecko/markets_2022-01-29.json")
    row = ask(http, market, price_change_percentage=ALL_CHANGES, per_page=1).json()[0]
    assert list(row) == list(recorded[0])


def test_change_columns_come_only_when_asked_for(http, market, recorded_json):
    plain = ask(http, market, per_page=1).json()[0]
    assert not [name for name in plain if name.endswith("_in_currency")]
    asked = ask(http, market, per_page=1, price_change_percentage="7d,1h,nonsense").json()[0]
    assert list(asked)[-2:] == ["price_change_percentage_1h_in_currency", "price_change_percentage_7d_in_currency"]


def test_values_are_spelled_as_in_the_recording(http, market, recorded):
    """Per column, nothing is spelled in a way that the real API was not seen to use."""
    seen: dict[str, set[str]] = {}
    for name in ("markets_2022-01-29", "markets_2025-02-09_precision_full"):
        for row in recorded(f"coingecko/{name}.json").decode().split('{"id"')[1:]:
            for column, token in tokens('{"id"' + row).items():
                seen.setdefault(column, set()).add(kind(token))
    mixed = {"int", "decimal", "scientific"}
    also = {
        "market_cap_rank": {"null"},
        "fully_diluted_valuation": {"null"},
        "total_supply": {"null"},
        "max_supply": {"null"},
        **dict.fromkeys(("current_price", "high_24h", "low_24h", "ath", "atl", "price_change_24h"), mixed),
        **dict.fromkeys(("total_volume", "market_cap_change_24h"), mixed),
        **{f"price_change_percentage_{period}_in_currency": {"null", *mixed} for period in ALL_CHANGES.split(",")},
    }
    body = ask(http, market, per_page=250, price_change_percentage=ALL_CHANGES).text
    for row in body.split('{"id"')[1:]:
        for column, token in tokens('{"id"' + row).items():
            near_zero = "percentage" in column and kind(token) == "scientific"
            if column not in ("times", "currency", "percentage") and not near_zero:  # those three are of roi
                assert kind(token) in seen[column] | also.get(column, set()), (column, token)


def test_tiny_prices_are_in_scientific_notation_as_ruby_writes_it(http, market):
    prices = [tokens('{"id"' + row)["current_price"] for row in ask(http, market, per_page=250).text.split('{"id"')[1:]]
    tiny = [price for price in prices if "e" in price]
    assert tiny
    assert all(re.fullmatch(r"\d(\.\d+)?e-\d\d", price) for price in tiny)
    assert {kind(price) for price in prices} == {"int", "decimal", "scientific"}


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        (70734.4, "70734"),
        (2151.537, "2151.54"),
        (1.0004, "1.0"),
        (1.0894, "1.089"),
        (0.09412711, "0.094127"),
        (0.038418424, "0.03841842"),
        (5.971e-06, "5.97e-06"),
        (3.360884e-07, "3.36088e-07"),
        (0.0, "0.0"),
    ],
)
def test_money_is_rounded_as_recorded(value, spelled):
    assert json.dumps(money(value)) == spelled


def test_losses_keep_all_their_digits():
    assert change(9294767221.4) == 9294767221
    assert change(-9631212787.403564) == -9631212787.403564


def test_a_stale_coin_has_no_changes_as_in_the_recording(http, market, recorded_json):
    recorded = recorded_json("coingecko/markets_2025-02-09_precision_full.json")[1]
    empty = {name for name, value in recorded.items() if value is None} - {"roi", "max_supply"}
    stale = []
    for row in pages(http, market, price_change_percentage="1h,24h,1y"):
        age_s = market.clock.now_ms() / 1000 - datetime.fromisoformat(row["last_updated"]).timestamp()
        if age_s > 86400 + 60:
            stale.append(row)
    assert stale
    assert all(row[name] is None for row in stale for name in empty)


def test_the_market_has_what_the_recordings_warn_of(http, market):
    rows = pages(http, market, price_change_percentage="1h,1y")
    assert len(rows) == 1000
    assert len({row["id"] for row in rows}) == 1000
    symbols = Counter(row["symbol"] for row in rows)
    assert symbols["usdt"] == 2
    assert symbols["doge"] == 2
    assert symbols["wbtc"] == 3
    for name in ("roi", "max_supply", "total_supply", "high_24h", "market_cap_rank", "fully_diluted_valuation"):
        nulls = sum(row[name] is None for row in rows)
        assert 0 < nulls < 1000, name
    assert any(row["roi"] for row in rows)
    assert all(row["current_price"] > 0 for row in rows)
    assert any("\u200b" in row["name"] for row in rows)


def test_rows_are_ordered_by_market_cap_and_ranked(http, market):
    rows = ask(http, market, per_page=250).json()
    caps = [row["market_cap"] for row in rows]
    assert caps == sorted(caps, reverse=True)
    ranks = [row["market_cap_rank"] for row in rows]
    assert rows[0]["id"] == "bitcoin"
    assert all(abs(rank - place) < 10 for place, rank in enumerate(ranks, 1))


def test_prices_caps_and_ranks_change(http, sandbox, clock):
    before = {row["id"]: row for row in ask(http, sandbox, per_page=250).json()}
    clock.turn(2)
    soon = {row["id"]: row for row in ask(http, sandbox, per_page=250).json()}
    moved = [name for name in before if before[name] != soon[name]]
    assert 0 < len(moved) < len(before)
    clock.turn(86_400)
    later = {row["id"]: row for row in ask(http, sandbox, per_page=250).json()}
    assert sum(before[name]["market_cap_rank"] != later[name]["market_cap_rank"] for name in before) > 10


@pytest.mark.parametrize("order", ["market_cap_asc", "volume_desc", "volume_asc", "id_asc", "id_desc"])
def test_order_is_obeyed(http, sandbox, order):
    column = {"market_cap": "market_cap", "volume": "total_volume", "id": "id"}[order.rpartition("_")[0]]
    values = [row[column] for row in ask(http, sandbox, per_page=250, order=order).json()]
    assert values == sorted(values, reverse=order.endswith("desc"))


def test_pages_hold_250_at_most_and_end_empty(http, market):
    assert len(ask(http, market, per_page=251).json()) == 250
    assert len(ask(http, market).json()) == 100
    first, second = ask(http, market, per_page=3).json(), ask(http, market, per_page=3, page=2).json()
    assert not {row["id"] for row in first} & {row["id"] for row in second}
    past = ask(http, market, per_page=250, page=5)
    assert (past.status_code, past.content) == (200, b"[]")


def test_ids_pick_and_unknown_or_blank_ones_are_just_absent(http, sandbox):
    rows = ask(http, sandbox, ids="solana,bitcoin,nonesuch, ethereum").json()
    assert [row["id"] for row in rows] == ["bitcoin", "solana"]


def test_precision_and_currency(http, sandbox):
    full = ask(http, sandbox, ids="ethereum", precision="full").json()[0]["current_price"]
    assert len(str(full)) > 10
    assert ask(http, sandbox, ids="ethereum", precision=1).json()[0]["current_price"] == round(full, 1)
    bitcoin = ask(http, sandbox, ids="bitcoin", vs_currency="btc", precision="full").json()[0]
    assert bitcoin["current_price"] == pytest.approx(1)
    assert ask(http, sandbox, vs_currency="nonesuch").status_code == 400


def test_missing_currency_answers_as_recorded(http, sandbox, recorded):
    answer = http.get(sandbox.base_url("coingecko") + "/coins/markets")
    assert answer.status_code == 422
    assert answer.content == recorded("coingecko/error_422_missing_vs_currency.json")
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-cache"


def test_headers_are_those_recorded(http, sandbox, recorded_json):
    recorded = recorded_json("coingecko/markets_2022-01-29.headers.json")["response_headers"]
    headers = ask(http, sandbox).headers
    for name in ("Content-Type", "Cache-Control", "Vary", "Server", "Content-Encoding", "Transfer-Encoding"):
        assert headers[name] == recorded[name][0]
    assert headers["ETag"].startswith('W/"')
    assert headers["Date"] == "Sat, 21 Nov 2026 09:30:00 GMT"


def test_ping(http, sandbox, recorded_json):
    assert http.get(sandbox.base_url("coingecko") + "/ping").json() == recorded_json("coingecko/ping.json")


def test_the_rate_limit_answers_as_recorded_and_ends_with_the_minute(http, clock, recorded, recorded_json):
    with Sandbox(coins=10, clock=clock, limits=StandInLimits(coingecko_calls_per_minute=2)) as box:
        assert [ask(http, box).status_code for _ in range(3)] == [200, 200, 429]
        answer = ask(http, box)
        assert answer.content == recorded("coingecko/error_429_rate_limit.json")
        known = recorded_json("coingecko/error_429_rate_limit.headers.json")["response_headers"]
        assert answer.headers["content-type"] == known["content-type"][0]
        assert answer.headers["server"] == known["server"][0]
        assert answer.headers["retry-after"] == "60"
        clock.turn(60)
        assert ask(http, box).status_code == 200


def test_a_cached_answer_has_an_age(http, clock):
    with Sandbox(coins=10, clock=clock, limits=StandInLimits(coingecko_cache_s=30)) as box:
        first = ask(http, box)
        clock.turn(7)
        again, other = ask(http, box), ask(http, box, page=1)
        assert again.content == first.content
        assert (again.headers["Age"], again.headers["CF-Cache-Status"]) == ("7", "HIT")
        assert other.content != first.content
        clock.turn(30)
        assert ask(http, box).headers["CF-Cache-Status"] == "MISS"


@pytest.mark.parametrize(
    ("host", "headers", "status", "code"),
    [
        ("coingecko", {}, 401, 10002),
        ("coingecko", {"x-cg-demo-api-key": "wrong"}, 401, 10002),
        ("coingecko", {"x-cg-demo-api-key": "d"}, 200, None),
        ("coingecko", {"x-cg-pro-api-key": "p"}, 400, 10010),
        ("coingecko", {"x-cg-demo-api-key": "p"}, 400, 10010),
        ("coingecko-pro", {"x-cg-pro-api-key": "p"}, 200, None),
        ("coingecko-pro", {"x-cg-demo-api-key": "d"}, 400, 10011),
        ("coingecko-pro", {"x-cg-pro-api-key": "d"}, 400, 10011),
        ("coingecko-pro", {}, 401, 10002),
    ],
)
def test_keys_are_checked_where_some_are_set(http, clock, host, headers, status, code):
    with Sandbox(coins=5, clock=clock, keys={"demo": "d", "pro": "p"}) as box:
        answer = http.get(box.base_url(host) + "/ping", headers=headers)
        assert answer.status_code == status
        body = answer.json()
        assert code in (None, body.get("error_code"), body.get("status", {}).get("error_code"))
