"""Order book and trades of a pair, where they flow."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from cryptoproxy.page import charts, words
from cryptoproxy.page.asking import LIVE_SECONDS, Row, rows, told
from cryptoproxy.page.words import age_of, figures

_BOOKS = "Books come by `SOURCES=binance.book` and `BINANCE_STREAM_SYMBOLS=…`."
_TRADES = "Trades come by `SOURCES=binance.trade` and `BINANCE_STREAM_SYMBOLS=…`."
SHOWN = 12
"""Levels a side in the table."""


def show() -> None:
    pairs = _pairs()
    if not pairs:
        st.info(f"No order books and no trades flow. {_BOOKS} {_TRADES}", icon=":material/inbox:")
        return
    pair = st.selectbox("Pair", pairs, format_func=lambda each: "{1} at {0}".format(*each.split(":")), key="pair",
                        bind="query-params")  # fmt: skip
    source, asset_id, quote = pair.split(":", 2)
    left, right = st.columns(2)
    with left:
        st.subheader("Order book", divider="gray")
        _book(source, asset_id, quote)
    with right:
        st.subheader("Trades", divider="gray")
        _tape(source, asset_id, quote)
    st.subheader("Pressure", divider="gray")
    _pressure(source, asset_id, quote)


def _pairs() -> list[str]:
    """Of which a trade or a book came within an hour."""
    found = [
        *rows("spread", calm=True, quiet=True, since="1h", interval="1h"),
        *rows("trades", calm=True, quiet=True, since="1h", interval="1h"),
    ]
    return sorted({f"{row['source']}:{row['asset_id']}:{row['quote']}" for row in found})


@st.fragment(run_every=LIVE_SECONDS)
def _book(source: str, asset_id: str, quote: str) -> None:
    found = told("book", source=source, assets=asset_id, quote=quote, lacking=_BOOKS)
    if found is None:
        return
    first = found.rows[0]
    figures(
        [
            ("Mid", words.price(first["mid"]), None),
            ("Spread", f"{first['spread_bps']:.3g} bps", None),
            ("Imbalance, +1 is all bids", f"{first['imbalance']:+.2f}", None),
        ]
    )
    st.vega_lite_chart(pd.DataFrame(found.rows), charts.depth(), width="stretch")
    st.table(ladder(found.rows), hide_index=True, border="horizontal")
    age_of(found)


def ladder(levels: list[Row], most: int = SHOWN) -> pd.DataFrame:
    """Bids beside asks, best first."""
    sides = {side: [row for row in levels if row["side"] == side][:most] for side in ("bid", "ask")}
    deep = max(len(each) for each in sides.values())

    def column(side: str, name: str) -> list[str]:
        told_of = [words.price(row[name]) if name == "price" else f"{row[name]:,.5g}" for row in sides[side]]
        return told_of + [""] * (deep - len(told_of))

    return pd.DataFrame(
        {
            "bid size": column("bid", "size"),
            "bid": column("bid", "price"),
            "ask": column("ask", "price"),
            "ask size": column("ask", "size"),
        }
    )


@st.fragment(run_every=LIVE_SECONDS)
def _tape(source: str, asset_id: str, quote: str) -> None:
    found = told("tape", source=source, assets=asset_id, quote=quote, top=60, lacking=_TRADES)
    if found is None:
        return
    table = pd.DataFrame(
        {
            "time (UTC)": [row["timestamp"][11:23] for row in found.rows],
            "side": [row["side"] for row in found.rows],
            "price": [words.price(row["price"]) for row in found.rows],
            "size": [f"{row['base_volume']:,.5g}" for row in found.rows],
        }
    )
    colours = {"buy": f"color: {charts.UP}", "sell": f"color: {charts.DOWN}"}
    st.dataframe(table.style.map(colours.get, subset=["side"]), hide_index=True, height=min(38 + 35 * len(table), 560))
    age_of(found)


def _pressure(source: str, asset_id: str, quote: str) -> None:
    found = told("trades", calm=True, source=source, assets=asset_id, quote=quote, since="3h", interval="1m",
                 lacking=_TRADES)  # fmt: skip
    if found is None:
        return
    spec = charts.lines(found.rows, "pressure", title="bought less sold, of all", form="+.3f", height=180)
    st.vega_lite_chart(pd.DataFrame(found.rows), spec, width="stretch")
    age_of(found, "takers, by the minute")
