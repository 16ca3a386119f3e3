"""CoinGecko: pages, ids and plans."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from cryptoproxy.errors import OperatorError, SettingsError
from cryptoproxy.upstreams.coingecko.plans import Plan
from cryptoproxy.upstreams.coingecko.tickers import PAGE, CoinGecko

COMMON = {
    "vs_currency": "usd",
    "order": "market_cap_desc",
    "price_change_percentage": "1h,24h,7d",
    "precision": "full",
}


def test_the_top_50_without_a_key():
    (call,) = CoinGecko().calls()
    assert call.url == "https://api.coingecko.com/api/v3/coins/markets"
    assert call.params == {**COMMON, "per_page": "50", "page": "1"}
    assert call.headers == {}
    assert call.cost == 1


@pytest.mark.parametrize(("top_n", "pages"), [(1, 1), (249, 1), (250, 1), (251, 2), (500, 2), (1001, 5)])
def test_pages_are_of_one_size_so_that_they_meet(top_n, pages):
    calls = CoinGecko(top_n=top_n).calls()
    assert [call.params["page"] for call in calls] == [str(n) for n in range(1, pages + 1)]
    assert {call.params["per_page"] for call in calls} == {str(min(250, top_n))}


def test_ids_are_joined_without_blanks_and_named_once():
    (call,) = CoinGecko(ids=["bitcoin", "ethereum", "bitcoin"], quote="EUR").calls()
    assert call.params["ids"] == "bitcoin,ethereum"
    assert (call.params["vs_currency"], call.params["per_page"], call.params["page"]) == ("eur", "250", "1")


def test_many_ids_go_in_portions_that_fit_a_page_and_a_url():
    ids = [f"coin-{i}" for i in range(600)]
    calls = CoinGecko(ids=ids).calls()
    assert [len(call.params["ids"].split(",")) for call in calls] == [PAGE, PAGE, 100]
    assert ",".join(call.params["ids"] for call in calls).split(",") == ids

    long_ids = [f"{'wrapped-' * 15}{i}" for i in range(200)]
    calls = CoinGecko(ids=long_ids).calls()
    assert max(len(urlencode(call.params)) for call in calls) < 6_300
    assert ",".join(call.params["ids"] for call in calls).split(",") == long_ids


@pytest.mark.parametrize(
    ("plan", "url", "headers"),
    [
        (Plan.KEYLESS, "https://api.coingecko.com/api/v3/coins/markets", {}),
        (Plan.DEMO, "https://api.coingecko.com/api/v3/coins/markets", {"x-cg-demo-api-key": "CG-abc"}),
        (Plan.PRO, "https://pro-api.coingecko.com/api/v3/coins/markets", {"x-cg-pro-api-key": "CG-abc"}),
    ],
)
def test_each_plan_has_its_address_and_its_header(plan, url, headers):
    (call,) = CoinGecko(plan=plan, api_key="CG-abc").calls()
    assert (call.url, call.headers) == (url, headers)
    assert "CG-abc" not in repr(call)


def test_another_address_stands_for_every_plan():
    (call,) = CoinGecko(base_url="http://localhost:9000/api/v3/", plan=Plan.PRO, api_key="k").calls()
    assert call.url == "http://localhost:9000/api/v3/coins/markets"


def test_an_exchanged_key_is_used_at_the_next_poll():
    keys = iter(["old", "new\n"])
    source = CoinGecko(plan=Plan.DEMO, api_key=lambda: next(keys))
    assert [source.calls()[0].headers["x-cg-demo-api-key"] for _ in range(2)] == ["old", "new"]


@pytest.mark.parametrize("key", [None, "", "  ", lambda: None, lambda: ""])
def test_a_plan_without_its_key_is_told_before_anything_is_sent(key):
    with pytest.raises(OperatorError, match="Set COINGECKO_API_KEY"):
        CoinGecko(plan=Plan.PRO, api_key=key).calls()


@pytest.mark.parametrize("key", ["CG-secret secret", "CG-secret\nX: y", "CG-sécret"])
def test_a_key_that_no_header_can_hold_is_refused_without_showing_it(key):
    with pytest.raises(OperatorError) as caught:
        CoinGecko(plan=Plan.DEMO, api_key=key).calls()
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize("bad", ["bit coin", " bitcoin", "a,b", "", "a:b", "a/b"])
def test_ids_that_coingecko_would_misread_are_refused(bad):
    with pytest.raises(SettingsError, match="COINGECKO_IDS"):
        CoinGecko(ids=["bitcoin", bad])


def test_all_faults_are_told_at_once():
    with pytest.raises(SettingsError) as caught:
        CoinGecko(top_n=0, ids=["a b"], quote="u s d")
    assert len(caught.value.faults) == 3
