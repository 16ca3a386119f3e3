"""Each page over a door: what it shows is what the door says, and where that says nothing the page says why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from urllib.parse import parse_qsl

import msgspec
import pytest
from streamlit.testing.v1 import AppTest

from cryptoproxy.datasets import ALERT
from cryptoproxy.engines.ports import free_ports
from cryptoproxy.page import asking, words
from cryptoproxy.page.asking import NotToldError, PageClient
from cryptoproxy.page.prices import key_of
from cryptoproxy.sandbox.app import Sandbox
from cryptoproxy.watch.telling.links import Links
from tests.unit.serve.conftest import Road, StandingClock, standing

__all__ = ["standing"]

PAGES = ("prices", "asset", "market", "volatility", "pair", "alerts", "working")


@pytest.fixture(scope="module")
def road(standing: tuple[Sandbox, StandingClock]) -> Iterator[Road]:
    """A door without an index: what needs one is refused by it."""
    made = Road.made(*standing)
    made.poll("coingecko", "bybit-linear")
    made.start()
    yield made
    made.stop()


def shown(page: str, door: str, query: Mapping[str, str] = MappingProxyType({})) -> AppTest:
    def script(page: str) -> None:
        from importlib import import_module

        module = import_module(f"cryptoproxy.page.{'market' if page == 'volatility' else page}")
        (module.volatility if page == "volatility" else module.show)()

    asking.use(PageClient(door))
    made = AppTest.from_function(script, args=(page,), default_timeout=180)
    for name, value in query.items():
        made.query_params[name] = value
    return made.run()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens_over_a_door_that_has_no_index(road: Road, page: str):
    found = shown(page, road.url)
    assert not found.exception
    assert not found.error or page == "working"


@pytest.mark.parametrize("page", PAGES)
def test_a_page_says_what_to_do_where_the_door_is_away(page: str):
    (port,) = free_ports(1)
    found = shown(page, f"http://127.0.0.1:{port}")
    assert not found.exception
    said = " ".join(each.value for each in (*found.error, *found.info, *found.warning))
    assert "cryptoproxy serve" in said or "No order books" in said


def test_where_a_message_of_watch_leads_to_is_there(road: Road):
    row = road.get("/v1/prices?source=coingecko&sort=market_cap_rank&top=100").json()["rows"][-1]
    asset = key_of(row)
    place = Links("http://page").to_page([msgspec.structs.replace(ALERT.example, asset=asset)]) or ""
    path, _, query = place.removeprefix("http://page/").partition("?")
    assert path in PAGES
    assert "alerts" in PAGES
    found = shown(path, road.url, dict(parse_qsl(query)))
    assert found.selectbox(key="asset_coingecko").value == asset
    assert found.metric[0].value == words.price(row["price"])


def test_prices_are_the_doors(road: Road):
    theirs = road.get("/v1/prices?source=coingecko&sort=market_cap_rank&top=100").json()["rows"]
    found = shown("prices", road.url)
    assert [each.value for each in found.metric] == [words.price(row["price"]) for row in theirs[:4]]
    table = found.dataframe[0].value
    assert table["price"].tolist() == [row["price"] for row in theirs]
    assert table["asset"].tolist() == [row["symbol"] for row in theirs]
    assert any("old" in each.value for each in found.caption)


def test_a_search_and_an_order_are_the_doors(road: Road):
    found = shown("prices", road.url)
    found.text_input(key="search").set_value("bit").run()
    found.selectbox(key="order").select("losers").run()
    theirs = road.get("/v1/prices?source=coingecko&search=bit&sort=change_24h&top=100").json()["rows"]
    assert found.dataframe[0].value["asset"].tolist() == [row["symbol"] for row in theirs]
    found.text_input(key="search").set_value("no such coin").run()
    assert "no asset" in found.info[0].value


def test_gainers_and_losers_are_the_doors(road: Road):
    found = shown("market", road.url)
    for table, sort in zip(found.table, ("-change_24h", "change_24h"), strict=True):
        theirs = road.get(f"/v1/prices?source=coingecko&sort={sort}&top=10").json()["rows"]
        assert table.value["asset"].tolist() == [row["symbol"] for row in theirs]


def test_the_head_of_an_asset_is_the_doors(road: Road):
    theirs = road.get("/v1/prices?source=coingecko&sort=-volume_24h&top=1").json()["rows"][0]
    found = shown("asset", road.url)
    assert found.metric[0].value == words.price(theirs["price"])
    assert found.metric[0].delta == words.percent(theirs["change_24h"])


def test_what_is_late_is_said_above_all(road: Road):
    found = shown("working", road.url)
    assert "indexer candle" in found.error[0].value, "70,000 records behind, and nobody polls"


@pytest.mark.parametrize(
    ("question", "params", "why"),
    [("prices", {"search": "no such coin"}, "nothing"), ("prices", {"sort": "colour"}, "refused"), ("latest", {}, "refused")],
)  # fmt: skip
def test_why_there_is_no_answer_is_told_by_kind(road: Road, question: str, params: dict[str, str], why: str):
    with pytest.raises(NotToldError) as told:
        PageClient(road.url).ask(question, **params)
    assert told.value.why == why


def test_an_answer_tells_its_age_and_where_it_is_from(road: Road):
    told = PageClient(road.url + "/").ask("prices", source="coingecko", top=1, quote=None)
    assert told.source == "road/v1"
    assert told.newest is not None
    assert told.age is not None
    assert told.age >= 0
