"""Rows of the old ``/v2/public/tickers`` and ``/v2/public/symbols``: text and numbers mixed.

Tickers have two forms, as recorded: linear and inverse.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from cryptoproxy.sandbox.bybit.instruments import Instrument
from cryptoproxy.sandbox.bybit.rows import HOUR, OPEN_DAYS, fixed, funding_rate, next_funding_ms, plain, volumes
from cryptoproxy.sandbox.upstream import dump
from cryptoproxy.sandbox.world.market import SeededMarket
from cryptoproxy.sandbox.world.pairs import Tapes, price_at


def tickers(market: SeededMarket, tapes: Tapes, listed: Sequence[Instrument], wanted: str | None, now_ms: int) -> bytes:
    """Perpetuals of both kinds in an array named ``result``; ``wanted`` None: all of them."""
    rows = [_ticker(market, tapes, item, now_ms) for item in listed if wanted in (None, item.symbol)]
    head: dict[str, object] = {"ret_code": 0, "ret_msg": "OK", "result": rows, "ext_code": "", "ext_info": ""}
    if not rows:
        head |= {"ret_code": 10001, "ret_msg": "params error: Symbol Is Invalid", "result": None}
    return dump(head | {"time_now": f"{now_ms / 1000:.6f}"})


def symbols(listed: Sequence[Instrument], now_ms: int) -> bytes:
    """The symbol list."""
    head = {"ret_code": 0, "ret_msg": "OK", "ext_code": "", "ext_info": "", "result": [_symbol(i) for i in listed]}
    return dump(head | {"time_now": f"{now_ms / 1000:.6f}"})


def _ticker(market: SeededMarket, tapes: Tapes, instrument: Instrument, now_ms: int) -> dict[str, object]:
    """A perpetual at one moment."""
    pair, second = instrument.pair, instrument.pair.beat.last(now_ms) // 1000
    quote = tapes.quote(pair, second)
    volume, turnover = volumes(instrument, quote)
    hour_ago = price_at(market, pair, second - HOUR)
    funding_ms = next_funding_ms(instrument, now_ms)
    rate = plain(funding_rate(market, instrument, now_ms), 6)
    inverse = instrument.category == "inverse"
    row: dict[str, object] = {
        "symbol": pair.symbol,
        "bid_price": plain(quote.last - pair.tick, pair.price_decimals),
        "ask_price": plain(quote.last, pair.price_decimals),
        "last_price": fixed(pair, quote.last),
        "last_tick_direction": "PlusTick" if quote.last > hour_ago else "ZeroMinusTick",
        "prev_price_24h": fixed(pair, quote.open),
        "price_24h_pcnt": plain(quote.last / quote.open - 1, 6),
        "high_price_24h": fixed(pair, quote.high),
        "low_price_24h": fixed(pair, quote.low),
        "prev_price_1h": fixed(pair, hour_ago),
    }
    if inverse:
        row["price_1h_pcnt"] = plain(quote.last / hour_ago - 1, 6)
    row |= {
        "mark_price": fixed(pair, quote.last * 1.0001),
        "index_price": fixed(pair, quote.last * 0.9999),
        "open_interest": int(volume * OPEN_DAYS) if inverse else round(volume * OPEN_DAYS, 8),
    }
    when = datetime.fromtimestamp(funding_ms / 1000, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    hours_left = (funding_ms - now_ms) // (HOUR * 1000)
    if inverse:
        row |= {
            "open_value": f"{turnover * OPEN_DAYS:.2f}",
            "total_turnover": f"{turnover * 900:.2f}",
            "turnover_24h": f"{turnover:.2f}",
            "total_volume": int(volume * 900),
            "volume_24h": int(volume),
            "funding_rate": rate,
            "predicted_funding_rate": rate,
            "next_funding_time": when,
            "countdown_hour": hours_left,
            "delivery_fee_rate": "0",
            "predicted_delivery_price": "0.00",
            "delivery_time": "",
        }
        return row
    row |= {
        "countdown_hour": hours_left,
        "turnover_24h": plain(turnover, 8),
        "volume_24h": round(volume, 8),
        "funding_rate": rate,
        "predicted_funding_rate": "",
        "next_funding_time": when,
    }
    empty = ("predicted_delivery_price", "total_turnover", "total_volume", "delivery_fee_rate", "delivery_time")
    return row | dict.fromkeys((*empty, "price_1h_pcnt", "open_value"), "") | {"total_volume": 0}


def _symbol(instrument: Instrument) -> dict[str, object]:
    pair = instrument.pair
    tick = f"{pair.tick:.{pair.price_decimals}f}"
    return {
        "name": pair.symbol,
        "base_currency": pair.base,
        "quote_currency": pair.quote,
        "price_scale": pair.price_decimals,
        "price_filter": {"min_price": tick, "max_price": "999999.5", "tick_size": tick},
        "lot_size_filter": {"max_trading_qty": 1_000_000, "min_trading_qty": 1, "qty_step": 1},
    }
