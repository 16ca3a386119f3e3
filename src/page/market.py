"""The whole market: its cap, who dominates it, who gains and who loses, as a heat map; and on a page beside it who
moves most, and whether it rises or falls.
"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from cryptoproxy.page import charts, words
from cryptoproxy.page.asking import CALM_SECONDS, LIVE_SECONDS, Row, sources, told
from cryptoproxy.page.words import age_of, coloured, figures

RANGES = {"1 day": ("1d", "15m"), "7 days": ("7d", "1h"), "30 days": ("30d", "6h"), "1 year": ("1y", "1d")}
SELDOM = 1_800
"""Seconds: figures of the whole market are polled each ten minutes."""
_TO_DO = "Figures of the whole market come by `SOURCES=coingecko.market`."
WINDOWS = {
    "15 min": ("15m", "1d", 900),
    "1 h": ("1h", "7d", 3_600),
    "4 h": ("4h", "30d", 14_400),
    "1 day": ("1d", "1y", 86_400),
}
"""Window, since when, and the window's seconds."""


def show() -> None:
    _whole()
    source = st.selectbox("Source", sources() or ["coingecko"], key="market_source")
    _heat(source)
    left, right = st.columns(2)
    with left:
        _ends("Gainers", source, "-change_24h")
    with right:
        _ends("Losers", source, "change_24h")


@st.fragment(run_every=CALM_SECONDS)
def _whole() -> None:
    span = st.segmented_control("Range", list(RANGES), default="7 days", required=True, key="market_range")
    since, interval = RANGES[span or "7 days"]
    found = told("market", calm=True, since=since, interval=interval, dominance="btc,eth,usdt,bnb", lacking=_TO_DO)
    if found is None or not found.rows:
        return
    last = found.rows[-1]
    coins = last["active_coins"]
    figures(
        [
            ("Cap, USD", words.large(last["market_cap"]), words.percent(last["market_cap_change_24h"])),
            ("24 h volume, USD", words.large(last["volume_24h"]), None),
            ("Bitcoin's share", words.percent(last["dominance_btc"]).lstrip("+"), None),
            ("Coins", words.NONE if coins is None else f"{coins:,.0f}", None),
        ]
    )
    left, right = st.columns(2)
    with left:
        st.markdown("**Cap**, USD")
        st.vega_lite_chart(pd.DataFrame(found.rows), charts.lines(found.rows, "market_cap", form="~s"), width="stretch")
    with right:
        st.markdown("**Share of the cap**, %")
        told_of = shares(found.rows)
        spec = charts.lines(told_of, "share", by="coin", form=".3~g", zero=True)
        st.vega_lite_chart(pd.DataFrame(told_of), spec, width="stretch")
    age_of(found, old=SELDOM)


def shares(rows: list[Row]) -> list[Row]:
    """A row for each coin and step whose share is told: ``begin``, ``coin``, ``share``."""
    return [
        {"begin": row["begin"], "coin": name.removeprefix("dominance_").upper(), "share": value}
        for row in rows
        for name, value in row.items()
        if name.startswith("dominance_") and value is not None
    ]


@st.fragment(run_every=CALM_SECONDS)
def _heat(source: str) -> None:
    st.subheader("Heat map", divider="gray")
    found = told("prices", source=source, sort="-market_cap", top=60)
    if found is None:
        return
    data, spec = charts.heat(found.rows)
    if not data:
        st.info(f"{source} tells no market caps; CoinGecko does.")
        return
    st.vega_lite_chart(pd.DataFrame(data), spec, width="stretch")
    age_of(found, "as large as the cap, coloured by the change over 24 h, full at 5 %")


def _ends(title: str, source: str, sort: str) -> None:
    st.subheader(title, divider="gray")
    found = told("prices", source=source, sort=sort, top=10)
    if found is None:
        return
    table = pd.DataFrame(
        {
            "asset": [row["symbol"] for row in found.rows],
            "price": [row["price"] for row in found.rows],
            "24 h": pd.Series([row["change_24h"] for row in found.rows], dtype="float64"),
            "volume": pd.Series([row["volume_24h"] for row in found.rows], dtype="float64"),
        }
    )
    shown = table.style.format({"price": words.price, "24 h": words.percent, "volume": words.large})
    st.table(shown.map(coloured, subset=["24 h"]), hide_index=True, border="horizontal")
    age_of(found)


# ---- the page Volatility


def volatility() -> None:
    left, right = st.columns([1, 2])
    source = left.selectbox("Source", sources() or ["coingecko"], key="volatility_source")
    name = right.segmented_control("Returns over", list(WINDOWS), default="1 h", required=True, key="window")
    window, since, seconds = WINDOWS[name or "1 h"]
    st.subheader("Who moves most", divider="gray")
    found = told("volatility", calm=True, source=source, window=window, since=since, top=25,
                 lacking="Three whole windows are needed.")  # fmt: skip
    if found is not None:
        rows = [{**row, "asset": f"{row['symbol']} / {row['quote']}"} for row in found.rows]
        title = f"standard deviation of the returns over {name}, %"
        st.vega_lite_chart(pd.DataFrame(rows), charts.bars("asset", "deviation", title=title), width="stretch")
        table = pd.DataFrame(
            {
                "asset": [row["asset"] for row in rows],
                "deviation": [words.percent(row["deviation"]).lstrip("+") for row in rows],
                "largest": [words.percent(row["largest"]) for row in rows],
                "when (UTC)": [(row["largest_at"] or words.NONE)[:16].replace("T", " ") for row in rows],
                "returns": [row["returns"] for row in rows],
            }
        )
        st.dataframe(table, hide_index=True)
        age_of(found, old=2 * seconds)
    st.subheader("How many rise, how many fall", divider="gray")
    found = told("sentiment", calm=True, source=source, interval=window, since=since)
    if found is not None:
        spec = charts.lines(found.rows, "balance", title="risen less fallen, of all", form="+.2f")
        st.vega_lite_chart(pd.DataFrame(found.rows), spec, width="stretch")
        age_of(found)
    st.subheader("How each stands now", divider="gray")
    _now(source)


@st.fragment(run_every=LIVE_SECONDS)
def _now(source: str) -> None:
    found = told("stats", source=source, top=50, lacking="`cryptoproxy watch` tells of each asset each minute.")
    if found is None:
        return
    changes, moves = (f"change_{each}" for each in ("1m", "5m", "1h", "24h")), ("volatility_1h", "volatility_24h")
    columns = {
        "asset": [f"{row['symbol']} / {row['quote']}" for row in found.rows],
        "price": [words.price(row["price"]) for row in found.rows],
    }
    columns |= {each.replace("_", " "): [words.percent(row[each]) for row in found.rows] for each in changes}
    columns |= {each.replace("_", " "): [words.percent(row[each]).lstrip("+") for row in found.rows] for each in moves}
    columns["RSI 14 of minutes"] = ["" if row["rsi_14"] is None else f"{row['rsi_14']:.0f}" for row in found.rows]
    st.dataframe(pd.DataFrame(columns), hide_index=True)
    age_of(found)
