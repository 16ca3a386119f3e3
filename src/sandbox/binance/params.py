"""What a Binance query asks for, and what it is told where that cannot be."""

from __future__ import annotations

import re
from collections.abc import Mapping

from cryptoproxy.sandbox.upstream import Refusal
from cryptoproxy.sandbox.wire import Request
from cryptoproxy.sandbox.world.intervals import BINANCE, BarGrid
from cryptoproxy.sandbox.world.pairs import Pair

NUMBER = "^[0-9]{1,20}$"
SYMBOL = "^[A-Z0-9-_.]{1,20}$"
MICROSECONDS = 100_000_000_000_000
"""A time as large as this is none in milliseconds."""


def refusal(code: int, text: str) -> Refusal:
    return Refusal(400, {"code": code, "msg": text})


def symbol(request: Request, listed: Mapping[str, Pair]) -> Pair:
    """The one pair asked for."""
    name = _text(request, "symbol", SYMBOL)
    if name is None:
        raise refusal(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
    if name not in listed:
        raise refusal(-1121, "Invalid symbol.")
    return listed[name]


def interval(request: Request) -> BarGrid:
    name = request.params.get("interval", "")
    if not name:
        raise refusal(-1102, "Mandatory parameter 'interval' was not sent, was empty/null, or malformed.")
    if name not in BINANCE:
        raise refusal(-1120, "Invalid interval.")
    return BINANCE[name]


def number(request: Request, name: str) -> int | None:
    text = _text(request, name, NUMBER)
    return None if text is None else int(text)


def limit(request: Request, default: int, most: int) -> int:
    """More than the most is cut to it."""
    asked = number(request, "limit")
    if asked == 0:
        raise refusal(-1130, "Data sent for parameter 'limit' is not valid.")
    return min(most, default if asked is None else asked)


def moment_ms(request: Request, name: str) -> int | None:
    """A time in ms; one in µs is told by its size, as theirs do."""
    asked = number(request, name)
    return asked // 1000 if asked is not None and asked >= MICROSECONDS else asked


def per_ms(request: Request) -> int:
    """What times of the answer are multiplied by."""
    return 1000 if (request.header("X-MBX-TIME-UNIT") or "").upper() == "MICROSECOND" else 1


def _text(request: Request, name: str, legal: str) -> str | None:
    text = request.params.get(name)
    if text == "":
        raise refusal(-1105, f"Parameter '{name}' was empty.")
    if text is not None and not re.match(legal, text):
        raise refusal(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")
    return text
