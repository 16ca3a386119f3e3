"""What others may ask Binance for, with its weight: market data of spot, what needs no key."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from cryptoproxy.datasets.codec import UNREADABLE
from cryptoproxy.upstreams import asked
from cryptoproxy.upstreams.asked import Path
from cryptoproxy.upstreams.binance.candles import WEIGHT as BARS
from cryptoproxy.upstreams.binance.symbols import WEIGHT as LIST
from cryptoproxy.upstreams.binance.tickers import weight

_BARS = "symbol interval startTime endTime timeZone limit"
_LEVELS = ((100, 5), (500, 25), (1000, 50))
_MOST_LEVELS = 250
_WINDOW, _MOST_WINDOW = 4, 200


def _named(params: Mapping[str, str]) -> int:
    """How many symbols; 0 for all of them."""
    if "symbol" in params:
        return 1
    try:
        return len(msgspec.json.decode(params.get("symbols", "[]"), type=list[str]))
    except UNREADABLE:
        return 0


def _levels(params: Mapping[str, str]) -> int:
    count = asked.number(params, "limit", 100)
    return next((cost for most, cost in _LEVELS if count <= most), _MOST_LEVELS)


def _one_or_all(params: Mapping[str, str]) -> int:
    return 2 if "symbol" in params else 4


def _windows(params: Mapping[str, str]) -> int:
    return min(_WINDOW * max(1, _named(params)), _MOST_WINDOW)


PATHS: Mapping[str, Path] = {
    f"api/v3/{name}": path
    for name, path in {
        "ping": Path(fresh=1),
        "time": Path(fresh=0),
        "exchangeInfo": Path(
            fresh=600, cost=LIST, dear=True, takes="symbol symbols permissions showPermissionSets symbolStatus"
        ),
        "depth": Path(fresh=1, cost=_levels, takes="symbol limit symbolStatus"),
        "trades": Path(fresh=1, cost=25, takes="symbol limit"),
        "aggTrades": Path(fresh=1, cost=4, takes="symbol fromId startTime endTime limit"),
        "klines": Path(fresh=2, cost=BARS, takes=_BARS),
        "uiKlines": Path(fresh=2, cost=BARS, takes=_BARS),
        "avgPrice": Path(fresh=2, cost=2, takes="symbol"),
        "ticker": Path(fresh=2, cost=_windows, takes="symbol symbols windowSize type symbolStatus"),
        "ticker/24hr": Path(
            fresh=1, cost=lambda params: weight(_named(params)), takes="symbol symbols type symbolStatus"
        ),
        "ticker/tradingDay": Path(fresh=2, cost=_windows, takes="symbol symbols timeZone type symbolStatus"),
        "ticker/price": Path(fresh=1, cost=_one_or_all, takes="symbol symbols symbolStatus"),
        "ticker/bookTicker": Path(fresh=1, cost=_one_or_all, takes="symbol symbols symbolStatus"),
    }.items()
}
