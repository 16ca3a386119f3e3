"""Each question asked of Elasticsearch: which searches, one after the other, and what their answers mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from cryptoproxy.datasets import CANDLE, MARKET, TICKER, Dataset, from_iso, iso
from cryptoproxy.datasets.times import DAY_MS, Span
from cryptoproxy.queries.answer import TooMany
from cryptoproxy.queries.backend import Facts, Findings, FoundAsset, Midnight, Progress
from cryptoproxy.queries.elastic.facts import facts_body, facts_of
from cryptoproxy.queries.elastic.search import Bucket, NoIndexError, Search, assets_body, pairs_body, portions
from cryptoproxy.queries.periods import Interval
from cryptoproxy.queries.questions import (
    average,
    candles,
    latest,
    market,
    moves,
    percentiles,
    sentiment,
    volatility,
)
from cryptoproxy.queries.questions.average import Average, AverageRow
from cryptoproxy.queries.questions.candles import Bar
from cryptoproxy.queries.questions.flow import steps
from cryptoproxy.queries.questions.flow.steps import Step, Steps
from cryptoproxy.queries.questions.freshness import bodies
from cryptoproxy.queries.questions.freshness.bodies import Slots
from cryptoproxy.queries.questions.freshness.slots import Polled, SlotGrid
from cryptoproxy.queries.questions.latest import Latest, LatestRow
from cryptoproxy.queries.questions.market import MarketFigures, MarketRow
from cryptoproxy.queries.questions.moves import Moves, MovesRow
from cryptoproxy.queries.questions.percentiles import Percentiles, PercentilesRow
from cryptoproxy.queries.questions.sentiment import Sentiment, SentimentRow
from cryptoproxy.queries.questions.volatility import Returns, Volatility, VolatilityRow
from cryptoproxy.queries.scope import MAX_BUCKETS, AssetRef, Json, Scope, asset_of, finite, seen_of
from cryptoproxy.queries.series import Series, series_of, sources_body

R = TypeVar("R")


class Elastic:
    """See :class:`queries.backend.Backend`.

    Args:
        searches: what asks the alias of a dataset, by its name.
    """

    name = "es"

    def __init__(self, searches: Mapping[str, Search]) -> None:
        self._searches = searches
        self.search = searches[TICKER.name]
        self._bars = searches[CANDLE.name]

    def place(self, dataset: Dataset[Any] = TICKER) -> str:
        return self._of(dataset).index

    def found(self, scope: Scope, *, limit: int = MAX_BUCKETS) -> list[FoundAsset]:
        found: list[FoundAsset] = []
        for bucket in self.search.pages(lambda after: assets_body(scope, after)):
            volume = bucket["volume"]["value"]
            # A sum that does not fit into a double is the largest there is.
            ranked = 0.0 if volume is None else finite(volume) or float(volume)
            found.append(FoundAsset(asset_of(bucket), bucket["doc_count"], ranked, seen_of(bucket)))
            if len(found) > limit:
                raise TooMany(f"{scope} has more than {limit} assets; name a --source, a --quote or --symbols")
        return found

    def pairs(self, scope: Scope, coins: Sequence[str]) -> list[tuple[str, str]]:
        there = self.search(pairs_body(scope, coins))["aggregations"]["pairs"]["buckets"]
        return [(each["key"]["symbol"], each["key"]["quote"]) for each in there]

    def facts(self, scope: Scope) -> Facts:
        return facts_of(self.search(facts_body(scope)))

    def sources(self, dataset: Dataset[Any] = TICKER) -> list[str]:
        return list(dict.fromkeys(each.source for each in self.series(dataset)))

    def series(self, dataset: Dataset[Any]) -> list[Series]:
        try:
            return series_of(self._of(dataset)(sources_body(dataset)), dataset)
        except NoIndexError:
            if dataset is TICKER:
                raise
            return []  # it was never set up here

    def days(self, dataset: Dataset[Any], source: str, period: Span) -> set[int]:
        try:
            return self._days(Scope(period, (source,)), dataset)
        except NoIndexError:
            return set()

    def _days(self, scope: Scope, dataset: Dataset[Any]) -> set[int]:
        by_day: Json = {"date_histogram": {**Interval.of_ms(DAY_MS).histogram(), "min_doc_count": 1}}
        answer = self._of(dataset)(
            {"size": 0, "track_total_hits": False, "query": scope.query(), "aggs": {"days": by_day}}
        )
        return {each["key"] for each in answer["aggregations"]["days"]["buckets"]}

    def _held(self, scope: Scope, every: Interval, dataset: Dataset[Any] = TICKER) -> set[int] | None:
        """The days that have a record, where it takes many searches to look at all: one record of years ago, or a long
        ``--since`` at a short step, would be thousands that find nothing."""
        long = scope.period.length_ms > max(DAY_MS, MAX_BUCKETS * every.ms)
        return self._days(scope, dataset) if long else None

    def _of(self, dataset: Dataset[Any]) -> Search:
        return self._searches[dataset.name]

    # ---- a row, or rows, per asset

    def percentiles(self, request: Percentiles) -> Iterator[Findings[PercentilesRow]]:
        return self._paged(lambda after: percentiles.body(request, after), percentiles.row)

    def moves(self, request: Moves) -> Iterator[Findings[MovesRow]]:
        return self._paged(lambda after: moves.body(request, after), lambda bucket: moves.row(request, bucket))

    def latest(self, request: Latest) -> Iterator[Findings[LatestRow]]:
        for bucket in self.search.pages(lambda after: latest.body(request, after)):
            row = latest.row(request, bucket)
            yield Findings(row.asset, [row], row.seen)

    def average(self, request: Average) -> Iterator[Findings[AverageRow]]:
        if request.every is None:
            yield from self._paged(lambda after: average.body(request, after), average.row)
            return
        every = request.every
        for portion, period in self._portions(request.scope, every):
            answer = self.search(average.steps_body(request, every, portion, period))
            for bucket in _in_order(portion, answer["aggregations"]["rows"]["buckets"]):
                yield Findings(asset_of(bucket), list(average.steps(bucket)), seen_of(bucket))

    def _paged(
        self, body_after: Callable[[Bucket | None], Json], row_of: Callable[[Bucket], R | None]
    ) -> Iterator[Findings[R]]:
        for bucket in self.search.pages(body_after):
            row = row_of(bucket)
            yield Findings(asset_of(bucket), [] if row is None else [row], seen_of(bucket))

    def _portions(self, scope: Scope, every: Interval) -> Iterator[tuple[tuple[AssetRef, ...], Span]]:
        assets = scope.chosen or [each.asset for each in self.found(scope)]
        for portion in portions(assets, scope.period, every, self._held(scope, every)):
            for period in portion.periods:
                yield portion.assets, period

    def volatility(self, request: Volatility, progress: Progress | None) -> Iterator[Findings[VolatilityRow]]:
        assets = request.scope.chosen or [each.asset for each in self.found(request.scope)]
        days = self._held(request.scope, request.window)
        whole = list(portions(assets, request.whole_windows, request.window, days))
        for done, portion in enumerate(whole, start=1):
            returns = {asset.identity: Returns(request.window.ms) for asset in portion.assets}
            for period in portion.periods:
                answer = self.search(volatility.body(request, portion.assets, period))
                for bucket in answer["aggregations"]["rows"]["buckets"]:
                    asset, last_prices = volatility.prices(bucket)
                    for begin_ms, price in last_prices:
                        returns[asset.identity].add(begin_ms, price)
            for asset in portion.assets:
                row = returns[asset.identity].row(asset)
                yield Findings(asset, [] if row is None else [row], None if row is None else row.seen)
            if progress:
                progress(done, len(whole))

    def steps(self, request: Steps) -> Iterator[Findings[Step]]:
        search, scope = self._of(request.dataset), request.scope
        try:
            pages = search.pages(lambda after: steps.assets_body(scope, after))
            found = scope.chosen or [asset_of(bucket) for bucket in pages]
            days = self._held(scope, request.every, request.dataset)
            for portion in portions(found, scope.period, request.every, days):
                own = replace(scope, chosen=portion.assets)
                for period in portion.periods:
                    answer = search(steps.body(request, own, period))
                    for bucket in _in_order(portion.assets, answer["aggregations"]["rows"]["buckets"]):
                        yield steps.told(bucket, request.measures)
        except NoIndexError:
            return

    # ---- by source

    def sentiment(self, request: Sentiment) -> Iterator[SentimentRow]:
        for period in sentiment.stretches(request, self._held(request.scope, request.every)):
            yield from sentiment.rows_of(self.search(sentiment.body(request, period)))

    def market(self, request: MarketFigures) -> Iterator[MarketRow]:
        for period in market.stretches(request, self._held(request.scope, request.every, MARKET)):
            yield from market.rows_of(request, self._of(MARKET)(market.body(request, period)))

    def ends(self, series: Series, before_ms: int) -> tuple[int, int] | None:
        search = self._of(series.dataset)
        newest, first = (
            bodies.end_of(search(bodies.end_body(series, before_ms=before_ms, newest=newest)))
            for newest in (True, False)
        )
        return None if first is None or newest is None else (first, newest)

    def records(self, series: Series, period: Span) -> int:
        query = series.query(period.begin_ms, period.end_ms)
        answer = self._of(series.dataset)({"size": 0, "track_total_hits": True, "query": query})
        return int(answer["hits"]["total"]["value"])

    def polled(self, series: Series, period: Span) -> Sequence[Polled]:
        return bodies.polled_of(self._of(series.dataset)(bodies.grid_body(series, period)))

    def slots(self, series: Series, period: Span, grid: SlotGrid) -> Iterator[Slots]:
        days = self.days(series.dataset, series.source, period) if period.length_ms > DAY_MS else None
        for stretch in bodies.stretches(period, grid, days):
            yield from self._whole(series, stretch)

    def _whole(self, series: Series, stretch: Span) -> Iterator[Slots]:
        """A stretch, halved as long as it has more slots than one answer holds."""
        part = bodies.slots_of(self._of(series.dataset)(bodies.slots_body(series, stretch)))
        if part.whole:
            yield part
            return
        middle = stretch.begin_ms + stretch.length_ms // 2
        yield from self._whole(series, Span(stretch.begin_ms, middle))
        yield from self._whole(series, Span(middle, stretch.end_ms))

    def midnights(self, scope: Scope, stamps: Sequence[int]) -> list[Midnight]:
        fields = ("price", "market_cap", "volume_24h")
        told = [{"exists": {"field": each}} for each in fields]
        answer = self.search(
            {
                "query": {
                    "bool": {
                        "filter": [
                            scope.query(),
                            {"terms": {"timestamp": [iso(each) for each in stamps]}},
                            {"term": {"interval_ms": DAY_MS}},
                            *told,
                        ],
                        "must_not": {"exists": {"field": "last_updated"}},
                    }
                },
                "size": len(stamps),
                "sort": ["timestamp"],
                "_source": ["timestamp", *fields],
            }
        )
        rows = (each["_source"] for each in answer["hits"]["hits"])
        return [Midnight(from_iso(row["timestamp"]), *(float(row[each]) for each in fields)) for row in rows]

    # ---- bars

    def intervals(self, scope: Scope) -> Mapping[AssetRef, Mapping[str, int]]:
        try:
            return self._intervals(scope)
        except NoIndexError:
            return {}  # no candles have ever been set up here

    def _intervals(self, scope: Scope) -> Mapping[AssetRef, Mapping[str, int]]:
        return {
            asset_of(bucket): {each["key"]: each["doc_count"] for each in bucket["intervals_there"]["buckets"]}
            for bucket in self._bars.pages(lambda after: candles.intervals_body(scope, after))
        }

    def bars(self, scope: Scope, stored: str) -> Iterator[tuple[AssetRef, Bar]]:
        for asset in scope.chosen:
            own = replace(scope, chosen=(asset,), interval=stored)
            after: Sequence[Any] | None = None
            while True:
                hits = self._bars(candles.bars_body(own, after))["hits"]["hits"]
                yield from ((asset, candles.bar(each["_source"])) for each in hits)
                if len(hits) < candles.PAGE:
                    break
                after = hits[-1]["sort"]

    def sampled(self, scope: Scope, every: Interval) -> Iterator[tuple[AssetRef, Bar]]:
        for portion, period in self._portions(scope, every):
            answer = self.search(candles.sampled_body(replace(scope, chosen=portion, period=period), every))
            for bucket in _in_order(portion, answer["aggregations"]["rows"]["buckets"]):
                yield from ((asset_of(bucket), each) for each in candles.sampled(bucket))


def _in_order(assets: Sequence[AssetRef], buckets: Sequence[Bucket]) -> list[Bucket]:
    places = {asset.identity: place for place, asset in enumerate(assets)}
    return sorted(buckets, key=lambda each: places[asset_of(each).identity])
