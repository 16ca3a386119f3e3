"""Who moves most, and whether the market rises or falls."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from cryptoproxy.page import charts, words
from cryptoproxy.page.asking import sources, told
from cryptoproxy.page.look import age_of

WINDOWS = {
    "15 min": ("15m", "1d", 900),
    "1 h": ("1h", "7d", 3_600),
    "4 h": ("4h", "30d", 14_400),
    "1 day": ("1d", "1y", 86_400),
}
"""Window, since when, and the window's seconds."""


def show() -> None:
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
