"""One asset: candles with volume and indicators, beside others, and how it usually moves."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from cryptoproxy.page import charts, words
from cryptoproxy.page.asking import CALM_SECONDS, LIVE_SECONDS, rows, sources, told
from cryptoproxy.page.prices import key_of
from cryptoproxy.page.words import age_of, figures

RANGES = {"1 h": "1h", "6 h": "6h", "1 day": "1d", "7 days": "7d", "30 days": "30d", "1 year": "1y"}
INDICATORS = {
    "SMA 20": "sma:20", "EMA 50": "ema:50", "Bollinger": "bollinger:20", "RSI": "rsi:14", "MACD": "macd",
}  # fmt: skip
POINTS = 360
"""Bars that a picture has room for: a month of minutes comes as bars of two hours."""


def show() -> None:
    asset = _chosen()
    if asset is None:
        return
    source, asset_id, quote = asset.split(":", 2)
    _head(source, asset_id, quote)
    left, right = st.columns([2, 3])
    span = left.segmented_control("Range", list(RANGES), default="1 day", required=True, key="range")
    names = right.pills("Indicators", list(INDICATORS), selection_mode="multi", key="indicators")
    _chart(source, asset_id, quote, RANGES[span or "1 day"], ",".join(INDICATORS[each] for each in names))
    with st.expander("Compare with others"):
        _compare(source, asset_id, quote, RANGES[span or "1 day"])
    st.subheader("How it usually moves", divider="gray")
    _usually(source, asset_id, quote)


def _chosen() -> str | None:
    """``source:id:quote``, kept in the address."""
    asked = st.query_params.get("asset", "")
    there = sources()
    if not there:
        return None
    left, right = st.columns([1, 2])
    begin = asked.partition(":")[0]
    source = left.selectbox("Source", there, index=there.index(begin) if begin in there else 0, key="of_source")
    named = rows("prices", calm=True, source=source, sort="-volume_24h", top=1000, limit=1000)
    options = [key_of(row) for row in named]
    if asked.startswith(f"{source}:") and asked not in options:
        options.insert(0, asked)
    if not options:
        return None
    place = options.index(asked) if asked in options else 0
    asset = right.selectbox("Asset", options, index=place, format_func=_named, key=f"asset_{source}")
    if asset != asked:
        st.query_params["asset"] = asset
    return asset


def _named(asset: str) -> str:
    _, asset_id, quote = asset.split(":", 2)
    return asset_id if asset_id.endswith(quote) else f"{asset_id} / {quote}"


@st.fragment(run_every=LIVE_SECONDS)
def _head(source: str, asset_id: str, quote: str) -> None:
    found = told("prices", source=source, assets=asset_id, quote=quote)
    if found is None:
        return
    row = found.rows[0]
    figures(
        [
            (f"{row['name']}, in {quote}", words.price(row["price"]), words.percent(row["change_24h"])),
            ("24 h high", words.price(row["high_24h"]), None),
            ("24 h low", words.price(row["low_24h"]), None),
            ("24 h volume", words.large(row["volume_24h"]), None),
        ]
    )
    age_of(found)


@st.fragment(run_every=CALM_SECONDS)
def _chart(source: str, asset_id: str, quote: str, since: str, names: str) -> None:
    found = told("chart", source=source, assets=asset_id, quote=quote, since=since, names=names, points=POINTS,
                 lacking="Candles come by `SOURCES=binance.candle-1m` or `cryptoproxy history`.")  # fmt: skip
    if found is None:
        return
    if not found.rows:
        st.info("There are no bars in this time.")
        return
    data = pd.DataFrame(found.rows)
    for spec in (charts.candles(found.rows, charts.over_of(found.rows[0])), *charts.beside(found.rows)):
        st.vega_lite_chart(data, spec, width="stretch")
    first = found.rows[0]
    step = words.age(first["step_ms"] / 1000)
    age_of(found, f"{len(found.rows)} bars of {step} made of {first['made_of']}. Drag and pinch to look closer")


def _compare(source: str, asset_id: str, quote: str, since: str) -> None:
    named = rows("prices", calm=True, source=source, quote=quote, sort="-volume_24h", top=200)
    options = [row["asset_id"] for row in named]
    others = st.multiselect("With", [each for each in options if each != asset_id], max_selections=5, key="others")
    if not others:
        return
    found = told("chart", source=source, assets=",".join([asset_id, *others]), quote=quote, since=since, points=200)
    if found is not None:
        changes = charts.compared(found.rows)
        spec = charts.lines(changes, "change", by="name", title="change, %", form="+.3~g")
        st.vega_lite_chart(pd.DataFrame(changes), spec, width="stretch")
        age_of(found)


def _usually(source: str, asset_id: str, quote: str) -> None:
    which: dict[str, Any] = {"source": source, "assets": asset_id, "quote": quote, "since": "30d"}
    left, right = st.columns(2)
    with left:
        st.markdown("**Change over 24 h within 30 days**, percentiles")
        if found := told("percentiles", calm=True, field=_change(source), **which):
            row = found.rows[0]
            by = {name: value for name, value in row.items() if name[:1] == "p" and name[1:2].isdigit()}
            unit = 100 if source.startswith("bybit") else 1
            below = [words.percent(None if each is None else each * unit) for each in by.values()]
            shares = [f"{name[1:]} %" for name in by]
            st.table(pd.DataFrame({"of all samples": shares, "are below": below}), hide_index=True, border="horizontal")
            st.caption(f"{row['count']:,} samples, from {row['data_from'][:16]}Z")
    with right:
        st.markdown("**How often it moved more** over 24 h, within 30 days")
        if found := told("moves", calm=True, thresholds="1,2,5,10", **which):
            row = found.rows[0]
            steps = [name.removeprefix("up_") for name in row if name.startswith("up_")]
            table = {
                "by": [f"{each} %" for each in steps],
                "up": [words.percent(row[f"up_{each}"] * 100).lstrip("+") for each in steps],
                "down": [words.percent(row[f"down_{each}"] * 100).lstrip("+") for each in steps],
            }
            st.table(pd.DataFrame(table), hide_index=True, border="horizontal")
            st.caption(f"of {row['samples']:,} samples")


def _change(source: str) -> str:
    """The field that a source tells its change by."""
    return "price_24h_pcnt" if source.startswith("bybit") else "change_24h"
