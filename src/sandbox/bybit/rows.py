"""Rows of ``/v5/market/tickers``: everything is text, and what does not apply is empty text."""

from __future__ import annotations

from cryptoproxy.sandbox.bybit.instruments import Instrument
from cryptoproxy.sandbox.world.market import SeededMarket
from cryptoproxy.sandbox.world.pairs import Pair, Quote, Tapes, price_at

HOUR = 3600
FUNDING_CAP = "0.005"
OPEN_DAYS = 1.3
"""Open interest in days of volume."""


def ticker(market: SeededMarket, tapes: Tapes, instrument: Instrument, updated_ms: int, now_ms: int) -> dict[str, str]:
    """One row at one moment."""
    second = updated_ms // 1000
    quote = tapes.quote(instrument.pair, second)
    if instrument.category == "spot":
        return _spot(market, instrument.pair, quote, second)
    return _contract(market, instrument, quote, second, now_ms)


def next_funding_ms(instrument: Instrument, now_ms: int) -> int:
    """0 for dated futures."""
    period = instrument.funding_hours * HOUR * 1000
    return 0 if instrument.delivery_ms else (now_ms // period + 1) * period


def volumes(instrument: Instrument, quote: Quote) -> tuple[float, float]:
    """Volume and turnover: base and quote, but the other way round for inverse contracts, which count dollars."""
    pair = quote.volume, quote.turnover
    return pair[::-1] if instrument.category == "inverse" else pair


def funding_rate(market: SeededMarket, instrument: Instrument, now_ms: int) -> float:
    """Of the current funding period."""
    return round((market.draw(instrument.pair.coin, next_funding_ms(instrument, now_ms)) - 0.4) * 0.0004, 8)


def _contract(market: SeededMarket, instrument: Instrument, quote: Quote, second: int, now_ms: int) -> dict[str, str]:
    pair, dated = instrument.pair, instrument.delivery_ms > 0
    last = fixed(pair, quote.last)
    volume, turnover = volumes(instrument, quote)
    index = quote.last * (1 + (market.draw(pair.coin, second) - 0.5) * 0.0006)
    basis = quote.last - index
    years = max(1, instrument.delivery_ms - now_ms) / (365 * 86_400_000)
    funding = "" if dated else plain(funding_rate(market, instrument, now_ms), 8)
    bid, ask, sizes = _book(market, pair, quote, second)
    return {
        "symbol": pair.symbol,
        "lastPrice": last,
        "indexPrice": fixed(pair, index),
        "markPrice": fixed(pair, (quote.last + index) / 2),
        "prevPrice24h": fixed(pair, quote.open),
        "price24hPcnt": f"{quote.last / quote.open - 1:.6f}",
        "highPrice24h": fixed(pair, quote.high),
        "lowPrice24h": fixed(pair, quote.low),
        "prevPrice1h": fixed(pair, price_at(market, pair, second - HOUR)),
        "openInterest": plain(volume * OPEN_DAYS, pair.size_decimals),
        "openInterestValue": f"{turnover * OPEN_DAYS:.2f}",
        "turnover24h": f"{turnover:.4f}",
        "volume24h": f"{volume:.4f}",
        "fundingRate": funding,
        "nextFundingTime": str(next_funding_ms(instrument, now_ms)),
        "predictedDeliveryPrice": "",
        "basisRate": f"{basis / index:.8f}" if dated else "",
        "deliveryFeeRate": "0" if dated else "",
        "deliveryTime": str(instrument.delivery_ms),
        "ask1Size": sizes[0],
        "bid1Price": fixed(pair, bid),
        "ask1Price": fixed(pair, ask),
        "bid1Size": sizes[1],
        "basis": fixed(pair, basis) if dated else "",
        "preOpenPrice": "",
        "preQty": "",
        "curPreListingPhase": "",
        "fundingIntervalHour": "" if dated else str(instrument.funding_hours),
        "basisRateYear": f"{basis / index / years:.8f}" if dated else "",
        "fundingCap": "" if dated else FUNDING_CAP,
    }


def _spot(market: SeededMarket, pair: Pair, quote: Quote, second: int) -> dict[str, str]:
    bid, ask, sizes = _book(market, pair, quote, second)
    p = pair.price_decimals
    usd = market.price(pair.coin, second)
    return {
        "symbol": pair.symbol,
        "bid1Price": plain(bid, p),
        "bid1Size": sizes[1],
        "ask1Price": plain(ask, p),
        "ask1Size": sizes[0],
        "lastPrice": plain(quote.last, p),
        "prevPrice24h": plain(quote.open, p),
        "price24hPcnt": plain(quote.last / quote.open - 1, 4),
        "highPrice24h": plain(quote.high, p),
        "lowPrice24h": plain(quote.low, p),
        "turnover24h": plain(quote.turnover, 8),
        "volume24h": plain(quote.volume, pair.size_decimals),
        "usdIndexPrice": plain(usd, max(8, p)) if pair.quote == "USDT" and pair.coin < 200 else "",
    }


def _book(market: SeededMarket, pair: Pair, quote: Quote, second: int) -> tuple[float, float, tuple[str, str]]:
    """Best bid, best ask, and the sizes of ask and bid."""
    bid = max(pair.tick, quote.last - pair.tick * (market.draw(pair.coin, second + 1) < 0.5))
    ask_size, bid_size = (market.draw(pair.coin, second + n) * quote.volume / 2000 for n in (2, 3))
    return bid, bid + pair.tick, (plain(ask_size, pair.size_decimals), plain(bid_size, pair.size_decimals))


def fixed(pair: Pair, value: float) -> str:
    """With all the decimals of the contract."""
    return f"{value:.{pair.price_decimals}f}"


def plain(value: float, decimals: int) -> str:
    """Rounded, without zeros at the end and without an exponent."""
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
