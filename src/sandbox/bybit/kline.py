"""``/v5/market/kline``: newest first, from the bar that contains ``start`` on; seven columns of text.

Which end is cut where ``start`` and ``end`` have more bars between them than ``limit`` is not documented: here the
older one. With ``start`` alone the bars follow it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cryptoproxy.sandbox.upstream import dump
from cryptoproxy.sandbox.world.intervals import BarGrid
from cryptoproxy.sandbox.world.pages import Row, newest, oldest
from cryptoproxy.sandbox.world.tape import Tape

DEFAULT, MOST = 200, 1000
_FAR_MS = 10**14


def page(tape: Tape, grid: BarGrid, start_ms: int | None, end_ms: int | None, *, limit: int, now_ms: int) -> list[Row]:
    """Newest first; both bounds inclusive."""
    first = 0 if start_ms is None else grid.floor(min(start_ms, _FAR_MS) // 1000)
    last = min(_FAR_MS if end_ms is None else end_ms, _FAR_MS) // 1000
    follow = oldest if start_ms is not None and end_ms is None else newest
    return list(follow(tape, grid, first, last, limit=limit, now=now_ms // 1000))[::-1]


def render(rows: Iterable[Row], tape: Tape, *, inverse: bool) -> bytes:
    return dump(list(texts(rows, tape, inverse=inverse)))


def texts(rows: Iterable[Row], tape: Tape, *, inverse: bool) -> Iterator[list[str]]:
    """Volume and turnover are base and quote, but the other way round for inverse contracts."""
    sizes = tape.sizes
    p, s, q = sizes.price_decimals, sizes.size_decimals, tape.quote_decimals
    for start, *prices, volume, _, quote, _, _ in rows:
        base, worth = units(volume, s), units(quote, q)
        pair = [worth, base] if inverse else [base, worth]
        yield [str(start * 1000), *(units(price, p) for price in prices), *pair]


def units(count: int, decimals: int) -> str:
    """So many of the smallest units, exactly, without zeros at the end."""
    if not decimals:
        return str(count)
    whole, rest = divmod(count, 10**decimals)
    return f"{whole}.{rest:0{decimals}d}".rstrip("0") if rest else str(whole)
