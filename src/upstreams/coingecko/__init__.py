"""CoinGecko: limits by plan, its feeds."""

from __future__ import annotations

from cryptoproxy.common.settings.catalogue import Upstreams
from cryptoproxy.datasets import Feed
from cryptoproxy.upstreams.base import Polling, Upstream
from cryptoproxy.upstreams.coingecko.plans import Plan, limits_of
from cryptoproxy.upstreams.coingecko.tickers import NAME, CoinGecko


def upstream(settings: Upstreams) -> Upstream:
    return Upstream(
        limits=limits_of(settings),
        feeds={
            Feed(NAME): Polling(
                make=lambda: CoinGecko(
                    base_url=settings.coingecko_base_url,
                    top_n=settings.coingecko_top_n,
                    ids=settings.coingecko_ids or (),
                    quote=settings.coingecko_quote,
                    plan=Plan(settings.coingecko_plan),
                    api_key=settings.coingecko_api_key.get,
                ),
                interval=settings.coingecko_interval or settings.interval,
            ),
        },
    )
