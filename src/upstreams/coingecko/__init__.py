"""CoinGecko: limits by plan, its feeds."""

from __future__ import annotations

from functools import partial

from cryptoproxy.common.settings.catalogue import Upstreams
from cryptoproxy.datasets import Feed
from cryptoproxy.datasets.times import DAY_MS
from cryptoproxy.upstreams.answers.candles import histories, pollings
from cryptoproxy.upstreams.asked import Askable
from cryptoproxy.upstreams.base import Polling, Upstream
from cryptoproxy.upstreams.coingecko.access import Access
from cryptoproxy.upstreams.coingecko.assets import CoinGeckoAssets, slots_of
from cryptoproxy.upstreams.coingecko.candles import CoinGeckoCandles
from cryptoproxy.upstreams.coingecko.charts import CoinGeckoCharts
from cryptoproxy.upstreams.coingecko.coins import Coins
from cryptoproxy.upstreams.coingecko.market import EVERY_SECONDS, CoinGeckoMarket
from cryptoproxy.upstreams.coingecko.paths import PATHS
from cryptoproxy.upstreams.coingecko.plans import Plan, limits_of
from cryptoproxy.upstreams.coingecko.tickers import NAME, CoinGecko


def upstream(settings: Upstreams) -> Upstream:
    access = Access(
        Plan(settings.coingecko_plan), address=settings.coingecko_base_url, api_key=settings.coingecko_api_key.get
    )
    coins = Coins(access, quote=settings.coingecko_quote)

    def tickers() -> CoinGecko:
        return CoinGecko(
            base_url=settings.coingecko_base_url,
            top_n=settings.coingecko_top_n,
            ids=settings.coingecko_ids or (),
            category=settings.coingecko_category,
            rehypothecated=settings.coingecko_include_rehypothecated,
            quote=settings.coingecko_quote,
            plan=Plan(settings.coingecko_plan),
            api_key=settings.coingecko_api_key.get,
        )

    def assets(slots: int = 0) -> CoinGeckoAssets:
        return CoinGeckoAssets(access, tickers=tickers(), ids=settings.coingecko_ids or (), slots=slots)

    ids = settings.coingecko_candle_ids or settings.coingecko_ids or ()
    bars = partial(CoinGeckoCandles, coins=coins, ids=ids)
    return Upstream(
        limits=limits_of(settings),
        feeds={
            Feed(NAME): Polling(make=tickers, interval=settings.coingecko_interval or settings.interval),
            CoinGeckoMarket.feed: Polling(
                make=lambda: CoinGeckoMarket(access, quote=settings.coingecko_quote), interval=EVERY_SECONDS
            ),
            CoinGeckoAssets.feed: Polling(
                make=assets,
                interval=DAY_MS / 1000 / slots_of(len(settings.coingecko_ids or ()) or settings.coingecko_top_n),
                at_once=partial(assets, 1),
            ),
            **pollings(NAME, CoinGeckoCandles, bars, "COINGECKO_CANDLE_IDS"),
        },
        histories={
            Feed(NAME): partial(CoinGeckoCharts, coins=coins, ids=ids),
            **histories(NAME, CoinGeckoCandles, bars),
        },
        asked=Askable(upstream=NAME, base_url=access.base_url, paths=PATHS, check=access.check, headers=access.headers),
    )
