"""Questions by steps of time, asked portion by portion: averages by interval, volatility."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence

from cryptoproxy.queries import average, volatility
from cryptoproxy.queries.assets import find
from cryptoproxy.queries.average import Average, AverageRow
from cryptoproxy.queries.periods import Interval
from cryptoproxy.queries.portions import Portion, portions
from cryptoproxy.queries.scope import Asset, Scope, asset_of
from cryptoproxy.queries.search import Search
from cryptoproxy.queries.volatility import Returns, Volatility, VolatilityRow
from cryptoproxy.queries.watch import Watch

Progress = Callable[[int, int], None]
"""Called with how much is done, and of how much."""


def averages(search: Search, request: Average, every: Interval, watch: Watch) -> Iterator[AverageRow]:
    """Step by step of one asset, then of the next."""
    for portion in portions(_assets(search, request.scope), request.scope.period, every):
        for period in portion.periods:
            answer = search(average.steps_body(request, every, portion.assets, period))
            for bucket in answer["aggregations"]["rows"]["buckets"]:
                found = list(average.steps(bucket))
                watch.see(asset_of(bucket), has_value=bool(found))
                yield from found


def most_volatile(
    search: Search, request: Volatility, watch: Watch, progress: Progress | None
) -> Iterator[VolatilityRow]:
    """The largest standard deviation first."""
    there = _assets(search, request.scope)
    whole = list(portions(there, request.whole_windows, request.window))

    def rows() -> Iterator[VolatilityRow]:
        for done, portion in enumerate(whole, start=1):
            for asset, row in _volatilities(search, request, portion):
                watch.see(asset, has_value=row is not None)
                if row is not None:
                    yield row
            if progress:
                progress(done, len(whole))

    yield from heapq.nlargest(request.top or len(there), rows(), key=lambda row: row.deviation)


def _volatilities(
    search: Search, request: Volatility, portion: Portion
) -> Iterator[tuple[Asset, VolatilityRow | None]]:
    returns = {asset.identity: Returns(request.window.ms) for asset in portion.assets}
    for period in portion.periods:
        answer = search(volatility.body(request, portion.assets, period))
        for bucket in answer["aggregations"]["rows"]["buckets"]:
            asset, prices = volatility.prices(bucket)
            for begin_ms, price in prices:
                returns[asset.identity].add(begin_ms, price)
    for asset in portion.assets:
        yield asset, returns[asset.identity].row(asset)


def _assets(search: Search, scope: Scope) -> Sequence[Asset]:
    return scope.chosen or [each.asset for each in find(search, scope)]
