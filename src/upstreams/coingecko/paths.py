"""What others may ask CoinGecko for: a call each. How long an answer is new is what its documentation says of caching,
for the plans without a key."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from cryptoproxy.upstreams.asked import Path

_DAY, _HOUR, _TEN_MINUTES = 86_400.0, 3600.0, 600.0
_now, _minute, _minutes = (partial(Path, fresh=seconds) for seconds in (30, 60, 300))
_slow, _hourly = partial(Path, fresh=_TEN_MINUTES), partial(Path, fresh=_HOUR)
_list = partial(Path, fresh=_DAY / 4, dear=True)
_PRICES = "vs_currencies include_market_cap include_24hr_vol include_24hr_change include_last_updated_at precision"
_COIN = (
    "localization tickers market_data community_data developer_data sparkline dex_pair_format "
    "include_categories_details"
)
_CHART, _RANGE = "vs_currency days interval precision", "vs_currency from to interval precision"
_PAGE = "per_page page"

PATHS: Mapping[str, Path] = {
    "ping": _minute(),
    "simple/price": _now(takes=f"ids names symbols include_tokens {_PRICES}"),
    "simple/token_price/{}": _now(takes=f"contract_addresses {_PRICES}"),
    "simple/supported_vs_currencies": _list(),
    "coins/list": _list(takes="include_platform status"),
    "coins/markets": Path(
        fresh=45,
        takes="vs_currency ids names symbols include_tokens category order sparkline price_change_percentage locale "
        f"precision include_rehypothecated {_PAGE}",
    ),
    "coins/categories": _minutes(takes="order"),
    "coins/categories/list": _list(),
    "coins/{}": Path(fresh=60, dear=True, takes=_COIN),
    "coins/{}/tickers": _minute(takes="exchange_ids include_exchange_logo page order depth dex_pair_format"),
    "coins/{}/history": Path(fresh=_DAY, dear=True, takes="date localization"),
    "coins/{}/market_chart": _minutes(takes=_CHART),
    "coins/{}/market_chart/range": _minutes(takes=_RANGE),
    "coins/{}/ohlc": _minutes(takes=_CHART),
    "coins/{}/contract/{}": _minute(),
    "coins/{}/contract/{}/market_chart": _minutes(takes=_CHART),
    "coins/{}/contract/{}/market_chart/range": _minutes(takes=_RANGE),
    "asset_platforms": _list(takes="filter"),
    "exchanges": _minute(takes=_PAGE),
    "exchanges/list": _list(takes="status"),
    "exchanges/{}": _minute(takes="dex_pair_format"),
    "exchanges/{}/tickers": _minute(takes="coin_ids include_exchange_logo page depth order dex_pair_format"),
    "exchanges/{}/volume_chart": _minutes(takes="days"),
    "exchange_rates": _minute(),
    "derivatives": _now(takes="include_tickers"),
    "derivatives/exchanges": _minute(takes=f"order {_PAGE}"),
    "derivatives/exchanges/list": _list(),
    "search": _slow(takes="query"),
    "search/trending": _slow(takes="show_max"),
    "global": _slow(),
    "global/decentralized_finance_defi": _hourly(),
    "nfts/list": _list(takes=f"order {_PAGE}"),
    "nfts/{}": _minute(),
    "companies/public_treasury/{}": _hourly(takes=f"order {_PAGE}"),
}
