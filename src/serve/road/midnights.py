"""Points of CoinGecko's charts of days, which the index has as tickers where `cryptoproxy history` has read them.

A live poll of midnight has the id of the chart's own point, and the first of both stays in the index. It is no point:
its price is of the poll, some seconds later. So a span that has one is not whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from cryptoproxy.datasets import from_iso, iso
from cryptoproxy.datasets.times import DAY_MS
from cryptoproxy.queries.elastic.search import Search

_FIELDS = ("timestamp", "price", "market_cap", "volume_24h", "interval_ms", "last_updated")


class Point(NamedTuple):
    """``volume`` is that of the 24 h before."""

    stamp_ms: int
    price: float
    market_cap: float
    volume: float


class Midnights:
    """
    Args:
        search: of the tickers.
    """

    def __init__(self, search: Callable[[], Search]) -> None:
        self._search = search

    def find(self, source: str, asset_id: str, quote: str, stamps: Sequence[int]) -> list[Point]:
        """Those of these midnights that are points of a chart, in the order of time; at most 10,000. Blocks.

        Raises:
            TransientError, OperatorError: Elasticsearch cannot answer.
        """
        filters = [
            *(
                {"term": {name: value}}
                for name, value in (("source", source), ("asset_id", asset_id), ("quote", quote))
            ),
            {"terms": {"timestamp": [iso(each) for each in stamps]}},
        ]
        answer = self._search()(
            {
                "query": {"bool": {"filter": filters}},
                "size": len(stamps),
                "sort": ["timestamp"],
                "_source": list(_FIELDS),
            }
        )
        rows = ([hit["_source"].get(each) for each in _FIELDS] for hit in answer["hits"]["hits"])
        return [
            Point(from_iso(stamp), price, cap, volume)
            for stamp, price, cap, volume, interval_ms, updated in rows
            if interval_ms == DAY_MS and updated is None and cap is not None and volume is not None
        ]
