"""What several pages show alike: a row of figures, coloured changes, how old it is."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from cryptoproxy.page import words
from cryptoproxy.page.charts import DOWN, UP
from cryptoproxy.page.client import DoorAnswer

OLD_SECONDS = 300
"""An age above it is marked."""
_FROM = {"road": "memory of the door", "index": "Elasticsearch", "lake": "the lake"}


def figures(of: Iterable[tuple[str, str, str | None]]) -> None:
    """Label, value and change of each, beside each other as far as there is room."""
    with st.container(horizontal=True, gap="medium"):
        for label, value, change in of:
            st.metric(label, value, change, width="content")


def coloured(change: float) -> str:
    """Of a table's cell: up, down, or neither, as it is written; NaN is neither."""
    return f"color: {UP}" if change >= 0.005 else f"color: {DOWN}" if change <= -0.005 else ""


def age_of(answer: DoorAnswer, more: str = "", *, old: float = OLD_SECONDS) -> None:
    """How old what is shown is, and what else is to be known of it.

    Args:
        old: seconds from which on it is marked; of what is polled seldom, more.
    """
    said = f"newest record {words.age(answer.age)} old" if answer.newest else "no time is told"
    mark = ":material/warning: " if answer.age is not None and answer.age > old else ""
    where = _FROM.get(answer.source.partition("/")[0], answer.source)
    st.caption(f"{mark}{words.clock(answer.newest)}, {said}; from {where}{f'; {more}' if more else ''}")
    for note in [each for each in answer.notes if "--" not in each][:3]:  # what names an option is for the command line
        st.caption(f":material/info: {note}")
