"""What Streamlit runs at each look: which pages there are."""

from __future__ import annotations

import streamlit as st

from cryptoproxy.page import alerts, asset, market, pair, prices, working

PAGES = (
    (prices.show, "Prices", ":material/list:", "prices"),
    (asset.show, "Asset", ":material/candlestick_chart:", "asset"),
    (market.show, "Market", ":material/public:", "market"),
    (market.volatility, "Volatility", ":material/show_chart:", "volatility"),
    (pair.show, "Book and trades", ":material/swap_vert:", "pair"),
    (alerts.show, "Alerts", ":material/notifications:", "alerts"),
    (working.show, "Is it working?", ":material/monitor_heart:", "working"),
)
# Drawn here: a named one would be fetched from elsewhere.
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path stroke="#1a9988" d="M4.5 1v14"/>'
    '<path fill="#1a9988" d="M2 4h5v8H2z"/><path stroke="#cc4444" d="M11.5 3v12"/>'
    '<path fill="#cc4444" d="M9 6h5v6H9z"/></svg>'
)

st.set_page_config(page_title="cryptoproxy", page_icon=ICON, layout="wide")
pages = {
    path: st.Page(show, title=title, icon=icon, url_path=path, default=path == "prices")
    for show, title, icon, path in PAGES
}
st.session_state[prices.ASSET_PAGE] = pages["asset"]
st.navigation(list(pages.values()), position="top").run()
