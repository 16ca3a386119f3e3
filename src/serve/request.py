"""A question as it came, or why it is none: paths, parameters, keys.

Keys (CoinGecko's in the query, any in a header) are taken out before anything is kept or said. Paths and parameters
with control characters are refused: they stand in no symbol, and might begin a line of a log or of a header.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, unquote_to_bytes

_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_KEYS = re.compile(r"(?i)x[_-]cg[_-](demo|pro)[_-]api[_-]key|api[_-]?key|signature|token")
MOST_PARAMETERS = 50
ARROW = b"application/vnd.apache.arrow.stream"
TRUE = ("true", "True", "1")


class BadRequestError(Exception):
    """Said to the client, with 400."""


@dataclass(frozen=True, slots=True)
class Request:
    """``path`` without its slashes at both ends; of a parameter that comes twice the last counts."""

    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    max_age_s: float | None = None
    microseconds: bool = False
    """Binance's ``X-MBX-TIME-UNIT``."""
    arrow: bool = False
    """By ``Accept``."""
    place: tuple[str, tuple[tuple[str, str], ...], bool] = field(init=False)
    """What tells it apart in a cache, whatever the order of its parameters."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "place", (self.path, tuple(sorted(self.params.items())), self.microseconds))

    def below(self, prefix: str) -> str | None:
        """The path behind ``prefix/``; None where it begins otherwise."""
        if not self.path.startswith(prefix) or self.path[len(prefix) : len(prefix) + 1] not in ("", "/"):
            return None
        return self.path[len(prefix) + 1 :]

    def at(self, path: str) -> Request:
        """The same question at another path."""
        return replace(self, path=path)


def read(raw_path: bytes, query: bytes, headers: Mapping[bytes, bytes]) -> Request:
    """Raises:
    BadRequestError: no such path or query can mean anything.
    """
    path = _text(unquote_to_bytes(raw_path.partition(b"?")[0]), "path")
    if not path.startswith("/") or any(part in (".", "..") for part in path.split("/")) or "\\" in path:
        raise BadRequestError("the path has parts that lead elsewhere")
    try:
        pairs = parse_qsl(
            query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS
        )
    except (UnicodeDecodeError, ValueError) as error:
        raise BadRequestError(f"the query is no UTF-8, or has more than {MOST_PARAMETERS} parameters") from error
    params: dict[str, str] = {}
    for name, value in pairs:
        if _CONTROLS.search(name) or _CONTROLS.search(value):
            raise BadRequestError("a parameter has control characters in it")
        if not _KEYS.fullmatch(name):
            params[name] = value
    told = params.pop("max_age", None) or headers.get(b"x-max-age", b"").decode("ascii", "replace")
    return Request(
        path.strip("/"),
        params,
        _seconds(told) if told else None,
        headers.get(b"x-mbx-time-unit", b"").upper() == b"MICROSECOND",
        ARROW in headers.get(b"accept", b""),
    )


def query_without_keys(query: str) -> str:
    """As it is written, but for them."""
    return "&".join(each for each in query.split("&") if not _KEYS.fullmatch(each.partition("=")[0]))


def _text(raw: bytes, what: str) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise BadRequestError(f"the {what} is no UTF-8") from error
    if _CONTROLS.search(text):
        raise BadRequestError(f"the {what} has control characters in it")
    return text


def _seconds(text: str) -> float:
    if not re.fullmatch(r"\d{1,9}(\.\d{1,3})?", text, re.ASCII):
        raise BadRequestError("max_age is a number of seconds")
    return float(text)


def flag(params: Mapping[str, str], name: str) -> bool:
    """As any client writes it."""
    return params.get(name, "") in TRUE


def listed(text: str) -> list[str]:
    """The items of a list, each once, also where a blank follows its commas."""
    return list(dict.fromkeys(each for each in (part.strip() for part in text.split(",")) if each))
