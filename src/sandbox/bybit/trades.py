"""``/v5/market/recent-trade`` and ``/v5/market/orderbook``."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from cryptoproxy.sandbox.bybit.instruments import Instrument
from cryptoproxy.sandbox.bybit.kline import units
from cryptoproxy.sandbox.world.book import Book, Level, change_id
from cryptoproxy.sandbox.world.market import SeededMarket
from cryptoproxy.sandbox.world.noise import mix
from cryptoproxy.sandbox.world.tape import Tape
from cryptoproxy.sandbox.world.trades import Aggregate, between, newest

TRADES = {"spot": (60, 60), "linear": (500, 1000), "inverse": (500, 1000)}
LEVELS = {"spot": (1, 1000), "linear": (25, 1000), "inverse": (25, 1000)}
"""By category: how many without ``limit``, and at most."""
LEVELS_PER_HOUR = 2000
SEQUENCE = 10_000_000_000


def recent(
    instrument: Instrument, tape: Tape, limit: int, now_ms: int, hidden: Callable[[int], bool]
) -> list[dict[str, object]]:
    """Newest first, all up to now but those that a rule has taken out of the world. Of contracts the numbers are
    UUIDs, without an order."""
    begun = now_ms // 1000
    found = newest(tape, begun, limit) + list(between(tape, begun * 1000, now_ms + 1))
    single = [(trade, number, size) for trade in found for number, size in trade.split() if not hidden(number)]
    return [_trade(instrument, tape, *row) for row in single[: -limit - 1 : -1]]


def make_book(market: SeededMarket, instrument: Instrument, tape: Tape) -> Book:
    """Its best prices are those of the ticker."""
    pair = instrument.pair

    def at(second: int) -> tuple[int, int]:
        bid = max(1, tape.price_ticks(second) - (market.draw(pair.coin, second + 1) < 0.5))
        return bid, bid + 1

    return Book(tape.key, int(tape.sizes.volume * 10**pair.size_decimals / LEVELS_PER_HOUR), at)


def orderbook(instrument: Instrument, tape: Tape, book: Book, limit: int, now_ms: int) -> dict[str, object]:
    """Best first."""
    tenth = now_ms // 100
    bids, asks = ([level(instrument, tape, each) for each in side] for side in book.top(tenth, limit))
    ts = tenth * 100
    return {"s": instrument.symbol, "a": asks, "b": bids, "ts": ts, **book_ids(tenth), "cts": ts - 3}


def book_ids(tenth: int) -> dict[str, int]:
    """``u`` has no holes; ``seq`` is that of all markets and jumps."""
    return {"u": change_id(tenth), "seq": SEQUENCE + tenth * 10}


def exec_id(instrument: Instrument, tape: Tape, number: int) -> str:
    """Of a trade by its number: spot has 19 digits, contracts a UUID."""
    if instrument.category == "spot":
        return str(2_290_000_000_000_000_000 + number)
    return str(uuid.UUID(int=mix(tape.key, number) << 64 | mix(tape.key + 1, number), version=5))


def _trade(instrument: Instrument, tape: Tape, trade: Aggregate, number: int, size: int) -> dict[str, object]:
    return {
        "execId": exec_id(instrument, tape, number),
        "symbol": instrument.symbol,
        "price": units(trade.price, tape.sizes.price_decimals),
        "size": size_text(instrument, tape, trade.price, size),
        "side": "Sell" if trade.buyer_is_maker else "Buy",
        "time": str(trade.ms),
        "isBlockTrade": False,
        "isRPITrade": False,
        "seq": str(SEQUENCE + trade.number),
    }


def level(instrument: Instrument, tape: Tape, found: Level) -> list[str]:
    price, size = found
    return [units(price, tape.sizes.price_decimals), size_text(instrument, tape, price, size)]


def size_text(instrument: Instrument, tape: Tape, price: int, size: int) -> str:
    """In base units, of inverse contracts in dollars."""
    p, s = tape.sizes.price_decimals, tape.sizes.size_decimals
    if instrument.category == "inverse" and size:
        return str(max(1, price * size // 10 ** (p + s)))
    return units(size, s)
