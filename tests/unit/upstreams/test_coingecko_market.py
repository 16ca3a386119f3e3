"""CoinGecko's market-wide figures, read from what it really answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cryptoproxy.datasets import MARKET, Market
from cryptoproxy.errors import TransientError
from cryptoproxy.upstreams.base import IncompleteError, Poll
from cryptoproxy.upstreams.coingecko.access import Access
from cryptoproxy.upstreams.coingecko.market import CoinGeckoMarket
from cryptoproxy.upstreams.coingecko.plans import Plan

RECORDED = Path(__file__).resolve().parents[2] / "fixtures" / "recorded" / "coingecko" / "overview"
SLOT, FETCHED = 1_795_168_800_000, 1_795_168_800_420


def recorded(name: str) -> bytes:
    return (RECORDED / f"{name}.json").read_bytes()


OVERVIEW, TRENDING, EXCHANGES = (
    recorded("global_2025-04-07"),
    recorded("trending_2026-03-20"),
    recorded("exchanges_2021-05-16"),
)


def read(overview: bytes = OVERVIEW, trending: bytes = TRENDING, exchanges: bytes = EXCHANGES, **fields: Any) -> Poll:
    source = CoinGeckoMarket(Access(), **fields)
    return source.read([overview, trending, exchanges], slot_ms=SLOT, fetched_at_ms=FETCHED)


def by_id(poll: Poll) -> dict[str, Market]:
    for record in poll.records:
        assert isinstance(record, Market)
        MARKET.codec.decode(MARKET.codec.encode(record))
    return {MARKET.id_of(record).removesuffix(f"-{SLOT}"): record for record in poll.records}  # type: ignore[arg-type]


def test_every_figure_of_the_recorded_answers_arrives() -> None:
    poll = read(quote="eur")
    found = {name: record.value for name, record in by_id(poll).items()}
    told = json.loads(OVERVIEW)["data"]
    for quote in ("usd", "eur"):
        assert found.pop(f"coingecko:global:{quote.upper()}:total-market-cap") == told["total_market_cap"][quote]
        assert found.pop(f"coingecko:global:{quote.upper()}:total-volume") == told["total_volume"][quote]
    for symbol, share in told["market_cap_percentage"].items():
        assert found.pop(f"coingecko:global:-:dominance-{symbol}") == share
    assert found.pop("coingecko:global:-:active-coins") == told["active_cryptocurrencies"]
    assert found.pop("coingecko:global:-:markets") == told["markets"]
    assert found.pop("coingecko:global:-:market-cap-change-24h") == told["market_cap_change_percentage_24h_usd"]
    for rank, coin in enumerate(json.loads(TRENDING)["coins"], start=1):
        assert found.pop(f"coingecko:{coin['item']['id']}:-:trending-rank") == rank
    for exchange in json.loads(EXCHANGES):
        name = f"coingecko:exchange-{exchange['id']}"
        assert found.pop(f"{name}:BTC:volume-24h") == exchange["trade_volume_24h_btc"]
        assert found.pop(f"{name}:-:trust-rank") == exchange["trust_score_rank"]
        assert found.pop(f"{name}:-:trust-score") == exchange["trust_score"]
    assert found == {}
    assert poll.rejected == []


def test_a_figure_tells_its_slot_and_the_upstreams_time() -> None:
    record = by_id(read())["coingecko:global:USD:total-market-cap"]
    assert (record.timestamp, record.fetched_at) == ("2026-11-20T10:00:00.000Z", "2026-11-20T10:00:00.420Z")
    assert record.last_updated == "2025-04-07T11:28:53.000Z"


def test_what_newer_answers_tell_is_taken() -> None:
    overview = recorded("global_documentation_2026-05")
    found = by_id(read(overview))
    assert found["coingecko:global:-:volume-change-24h"].value == pytest.approx(33.0645, abs=1e-4)


def test_odd_rows_cost_themselves_alone() -> None:
    exchanges = json.loads(EXCHANGES)[:3]
    exchanges[0]["id"] = "a:b"
    exchanges[1] = 7
    twice = [*exchanges, exchanges[2]]
    poll = read(exchanges=json.dumps(twice).encode())
    assert {row.reason for row in poll.rejected} == {"bad_id", "bad_row", "duplicate"}
    assert sum(record.asset_id.startswith("exchange-") for record in poll.records) == 3


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"data":{}}', b"<html>", b'{"error":"x"}', b'{"data":[]}'])
def test_what_is_no_answer_is_asked_for_again(body: bytes) -> None:
    for wrong in ("overview", "trending", "exchanges"):
        with pytest.raises(TransientError):
            read(**{wrong: body})


@pytest.mark.parametrize(
    ("wrong", "body", "why"),
    [
        ("trending", b'{"coins":[]}', []),
        ("trending", b'{"coins":null}', [("short", "search/trending")]),
        ("trending", b'{"coins":[{"item":{"id":NaN}}]}', [("bad_row", "")]),
        ("exchanges", b"[]", [("short", "exchanges")]),
        ("exchanges", b"<html>", [("short", "exchanges")]),
        ("overview", b'{"data":{}}', [("short", "global")]),
        ("overview", b'{"data":{"market_cap_percentage":{{"btc":1}}}', [("short", "global")]),
    ],
)
def test_an_answer_without_figures_costs_a_call_and_no_figure_of_the_others(
    wrong: str, body: bytes, why: list[tuple[str, str]]
) -> None:
    answers = {"overview": OVERVIEW, "trending": TRENDING, "exchanges": EXCHANGES} | {wrong: body}
    source = CoinGeckoMarket(Access())
    with pytest.raises(IncompleteError) as caught:
        source.read([*answers.values()], slot_ms=SLOT, fetched_at_ms=FETCHED)
    assert caught.value.pages == ([*answers].index(wrong),), "the others are not asked for again"
    poll = source.read([*answers.values()], slot_ms=SLOT, fetched_at_ms=FETCHED)
    lost = {"overview": "global:", "trending": "trending-rank", "exchanges": "exchange-"}[wrong]
    assert by_id(poll).keys() == {name for name in by_id(read()) if lost not in name}
    assert [(row.reason, row.asset_id) for row in poll.rejected] == why


def test_where_no_answer_has_a_figure_all_are_asked_for_again() -> None:
    source = CoinGeckoMarket(Access())
    for _ in range(3):
        with pytest.raises(TransientError, match="coingecko's global: not what coingecko speaks"):
            source.read([b"<html>", b"<html>", b"<html>"], slot_ms=SLOT, fetched_at_ms=FETCHED)


@pytest.mark.parametrize("told", ["NaN", '"many"', "1e400", '"1e400"', '""7', "[7]", "true", "9" * 400])
def test_a_figure_that_is_there_and_cannot_be_read_is_named(told: str) -> None:
    def lost(**odd: Any) -> tuple[set[str], set[tuple[str, str]]]:
        told_so = {name: json.dumps(answer).replace('"?"', told).encode() for name, answer in odd.items()}
        poll = read(quote="eur", **told_so)
        return by_id(read(quote="eur")).keys() - by_id(poll).keys(), {
            (row.reason, row.asset_id) for row in poll.rejected
        }

    overview = json.loads(OVERVIEW)
    overview["data"]["total_volume"]["eur"] = "?"
    assert lost(overview=overview) == ({"coingecko:global:EUR:total-volume"}, {("bad_row", "global")})
    overview["data"]["total_volume"] = "?"
    volumes = {"coingecko:global:EUR:total-volume", "coingecko:global:USD:total-volume"}
    assert lost(overview=overview) == (volumes, {("bad_row", "global")})


@pytest.mark.parametrize("told", ["many", [7], True, "1e400"])
def test_so_is_an_exchanges_figure(told: object) -> None:
    rows = json.loads(EXCHANGES)[:2]
    rows[0]["trade_volume_24h_btc"] = told
    poll = read(exchanges=json.dumps(rows).encode())
    assert sum(record.asset_id.startswith("exchange-") for record in by_id(poll).values()) == 5
    assert [(row.reason, row.asset_id) for row in poll.rejected] == [("bad_row", f"exchange-{rows[0]['id']}")]


def test_a_number_that_cannot_be_read_is_left_out_and_one_that_is_missing_is_not_named() -> None:
    overview = json.loads(OVERVIEW)
    shares = {"btc": "NaN", "eth": "12.5", "figr_heloc": 0.5, "B TC": 1, "usdt": None}
    overview["data"]["market_cap_percentage"] = shares
    poll = read(json.dumps(overview).encode())
    found = by_id(poll)
    assert "coingecko:global:-:dominance-btc" not in found
    assert found["coingecko:global:-:dominance-eth"].value == 12.5
    assert found["coingecko:global:-:dominance-figr_heloc"].value == 0.5
    assert "coingecko:global:-:dominance-usdt" not in found
    assert [row.reason for row in poll.rejected] == ["bad_row", "bad_id"]


def test_the_largest_exchanges_are_taken_whatever_their_rank() -> None:
    rows = [{"id": f"x{n}", "trade_volume_24h_btc": n, "trust_score_rank": n + 1} for n in range(250)]
    found = by_id(read(exchanges=json.dumps(rows).encode()))
    volumes = [record.value for record in found.values() if record.metric == "volume-24h"]
    assert volumes == [*range(249, 149, -1)]


def test_three_calls_carry_the_key_of_the_plan() -> None:
    calls = CoinGeckoMarket(Access(Plan.PRO, api_key=lambda: "CG-key")).calls()
    assert [call.url.removeprefix("https://pro-api.coingecko.com/api/v3/") for call in calls] == [
        "global",
        "search/trending",
        "exchanges",
    ]
    assert all(call.headers == {"x-cg-pro-api-key": "CG-key"} for call in calls)
    assert calls[2].params == {"per_page": "250", "page": "1"}
