"""Order books of Binance: ``/api/v3/depth``, and what its streams are made of."""

from __future__ import annotations

from cryptoproxy.sandbox.binance import params
from cryptoproxy.sandbox.binance.rows import best
from cryptoproxy.sandbox.binance.trades import eight
from cryptoproxy.sandbox.upstream import dump
from cryptoproxy.sandbox.wire import Request
from cryptoproxy.sandbox.world.book import Book, Level, change_id
from cryptoproxy.sandbox.world.market import SeededMarket
from cryptoproxy.sandbox.world.pairs import Pair
from cryptoproxy.sandbox.world.tape import Tape

DEFAULT, MOST = 100, 5000
LEVELS_PER_HOUR = 2000
"""As much as is traded in an hour lies in so many levels."""
IDS = 7
"""Numbers that each tenth of a second takes."""


def make_book(market: SeededMarket, pair: Pair, tape: Tape) -> Book:
    """Its best prices are those of the ticker."""

    def at(second: int) -> tuple[int, int]:
        bid, ask = best(market, pair, tape.price_ticks(second) * pair.tick, second)
        return round(bid / pair.tick), round(ask / pair.tick)

    return Book(tape.key, int(tape.sizes.volume * 10**pair.size_decimals / LEVELS_PER_HOUR), at)


def update_id(tenth: int) -> int:
    """The number of the last change of a tenth of a second."""
    return change_id(tenth) * IDS


def depth(request: Request, book: Book, pair: Pair, now_ms: int) -> bytes:
    """Best first; a halted pair's book is empty. Its number may lie within the next event of the stream, which is why
    clients have to take that one whole."""
    count, tenth = params.limit(request, DEFAULT, MOST), now_ms // 100
    if pair.delisted is not None:
        return dump({"lastUpdateId": update_id(pair.delisted * 10), "bids": [], "asks": []})
    bids, asks = book.top(tenth, count)
    number = update_id(tenth) + now_ms % 100 * IDS // 100
    return dump({"lastUpdateId": number, "bids": levels(bids, pair), "asks": levels(asks, pair)})


def weight(request: Request) -> int:
    """By the number of levels, as documented."""
    asked = request.params.get("limit", "")
    count = int(asked) if asked.isdigit() else DEFAULT
    return next((cost for most, cost in ((100, 5), (500, 25), (1000, 50)) if count <= most), 250)


def levels(found: list[Level], pair: Pair) -> list[list[str]]:
    return [[eight(price, pair.price_decimals), eight(size, pair.size_decimals)] for price, size in found]
