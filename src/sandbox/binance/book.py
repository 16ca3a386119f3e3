"""``/api/v3/depth``."""

from __future__ import annotations

from cryptoproxy.sandbox.binance import params
from cryptoproxy.sandbox.binance.rows import best
from cryptoproxy.sandbox.upstream import dump
from cryptoproxy.sandbox.wire import Request
from cryptoproxy.sandbox.world.book import Level, side, update_id
from cryptoproxy.sandbox.world.market import Market
from cryptoproxy.sandbox.world.pairs import Pair
from cryptoproxy.sandbox.world.tape import Tape

DEFAULT, MOST = 100, 5000
LEVELS_PER_HOUR = 2000
"""As much as is traded in an hour lies in so many levels."""


def depth(request: Request, market: Market, pair: Pair, tape: Tape, now_ms: int) -> bytes:
    """Best first; a halted pair's book is empty."""
    count, second = params.limit(request, DEFAULT, MOST), now_ms // 1000
    if pair.delisted is not None:
        return dump({"lastUpdateId": update_id(pair.delisted), "bids": [], "asks": []})
    bid, ask = (round(price / pair.tick) for price in best(market, pair, tape.price_ticks(second) * pair.tick, second))
    usual = int(tape.sizes.volume * 10**pair.size_decimals / LEVELS_PER_HOUR)
    bids, asks = (
        side(tape.key, second, top, step=step, count=count, usual=usual) for top, step in ((bid, -1), (ask, 1))
    )
    return dump({"lastUpdateId": update_id(second), "bids": _levels(bids, pair), "asks": _levels(asks, pair)})


def weight(request: Request) -> int:
    """By the number of levels, as documented."""
    asked = request.params.get("limit", "")
    count = int(asked) if asked.isdigit() else DEFAULT
    return next((cost for most, cost in ((100, 5), (500, 25), (1000, 50)) if count <= most), 250)


def _levels(levels: list[Level], pair: Pair) -> list[list[str]]:
    p, s = 10**pair.price_decimals, 10**pair.size_decimals
    return [[f"{price / p:.8f}", f"{size / s:.8f}"] for price, size in levels]
