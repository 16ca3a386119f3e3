"""``asset``: what an asset is. ``compacted``: the newest record of an asset replaces the one before it, on the topic
and in the index. The lake keeps all of them, so that what an asset was called, or how many of it there were, is known
of any day.

Source: CoinGecko's ``/coins/{id}``. Prices are no part of it: those are tickers.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from cryptoproxy.datasets.codec import check_plainly
from cryptoproxy.datasets.dataset import Dataset, Part, Period
from cryptoproxy.datasets.fields import KEPT, AssetId, Quote, Source, Time, Unit, number
from cryptoproxy.datasets.times import from_iso

NO_QUOTE = "-"


class Asset(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """What one asset is: its name, its categories, how many of it there are, where to read on."""

    source: Source
    asset_id: AssetId
    symbol: Annotated[str, Meta(min_length=1, description="BTC. Repeats.")]
    name: Annotated[str, Meta(min_length=1, description="Bitcoin.")]
    quote: Annotated[Quote, Meta(description="`-`: it has none.")]
    timestamp: Annotated[Time, Meta(description="The slot: the planned time of the poll.")]
    fetched_at: Annotated[Time, Meta(description="When the response had arrived; of two records the later one counts.")]
    last_updated: Annotated[Time | None, Meta(description="The upstream's own time.")] = None
    categories: Annotated[list[str] | None, Meta(description="As the upstream names them: Layer 1 (L1), Meme …")] = None
    platforms: Annotated[list[str] | None, Meta(description="Chains that it lives on; absent for a coin's own.")] = None
    contracts: Annotated[dict[str, str] | None, KEPT, Meta(description="Its contract by platform.")] = None
    market_cap_rank: Annotated[int | None, number(Unit.COUNT, searched=True, bits=32)] = None
    circulating_supply: Annotated[float | None, number(Unit.BASE)] = None
    total_supply: Annotated[float | None, number(Unit.BASE)] = None
    max_supply: Annotated[float | None, number(Unit.BASE, "Absent where there is no bound, or none is known.")] = None
    genesis_date: Annotated[str | None, Meta(description="A date, `2009-01-03`.")] = None
    hashing_algorithm: str | None = None
    homepages: list[str] | None = None
    explorers: Annotated[list[str] | None, Meta(description="Of its chain.")] = None
    repositories: Annotated[list[str] | None, Meta(description="Of its source code.")] = None
    whitepaper: str | None = None
    subreddit: str | None = None
    twitter: Annotated[str | None, Meta(description="Its name there.")] = None
    image: Annotated[str | None, Meta(description="Address of its picture.")] = None


ASSET = Dataset(
    name="asset",
    says="what an asset is; the newest counts",
    record=Asset,
    serial=lambda record: from_iso(record.timestamp),
    check=check_plainly,
    topic="crypto.assets",
    alias="crypto-assets",
    parts={"": Part(period=Period.EVER, file=Period.MONTH)},
    compacted=True,
    example=Asset(
        source="coingecko",
        asset_id="ethereum",
        symbol="ETH",
        name="Ethereum",
        quote=NO_QUOTE,
        timestamp="2026-11-20T10:00:00.000Z",
        fetched_at="2026-11-20T10:00:00.420Z",
        last_updated="2026-11-20T09:58:12.311Z",
        categories=["Smart Contract Platform", "Layer 1 (L1)"],
        market_cap_rank=2,
        circulating_supply=120694322.5,
        total_supply=120694322.5,
        genesis_date="2015-07-30",
        homepages=["https://www.ethereum.org/"],
        explorers=["https://etherscan.io/"],
        repositories=["https://github.com/ethereum/go-ethereum"],
        subreddit="https://www.reddit.com/r/ethereum",
        twitter="ethereum",
    ),
)
