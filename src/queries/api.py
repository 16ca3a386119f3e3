"""The questions as Python calls, in the words of `cryptoproxy query`.

client = Elasticsearch("http://localhost:9200")
for row in Queries(client).percentiles("change_24h", symbols=["BTC", "ETH"], since="7d"):
    print(row.asset.symbol, row.values[50.0])
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol, TypeVar

from elasticsearch import Elasticsearch

from cryptoproxy.common.clock import Clock, SystemClock
from cryptoproxy.queries import (
    absent,
    assets,
    average,
    freshness,
    freshness_run,
    latest,
    moves,
    percentiles,
    periods,
    stepwise,
    volatility,
)
from cryptoproxy.queries.answer import Answer, Column
from cryptoproxy.queries.average import Average, AverageRow
from cryptoproxy.queries.errors import NothingFound
from cryptoproxy.queries.freshness import Freshness, FreshnessRow
from cryptoproxy.queries.latest import Latest, LatestRow
from cryptoproxy.queries.moves import Moves, MovesRow
from cryptoproxy.queries.percentiles import DEFAULT_PERCENTS, Percentiles, PercentilesRow
from cryptoproxy.queries.scope import ALL, DEFAULT_SOURCE, Asset, Json, Scope, asset_of
from cryptoproxy.queries.search import Bucket, Search
from cryptoproxy.queries.stepwise import Progress
from cryptoproxy.queries.volatility import Volatility, VolatilityRow
from cryptoproxy.queries.watch import Watch

Names = str | Sequence[str]


class HasAsset(Protocol):
    @property
    def asset(self) -> Asset: ...


R = TypeVar("R", bound=HasAsset)


class Words(NamedTuple):
    """``what`` is the value that an asset may lack."""

    question: str
    title: str
    what: str


class Queries:
    """``index`` is the alias. Answers are read as they come; see :class:`~queries.answer.Answer`.

    Every method raises ValueError for a word that is none, and while its answer is read NothingFound, TooMany,
    TransientError or OperatorError.
    """

    def __init__(
        self,
        client: Elasticsearch,
        *,
        index: str = "crypto-prices",
        clock: Clock | None = None,
        request_cache: bool | None = None,
    ) -> None:
        self.search = Search(client, index, request_cache=request_cache)
        self._clock = clock or SystemClock()

    def percentiles(
        self,
        field: str = "change_24h",
        *,
        percents: Sequence[float] = DEFAULT_PERCENTS,
        top: int | None = None,
        compression: int = percentiles.COMPRESSION,
        **which: Any,
    ) -> Answer[PercentilesRow]:
        """``which``: see :meth:`scope`. ``top``: only so many assets, the most traded."""
        scope = self.scope(top=top, **which)
        request = Percentiles(scope, field, tuple(percents), compression)
        return self._paged(
            request,
            Words("percentiles", percentiles.title(request), field),
            percentiles.columns(request),
            body_after=lambda after: percentiles.body(request, after),
            row_of=percentiles.row,
        )

    def average(
        self, field: str = "price", *, interval: str | None = None, top: int | None = None, **which: Any
    ) -> Answer[AverageRow]:
        """``interval``: a step like ``1d``, ``1w``, ``1mo``; without, one row for the whole period."""
        scope = self.scope(top=top, **{"since": "30d", **which})
        every = periods.interval(interval) if interval else None
        request = Average(scope, field, every)
        words, columns = Words("average", average.title(request), field), average.columns(request)
        if every is not None:
            watch = Watch(scope, field)
            return self._answer(
                request, words, columns, watch, rows=lambda: stepwise.averages(self.search, request, every, watch)
            )
        return self._paged(
            request,
            words,
            columns,
            body_after=lambda after: average.body(request, after),
            row_of=lambda bucket: average.row(request, bucket),
        )

    def moves(
        self,
        window: str = "24h",
        *,
        thresholds: Sequence[float] = moves.DEFAULT_THRESHOLDS,
        top: int | None = None,
        **which: Any,
    ) -> Answer[MovesRow]:
        scope = self.scope(top=top, **{"since": "30d", **which})
        request = Moves(scope, window, tuple(dict.fromkeys(thresholds)))
        return self._paged(
            request,
            Words("moves", moves.title(request), f"change over {window}"),
            moves.columns(request),
            body_after=lambda after: moves.body(request, after),
            row_of=lambda bucket: moves.row(request, bucket),
        )

    def latest(self, *, top: int | None = None, **which: Any) -> Answer[LatestRow]:
        scope = self.scope(top=top, **{"since": "2h", **which})
        request = Latest(scope)
        return self._paged(
            request,
            Words("latest", latest.title(request), "price"),
            latest.columns(request),
            body_after=lambda after: latest.body(request, after),
            row_of=lambda bucket: latest.row(request, bucket),
        )

    def volatility(
        self, window: str = "1h", *, top: int | None = 20, progress: Progress | None = None, **which: Any
    ) -> Answer[VolatilityRow]:
        """``top``: the most volatile, most volatile first."""
        request = Volatility(self.scope(**which), periods.interval(window), top)
        watch = Watch(request.scope, "prices in two windows one after the other")
        return self._answer(
            request,
            Words("volatility", volatility.title(request), watch.what),
            volatility.columns(request),
            watch,
            rows=lambda: stepwise.most_volatile(self.search, request, watch, progress),
        )

    def freshness(
        self, *, since: str = "1d", until: str | None = None, source: Names = ALL, interval: str | None = None
    ) -> Answer[FreshnessRow]:
        """``interval``: between slots; without, the most common gap of each source."""
        span = periods.period(since, until, now_ms=self._clock.now_ms())
        request = Freshness(span, _sources(source), periods.interval(interval) if interval else None)
        return Answer(
            question="freshness",
            title=freshness.title(request),
            period=span,
            where=", ".join(request.sources) or "all sources",
            columns=freshness.columns(request),
            rows=freshness_run.rows(self.search, request),
            asked=request,
        )

    def scope(
        self,
        *,
        symbols: Names = (),
        assets: Names = (),
        quote: Names = (),
        source: Names = DEFAULT_SOURCE,
        since: str = "7d",
        until: str | None = None,
        top: int | None = None,
    ) -> Scope:
        """Which records: names as a list or with commas between them; ``source="all"`` is any.

        ``since`` is a span before the end, a date or a time; ``until`` a date or a time, and now without.
        """
        if top is not None and top < 1:
            raise ValueError("top must be at least 1")
        made = Scope(
            periods.period(since, until, now_ms=self._clock.now_ms()),
            _sources(source),
            tuple(each.upper() for each in _names(symbols)),
            _names(assets),
            tuple(each.upper() for each in _names(quote)),
        )
        return self._most_traded(made, top) if top else made

    def _most_traded(self, scope: Scope, top: int) -> Scope:
        found = assets.find(self.search, scope)
        if not found:
            absent.raise_why(self.search, scope)
        return replace(scope, chosen=tuple(assets.most_traded(found, top)))

    def _paged(
        self,
        request: Any,
        words: Words,
        columns: tuple[Column[R], ...],
        *,
        body_after: Callable[[Bucket | None], Json],
        row_of: Callable[[Mapping[str, Any]], R | None],
    ) -> Answer[R]:
        watch = Watch(request.scope, words.what)

        def rows() -> Iterator[R]:
            for bucket in self.search.pages(body_after):
                row = row_of(bucket)
                watch.see(asset_of(bucket) if row is None else row.asset, has_value=row is not None)
                if row is not None:
                    yield row

        return self._answer(request, words, columns, watch, rows=rows)

    def _answer(
        self,
        request: Any,
        words: Words,
        columns: tuple[Column[R], ...],
        watch: Watch,
        *,
        rows: Callable[[], Iterator[R]],
    ) -> Answer[R]:
        scope: Scope = request.scope
        notes: list[str] = []

        def watched() -> Iterator[R]:
            yield from rows()
            if not watch.saw_any:
                absent.raise_why(self.search, scope)
            if not watch.saw_rows:
                raise NothingFound("; ".join(watch.lacking()))
            notes.extend(watch.notes())

        return Answer(
            words.question, words.title, scope.period, scope.where, columns, watched(), notes=notes, asked=request
        )


def _names(given: Names) -> tuple[str, ...]:
    parts = given.split(",") if isinstance(given, str) else given
    return tuple(dict.fromkeys(each.strip() for each in parts if each.strip()))


def _sources(given: Names) -> tuple[str, ...]:
    names = _names(given)
    return () if ALL in names else names
