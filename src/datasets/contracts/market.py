"""``market``: one market-wide figure at a slot.

Sources: CoinGecko's ``/global`` (``asset_id`` is ``global``), ``/search/trending`` (a coin's id) and ``/exchanges``
(``exchange-<id>``). A new kind of figure is a new ``metric``, never a new field.
"""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from cryptoproxy.datasets.codec import check_plainly
from cryptoproxy.datasets.dataset import Dataset
from cryptoproxy.datasets.fields import AssetId, Quote, Source, Time, Unit, number, text
from cryptoproxy.datasets.times import from_iso
from cryptoproxy.errors import PoisonError

METRIC_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,63}$"
METRIC = re.compile(METRIC_PATTERN.replace("$", r"\Z"))


class Market(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """One market-wide figure at one slot. ``quote`` is its currency, ``-`` where it has none."""

    source: Source
    asset_id: AssetId
    name: Annotated[str | None, Meta(description="Bitcoin, Binance; absent for the whole market.")] = None
    quote: Annotated[Quote, Meta(description="Currency of `value`; `-` where it is none of money.")]
    metric: Annotated[
        str,
        text(METRIC_PATTERN, "What is told: total-market-cap, dominance-btc, trending-rank, volume-24h …"),
    ]
    value: Annotated[float, number(Unit.QUOTE, "In quote; where that is `-`: percent of dominance-… and of changes.")]
    timestamp: Annotated[Time, Meta(description="The slot: the planned time of the poll.")]
    fetched_at: Annotated[Time, Meta(description="When the response had arrived.")]
    last_updated: Annotated[Time | None, Meta(description="The upstream's own time of the figure.")] = None


def check(record: Market) -> None:
    """As of every record; and a metric is a part of the id."""
    check_plainly(record)
    if not METRIC.match(record.metric):
        raise PoisonError("contract", f"metric {record.metric[:80]!r} is not 1 to 64 of a-z, 0-9, '_' and '-'")


MARKET = Dataset(
    name="market",
    says="one market-wide figure at a slot",
    record=Market,
    serial=lambda record: f"{record.metric}-{from_iso(record.timestamp)}",
    check=check,
    topic="crypto.market.data",
    alias="crypto-market",
    order=("asset_id", "metric", "quote", "timestamp"),
    example=Market(
        source="coingecko",
        asset_id="global",
        quote="USD",
        metric="total-market-cap",
        value=2515268352188.766,
        timestamp="2026-11-20T10:00:00.000Z",
        fetched_at="2026-11-20T10:00:00.420Z",
        last_updated="2026-11-20T09:58:12.000Z",
    ),
)
