"""Bodies gone wrong, by name: broken ones, and pages of rows that a history has to see through.

Rows are those of a list, of Bybit's ``result.list`` or of each series of a chart. A body without rows stays as it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

HTML = b"""<!DOCTYPE html>
<html><head><title>502 Bad Gateway</title></head>
<body><center><h1>502 Bad Gateway</h1></center><hr><center>cloudflare</center></body></html>
"""
OPEN, HIGH, LOW, CLOSE = 1, 2, 3, 4
"""Columns of a bar, with all three upstreams."""


def garbage(body: bytes) -> bytes:
    """As many bytes, none of them meant: not JSON, not UTF-8."""
    return b"\xff\xfe" + Random(len(body)).randbytes(max(0, len(body) - 2))


def half(body: bytes) -> bytes:
    """A whole answer for HTTP, half a document for JSON."""
    return body[: len(body) // 2]


def empty(body: bytes) -> bytes:
    return b""


def html(body: bytes) -> bytes:
    """What a content delivery network says when it has nothing better."""
    return HTML


def hole(body: bytes) -> bytes:
    """The middle third of the rows is missing."""
    return _with_rows(body, lambda rows: rows[: len(rows) // 3] + rows[len(rows) - len(rows) // 3 :])


def no_rows(body: bytes) -> bytes:
    return _with_rows(body, lambda _rows: [])


def twice(body: bytes) -> bytes:
    """The last half of the rows comes again, as where two pages overlap."""
    return _with_rows(body, lambda rows: rows + rows[len(rows) // 2 :])


def out_of_order(body: bytes) -> bytes:
    return _with_rows(body, lambda rows: Random(len(rows)).sample(rows, len(rows)))


def corrected(body: bytes) -> bytes:
    """One bar in the middle closes elsewhere, within its high and low; of points, one is moved by a thousandth."""
    return _with_rows(body, _corrected)


def crash(body: bytes) -> bytes:
    """The price of the first coin is a tenth lower; of CoinGecko's markets."""
    return _with_rows(body, lambda rows: [{**rows[0], "current_price": rows[0]["current_price"] * 0.9}, *rows[1:]])


def crossed(body: bytes) -> bytes:
    """A book whose best bid is above its best ask: Binance's, or Bybit's with what is around it."""
    found: Any = json.loads(body)
    inner = found.get("data", found.get("result", found))
    for bids, asks in (("bids", "asks"), ("b", "a")):
        # Not one that a change takes out: its size says that nobody asks that.
        if inner.get(bids) and (asked := [level for level in inner.get(asks, ()) if float(level[1])]):
            inner[bids] = [asked[-1], *inner[bids]]
    return json.dumps(found, separators=(",", ":")).encode()


REWRITES: Mapping[str, Callable[[bytes], bytes]] = {
    f.__name__: f for f in (garbage, half, empty, html, hole, no_rows, twice, out_of_order, corrected, crash, crossed)
}
"""By name, so that the control endpoint can ask for them."""


def _with_rows(body: bytes, change: Callable[[list[Any]], list[Any]]) -> bytes:
    try:
        data: Any = json.loads(body)
    except ValueError:
        return body
    if isinstance(data, list):
        data = change(data)
    elif isinstance(data, dict) and isinstance(data.get("result"), dict) and "list" in data["result"]:
        data["result"]["list"] = change(data["result"]["list"])
    elif isinstance(data, dict):
        data = {name: change(value) if isinstance(value, list) else value for name, value in data.items()}
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()


def _corrected(rows: list[Any]) -> list[Any]:
    by_distance = sorted(range(len(rows)), key=lambda n: abs(n - len(rows) // 2))
    for n in by_distance:
        row = rows[n]
        if isinstance(row, list) and len(row) > CLOSE and row[HIGH] != row[LOW]:
            return [
                *rows[:n],
                [*row[:CLOSE], row[LOW] if row[CLOSE] == row[HIGH] else row[HIGH], *row[CLOSE + 1 :]],
                *rows[n + 1 :],
            ]
        if isinstance(row, list) and len(row) == 2:
            return [*rows[:n], [row[0], row[1] * 1.001], *rows[n + 1 :]]
    return rows
