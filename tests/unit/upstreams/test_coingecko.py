"""CoinGecko: its rows as records, and which of them are none."""

from __future__ import annotations

import urllib.request
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from cryptoproxy.datasets import Ticker, encode
from cryptoproxy.errors import SettingsError, TransientError
from cryptoproxy.sandbox import Sandbox
from cryptoproxy.upstreams.base import IncompleteError, Poll
from cryptoproxy.upstreams.coingecko.tickers import CoinGecko


def page(*rows: object) -> bytes:
    return msgspec.json.encode(rows)


def coin(asset_id: str, price: object = 1.5, **fields: object) -> dict[str, object]:
    return {"id": asset_id, "symbol": asset_id[:3], "name": asset_id.title(), "current_price": price, **fields}


def test_every_field_of_a_recorded_coin_arrives(read, recorded):
    poll = read(CoinGecko(top_n=3), recorded("coingecko_markets"))
    assert poll.records[0] == Ticker(
        source="coingecko",
        asset_id="bitcoin",
        symbol="BTC",
        name="Bitcoin",
        quote="USD",
        price=37672.0,
        timestamp="2025-11-20T10:00:00.000Z",
        fetched_at="2025-11-20T10:00:00.321Z",
        fetch_delay_ms=321,
        last_updated="2022-01-29T17:06:45.247Z",
        market_cap=712110246115.0,
        market_cap_rank=1,
        volume_24h=14304933443.0,
        high_24h=38237.0,
        low_24h=36894.0,
        change_1h=0.1683947963488557,
        change_24h=1.36167,
        change_7d=3.1850161428912394,
        price_change_24h=506.07,
    )
    assert poll.rejected == []


def test_numbers_in_scientific_notation_keep_their_value(read, recorded):
    shiba = read(CoinGecko(), recorded("coingecko_markets")).records[1]
    assert (shiba.price, shiba.high_24h, shiba.price_change_24h) == (2.16e-05, 2.224e-05, 6.29382e-07)


def test_a_coin_with_nulls_leaves_these_fields_out(read, recorded):
    debase = read(CoinGecko(), recorded("coingecko_markets")).records[2]
    assert msgspec.json.decode(encode(debase)) == {
        "source": "coingecko",
        "asset_id": "debase",
        "symbol": "DEBASE",
        "name": "Debase",
        "quote": "USD",
        "price": 0.051523,
        "timestamp": "2025-11-20T10:00:00.000Z",
        "fetched_at": "2025-11-20T10:00:00.321Z",
        "fetch_delay_ms": 321,
        "last_updated": "2022-01-15T12:54:04.310Z",
        "market_cap": 187511.0,
        "market_cap_rank": 3008,
        "volume_24h": 0.0,
    }


def test_a_price_with_all_its_digits_is_the_nearest_double(read):
    body = b'[{"id":"bitcoin","current_price":96114.08481738689},{"id":"x","current_price":"0.00001234"}]'
    assert [record.price for record in read(CoinGecko(), body).records] == [96114.08481738689, 0.00001234]


def test_the_quote_is_upper_case_in_the_record(read):
    assert read(CoinGecko(quote="myr"), page(coin("bitcoin"))).records[0].quote == "MYR"


def test_names_are_kept_as_they_are_even_invisible_characters(read):
    record = read(CoinGecko(), page(coin("stable-2", name="\u200b\u200bStable"))).records[0]
    assert record.name == "\u200b\u200bStable"


@pytest.mark.parametrize("symbol", [None, "", 7])
def test_a_coin_without_a_symbol_goes_by_its_id(read, symbol):
    record = read(CoinGecko(), page(coin("nameless", symbol=symbol, name=None), coin("other"))).records[0]
    assert (record.symbol, record.name) == ("NAMELESS", "NAMELESS")


def test_the_change_with_more_digits_stands_in_where_the_rounded_one_is_missing(read):
    rows = page(
        coin("a", price_change_percentage_24h=1.5, price_change_percentage_24h_in_currency=1.4999),
        coin("b", price_change_percentage_24h=None, price_change_percentage_24h_in_currency=1.4999),
    )
    assert [record.change_24h for record in read(CoinGecko(), rows).records] == [1.5, 1.4999]


def test_an_asset_on_two_pages_counts_once_and_its_first_row_wins(read, reasons):
    first = [coin(f"coin-{i}", 1) for i in range(250)]
    poll = read(CoinGecko(top_n=500), page(*first), page(coin("coin-249", 3), coin("c", 4), *numbered(250, 498)))
    assert [record.price for record in poll.records] == [*[1] * 250, 4, *[1.5] * 248]
    assert reasons(poll) == [("duplicate", "coin-249")]


def test_the_last_page_is_cut_at_n(read, reasons):
    first = page(*(coin(f"coin-{i}") for i in range(250)))
    second = page(coin("coin-249"), *(coin(f"coin-{i}") for i in range(250, 499)))
    poll = read(CoinGecko(top_n=300), first, second)
    assert [record.asset_id for record in poll.records] == [f"coin-{i}" for i in range(300)]
    assert reasons(poll) == [("duplicate", "coin-249")]


@pytest.mark.parametrize("price", [None, 0, -1, 0.0, "", "n/a", "NaN", "Infinity", True, [], {}])
def test_a_row_without_a_usable_price_is_rejected_alone(read, reasons, price):
    poll = read(CoinGecko(), page(coin("a"), coin("dead", price), coin("b")))
    assert [record.asset_id for record in poll.records] == ["a", "b"]
    assert reasons(poll) == [("no_price", "dead")]


def test_a_number_out_of_range_is_no_price(read, reasons):
    poll = read(CoinGecko(), b'[{"id":"a","current_price":1},{"id":"dead","current_price":1e999}]')
    assert (len(poll.records), reasons(poll)) == (1, [("no_price", "dead")])


@pytest.mark.parametrize("asset_id", ["", "a:b", "a/b", "a b", "a\n", "x" * 129])
def test_an_id_that_breaks_the_contract_is_rejected_alone(read, reasons, asset_id):
    poll = read(CoinGecko(), page(coin("a"), coin(asset_id)))
    assert (len(poll.records), reasons(poll)) == (1, [("bad_id", asset_id[:128])])


@pytest.mark.parametrize("row", [7, "text", None, [], {}, {"id": None}, {"id": 5, "current_price": 1}])
def test_a_row_that_is_none_loses_no_other(read, reasons, row):
    poll = read(CoinGecko(), page(coin("a"), row, coin("b")))
    assert [record.asset_id for record in poll.records] == ["a", "b"]
    assert reasons(poll) == [("bad_row", "")]


@pytest.mark.parametrize("field", ["market_cap", "high_24h", "market_cap_rank", "last_updated", "name"])
@pytest.mark.parametrize("value", [{}, [1], True, "NaN"])
def test_a_bad_optional_field_is_left_out_without_losing_the_row(read, field, value):
    poll = read(CoinGecko(), page(coin("a", **{field: value}), coin("b", market_cap=7)))
    record = poll.records[0]
    kept = record.name if field == "name" else getattr(record, field)
    assert kept in (None, "A", value if field == "name" else None)
    assert poll.records[1].market_cap == 7.0
    encode(record)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("2022-01-29T17:06:45Z", "2022-01-29T17:06:45.000Z"),
        ("2022-01-29T17:06:45.247+00:00", "2022-01-29T17:06:45.247Z"),
        ("2022-01-29T18:06:45.247891+01:00", "2022-01-29T17:06:45.247Z"),
        ("yesterday", None),
        (1643476005, None),
    ],
)
def test_last_updated_in_another_spelling(read, written, kept):
    assert read(CoinGecko(), page(coin("a", last_updated=written))).records[0].last_updated == kept


def test_ids_that_coingecko_does_not_know_are_told(read, reasons):
    poll = read(CoinGecko(ids=["bitcoin", "bitcoinn"]), page(coin("bitcoin")))
    assert (len(poll.records), reasons(poll)) == (1, [("absent", "bitcoinn")])


def test_an_empty_first_page_of_the_top_is_no_success(read):
    with pytest.raises(TransientError, match="no rows"):
        read(CoinGecko(), b"[]")


def numbered(first: int, end: int) -> list[dict[str, object]]:
    return [coin(f"coin-{i}") for i in range(first, end)]


def poll_of(source: CoinGecko, *bodies: bytes) -> Poll:
    return source.read(bodies, slot_ms=60_000, fetched_at_ms=60_100)


FULL, EMPTY = page(*numbered(0, 250)), page()
LAST = page(*numbered(500, 750))


@pytest.mark.parametrize(
    ("middle", "again"),
    [
        (EMPTY, (1,)),
        (page(*numbered(250, 300)), (1,)),
        (page(*numbered(250, 474)), (1,)),
        (FULL, (0, 1)),
        (page(*numbered(100, 350)), (0, 1)),
    ],
    ids=["empty", "50 of 250", "224 of 250", "the first once more", "most of the first once more"],
)
def test_a_gap_in_the_middle_is_never_taken_for_a_whole_poll_and_only_its_pages_are_asked_for_again(middle, again):
    source = CoinGecko(top_n=750)
    for _ in range(3):
        with pytest.raises(IncompleteError) as caught:
            poll_of(source, FULL, middle, LAST)
        assert caught.value.pages == again
    assert len(poll_of(source, FULL, page(*numbered(250, 500)), LAST).records) == 750


def test_pages_of_50_where_250_were_asked_for_are_no_poll():
    source = CoinGecko(top_n=750)
    for _ in range(3):
        with pytest.raises(IncompleteError, match="page 1 has 50 of 250 coins; page 2 has 50"):
            poll_of(source, *(page(*numbered(i, i + 50)) for i in (0, 50, 100)))


@pytest.mark.parametrize(
    ("top_n", "bodies", "records", "pages"),
    [
        (500, [FULL, EMPTY], 250, ["page 2"]),
        (750, [FULL, page(*numbered(250, 300)), EMPTY], 300, ["page 2", "page 3"]),
        (250, [page(*numbered(0, 50))], 50, ["page 1"]),
        (500, [FULL, page(*numbered(250, 499))], 499, ["page 2"]),
    ],
)
def test_the_end_of_the_market_is_believed_when_it_comes_twice_and_is_said(top_n, bodies, records, pages):
    source = CoinGecko(top_n=top_n)
    with pytest.raises(IncompleteError, match="is not whole"):
        poll_of(source, *bodies)
    for _ in range(2):
        poll = poll_of(source, *bodies)
        assert len(poll.records) == records
        assert [(row.reason, row.asset_id) for row in poll.rejected] == [("short", each) for each in pages]


def test_a_category_that_has_fewer_coins_is_whole_when_it_comes_twice():
    source = CoinGecko(top_n=250, category="layer-2")
    body = page(*numbered(0, 36))
    with pytest.raises(IncompleteError, match="page 1 has 36 of 250 coins"):
        poll_of(source, body)
    poll = poll_of(source, body)
    assert (len(poll.records), poll.rejected) == (36, [])


def test_an_end_of_the_market_that_was_none_is_doubted_again():
    source = CoinGecko(top_n=250)
    for whole in (False, True, False, True):
        if whole:
            assert len(poll_of(source, FULL).records) == 250
        else:
            with pytest.raises(IncompleteError):
                poll_of(source, page(*numbered(0, 249)))


def test_a_chunk_of_ids_that_is_empty_is_doubted_once_and_none_at_all_is_no_success(reasons):
    source = CoinGecko(ids=[f"coin-{i}" for i in range(252)])
    with pytest.raises(IncompleteError, match="page 2 has 0 of 2"):
        poll_of(source, FULL, EMPTY)
    poll = poll_of(source, FULL, EMPTY)
    assert (len(poll.records), reasons(poll)) == (250, [("absent", "coin-250"), ("absent", "coin-251")])
    with pytest.raises(TransientError, match="knows none of COINGECKO_IDS"):
        poll_of(source, EMPTY, EMPTY)


def test_a_poll_of_which_no_row_is_a_record_is_no_success_and_says_why():
    source = CoinGecko(top_n=2)
    with pytest.raises(TransientError, match="without a single record: 2 no_price: a: price missing or unreadable; b"):
        poll_of(source, page(coin("a", None), coin("b", None)))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"Throttled",
        b"<html><title>Just a moment...</title></html>",
        b'{"status":{"error_code":429}}',
        b'[{"id":"bitcoin","current_price":1}',
        b'[{"id":"bitcoin","current_price":NaN}]',
        b'[{"id":"bit\xff","current_price":1}]',
        b"[" * 100_000,
        b"null",
        b"[1,2,3]",
    ],
)
def test_a_body_that_is_not_coingeckos_is_transient(read, body):
    with pytest.raises(TransientError, match="not what coingecko speaks"):
        read(CoinGecko(), body)


def test_a_page_that_is_not_coingeckos_is_asked_for_again_alone():
    page = msgspec.json.encode([{"id": f"coin-{number}", "current_price": 1} for number in range(250)])
    with pytest.raises(IncompleteError, match="page 2: not what coingecko speaks") as error:
        CoinGecko(top_n=500).read([page, b"null"], slot_ms=0, fetched_at_ms=0)
    assert error.value.pages == (1,)


def asked_of_a_sandbox(**fields: Any) -> Poll:
    with Sandbox(coins=300) as sandbox:
        source = CoinGecko(base_url=sandbox.base_url("coingecko"), **fields)
        bodies = []
        for call in source.calls():
            with urllib.request.urlopen(f"{call.url}?{urlencode(call.params)}") as answer:
                bodies.append(answer.read())
        now_ms = sandbox.clock.now_ms()
        return source.read(bodies, slot_ms=now_ms, fetched_at_ms=now_ms)


def test_the_top_of_a_category_is_of_it_alone():
    records = asked_of_a_sandbox(category="decentralized-finance-defi", top_n=5).records
    whole = asked_of_a_sandbox(top_n=250).records
    assert {each.asset_id for each in records} < {each.asset_id for each in whole}
    assert "bitcoin" not in {each.asset_id for each in records}


def test_coins_that_stand_for_others_come_where_they_are_asked_for():
    stand_ins = {"weth"}
    assert not stand_ins & {each.asset_id for each in asked_of_a_sandbox(top_n=200).records}
    assert stand_ins <= {each.asset_id for each in asked_of_a_sandbox(top_n=200, rehypothecated=True).records}


def test_a_category_and_ids_at_once_are_refused():
    with pytest.raises(SettingsError, match="set one of them"):
        CoinGecko(ids=["bitcoin"], category="decentralized-finance-defi")
