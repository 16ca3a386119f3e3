"""Live prices: searched, in order, each with its change and the line of its last day. A row chosen opens its asset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from cryptoproxy.page import words
from cryptoproxy.page.asking import LIVE_SECONDS, Row, rows, sources, told
from cryptoproxy.page.words import age_of, coloured, figures

SORTS = {
    "largest": "market_cap_rank", "most traded": "-volume_24h", "gainers": "-change_24h", "losers": "change_24h",
    "name": "symbol",
}  # fmt: skip
MOST = 100
WITH_LINES = 50
"""Rows that have a line: each is a series that Elasticsearch adds up."""
ASSET_PAGE = "page of an asset"
"""Where a session keeps it, so that a row leads there."""
_ANY = "any"


def show() -> None:
    found = sources()
    with st.container(horizontal=True):
        search = st.text_input(
            "Search", placeholder="bit, BTC …", type="search", key="search", bind="query-params", width=240
        )
        source = st.selectbox("Source", found or [_ANY], key="source", bind="query-params", width=165)
        there = rows("prices", calm=True, quiet=True, source=source, limit=10_000) if found else []
        quotes = [_ANY, *sorted({row["quote"] for row in there})]
        quote = st.selectbox("Quote", quotes, key="quote", width=120)
        order = st.selectbox("Order", list(SORTS), key="order", width=165)
    _table(search, source, "" if quote == _ANY else quote, SORTS[order])


@st.fragment(run_every=LIVE_SECONDS)
def _table(search: str, source: str, quote: str, sort: str) -> None:
    found = told("prices", search=search, source=source, quote=quote, sort=sort, top=MOST,
                 lacking="Prices come when the poller runs: `cryptoproxy produce`.")  # fmt: skip
    if found is None:
        return
    figures(
        (f"{row['symbol']} / {row['quote']}", words.price(row["price"]), words.percent(row["change_24h"]))
        for row in found.rows[:4]
    )
    first = found.rows[:WITH_LINES]
    table = framed(found.rows, day_lines(source, [row["asset_id"] for row in first]))
    chosen = st.dataframe(
        table.style.format({"price": words.price, "volume": words.large, "cap": words.large})
        .format(words.percent, subset=["1 h", "24 h", "7 d"])
        .map(coloured, subset=["1 h", "24 h", "7 d"]),
        hide_index=True,
        height=min(38 + 35 * len(table), 640),
        on_select="rerun",
        selection_mode="single-row",
        key="prices",
        column_config={
            "asset": st.column_config.TextColumn(pinned=True),
            "last day": st.column_config.LineChartColumn(width="small", color="auto"),
        },
    )
    age_of(found, f"asked each {LIVE_SECONDS} s. Choose a row to see more")
    if len(found.rows) == MOST:
        st.caption(f"The first {MOST}; search for others.")
    if picked := chosen["selection"]["rows"]:
        row = found.rows[picked[0]]
        st.switch_page(st.session_state[ASSET_PAGE], query_params={"asset": key_of(row)})


def key_of(row: Mapping[str, Any]) -> str:
    """``binance:BTCUSDT:USDT``."""
    return f"{row['source']}:{row['asset_id']}:{row['quote']}"


def framed(prices: Sequence[Row], lines: Mapping[str, Sequence[float]]) -> pd.DataFrame:
    """What the table shows; what a source does not tell is left out as a column."""
    table = pd.DataFrame(
        {
            "asset": [row["symbol"] for row in prices],
            "price": [row["price"] for row in prices],
            "1 h": [row["change_1h"] for row in prices],
            "24 h": [row["change_24h"] for row in prices],
            "7 d": [row["change_7d"] for row in prices],
            "last day": [list(lines.get(row["asset_id"], ())) for row in prices],
            "volume": [row["volume_24h"] for row in prices],
            "cap": [row["market_cap"] for row in prices],
            "name": [row["name"] for row in prices],
            "age": [words.age(row["age_ms"] / 1000) for row in prices],
        }
    )
    return table.astype(dict.fromkeys(("price", "1 h", "24 h", "7 d", "volume", "cap"), "float64"))


def day_lines(source: str, ids: Sequence[str]) -> dict[str, list[float]]:
    """The mean of each half hour of the last day, by asset; nothing where the index is away."""
    if not ids:
        return {}
    found: dict[str, list[float]] = {}
    steps = rows("average", calm=True, quiet=True, source=source, assets=",".join(sorted(ids)), since="24h",
                 interval="30m", limit=10_000)  # fmt: skip
    for row in steps:
        found.setdefault(row["asset_id"], []).append(row["average"])
    return {asset: line for asset, line in found.items() if len(line) > 2}
