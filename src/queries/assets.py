"""Which assets a question is about: all that the scope has records of, or the most traded of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from cryptoproxy.queries.errors import TooMany
from cryptoproxy.queries.scope import MAX_BUCKETS, Asset, Json, Scope, asset_of, by_asset
from cryptoproxy.queries.search import Search

PAGE = 5_000
_VOLUME: Mapping[str, Json] = {"volume": {"avg": {"field": "volume_24h"}}}


class Found(NamedTuple):
    """``volume`` is the mean of ``volume_24h``, in the asset's quote; 0 where its source sends none."""

    asset: Asset
    records: int
    volume: float


def body(scope: Scope, after: Mapping[str, Any] | None = None) -> Json:
    return {
        "size": 0,
        "track_total_hits": False,
        "query": scope.query(),
        "aggs": by_asset(_VOLUME, size=PAGE, after=after),
    }


def find(search: Search, scope: Scope) -> list[Found]:
    """Raises:
    TooMany: more than can be held.
    """
    found: list[Found] = []
    for bucket in search.pages(lambda after: body(scope, after)):
        found.append(Found(asset_of(bucket), bucket["doc_count"], bucket["volume"]["value"] or 0.0))
        if len(found) > MAX_BUCKETS:
            raise TooMany(f"{scope} has more than {MAX_BUCKETS} assets; name a --source, a --quote or --symbols")
    return found


def most_traded(found: list[Found], count: int) -> list[Asset]:
    """The ``count`` of the largest volume."""
    return [each.asset for each in sorted(found, key=lambda each: -each.volume)[:count]]
