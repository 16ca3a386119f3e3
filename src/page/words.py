"""What several pages show alike: numbers and times as a person reads them (absent is a dash, and never a zero), a row
of figures, coloured changes, how old it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime

import streamlit as st

from cryptoproxy.page.asking import DoorAnswer
from cryptoproxy.page.charts import DOWN, UP

NONE = "–"
_LARGE = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))


def price(value: float | None) -> str:
    """Eight significant digits, without zeros at the end but for two decimals: ``74,512.053``, ``0.00001234``."""
    if value is None or not math.isfinite(value):
        return NONE
    decimals = 2 if value == 0 else min(14, max(2, 7 - math.floor(math.log10(abs(value)))))
    whole, _, rest = f"{value:,.{decimals}f}".partition(".")
    return f"{whole}.{rest.rstrip('0'):0<2}"


def large(value: float | None) -> str:
    """``1.49 T``, ``39.9 B``, ``12.3 k``."""
    if value is None or not math.isfinite(value):
        return NONE
    for size, word in _LARGE:
        if abs(value) >= size:
            return f"{value / size:,.{2 if abs(value) < 10 * size else 1}f} {word}"
    return f"{value:,.{0 if abs(value) >= 100 else 2}f}"


def percent(value: float | None) -> str:
    """With its sign, where there is one: ``+1.23 %``, ``0.00 %``."""
    if value is None or not math.isfinite(value):
        return NONE
    return "0.00 %" if abs(value) < 0.005 else f"{value:+,.2f} %"


def age(seconds: float | None) -> str:
    """``8 s``, ``3 min``, ``2.5 h``, ``4 d``."""
    if seconds is None:
        return NONE
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 129_600 else f"{seconds / 86_400:.0f} d"


def clock(at: datetime | None) -> str:
    """``2026-11-20 10:00:00 UTC``."""
    return NONE if at is None else f"{at:%Y-%m-%d %H:%M:%S} UTC"


def plain(text: str) -> str:
    """Of others' words and names: no Markdown."""
    return "".join(f"\\{each}" if each in "\\`*_{}[]()#+!|<>$:~" else each for each in text)


# ---- on a page

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
    said = f"newest record {age(answer.age)} old" if answer.newest else "no time is told"
    mark = ":material/warning: " if answer.age is not None and answer.age > old else ""
    where = _FROM.get(answer.source.partition("/")[0], answer.source)
    st.caption(f"{mark}{clock(answer.newest)}, {said}; from {where}{f'; {more}' if more else ''}")
    for note in [each for each in answer.notes if "--" not in each][:3]:  # what names an option is for the command line
        st.caption(f":material/info: {note}")
