"""What others may ask Bybit for: a call each; market data, what needs no key."""

from __future__ import annotations

from collections.abc import Mapping

from cryptoproxy.upstreams.asked import Path

_now, _bars, _slow, _list = Path(fresh=1), Path(fresh=2), Path(fresh=60), Path(fresh=600, dear=True)

PATHS: Mapping[str, Path] = {
    "v5/market/time": Path(fresh=0),
    "v5/market/tickers": _now,
    "v5/market/kline": _bars,
    "v5/market/mark-price-kline": _bars,
    "v5/market/index-price-kline": _bars,
    "v5/market/premium-index-price-kline": _bars,
    "v5/market/instruments-info": _list,
    "v5/market/orderbook": _now,
    "v5/market/recent-trade": _now,
    "v5/market/funding/history": _slow,
    "v5/market/open-interest": _slow,
    "v5/market/account-ratio": _slow,
    "v5/market/historical-volatility": _slow,
    "v5/market/delivery-price": _slow,
    "v5/market/insurance": _slow,
    "v5/market/risk-limit": _list,
    "v2/public/tickers": _now,
    "v2/public/symbols": _list,
}
