"""Is it working? How old each source is, what is behind, what budgets are used; below it how whole the past is,
and who has asked the doors.
"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from cryptoproxy.page import words
from cryptoproxy.page.asking import LIVE_SECONDS, Row, told
from cryptoproxy.page.words import age_of, figures

_MARKS = {
    "ok": ":green[:material/check_circle:]",
    "late": ":orange[:material/warning:]",
    "away": ":red[:material/error:]",
    "": ":gray[:material/schedule:]",
}
_HEADS = {
    "source": "Sources, as this door has them", "poller": "Poller", "brokers": "Kafka", "poll": "Polled last",
    "stream": "Streams", "indexer": "Indexers", "budget": "Budgets",
}  # fmt: skip


def show() -> None:
    _now()
    st.subheader("How whole the last six hours are", divider="gray")
    _whole()
    st.subheader("Gaps of streams and histories", divider="gray")
    _gaps()
    st.subheader("Who asked, and what that saved", divider="gray")
    _meter()


@st.fragment(run_every=LIVE_SECONDS)
def _now() -> None:
    found = told("working")
    if found is None:
        return
    verdict(found.rows)
    kinds = dict.fromkeys(row["kind"] for row in found.rows)
    places = st.columns(2)
    for number, kind in enumerate(kinds):
        with places[number % 2]:
            st.markdown(f"**{_HEADS.get(kind, kind)}**")
            for row in found.rows:
                if row["kind"] == kind:
                    _line(row)
    st.caption(f"asked {words.clock(found.asked)}, and each {LIVE_SECONDS} s")


def verdict(rows: list[Row]) -> None:
    """One sentence above all."""
    wrong = [row for row in rows if row["state"] in ("late", "away")]
    if not any(row["kind"] == "source" for row in rows):
        st.warning("Nothing has been polled of late: start the poller with `cryptoproxy produce`.")
    elif not wrong:
        st.success("It works.", icon=":material/check_circle:")
    else:
        names = ", ".join(dict.fromkeys(f"{row['kind']} {row['name']}" for row in wrong))
        away = any(row["state"] == "away" for row in wrong)
        (st.error if away else st.warning)(f"Not all of it works: {names}. `cryptoproxy status` tells what to do.")


def _line(row: Row) -> None:
    st.markdown(f"{_MARKS[row['state']]} {words.plain(row['name'])}: {words.plain(row['words'])}")
    if row["kind"] == "budget" and row["limit"]:
        st.progress(min(1.0, row["count"] / row["limit"]))


def _whole() -> None:
    found = told("freshness", calm=True, since="6h", lacking="Nothing is in the index yet: `cryptoproxy consume`.")
    if found is None:
        return
    table = pd.DataFrame(
        {
            "dataset": [row["dataset"] for row in found.rows],
            "source": [row["source"] for row in found.rows],
            "age": [words.age(row["age_ms"] / 1000) for row in found.rows],
            "every": [words.age(row["interval_ms"] / 1000 if row["interval_ms"] else None) for row in found.rows],
            "records": [f"{row['records']:,}" for row in found.rows],
            "slots missing": [_of(row["missing"], row["expected"]) for row in found.rows],
            "doubled": [row["duplicates"] for row in found.rows],
        }
    )
    st.table(table, hide_index=True, border="horizontal")
    age_of(found)


def _of(missing: int | None, expected: int | None) -> str:
    return words.NONE if missing is None else f"{missing:,} of {expected:,}"


def _gaps() -> None:
    found = told("gaps", calm=True, since="7d", limit=1000, lacking="They are told where streams or histories run.")
    if found is None:
        return
    if not found.rows:
        st.success("None in seven days.", icon=":material/check_circle:")
        return
    still = sum(row["mended"] is None for row in found.rows)
    st.markdown(f"{len(found.rows)} in seven days, {still} of them not mended.")
    table = pd.DataFrame(
        {
            "of": [f"{row['source']} {row['asset_id']}" for row in found.rows],
            "what": [row["kind"] for row in found.rows],
            "from (UTC)": [row["begin"][:19].replace("T", " ") for row in found.rows],
            "to (UTC)": [row["until"][:19].replace("T", " ") for row in found.rows],
            "why": [row["why"] for row in found.rows],
            "mended": [(row["mended"] or "open")[:19].replace("T", " ") for row in found.rows],
        }
    )
    st.dataframe(table.iloc[::-1], hide_index=True)


def _meter() -> None:
    found = told("usage", calm=True, since="24h", lacking="The doors count nothing: `SERVE_USAGE=off`.")
    if found is None:
        return
    if not found.rows:
        st.info("Nothing has been asked within a day; a minute is told when it is over.", icon=":material/inbox:")
        return
    counts = ("requests", "saved", "made", "refused")
    total = {each: sum(row[each] for row in found.rows) for each in counts}
    labels = ("questions of a day", "calls saved", "calls made", "refused")
    figures((label, words.large(total[each]), None) for label, each in zip(labels, counts, strict=True))
    table = pd.DataFrame([{each: row[each] for each in ("team", "path", *counts)} for row in found.rows])
    st.dataframe(table, hide_index=True)
