"""A question to the door from a page: remembered for a moment, and where there is no answer, why, in words."""

from __future__ import annotations

from typing import Any

import streamlit as st

from cryptoproxy.page.client import DoorAnswer, NotToldError, PageClient, Row

LIVE_SECONDS = 5
"""What is live is asked for anew so often, once for all who look."""
CALM_SECONDS = 60
"""What is of hours and days."""

_doors: list[PageClient] = []


def use(door: PageClient) -> None:
    """The door that this process asks."""
    _doors[:] = [door]
    st.cache_data.clear()


@st.cache_data(ttl=LIVE_SECONDS - 1, max_entries=500, show_spinner=False)
def _live(name: str, params: tuple[tuple[str, Any], ...]) -> DoorAnswer:
    return _doors[0].ask(name, **dict(params))


@st.cache_data(ttl=CALM_SECONDS, max_entries=500, show_spinner=False)
def _calm(name: str, params: tuple[tuple[str, Any], ...]) -> DoorAnswer:
    return _doors[0].ask(name, **dict(params))


def told(name: str, *, calm: bool = False, quiet: bool = False, lacking: str = "", **params: Any) -> DoorAnswer | None:
    """The answer; None where there is none, which is said on the page.

    Args:
        calm: remembered for longer.
        quiet: nothing is said.
        lacking: what to do where there is no such data.
    """
    try:
        return (_calm if calm else _live)(name, tuple(sorted(params.items())))
    except NotToldError as error:
        if quiet:
            return None
        if error.why == "away":
            st.error(
                f"{error} Start it with `cryptoproxy serve`, or set `PAGE_DOOR` to where it is. This page asks again.",
                icon=":material/cloud_off:",
            )
        elif error.why == "nothing":
            st.info(f"No data: {error}. {lacking}", icon=":material/inbox:")
        elif error.why == "slow":
            st.warning(
                f"No answer now: {error}. Elasticsearch may be away or busy; *Is it working?* tells more.",
                icon=":material/hourglass_empty:",
            )
        else:
            st.warning(f"The door does not answer this: {error}", icon=":material/block:")
        return None


def rows(name: str, **more: Any) -> list[Row]:
    """The rows of :func:`told`; none where there is no answer."""
    found = told(name, **more)
    return [] if found is None else found.rows


def sources() -> list[str]:
    """Of which the door has prices, the first the one that most people look for."""
    found = {row["name"] for row in rows("working") if row["kind"] == "source"}
    return sorted(found, key=lambda name: (name != "coingecko", name))
