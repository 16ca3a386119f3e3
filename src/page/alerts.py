"""What watch has found: what is open first, then what came and ended."""

from __future__ import annotations

from urllib.parse import quote

import pandas as pd
import streamlit as st

from cryptoproxy.page import words
from cryptoproxy.page.asking import LIVE_SECONDS, Row, told
from cryptoproxy.page.words import age_of

SPANS = {"1 day": "1d", "7 days": "7d", "30 days": "30d"}
SEVERITIES = ("critical", "warning", "info")
_BADGES = {"critical": ":red-badge[critical]", "warning": ":orange-badge[warning]", "info": ":blue-badge[info]"}
SHOWN_OPEN = 20


def show() -> None:
    left, right = st.columns([1, 2])
    span = left.segmented_control("Range", list(SPANS), default="7 days", required=True, key="alerts_range")
    severities = right.pills("Severity", SEVERITIES, selection_mode="multi", default=SEVERITIES, key="severity")
    _list(SPANS[span or "7 days"], tuple(severities))


@st.fragment(run_every=LIVE_SECONDS)
def _list(since: str, severities: tuple[str, ...]) -> None:
    found = told("alerts", since=since, top=1000,
                 lacking="Alerts come by `cryptoproxy watch` and a file of rules (docs/watch.md).")  # fmt: skip
    if found is None:
        return
    rows = [row for row in found.rows if row["severity"] in severities]
    still = open_of(rows)
    st.subheader(f"Open: {len(still)}", divider="gray")
    if not still:
        st.success("Nothing is open.", icon=":material/check_circle:")
    for row in still[:SHOWN_OPEN]:
        st.markdown(
            f"{_BADGES[row['severity']]} **{row['rule']}** {words.plain(row['words'])} — since {row['since'][:16]}Z, "
            f"[its asset](asset?asset={quote(row['asset'], safe='')})"
        )
    if len(still) > SHOWN_OPEN:
        st.caption(f"and {len(still) - SHOWN_OPEN} more, below")
    st.subheader("All of them", divider="gray")
    table = pd.DataFrame(
        {
            "moment (UTC)": [row["timestamp"][:19].replace("T", " ") for row in rows],
            "state": [row["state"] for row in rows],
            "severity": [row["severity"] for row in rows],
            "rule": [row["rule"] for row in rows],
            "asset": [row["asset"] for row in rows],
            "what": [row["words"] for row in rows],
        }
    )
    st.dataframe(table, hide_index=True, height=420)
    age_of(found, "the newest 1,000 at most" if len(found.rows) == 1000 else "")


def open_of(alerts: list[Row]) -> list[Row]:
    """Of each rule and asset the newest, where it has not ended; the gravest first. ``alerts``: the newest first."""
    newest: dict[tuple[str, str], Row] = {}
    for row in alerts:
        newest.setdefault((row["rule"], row["asset"]), row)
    still = [row for row in newest.values() if row["state"] == "open"]
    return sorted(still, key=lambda row: SEVERITIES.index(row["severity"]))
