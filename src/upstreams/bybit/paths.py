"""What others may ask Bybit for: a call each; market data, what needs no key."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from cryptoproxy.upstreams.asked import Path

_now, _slow = partial(Path, fresh=1), partial(Path, fresh=60)
_bars = Path(fresh=2, takes="category symbol interval start end limit")
_list = partial(Path, fresh=600, dear=True)

PATHS: Mapping[str, Path] = {
    "v5/market/time": Path(fresh=0),
    "v5/market/tickers": _now(takes="category symbol baseCoin expDate"),
    "v5/market/kline": _bars,
    "v5/market/mark-price-kline": _bars,
    "v5/market/index-price-kline": _bars,
    "v5/market/premium-index-price-kline": _bars,
    "v5/market/instruments-info": _list(takes="category symbol status baseCoin limit cursor symbolType"),
    "v5/market/orderbook": _now(takes="category symbol limit"),
    "v5/market/recent-trade": _now(takes="category symbol baseCoin optionType limit"),
    "v5/market/funding/history": _slow(takes="category symbol startTime endTime limit"),
    "v5/market/open-interest": _slow(takes="category symbol intervalTime startTime endTime limit cursor"),
    "v5/market/account-ratio": _slow(takes="category symbol period startTime endTime limit cursor"),
    "v5/market/historical-volatility": _slow(takes="category baseCoin quoteCoin period startTime endTime"),
    "v5/market/delivery-price": _slow(takes="category symbol baseCoin settleCoin limit cursor"),
    "v5/market/insurance": _slow(takes="coin"),
    "v5/market/risk-limit": _list(takes="category symbol cursor"),
    "v2/public/tickers": _now(takes="symbol"),
    "v2/public/symbols": _list(),
}
