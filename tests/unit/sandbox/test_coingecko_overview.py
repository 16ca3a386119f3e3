"""The market as a whole and single coins: keys, types and order as recorded."""

from __future__ import annotations

import pytest

OFF = dict.fromkeys(("localization", "tickers", "market_data", "community_data", "developer_data"), "false")


def ask(http, box, path, **params):
    return http.get(f"{box.base_url('coingecko')}/{path}", params=params)


def kinds(value: object) -> object:
    """Keys in order, with types; ints and floats are one, since the real ones mix them."""
    if isinstance(value, dict):
        return [(name, kinds(inner)) for name, inner in value.items()]
    if isinstance(value, list):
        return [kinds(value[0])] if value else []
    return float if type(value) is int else type(value)


def test_global_looks_as_recorded(http, market, recorded_json):
    known = recorded_json("coingecko/overview/global_2025-04-07.json")["data"]
    newest = recorded_json("coingecko/overview/global_documentation_2026-05.json")["data"]
    data = ask(http, market, "global").json()["data"]
    assert list(data) == list(newest)
    for name in ("total_market_cap", "total_volume"):
        assert list(data[name]) == list(known[name])
        assert kinds(data[name]) == kinds(known[name])
    shares = data["market_cap_percentage"]
    assert len(shares) == len(known["market_cap_percentage"]) == 10
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    assert next(iter(shares)) == "btc"
    assert 50 < sum(shares.values()) < 100


def test_global_is_the_sum_of_the_markets_and_stands_for_ten_minutes(http, sandbox, clock):
    first = ask(http, sandbox, "global").json()["data"]
    rows = ask(http, sandbox, "coins/markets", vs_currency="usd", per_page=250).json()
    assert first["active_cryptocurrencies"] == len(rows) == 120
    assert first["total_market_cap"]["usd"] == pytest.approx(sum(row["market_cap"] for row in rows), rel=0.01)
    clock.turn(300 - first["updated_at"] % 300)
    assert ask(http, sandbox, "global").json()["data"] == first
    clock.turn(600)
    assert ask(http, sandbox, "global").json()["data"]["updated_at"] == first["updated_at"] + 600


def test_trending_looks_as_recorded(http, market, recorded_json):
    known = recorded_json("coingecko/overview/trending_2026-03-20.json")
    found = ask(http, market, "search/trending").json()
    assert {name: len(rows) for name, rows in found.items()} == {"coins": 15, "nfts": 7, "categories": 6}
    for name, rows in found.items():
        known_row, row = known[name][0], rows[0]
        if name == "coins":
            known_row, row = known_row["item"], row["item"]
            assert row["data"]["market_cap"][0] == known_row["data"]["market_cap"][0] == "$"
        assert list(row) == list(known_row)
        assert list(row["data"]) == list(known_row["data"])
        for part in (row, row["data"]):
            same = known_row["data"] if part is row["data"] else known_row
            assert {k: kinds(v) for k, v in part.items() if not isinstance(v, dict)} == {
                k: kinds(v) for k, v in same.items() if not isinstance(v, dict)
            }
    assert [entry["item"]["score"] for entry in found["coins"]] == list(range(15))
    assert any(entry["item"]["data"]["content"] is None for entry in found["coins"])


def test_exchanges_look_as_recorded(http, sandbox, recorded_json):
    known = recorded_json("coingecko/overview/exchanges_documentation_2026-05.json")
    older = recorded_json("coingecko/overview/exchanges_2021-05-16.json")
    answer = ask(http, sandbox, "exchanges")
    rows = answer.json()
    assert list(rows[0]) == list(known[0]) == list(older[0])[:-1]
    for name in known[0]:
        seen = {kinds(row[name]) for row in (*known, *older)} | {float if name == "year_established" else str}
        nullable = (
            "year_established",
            "country",
            "description",
            "has_trading_incentive",
            "trust_score",
            "trust_score_rank",
        )
        allowed = seen | ({type(None), bool, float} if name in nullable else {float, bool})
        assert {kinds(row[name]) for row in rows} <= allowed, name
    assert any(row["country"] is None for row in rows)
    assert any(row["description"] is None for row in rows)


def test_exchanges_are_paged_and_say_so_in_the_recorded_headers(http, sandbox, recorded_json):
    known = recorded_json("coingecko/overview/exchanges_2021-05-16.headers.json")["response_headers"]
    first = ask(http, sandbox, "exchanges")
    assert first.headers["Per-Page"] == known["Per-Page"][0] == "100"
    total = int(first.headers["Total"])
    assert [part.partition(";")[2] for part in first.headers["Link"].split(", ")] == [
        part.partition(";")[2] for part in known["Link"][0].split(", ")
    ]
    found = [
        row["id"] for page in range(1, 5) for row in ask(http, sandbox, "exchanges", per_page=100, page=page).json()
    ]
    assert len(found) == len(set(found)) == total
    assert len(ask(http, sandbox, "exchanges", per_page=1000).json()) == min(250, total)


def test_a_bare_coin_looks_as_recorded(http, sandbox, recorded_json):
    """A chain's own coin, and a contract on another's."""
    bitcoin = recorded_json("coingecko/overview/coin_bitcoin_bare_2024-05-30.json")
    newest = recorded_json("coingecko/overview/coin_bitcoin_documentation_2026-05.json")
    coin = ask(http, sandbox, "coins/bitcoin", **OFF).json()
    since_2024 = {"has_supply_breakdown", "market_cap_rank_with_rehypothecated"}
    assert [name for name in coin if name not in since_2024] == list(bitcoin)
    assert list(coin) == [name for name in newest if name in coin]
    assert {name: kinds(coin[name]) for name in bitcoin if name not in ("links", "categories")} == {
        name: kinds(value) for name, value in bitcoin.items() if name not in ("links", "categories")
    }
    assert [name for name in coin["links"] if name != "snapshot_url"] == list(bitcoin["links"])
    contract = recorded_json("coingecko/overview/coin_zksync_bare_2024-10-11.json")
    assert [name for name in ask(http, sandbox, "coins/uniswap", **OFF).json() if name not in since_2024] == list(
        contract
    )


def test_a_whole_coin_has_the_documented_blocks(http, sandbox, recorded_json):
    known = recorded_json("coingecko/overview/coin_bitcoin_documentation_2026-05.json")
    coin = ask(http, sandbox, "coins/bitcoin/", localization="false").json()
    assert list(coin) == list(known)
    assert list(coin["market_data"]) == list(known["market_data"])
    for name, value in known["market_data"].items():
        if isinstance(value, dict):
            assert set(value) <= set(coin["market_data"][name]), name
    assert list(coin["community_data"]) == list(known["community_data"])
    assert list(coin["developer_data"]) == list(known["developer_data"])
    assert list(coin["tickers"][0]) == list(known["tickers"][0])
    row = ask(http, sandbox, "coins/markets", vs_currency="eur", ids="bitcoin").json()[0]
    assert coin["market_data"]["current_price"]["eur"] == row["current_price"]
    assert coin["market_data"]["market_cap"]["eur"] == row["market_cap"]
    assert coin["last_updated"] == row["last_updated"]
    assert (
        len(ask(http, sandbox, "coins/bitcoin", sparkline="true").json()["market_data"]["sparkline_7d"]["price"]) == 168
    )
    assert ask(http, sandbox, "coins/nonesuch").status_code == 404


def test_categories_look_as_recorded_and_choose_coins(http, sandbox, recorded_json):
    known = recorded_json("coingecko/overview/categories_2021-05-16.json")[0]
    rows = ask(http, sandbox, "coins/categories").json()
    since = {"content", "top_3_coins_id", "top_3_coins"}
    assert [name for name in rows[0] if name not in since] == list(known)
    assert {name: type(rows[0][name]) for name in known} == {name: type(value) for name, value in known.items()}
    names = {row["category_id"]: row["name"] for row in ask(http, sandbox, "coins/categories/list").json()}
    assert names == {row["id"]: row["name"] for row in rows}
    assert "decentralized-finance-defi" in names
    chosen = ask(http, sandbox, "coins/markets", vs_currency="usd", category="stablecoins").json()
    assert {row["symbol"] for row in chosen} >= {"usdt", "usdc"}
    assert len(chosen) < 30
    cap = next(row["market_cap"] for row in rows if row["id"] == "stablecoins")
    assert cap == pytest.approx(sum(row["market_cap"] for row in chosen), rel=0.01)
    stables = {row["id"] for row in chosen}
    assert all(
        "Stablecoins" in ask(http, sandbox, f"coins/{coin}", **OFF).json()["categories"] for coin in sorted(stables)[:2]
    )
    assert ask(http, sandbox, "coins/markets", vs_currency="usd", category="nonesuch").status_code == 404


def test_rehypothecated_coins_are_listed_only_where_asked_for(http, market):
    query = {"vs_currency": "usd", "per_page": 250}
    rows = [row for page in range(1, 5) for row in ask(http, market, "coins/markets", page=page, **query).json()]
    assert len(rows) == 1000
    assert "weth" not in {row["id"] for row in rows}
    assert "market_cap_rank_with_rehypothecated" not in rows[0]
    more = [
        row
        for page in range(1, 6)
        for row in ask(http, market, "coins/markets", page=page, include_rehypothecated="true", **query).json()
    ]
    assert {row["id"] for row in more} - {row["id"] for row in rows} == {"weth"}
    assert list(more[0])[6:8] == ["market_cap_rank", "market_cap_rank_with_rehypothecated"]
    weth = next(row for row in more if row["id"] == "weth")
    assert weth["market_cap_rank"] is None
    assert weth["market_cap_rank_with_rehypothecated"] > 1
    assert [row["id"] for row in ask(http, market, "coins/markets", ids="weth", vs_currency="usd").json()] == ["weth"]


def test_the_list_of_coins_looks_as_recorded(http, market, recorded_json):
    known = recorded_json("coingecko/overview/coins_list_2021-05-15.json")
    rows = ask(http, market, "coins/list").json()
    assert kinds(rows) == kinds(known)
    assert len(rows) == 1001
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    with_chains = recorded_json("coingecko/overview/coins_list_documentation_2026-05.json")
    shown = ask(http, market, "coins/list", include_platform="true").json()
    assert list(shown[0]) == list(with_chains[0])
    assert any(row["platforms"] == {} for row in shown)
    addresses = [address for row in shown for address in row["platforms"].values()]
    assert len(set(addresses)) == len(addresses) > 900


def test_simple_prices_look_as_recorded(http, sandbox, recorded_json):
    known = recorded_json("coingecko/overview/simple_price_market_cap_2022-01-07.json")
    query = {"vs_currencies": "usd", "include_market_cap": "true", "include_24hr_vol": "false"}
    found = ask(http, sandbox, "simple/price", ids="ethereum,bitcoin,nonesuch", **query).json()
    assert list(found) == ["bitcoin", "ethereum"]
    assert kinds(found["bitcoin"]) == kinds(known["bitcoin"])
    flags = dict.fromkeys(("market_cap", "24hr_vol", "24hr_change", "last_updated_at"), "true")
    every = ask(
        http,
        sandbox,
        "simple/price",
        ids="bitcoin",
        vs_currencies="usd",
        **{f"include_{name}": on for name, on in flags.items()},
    ).json()
    assert kinds(every) == kinds(recorded_json("coingecko/overview/simple_price_documentation_2026-05.json"))
    in_eth = recorded_json("coingecko/overview/simple_price_in_eth_2025-03-06.json")
    found = ask(http, sandbox, "simple/price", ids=",".join(reversed(in_eth)), vs_currencies="eth").json()
    assert kinds(found) == kinds(in_eth)
    unknown = recorded_json("coingecko/overview/simple_price_unknown_currency_2021-05-15.json")
    assert ask(http, sandbox, "simple/price", ids="bitcoin", vs_currencies="ethereum").json() == unknown
    blank = ask(http, sandbox, "simple/price", ids="bitcoin, ethereum", vs_currencies="usd").json()
    assert list(blank) == ["bitcoin"]


def test_missing_ids_answer_as_recorded(http, sandbox, recorded):
    answer = ask(http, sandbox, "simple/price", vs_currencies="usd")
    assert (answer.status_code, answer.content) == (422, recorded("coingecko/overview/error_422_missing_ids.json"))


def test_a_path_that_is_none_is_told(http, sandbox):
    assert ask(http, sandbox, "nonesuch").status_code == 404


def test_names_of_exchanges_and_currencies_are_lists(http, sandbox):
    rows = ask(http, sandbox, "exchanges", per_page=250).json()
    names = ask(http, sandbox, "exchanges/list").json()
    assert names[: len(rows)] == [{"id": each["id"], "name": each["name"]} for each in rows]
    total = ask(http, sandbox, "global").json()["data"]["total_market_cap"]
    assert ask(http, sandbox, "simple/supported_vs_currencies").json() == list(total)
