"""The door, asked over HTTP: the one place of the page that knows an address. Everything else gets rows and words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import requests

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
        if answer.status_code != 200 or "rows" not in body:
            words = str(body.get("error", f"HTTP {answer.status_code}")) if isinstance(body, dict) else "no answer"
            raise NotToldError(_WHY.get(answer.status_code, "refused"), words)
        return DoorAnswer(
            body["rows"], body["notes"], moment(body["data"]["to"]), asked, answer.headers.get("X-Data-Source", "")
        )


def moment(text: str | None) -> datetime | None:
    """As the door writes it: ``2026-11-20T10:00:00.000Z``."""
    return None if text is None else datetime.fromisoformat(text)
