"""``/api/v3/klines``: bounds compare with the open time and are inclusive; the last row may be the open bar."""

from __future__ import annotations

from collections.abc import Iterable

from cryptoproxy.sandbox.binance import params
from cryptoproxy.sandbox.wire import Request
from cryptoproxy.sandbox.world.intervals import BarGrid
from cryptoproxy.sandbox.world.pages import Row, newest, oldest
from cryptoproxy.sandbox.world.tape import Tape

DEFAULT, MOST = 500, 1000
_FAR_MS = 10**14


def klines(request: Request, tape: Tape, grid: BarGrid, now_ms: int) -> bytes:
    """Without a beginning the newest up to the end, with one the oldest from there."""
    if request.params.get("timeZone", "0") not in ("0", "00:00", "+00:00", "-00:00"):
        raise params.refusal(-1130, "Data sent for parameter 'timeZone' is not valid.")
    start, end = params.moment_ms(request, "startTime"), params.moment_ms(request, "endTime")
    count = params.limit(request, DEFAULT, MOST)
    last = min(_FAR_MS if end is None else end, _FAR_MS) // 1000
    page, first = (newest, 0) if start is None else (oldest, -(-min(start, _FAR_MS) // 1000))
    rows = page(tape, grid, first, last, limit=count, now=now_ms // 1000)
    return render(rows, tape, grid, params.per_ms(request))


def render(rows: Iterable[Row], tape: Tape, grid: BarGrid, per_ms: int = 1) -> bytes:
    """Twelve columns; prices and volumes are text with eight decimals."""
    sizes, unit = tape.sizes, 1000 * per_ms
    price, size, worth = 10**sizes.price_decimals, 10**sizes.size_decimals, 10**tape.quote_decimals
    p, s = _decimals(sizes.price_decimals), _decimals(sizes.size_decimals)
    q = (
        f'"%d.%0{tape.quote_decimals}d{"0" * (8 - tape.quote_decimals)}"'
        if tape.quote_decimals
        else '"%d.%.0s00000000"'
    )
    line = f'[%d,{p},{p},{p},{p},{s},%d,{q},%d,{s},{q},"0"]'
    made = [
        line
        % (
            start * unit,
            opened / price,
            high / price,
            low / price,
            close / price,
            volume / size,
            (start + grid.seconds if grid.seconds else grid.end(start)) * unit - 1,
            *divmod(quote, worth),
            trades,
            bought / size,
            *divmod(quote_bought, worth),
        )
        for start, opened, high, low, close, volume, bought, quote, quote_bought, trades in rows
    ]
    return ("[" + ",".join(made) + "]").encode()


def _decimals(count: int) -> str:
    """The digits there are, filled up to eight, which a float alone would not do exactly."""
    return f'"%.{count}f{"0" * (8 - count)}"' if count else '"%.0f.00000000"'
