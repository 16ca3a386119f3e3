"""Figures: what they are made of, whatever draws them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptoproxy.page import charts, words
from cryptoproxy.page.alerts import open_of
from cryptoproxy.page.charts import tiles
from cryptoproxy.page.market import shares
from cryptoproxy.page.pair import ladder
from cryptoproxy.page.prices import framed, key_of


@given(st.lists(st.floats(1, 1e7), max_size=60).map(lambda each: sorted(each, reverse=True)))
def test_tiles_are_as_large_as_their_values_and_fill_the_map(values: list[float]):
    placed = tiles(values, 900, 400)
    assert len(placed) == len(values)
    for value, tile in zip(values, placed, strict=True):
        area = (tile.x2 - tile.x) * (tile.y2 - tile.y)
        assert area == pytest.approx(value / sum(values) * 900 * 400, rel=1e-6, abs=1e-3)
        assert -1e-3 <= tile.x <= tile.x2 <= 900.001
        assert -1e-3 <= tile.y <= tile.y2 <= 400.001


def bar(hour: int, **more: Any) -> dict[str, Any]:
    return {"begin": f"2026-11-20T{hour:02}:00:00.000Z", "open": 1.0, "high": 3.0, "low": 0.5, "close": 2.0,
            "base_volume": 5.0, "quote_volume": 10.0, "symbol": "BTC", "source": "coingecko"} | more  # fmt: skip


def test_candles_have_volume_where_there_is_any_and_lines_of_indicators():
    rows = [bar(1, sma_20=None, rsi_14=50.0), bar(2, sma_20=1.5, rsi_14=60.0)]
    spec = charts.candles(rows, charts.over_of(rows[0]))
    assert [len(part.get("layer", [])) for part in spec["layer"]] == [0, 3]
    without = charts.candles([bar(1, quote_volume=None)], [])
    assert [len(part["layer"]) for part in without["layer"]] == [2]
    (rsi,) = charts.beside(rows)
    assert rsi["layer"][0]["encoding"]["y"]["field"] == "rsi_14"
    assert charts.beside([]) == []


def test_every_figure_is_json():
    rows = [bar(1), bar(2)]
    heat = charts.heat([{"symbol": "BTC", "market_cap": 9.0, "change_24h": 1.0}, {"symbol": "X", "market_cap": None}])
    for spec in (charts.candles(rows, []), charts.lines(rows, "close", by="symbol"), charts.depth(), heat[1],
                 charts.bars("symbol", "close", title="t"), charts.lines([], "close")):  # fmt: skip
        json.dumps(spec, allow_nan=False)
    assert [row["symbol"] for row in heat[0]] == ["BTC"], "what tells no cap has no tile"


def test_others_are_compared_by_their_change_since_the_begin():
    made = charts.compared([bar(1, close=50.0), bar(2, close=55.0), bar(1, symbol="ETH", close=4.0)])
    assert [(row["name"], round(row["change"], 9)) for row in made] == [
        ("BTC (coingecko)", 0.0), ("BTC (coingecko)", 10.0), ("ETH (coingecko)", 0.0),
    ]  # fmt: skip


@pytest.mark.parametrize(("hours", "form"), [(20, "%H:%M"), (0, "%H:%M")])
def test_the_axis_says_what_its_span_needs(hours: int, form: str):
    assert charts.time_of([bar(0), bar(hours)])["axis"]["format"] == form
    long = [bar(0), bar(0) | {"begin": "2027-11-20T00:00:00.000Z"}]
    assert charts.time_of(long)["axis"]["format"] == "%b %Y"


def test_an_alert_that_has_ended_is_not_open_and_the_gravest_is_first():
    def alert(rule: str, state: str, severity: str = "info") -> dict[str, Any]:
        return {"rule": rule, "asset": "a", "state": state, "severity": severity}

    newest_first = [alert("a", "resolved"), alert("b", "open"), alert("a", "open"), alert("c", "open", "critical")]
    assert [row["rule"] for row in open_of(newest_first)] == ["c", "b"]


def test_names_of_upstreams_are_no_markdown():
    assert words.plain("**[x](y)** $1") == r"\*\*\[x\]\(y\)\*\* \$1"


def test_shares_that_are_not_told_are_left_out():
    assert shares([{"begin": "t", "dominance_btc": 58.0, "dominance_eth": None}]) == [
        {"begin": "t", "coin": "BTC", "share": 58.0}
    ]


def test_a_ladder_has_both_sides_beside_each_other():
    levels = [{"side": "bid", "price": 2.0, "size": 1.0}, {"side": "bid", "price": 1.0, "size": 1.0},
              {"side": "ask", "price": 3.0, "size": 4.0}]  # fmt: skip
    assert ladder(levels).to_dict("list") == {
        "bid size": ["1", "1"], "bid": ["2.00", "1.00"], "ask": ["3.00", ""], "ask size": ["4", ""],
    }  # fmt: skip


def test_what_a_source_does_not_tell_is_empty_and_not_zero():
    row = dict.fromkeys(("change_1h", "change_24h", "change_7d", "volume_24h", "market_cap")) | {
        "symbol": "BTC", "price": 1.0, "asset_id": "bitcoin", "name": "Bitcoin", "age_ms": 1000,
        "source": "coingecko", "quote": "USD",
    }  # fmt: skip
    table = framed([row], {})
    assert table["24 h"].isna().all()
    assert table["last day"][0] == []
    assert key_of(row) == "coingecko:bitcoin:USD"
