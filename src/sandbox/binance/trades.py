"""``/api/v3/aggTrades`` and ``/api/v3/trades``."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from cryptoproxy.sandbox.binance import params
from cryptoproxy.sandbox.upstream import dump
from cryptoproxy.sandbox.wire import Request
from cryptoproxy.sandbox.world import trades as made
from cryptoproxy.sandbox.world.tape import Tape
from cryptoproxy.sandbox.world.trades import Aggregate

DEFAULT, MOST = 500, 1000


def agg_trades(request: Request, tape: Tape, now_ms: int, hidden: Callable[[int], bool]) -> bytes:
    """From a number or a time on, bounds inclusive, oldest first; the newest where neither is given.

    ``hidden`` tells which numbers a rule has taken out of the world, as if there had never been such a trade.
    """
    start, end = params.moment_ms(request, "startTime"), params.moment_ms(request, "endTime")
    number, count = params.number(request, "fromId"), params.limit(request, DEFAULT, MOST)
    if number is not None and not (start is None and end is None):
        raise params.refusal(-1128, "Combination of optional parameters invalid.")
    last_ms, unit = min(now_ms, now_ms if end is None else end), params.per_ms(request)
    if number is None and start is None:
        found = iter(_newest(tape, last_ms, count))
    elif number is None:
        found = made.between(tape, start or 0, last_ms + 1)
    else:
        found = (trade for trade in made.from_number(tape, number, now_ms // 1000 + 1) if trade.ms <= now_ms)
    there = (trade for trade in found if not hidden(trade.number))
    return dump([_aggregate(tape, trade, unit) for trade in islice(there, count)])


def trades(request: Request, tape: Tape, now_ms: int) -> bytes:
    """The newest, oldest first."""
    count, unit = params.limit(request, DEFAULT, MOST), params.per_ms(request)
    found = _newest(tape, now_ms, count)
    rows = [_trade(tape, trade, number, size, unit) for trade in found for number, size in trade.split()]
    return dump(rows[-count:])


def _newest(tape: Tape, until_ms: int, count: int) -> list[Aggregate]:
    """The last up to that moment, oldest first: so much is known of it as a stream has told."""
    begun = until_ms // 1000
    return (made.newest(tape, begun, count) + list(made.between(tape, begun * 1000, until_ms + 1)))[-count:]


def _aggregate(tape: Tape, trade: Aggregate, unit: int) -> dict[str, object]:
    return {
        "a": trade.number,
        "p": eight(trade.price, tape.sizes.price_decimals),
        "q": eight(trade.size, tape.sizes.size_decimals),
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
        "price": eight(trade.price, p),
        "qty": eight(size, s),
        "quoteQty": eight(trade.price * size, p + s),
        "time": trade.ms * unit,
        "isBuyerMaker": trade.buyer_is_maker,
        "isBestMatch": True,
    }


def eight(units: int, decimals: int) -> str:
    """Whole units of so many decimals, written with eight."""
    if decimals > 8:
        units, decimals = units // 10 ** (decimals - 8), 8
    whole, rest = divmod(units * 10 ** (8 - decimals), 10**8)
    return f"{whole}.{rest:08d}"
