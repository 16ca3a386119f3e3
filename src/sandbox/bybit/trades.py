"""``/v5/market/recent-trade`` and ``/v5/market/orderbook``."""

from __future__ import annotations

import uuid

from cryptoproxy.sandbox.bybit.instruments import Instrument
from cryptoproxy.sandbox.bybit.kline import units
from cryptoproxy.sandbox.world.book import Level, side, update_id
from cryptoproxy.sandbox.world.market import Market
from cryptoproxy.sandbox.world.noise import mix
from cryptoproxy.sandbox.world.tape import Tape
from cryptoproxy.sandbox.world.trades import Aggregate, newest

TRADES = {"spot": (60, 60), "linear": (500, 1000), "inverse": (500, 1000)}
LEVELS = {"spot": (1, 1000), "linear": (25, 1000), "inverse": (25, 1000)}
"""By category: how many without ``limit``, and at most."""
LEVELS_PER_HOUR = 2000
SEQUENCE = 10_000_000_000


def recent(instrument: Instrument, tape: Tape, limit: int, now_ms: int) -> list[dict[str, object]]:
    """Newest first. Of contracts the numbers are UUIDs, without an order."""
    found = newest(tape, now_ms // 1000, limit)
    single = [(trade, number, size) for trade in found for number, size in trade.split()][-limit:]
    return [_trade(instrument, tape, *row) for row in single[::-1]]


def orderbook(market: Market, instrument: Instrument, tape: Tape, limit: int, now_ms: int) -> dict[str, object]:
    """Best first. The best prices are those of the ticker."""
    pair, second = instrument.pair, now_ms // 1000
    last = tape.price_ticks(second)
    bid = max(1, last - (market.draw(pair.coin, second + 1) < 0.5))
    usual = int(tape.sizes.volume * 10**pair.size_decimals / LEVELS_PER_HOUR)
    asks, bids = (
        [_level(instrument, tape, level) for level in side(tape.key, second, best, step=step, count=limit, usual=usual)]
        for best, step in ((bid + 1, 1), (bid, -1))
    )
    ids = {"u": update_id(second), "seq": SEQUENCE + second * 100}
    return {"s": pair.symbol, "a": asks, "b": bids, "ts": second * 1000, **ids, "cts": second * 1000 - 3}


def _trade(instrument: Instrument, tape: Tape, trade: Aggregate, number: int, size: int) -> dict[str, object]:
    word = mix(tape.key, number) << 64 | mix(tape.key + 1, number)
    spot = instrument.category == "spot"
    return {
        "execId": str(2_290_000_000_000_000_000 + number) if spot else str(uuid.UUID(int=word, version=5)),
        "symbol": instrument.symbol,
        "price": units(trade.price, tape.sizes.price_decimals),
        "size": _size(instrument, tape, trade.price, size),
        "side": "Sell" if trade.buyer_is_maker else "Buy",
        "time": str(trade.ms),
        "isBlockTrade": False,
        "isRPITrade": False,
        "seq": str(SEQUENCE + trade.number),
    }


def _level(instrument: Instrument, tape: Tape, level: Level) -> list[str]:
    price, size = level
    return [units(price, tape.sizes.price_decimals), _size(instrument, tape, price, size)]


def _size(instrument: Instrument, tape: Tape, price: int, size: int) -> str:
    """In base units, of inverse contracts in dollars."""
    p, s = tape.sizes.price_decimals, tape.sizes.size_decimals
    return str(max(1, price * size // 10 ** (p + s))) if instrument.category == "inverse" else units(size, s)
