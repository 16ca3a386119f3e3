"""Records of every kind that the contract allows, made by hypothesis."""

from __future__ import annotations

import json
from typing import Any, get_type_hints

from hypothesis import strategies as st

from cryptoproxy.datasets import Ticker, from_iso, iso
from cryptoproxy.datasets.codec import EARLIEST_MS, MAX_AHEAD_MS

NOW_MS = from_iso("2026-11-20T10:00:30.000Z")
SLOT = "2026-11-20T10:00:00.000Z"
EXAMPLE: dict[str, Any] = {
    "source": "coingecko",
    "asset_id": "bitcoin",
    "symbol": "BTC",
    "name": "Bitcoin",
    "quote": "USD",
    "price": 92133.5,
    "timestamp": SLOT,
    "fetched_at": "2026-11-20T10:00:00.412Z",
    "fetch_delay_ms": 412,
    "last_updated": "2026-11-20T09:59:47.118Z",
    "market_cap": 1837000000000.0,
    "market_cap_rank": 1,
}
HINTS = get_type_hints(Ticker)
FLOATS = [name for name, hint in HINTS.items() if hint in (float, float | None)]
INTEGERS = [name for name, hint in HINTS.items() if hint in (int, int | None)]
COUNTS = [name for name in INTEGERS if name != "interval_ms"]
TEXTS = [name for name, hint in HINTS.items() if hint in (str, str | None)]
FIRST_MS, LAST_MS = from_iso("0001-01-01T00:00:00.000Z"), from_iso("9999-12-31T23:59:59.999Z")

letters = st.characters(codec="utf-8")
words = st.text(letters, max_size=40)
name_parts = st.text(letters.filter(lambda each: not each.isspace() and each not in ":/"), min_size=1, max_size=32)
numbers = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(-(2**63), 2**63 - 1)
ranks = st.integers(-(2**31), 2**31 - 1)
moments = st.integers(FIRST_MS, LAST_MS).map(iso)
slots = st.integers(EARLIEST_MS, NOW_MS + MAX_AHEAD_MS).map(iso)


def _field(name: str) -> st.SearchStrategy[Any]:
    if name in FLOATS:
        return numbers
    if name == "interval_ms":
        return st.integers(100, 86_400_000)
    if name in INTEGERS:
        return ranks if name == "market_cap_rank" else counts
    return moments if name == "last_updated" else words


required = {
    "source": st.from_regex(r"[a-z0-9][a-z0-9-]{0,31}", fullmatch=True),
    "asset_id": name_parts | name_parts.flatmap(lambda part: st.just(part[:1] * 128 if part[0].isascii() else part)),
    "symbol": st.text(letters, min_size=1, max_size=40),
    "name": words,
    "quote": name_parts,
    "price": st.floats(min_value=0, exclude_min=True, allow_nan=False, allow_infinity=False),
    "timestamp": slots,
    "fetched_at": moments,
    "fetch_delay_ms": counts,
}
optional = {name: _field(name) for name in HINTS if name not in required}
records = st.fixed_dictionaries(required, optional=optional).map(lambda fields: Ticker(**fields))


def line(**changes: object) -> bytes:
    """The example with these fields instead; ``...`` takes one out."""
    fields = {name: each for name, each in {**EXAMPLE, **changes}.items() if each is not ...}
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()
