"""The door, asked over HTTP: the one place of the page that knows an address. What was asked is remembered for a
moment, and where there is no answer, why, is said in words.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import requests
import streamlit as st

SECONDS = 60.0
"""Longer than the door waits for the index."""
_OLD = {"X-Max-Age": "999999999"}
"""People are told how old what they see is; so they are shown it, however old."""

Row = dict[str, Any]
Why = Literal["away", "slow", "nothing", "refused"]
_WHY: dict[int, Why] = {404: "nothing", 503: "slow"}


class NotToldError(Exception):
    """The door has not answered, or has nothing. The text is for people; ``why`` decides how loudly it is said."""

    def __init__(self, why: Why, words: str) -> None:
        super().__init__(words)
        self.why = why


@dataclass(frozen=True, slots=True)
class DoorAnswer:
    """An answer of ``/v1``. ``newest``: the time of the newest record in it; ``source``: where the door has it from."""

    rows: list[Row]
    notes: list[str]
    newest: datetime | None
    asked: datetime
    source: str

    @property
    def age(self) -> float | None:
        """Seconds from the newest record to the question."""
        return None if self.newest is None else max(0.0, (self.asked - self.newest).total_seconds())


class PageClient:
    """
    Args:
        url: of the door, without a path.
        token: of a team, where the door wants one.
        ca_file: what signed its certificate, where that is not one of the usual.
    """

    def __init__(self, url: str, token: str = "", *, ca_file: Path | None = None) -> None:
        self.url = url.rstrip("/")
        self._http = requests.Session()
        self._http.verify = True if ca_file is None else str(ca_file)
        self._http.trust_env = False  # the door is ours: no proxy, no login of ~/.netrc
        self._http.headers.update(_OLD | ({"Authorization": f"Bearer {token}"} if token else {}))

    def ask(self, name: str, **params: Any) -> DoorAnswer:
        """Of ``/v1/<name>``; a parameter that is empty is not sent.

        Raises:
            NotToldError: see there.
        """
        asked = datetime.now(UTC)
        given = {key: str(value) for key, value in params.items() if value not in (None, "")}
        try:
            answer = self._http.get(f"{self.url}/v1/{name}", params=given, timeout=SECONDS)
            body = answer.json()
        except requests.Timeout as error:
            raise NotToldError("slow", f"the door has not answered within {SECONDS:.0f} s") from error
        except requests.ConnectionError as error:
            raise NotToldError("away", f"The door at {self.url} is away.") from error
        except (requests.RequestException, ValueError) as error:
            raise NotToldError("away", f"What answers at {self.url} is no door: {error}") from error
        if answer.status_code != 200 or not isinstance(body, dict) or "rows" not in body:
            words = str(body.get("error", f"HTTP {answer.status_code}")) if isinstance(body, dict) else "no answer"
            raise NotToldError(_WHY.get(answer.status_code, "refused"), words)
        told = body["data"]["to"] if "data" in body else body["until"]  # usage is of a time without gaps
        return DoorAnswer(
            body["rows"], body.get("notes", []), moment(told), asked, answer.headers.get("X-Data-Source", "")
        )


def moment(text: str | None) -> datetime | None:
    """As the door writes it: ``2026-11-20T10:00:00.000Z``."""
    return None if text is None else datetime.fromisoformat(text)


# ---- from a page

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
