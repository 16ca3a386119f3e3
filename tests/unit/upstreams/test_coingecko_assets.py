"""CoinGecko's coins as assets: read from what it really answered, asked for by turns."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import ASSET, Asset, Feed
from cryptoproxy.errors import OperatorError, TransientError
from cryptoproxy.producer.feeds.symbols import kept_quotes
from cryptoproxy.producer.planning import fitting_intervals
from cryptoproxy.upstreams import pollings_of, sources_of, upstreams_of
from cryptoproxy.upstreams.base import IncompleteError, Poll, Response
from cryptoproxy.upstreams.coingecko.access import Access
from cryptoproxy.upstreams.coingecko.assets import CoinGeckoAssets, slots_of
from cryptoproxy.upstreams.coingecko.tickers import CoinGecko

RECORDED = Path(__file__).resolve().parents[2] / "fixtures" / "recorded" / "coingecko" / "overview"
SLOT, FETCHED = 1_795_168_800_000, 1_795_168_800_420
UNKNOWN = b'{"error":"coin not found"}'


def recorded(name: str) -> bytes:
    return (RECORDED / f"{name}.json").read_bytes()


def source(*ids: str, top_n: int = 50, slots: int = 0) -> CoinGeckoAssets:
    return CoinGeckoAssets(Access(), tickers=CoinGecko(top_n=top_n, ids=ids), ids=ids, slots=slots)


def read(*bodies: bytes) -> Poll:
    return source("bitcoin").read(bodies, slot_ms=SLOT, fetched_at_ms=FETCHED)


def only(body: bytes) -> Asset:
    (record,) = read(body).records
    assert isinstance(record, Asset)
    assert ASSET.codec.decode(ASSET.codec.encode(record)) == record
    return record


def coin(**fields: Any) -> bytes:
    return json.dumps(json.loads(recorded("coin_bitcoin_documentation_2026-05")) | fields).encode()


def page(*ids: str) -> bytes:
    return json.dumps([{"id": each, "symbol": each[:3], "name": each, "current_price": 1.0} for each in ids]).encode()


def asked(of: CoinGeckoAssets, turn: int) -> list[str]:
    return [call.url.rpartition("/")[2] for call in of.calls(turn)]


@pytest.mark.parametrize(
    "name", ["coin_bitcoin_documentation_2026-05", "coin_bitcoin_bare_2024-05-30", "coin_zksync_bare_2024-10-11"]
)
def test_every_field_of_a_recorded_coin_arrives(name: str) -> None:
    told = json.loads(recorded(name))
    found, links, supply = only(recorded(name)), told["links"], told.get("market_data", {})

    def said(texts: list[str | None]) -> list[str] | None:
        return [each for each in texts if each] or None

    assert ASSET.id_of(found) == f"coingecko:{told['id']}:-"
    assert (found.symbol, found.name) == (told["symbol"].upper(), told["name"])
    assert (found.timestamp, found.fetched_at) == ("2026-11-20T10:00:00.000Z", "2026-11-20T10:00:00.420Z")
    assert found.last_updated == told["last_updated"]
    assert found.categories == said(told["categories"])
    assert found.contracts == ({chain: text for chain, text in told["platforms"].items() if chain} or None)
    assert found.platforms == (list(found.contracts) if found.contracts else None)
    assert found.market_cap_rank == told["market_cap_rank"]
    assert found.circulating_supply == supply.get("circulating_supply")
    assert (found.total_supply, found.max_supply) == (supply.get("total_supply"), supply.get("max_supply"))
    assert (found.genesis_date, found.hashing_algorithm) == (told["genesis_date"], told["hashing_algorithm"])
    assert (found.homepages, found.explorers) == (said(links["homepage"]), said(links["blockchain_site"]))
    assert found.repositories == said([*links["repos_url"]["github"], *links["repos_url"]["bitbucket"]])
    assert (found.whitepaper, found.subreddit) == (links["whitepaper"] or None, links["subreddit_url"] or None)
    assert (found.twitter, found.image) == (links["twitter_screen_name"], told["image"]["large"])


def test_a_field_that_cannot_be_read_costs_itself_alone() -> None:
    found = only(
        coin(
            categories="none",
            platforms=[],
            links=7,
            market_data={"total_supply": "NaN", "max_supply": "21000000.0"},
            market_cap_rank="first",
            genesis_date=3,
            image=None,
        )
    )
    assert (found.name, found.max_supply) == ("Bitcoin", 21_000_000.0)
    lost = (found.categories, found.platforms, found.homepages, found.total_supply, found.market_cap_rank, found.image)
    assert set(lost) == {None}


def test_a_coin_that_is_gone_and_one_without_a_usable_id_cost_no_other() -> None:
    of = source("gone", "a", "bitcoin", slots=1)
    of.calls(0)
    poll = of.read([UNKNOWN, coin(id="a:b"), coin()], slot_ms=SLOT, fetched_at_ms=FETCHED)
    assert [record.asset_id for record in poll.records] == ["bitcoin"]
    assert [(row.reason, row.asset_id) for row in poll.rejected] == [("absent", "gone"), ("bad_id", "a:b")]
    of.check(Response(404, {}, UNKNOWN), now_ms=FETCHED)
    with pytest.raises(OperatorError):
        of.check(Response(404, {}, b'{"error":"Incorrect path"}'), now_ms=FETCHED)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"<html>", b'{"id":3}', b'{"id":"bitcoin"'])
def test_what_is_no_coin_is_asked_for_again(body: bytes) -> None:
    with pytest.raises(TransientError):
        read(coin(), body)


ODD = [
    b'{"id":"\\ud83d"}',
    b'{"id":NaN}',
    b'{"id":null}',
    b'{"id":5}',
    b"{}",
    b"null",
    b'{"id":"b","categories":[["a"]}',
]


@pytest.mark.parametrize("body", [*ODD, coin(id="a")])
def test_what_is_no_coin_twice_or_another_one_costs_that_coin_and_is_named(body: bytes) -> None:
    of = source("a", "b", "c", slots=1)
    of.calls(0)
    bodies = [coin(id="a"), body, coin(id="c")]
    with pytest.raises(IncompleteError) as caught:
        of.read(bodies, slot_ms=SLOT, fetched_at_ms=FETCHED)
    assert caught.value.pages == (1,), "the others are not asked for again"
    poll = of.read(bodies, slot_ms=SLOT, fetched_at_ms=FETCHED)
    assert [record.asset_id for record in poll.records] == ["a", "c"]
    assert [(row.reason, row.asset_id) for row in poll.rejected] == [("bad_row", "b")]


@pytest.mark.parametrize("coins", [("a", "b"), ("a",)])
def test_where_none_is_a_coin_all_are_asked_for_again(coins: tuple[str, ...]) -> None:
    of = source(*coins, slots=1)
    of.calls(0)
    for _ in range(3):
        with pytest.raises(TransientError, match="a: not what coingecko speaks"):
            of.read([b"<html>"] * len(coins), slot_ms=SLOT, fetched_at_ms=FETCHED)


def test_a_coins_own_words_do_not_make_it_an_unknown_one() -> None:
    assert only(coin(name="Coin Not Found")).name == "Coin Not Found"


@pytest.mark.parametrize("count", [1, 2, 5, 7, 23, 24, 25, 50, 250])
def test_each_coin_has_its_turn_once_in_a_day_of_slots_and_no_slot_is_much_fuller_than_another(count: int) -> None:
    ids = [f"coin-{number}" for number in range(count)]
    of = source(*ids)
    for first in (0, 5):  # whichever slot of the day it begins with
        rounds = [asked(of, turn) for turn in range(first, first + of.slots)]
        assert Counter(coin for each in rounds for coin in each) == Counter(ids)
        sizes = {len(each) for each in rounds}
        assert min(sizes) >= 1
        assert max(sizes) - min(sizes) <= 1
        assert max(sizes) == len(of.calls()) == of.expected
    assert 24 % slots_of(count) == 0


def test_the_top_is_asked_for_as_the_tickers_are_and_its_coins_are_known_when_it_has_come() -> None:
    of = source(top_n=300)
    assert len(of.calls()) == of.expected == 13
    with pytest.raises(TransientError, match="not told yet which coins are the top"):
        of.calls(0)
    top = of.symbol_list
    assert top is not None
    first = top.next_call(None)
    assert first is not None
    assert (first.url, first.params["page"]) == ("https://api.coingecko.com/api/v3/coins/markets", "1")
    second = top.next_call(page("a"))
    assert second is not None
    assert second.params["page"] == "2"
    assert top.next_call(page("b")) is None
    pages = [page(*(f"coin-{number}" for number in range(begin, begin + 250))) for begin in (0, 240)]
    top.load(pages)
    every = [coin for turn in range(of.slots) for coin in asked(of, turn)]
    assert sorted(every) == sorted(f"coin-{number}" for number in range(300))
    assert asked(of, 0)[:2] == ["coin-0", "coin-24"]


def test_while_the_list_cannot_be_had_the_coins_of_before_are_asked_for(tmp_path: Path) -> None:
    before = source(top_n=3)
    kept = kept_quotes(tmp_path, before)
    assert kept is not None
    assert before.symbol_list is not None
    before.symbol_list.load([page("bitcoin", "ethereum", "solana")])
    kept.save()
    after = source(top_n=3)
    kept_quotes(tmp_path, after)
    assert [asked(after, turn) for turn in range(3)] == [["bitcoin"], ["ethereum"], ["solana"]]


def feeds(**texts: str) -> Settings:
    return Settings.from_texts({"SOURCES": "coingecko,coingecko.asset", **texts})


def test_the_settings_of_the_tickers_choose_the_coins_and_a_crawl_asks_for_all_at_once() -> None:
    settings = feeds(COINGECKO_TOP_N="48", COINGECKO_CATEGORY="decentralized-finance-defi").upstreams
    _, made = sources_of(settings)
    assert made.symbol_list is not None
    call = made.symbol_list.next_call(None)
    assert call is not None
    assert (call.params["category"], call.params["per_page"]) == ("decentralized-finance-defi", "48")
    polling = pollings_of(settings)["coingecko.asset"]
    assert polling.interval == 3600
    assert polling.at_once is not None
    assert len(polling.at_once().calls()) == 48
    named = feeds(COINGECKO_IDS="bitcoin,ethereum").upstreams
    assert pollings_of(named)["coingecko.asset"].interval == 43_200
    assert Feed("coingecko", "asset") in upstreams_of(named)["coingecko"].feeds


def test_where_the_budget_is_short_the_round_takes_longer_and_that_is_said() -> None:
    settings = feeds(COINGECKO_PLAN="demo", COINGECKO_API_KEY="a-key").upstreams
    fitting = fitting_intervals(settings, sources_of(settings))["coingecko"]
    assert fitting.by_source["coingecko.asset"] > 3600
    assert any(line.startswith("coingecko.asset is polled every") for line in fitting.lines)
