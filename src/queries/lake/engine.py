"""Each question in SQL. Counts, shares, lowest, highest and percentiles are exact; each id counts once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import Any

from cryptoproxy.datasets import CANDLE, MARKET, TICKER, Dataset
from cryptoproxy.datasets.times import DAY_MS, Span
from cryptoproxy.lake.store import Store
from cryptoproxy.queries.answer import TooMany
from cryptoproxy.queries.backend import Facts, Findings, FoundAsset, Midnight, Progress
from cryptoproxy.queries.lake.duck import Duck
from cryptoproxy.queries.lake.holdings import ALWAYS, Holdings
from cryptoproxy.queries.lake.sql import (
    ASSET,
    HEAD,
    HEADS,
    SEEN,
    SEENS,
    asset_of,
    begin_of,
    count_of,
    interval_or_none,
    measured,
    seen_of,
    together,
    where,
)
from cryptoproxy.queries.periods import Interval
from cryptoproxy.queries.questions import latest, moves
from cryptoproxy.queries.questions.average import Average, AverageRow
from cryptoproxy.queries.questions.candles import Bar
from cryptoproxy.queries.questions.flow.steps import Step, Steps
from cryptoproxy.queries.questions.freshness.bodies import SAMPLE, Slots
from cryptoproxy.queries.questions.freshness.slots import Polled, Slot, SlotGrid
from cryptoproxy.queries.questions.latest import Latest, LatestRow
from cryptoproxy.queries.questions.market import MarketFigures, MarketRow
from cryptoproxy.queries.questions.moves import Beyond, Moves, MovesRow
from cryptoproxy.queries.questions.percentiles import Percentiles, PercentilesRow
from cryptoproxy.queries.questions.sentiment import FIELD, Sentiment, SentimentRow
from cryptoproxy.queries.questions.volatility import Returns, Volatility, VolatilityRow
from cryptoproxy.queries.scope import MAX_BUCKETS, AssetRef, Scope, finite
from cryptoproxy.queries.series import Series, apart


class Lake:
    """See :class:`queries.backend.Backend`."""

    name = "lake"

    def __init__(self, store: Store, holdings: Holdings | None = None) -> None:
        self.duck = Duck(store, holdings)
        self._settings = store.settings

    def place(self, dataset: Dataset[Any] = TICKER) -> str:
        return f"s3://{self._settings.bucket}/{self._settings.prefix}"

    def close(self) -> None:
        self.duck.close()

    def sources(self, dataset: Dataset[Any] = TICKER) -> list[str]:
        return self.duck.holdings.sources(dataset)

    def days(self, dataset: Dataset[Any], source: str, period: Span) -> set[int]:
        return self.duck.holdings.days(dataset, source, period)

    def _ask(
        self, what: str, scope: Scope, rest: str = "", *, dataset: Dataset[Any] = TICKER
    ) -> Iterator[tuple[Any, ...]]:
        """``SELECT what`` of the scope's records."""
        conditions, parameters = where(scope)
        return self.duck.ask(f"SELECT {what} FROM {self._table(scope, dataset)} {conditions} {rest}", parameters)

    def _table(self, scope: Scope, dataset: Dataset[Any] = TICKER) -> str:
        there = {each.source for each in scope.chosen} or set(scope.sources)
        sources = [each for each in self.sources(dataset) if not there or each in there]
        return self.duck.table(dataset, sources, scope.period)

    # ---- which assets there are

    def found(self, scope: Scope, *, limit: int = MAX_BUCKETS) -> list[FoundAsset]:
        rows = self._ask(f"{HEAD}, {SEEN}, avg(volume_24h)", scope, f"GROUP BY {ASSET} ORDER BY {ASSET}")
        found = [FoundAsset(asset_of(each), each[HEADS], each[-1] or 0.0, seen_of(each[HEADS:])) for each in rows]
        if len(found) > limit:
            raise TooMany(f"{scope} has more than {limit} assets; name a --source, a --quote or --symbols")
        return found

    def pairs(self, scope: Scope, coins: Sequence[str]) -> list[tuple[str, str]]:
        pairs = self._ask("DISTINCT symbol, quote", scope)
        return [(symbol, quote) for symbol, quote in pairs if symbol.startswith(tuple(coins))]

    def facts(self, scope: Scope) -> Facts:
        sources = self.sources()
        asked = [each for each in sources if each in scope.sources or not scope.sources]
        ends = [each for source in asked if (each := self.ends(Series(TICKER, source), ALWAYS.end_ms))]
        in_time = Scope(scope.period, scope.sources)
        named = replace(in_time, symbols=scope.symbols)
        (period, symbols, assets) = (
            next(self._ask("count(*)", each))[0] for each in (in_time, named, replace(named, assets=scope.assets))
        )
        there = {
            name: [each for (each,) in self._ask(f"DISTINCT {column}", in_time, "ORDER BY 1 LIMIT 5000")]
            for name, column in (("symbols", "symbol"), ("assets", "asset_id"), ("quotes", "quote"))
        }
        first, newest = (min(e[0] for e in ends), max(e[1] for e in ends)) if ends else (None, None)
        return Facts(len(sources), len(ends), period, symbols, assets, sources, first, newest, there)

    # ---- a row, or rows, per asset

    def percentiles(self, request: Percentiles) -> Iterator[Findings[PercentilesRow]]:
        field = request.field
        ranks = ", ".join(f"{Decimal(repr(each)).scaleb(-2):f}" for each in request.percents)
        values = f"count({field}), min({field}), max({field}), quantile_cont({field}, [{ranks}])"
        for each in self._by_asset(values, request.scope):
            asset, seen = asset_of(each), seen_of(each[HEADS:])
            count, lowest, highest, found = each[HEADS + SEENS :]
            if not count:
                yield Findings(asset, [], None)
                continue
            by_percent = dict(zip(request.percents, map(finite, found), strict=True))
            yield Findings(asset, [PercentilesRow(asset, count, lowest, highest, by_percent, seen)], seen)

    def average(self, request: Average) -> Iterator[Findings[AverageRow]]:
        field, every = request.field, request.every
        values = (
            f"count({field}), avg({field}), min({field}), max({field}), "
            f"sum({field} * interval_ms) / sum(interval_ms) FILTER ({field} IS NOT NULL)"
        )
        rows = self._by_asset(values, request.scope, every)
        for _, steps in groupby(rows, key=itemgetter(0, 1, 2)):
            of_asset = list(steps)
            asset, made = asset_of(of_asset[-1]), []
            seens = [seen_of(each[HEADS:]) for each in of_asset]
            for each, seen in zip(of_asset, seens, strict=True):
                count, mean, lowest, highest, weighted = each[HEADS + SEENS : HEADS + SEENS + 5]
                if count:
                    over_time = seen.planned_ms is not None
                    begin_ms = each[-1] if every else seen.first_ms
                    average = finite(weighted if over_time else mean)
                    made.append(AverageRow(asset, begin_ms, count, average, lowest, highest, over_time, seen))
            yield Findings(asset, made, together(seens))

    def moves(self, request: Moves) -> Iterator[Findings[MovesRow]]:
        fields = moves.fields(request)
        counts = [" OR ".join(f"{name} IS NOT NULL" for name, _ in fields)]
        for each in request.thresholds:
            for sign, word in ((1, ">="), (-1, "<=")):
                counts.append(
                    " OR ".join(
                        f"{name} {word} {sign * moves.shifted(each, places)!r}::DOUBLE" for name, places in fields
                    )
                )
        for row in self._by_asset(", ".join(map(count_of, counts)), request.scope):
            asset, seen = asset_of(row), seen_of(row[HEADS:])
            samples, *beyond = row[HEADS + SEENS :]
            pairs = (Beyond(*beyond[at : at + 2]) for at in range(0, len(beyond), 2))
            made = MovesRow(asset, samples, dict(zip(request.thresholds, pairs, strict=True)), seen)
            yield Findings(asset, [made] if samples else [], seen)

    def latest(self, request: Latest) -> Iterator[Findings[LatestRow]]:
        shown = ", ".join(f"{name} := {name}" for name in latest.SHOWN if name != "timestamp")
        what = f"{HEAD}, epoch_ms(max(timestamp)), arg_max(struct_pack({shown}), timestamp)"
        for each in self._ask(what, request.scope, f"GROUP BY {ASSET} ORDER BY {ASSET}"):
            row = latest.made(request, asset_of(each), each[HEADS], each[HEADS + 1])
            yield Findings(row.asset, [row], row.seen)

    def _by_asset(self, values: str, scope: Scope, every: Interval | None = None) -> Iterator[tuple[Any, ...]]:
        step = f", {begin_of(every)} AS begin" if every else ""
        keys = f"{ASSET}{', begin' if every else ''}"
        return self._ask(f"{HEAD}, {SEEN}, {values}{step}", scope, f"GROUP BY {keys} ORDER BY {keys}")

    def steps(self, request: Steps) -> Iterator[Findings[Step]]:
        every, scope, dataset = request.every, request.scope, request.dataset
        if not self.sources(dataset):
            return
        planned = any(column.name == "interval_ms" for column in dataset.columns)
        seen = SEEN if planned else SEEN.replace("interval_ms", "NULL::BIGINT")
        values = ", ".join(map(measured, request.measures))
        what = f"{HEAD}, {seen}, {values}, {begin_of(every)} AS begin"
        keys = f"{ASSET}, begin"
        rows = self._ask(what, scope, f"GROUP BY {keys} ORDER BY {keys}", dataset=dataset)
        for _, group in groupby(rows, key=itemgetter(0, 1, 2)):
            of_asset = list(group)
            asset, seens = asset_of(of_asset[-1]), [seen_of(each[HEADS:]) for each in of_asset]
            made = [
                Step(asset, each[-1], each[HEADS], tuple(map(finite, each[HEADS + SEENS : -1])), one)
                for each, one in zip(of_asset, seens, strict=True)
            ]
            yield Findings(asset, made, together(seens))

    def volatility(self, request: Volatility, progress: Progress | None) -> Iterator[Findings[VolatilityRow]]:
        scope = replace(request.scope, period=request.whole_windows)
        what = f"{HEAD}, {begin_of(request.window)} AS begin, arg_max(price, timestamp)"
        rows = self._ask(what, scope, f"GROUP BY {ASSET}, begin ORDER BY {ASSET}, begin")
        for _, windows in groupby(rows, key=itemgetter(0, 1, 2)):
            of_asset = list(windows)
            asset = asset_of(of_asset[-1])
            *_, begins, prices = zip(*of_asset, strict=True)
            row = Returns(request.window.ms, begins, prices).row(asset)
            yield Findings(asset, [] if row is None else [row], None if row is None else row.seen)

    # ---- by source

    def sentiment(self, request: Sentiment) -> Iterator[SentimentRow]:
        conditions, parameters = where(request.scope, [f"{FIELD} IS NOT NULL"])
        table = self._table(request.scope)
        begin = begin_of(request.every)
        newest = f"SELECT source, {begin} AS begin, max(timestamp) AS slot FROM {table} {conditions} GROUP BY 1, 2"
        sql = (
            f"SELECT source, begin, epoch_ms(slot), count(*), {count_of(f'{FIELD} > 0')}, {count_of(f'{FIELD} < 0')}, "
            f"avg({FIELD}), median({FIELD}) FROM (SELECT source, timestamp AS slot, {FIELD} FROM {table} {conditions}) "
            f"JOIN ({newest}) USING (source, slot) GROUP BY source, begin, slot ORDER BY source, begin"
        )
        for source, at, slot, assets, gainers, losers, mean, median in self.duck.ask(sql, parameters * 2):
            yield SentimentRow(source, at, slot, assets, gainers, losers, finite(mean), finite(median))

    def market(self, request: MarketFigures) -> Iterator[MarketRow]:
        metrics = ", ".join(f"'{each}'" for each in request.metrics)  # of letters, digits, '-' and '_'
        conditions, parameters = where(request.scope, [f"metric IN ({metrics})"])
        table = self._table(request.scope, MARKET)
        begin = begin_of(request.every)
        newest = f"SELECT source, {begin} AS begin, max(timestamp) AS slot FROM {table} {conditions} GROUP BY 1, 2"
        sql = (
            f"SELECT source, begin, epoch_ms(slot), metric, max(value) "
            f"FROM (SELECT source, timestamp AS slot, metric, value FROM {table} {conditions}) "
            f"JOIN ({newest}) USING (source, slot) GROUP BY source, begin, slot, metric ORDER BY source, begin"
        )
        for place, told in groupby(self.duck.ask(sql, parameters * 2), key=itemgetter(0, 1, 2)):
            source, begin_ms, slot_ms = place
            figures = {metric: finite(value) for *_, metric, value in told}
            yield MarketRow(source, begin_ms, slot_ms, request.quote, figures)

    def series(self, dataset: Dataset[Any]) -> list[Series]:
        holdings = self.duck.holdings
        if not apart(dataset):
            return [Series(dataset, source) for source in holdings.sources(dataset)]
        parts = holdings.parts(dataset)
        return [Series(dataset, source, part) for part in parts for source in holdings.sources(dataset, part)]

    def ends(self, series: Series, before_ms: int) -> tuple[int, int] | None:
        if series.dataset is not TICKER:  # not so many that their times could not be gone through
            what = "epoch_ms(min(timestamp)), epoch_ms(max(timestamp))"
            first, newest = next(self._of(series, what, Span(ALWAYS.begin_ms, before_ms)))
            return None if first is None else (first, newest)
        source = series.source
        days = sorted(self.days(TICKER, source, Span(0, before_ms)))
        if not days:
            return None
        # A day has at least one record, but of the last day it may be after that moment.
        tail = Span(days[-2] if len(days) > 1 else days[-1], before_ms)
        first, newest = (
            next(self._ask(f"epoch_ms({end}(timestamp))", Scope(span, (source,))))[0]
            for end, span in (("min", Span(days[0], min(days[0] + DAY_MS, before_ms))), ("max", tail))
        )
        return None if first is None else (first, newest)

    def records(self, series: Series, period: Span) -> int:
        return int(next(self._of(series, "count(*)", period))[0])

    def polled(self, series: Series, period: Span) -> Sequence[Polled]:
        rest = f"GROUP BY timestamp ORDER BY timestamp DESC LIMIT {SAMPLE}"
        found = self._of(series, _slots(series), period, rest)
        return [Polled(at, interval_or_none(every), count) for at, every, count in found]

    def slots(self, series: Series, period: Span, grid: SlotGrid) -> Iterator[Slots]:
        found = list(self._of(series, _slots(series), period, "GROUP BY timestamp ORDER BY timestamp"))
        slots = tuple(Slot(at, interval_or_none(every)) for at, every, _ in found)
        # The lake is read with each id once.
        yield Slots(slots, sum(count for *_, count in found), duplicates=0, whole=True)

    def _of(self, series: Series, what: str, period: Span, rest: str = "") -> Iterator[tuple[Any, ...]]:
        return self._ask(what, Scope(period, (series.source,), interval=series.part), rest, dataset=series.dataset)

    def midnights(self, scope: Scope, stamps: Sequence[int]) -> list[Midnight]:
        days = self.days(TICKER, scope.sources[0], scope.period)
        if not days.issuperset(stamps):
            return []  # so nothing is read of a lake that does not hold all of them
        conditions, parameters = where(
            scope,
            [
                f"interval_ms = {DAY_MS}", "last_updated IS NULL", "market_cap IS NOT NULL", "volume_24h IS NOT NULL",
                f"epoch_ms(timestamp) IN ({', '.join(map(str, stamps))})",
            ],
        )  # fmt: skip
        what = "epoch_ms(timestamp), price, market_cap, volume_24h"
        sql = f"SELECT {what} FROM {self._table(scope)} {conditions} ORDER BY timestamp"
        return [Midnight(*row) for row in self.duck.ask(sql, parameters)]

    # ---- bars

    def intervals(self, scope: Scope) -> Mapping[AssetRef, Mapping[str, int]]:
        found: dict[AssetRef, dict[str, int]] = {}
        keys = f"{ASSET}, interval"
        rows = self._ask(f"{HEAD}, interval, count(*)", scope, f"GROUP BY {keys} ORDER BY {keys}", dataset=CANDLE)
        for of_asset in groupby(rows, key=itemgetter(0, 1, 2)):
            counts = list(of_asset[1])
            found[asset_of(counts[-1])] = {each[HEADS]: each[HEADS + 1] for each in counts}
        return found

    def bars(self, scope: Scope, stored: str) -> Iterator[tuple[AssetRef, Bar]]:
        named = {asset.identity: asset for asset in scope.chosen}
        what = f"{ASSET}, epoch_ms(timestamp), {', '.join(Bar._fields[1:])}"
        own = replace(scope, interval=stored)
        for *identity, begin_ms, open_, high, low, close, base, quote, trades, taker_base, taker_quote in self._ask(
            what, own, f"ORDER BY {ASSET}, timestamp", dataset=CANDLE
        ):
            bar = Bar(begin_ms, open_, high, low, close, base, quote, trades, taker_base, taker_quote)
            yield named[tuple(identity)], bar

    def sampled(self, scope: Scope, every: Interval) -> Iterator[tuple[AssetRef, Bar]]:
        named = {asset.identity: asset for asset in scope.chosen}
        what = (
            f"{ASSET}, {begin_of(every)} AS begin, "
            "arg_min(price, timestamp), max(price), min(price), arg_max(price, timestamp)"
        )
        for *identity, begin, first, high, low, last in self._ask(
            what, scope, f"GROUP BY {ASSET}, begin ORDER BY {ASSET}, begin"
        ):
            yield named[tuple(identity)], Bar(begin, first, high, low, last)


def _slots(series: Series) -> str:
    """Of each slot its time, the interval that its records tell, and how many they are."""
    interval = "max(interval_ms)" if series.has("interval_ms") else "NULL"
    return f"epoch_ms(timestamp), {interval}, count(*)"
