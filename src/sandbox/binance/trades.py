"""``/api/v3/aggTrades`` and ``/api/v3/trades``."""

from __future__ import annotations

from itertools import islice

from cryptoproxy.sandbox.binance import params
from cryptoproxy.sandbox.upstream import dump
from cryptoproxy.sandbox.wire import Request
from cryptoproxy.sandbox.world import trades as made
from cryptoproxy.sandbox.world.tape import Tape
from cryptoproxy.sandbox.world.trades import Aggregate

DEFAULT, MOST = 500, 1000


def agg_trades(request: Request, tape: Tape, now_ms: int) -> bytes:
    """From a number or a time on, bounds inclusive, oldest first; the newest where neither is given."""
    start, end = params.moment_ms(request, "startTime"), params.moment_ms(request, "endTime")
    number, count = params.number(request, "fromId"), params.limit(request, DEFAULT, MOST)
    if number is not None and not (start is None and end is None):
        raise params.refusal(-1128, "Combination of optional parameters invalid.")
    now = now_ms // 1000
    if number is not None:
        found = list(islice(made.from_number(tape, number, now), count))
    elif start is not None:
        until = now * 1000 if end is None else min(now * 1000, end + 1)
        found = list(islice(made.between(tape, start, until), count))
    elif end is not None and end < now_ms:
        last = end // 1000 + 1
        more = made.newest(tape, min(last, now), count + MOST)
        found = [trade for trade in more if trade.ms <= end][-count:]
    else:
        found = made.newest(tape, now, count)
    unit = params.per_ms(request)
    return dump([_aggregate(tape, trade, unit) for trade in found])


def trades(request: Request, tape: Tape, now_ms: int) -> bytes:
    """The newest, oldest first."""
    count, unit = params.limit(request, DEFAULT, MOST), params.per_ms(request)
    found = made.newest(tape, now_ms // 1000, count)
    rows = [_trade(tape, trade, number, size, unit) for trade in found for number, size in trade.split()]
    return dump(rows[-count:])


def _aggregate(tape: Tape, trade: Aggregate, unit: int) -> dict[str, object]:
    return {
        "a": trade.number,
        "p": _eight(trade.price, tape.sizes.price_decimals),
        "q": _eight(trade.size, tape.sizes.size_decimals),
        "f": trade.first,
        "l": trade.first + trade.trades - 1,
        "T": trade.ms * unit,
        "m": trade.buyer_is_maker,
        "M": True,
    }


def _trade(tape: Tape, trade: Aggregate, number: int, size: int, unit: int) -> dict[str, object]:
    p, s = tape.sizes.price_decimals, tape.sizes.size_decimals
    return {
        "id": number,
        "price": _eight(trade.price, p),
        "qty": _eight(size, s),
        "quoteQty": _eight(trade.price * size, p + s),
        "time": trade.ms * unit,
        "isBuyerMaker": trade.buyer_is_maker,
        "isBestMatch": True,
    }


def _eight(units: int, decimals: int) -> str:
    """Whole units of so many decimals, written with eight."""
    if decimals > 8:
        units, decimals = units // 10 ** (decimals - 8), 8
    whole, rest = divmod(units * 10 ** (8 - decimals), 10**8)
    return f"{whole}.{rest:08d}"
