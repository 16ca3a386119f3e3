"""What others may ask CoinGecko for: a call each. How long an answer is new is what its documentation says of caching,
for the plans without a key."""

from __future__ import annotations

from collections.abc import Mapping

from cryptoproxy.upstreams.asked import Path

_DAY, _HOUR, _TEN_MINUTES = 86_400.0, 3600.0, 600.0
_now, _minute, _minutes = Path(fresh=30), Path(fresh=60), Path(fresh=300)
_slow, _hourly = Path(fresh=_TEN_MINUTES), Path(fresh=_HOUR)
_list = Path(fresh=_DAY / 4, dear=True)

PATHS: Mapping[str, Path] = {
    "ping": _minute,
    "simple/price": _now,
    "simple/token_price/{}": _now,
    "simple/supported_vs_currencies": _list,
    "coins/list": _list,
    "coins/markets": Path(fresh=45),
    "coins/categories": _minutes,
    "coins/categories/list": _list,
    "coins/{}": Path(fresh=60, dear=True),
    "coins/{}/tickers": _minute,
    "coins/{}/history": Path(fresh=_DAY, dear=True),
    "coins/{}/market_chart": _minutes,
    "coins/{}/market_chart/range": _minutes,
    "coins/{}/ohlc": _minutes,
    "coins/{}/contract/{}": _minute,
    "coins/{}/contract/{}/market_chart": _minutes,
    "coins/{}/contract/{}/market_chart/range": _minutes,
    "asset_platforms": _list,
    "exchanges": _minute,
    "exchanges/list": _list,
    "exchanges/{}": _minute,
    "exchanges/{}/tickers": _minute,
    "exchanges/{}/volume_chart": _minutes,
    "exchange_rates": _minute,
    "derivatives": _now,
    "derivatives/exchanges": _minute,
    "derivatives/exchanges/list": _list,
    "search": _slow,
    "search/trending": _slow,
    "global": _slow,
    "global/decentralized_finance_defi": _hourly,
    "nfts/list": _list,
    "nfts/{}": _minute,
    "companies/public_treasury/{}": _hourly,
}
