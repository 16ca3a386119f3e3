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
from cryptoproxy.queries import average, freshness, latest, moves, notes, percentiles, periods, volatility
from cryptoproxy.queries.answer import Answer, Column, Covers, NothingFound
from cryptoproxy.queries.average import Average, AverageRow
from cryptoproxy.queries.fields import WINDOWS
from cryptoproxy.queries.freshness import Freshness, FreshnessRow
from cryptoproxy.queries.latest import Latest, LatestRow
from cryptoproxy.queries.moves import Moves, MovesRow
from cryptoproxy.queries.notes import Watch
from cryptoproxy.queries.percentiles import DEFAULT_PERCENTS, Percentiles, PercentilesRow
from cryptoproxy.queries.scope import ALL, DEFAULT_SOURCE, Asset, Json, Scope, Seen, asset_of
from cryptoproxy.queries.search import Bucket, Search, find, most_traded, pairs_body
from cryptoproxy.queries.volatility import Progress, Volatility, VolatilityRow

Names = str | Sequence[str]


class HasAsset(Protocol):
    @property
    def asset(self) -> Asset: ...

    @property
    def seen(self) -> Seen: ...


R = TypeVar("R", bound=HasAsset)


class Words(NamedTuple):
    """Of a question; ``lacks`` and what follows are those of :class:`~queries.notes.Watch`."""

    question: str
    title: str
    lacks: str
    field: str | None = None
    by_samples: bool = False
    whole_period: bool = True
    step_ms: int = 0


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
        request = Percentiles(scope, field, tuple(dict.fromkeys(each + 0.0 for each in percents)), compression)
        return self._paged(
            request,
            Words("percentiles", percentiles.title(request), f"sends no {field}", field, by_samples=True),
            percentiles.columns(request),
            body_after=lambda after: percentiles.body(request, after),
            row_of=percentiles.row,
            noted=percentiles.noted,
        )

    def average(
        self, field: str = "price", *, interval: str | None = None, top: int | None = None, **which: Any
    ) -> Answer[AverageRow]:
        """``interval``: a step like ``1d``, ``1w``, ``1mo``; without, one row for the whole period."""
        scope = self.scope(top=top, **{"since": "30d", **which})
        every = periods.interval(interval) if interval else None
        request = Average(scope, field, every)
        words = Words("average", average.title(request), f"sends no {field}", field)
        if every is not None:
            return self._answer(
                request, words, average.columns(request),
                rows=lambda watch: average.by_steps(self.search, request, every, watch),
            )  # fmt: skip
        return self._paged(
            request,
            words,
            average.columns(request),
            body_after=lambda after: average.body(request, after),
            row_of=average.row,
            noted=average.noted,
        )

    def moves(
        self,
        window: str = "24h",
        *,
        thresholds: Sequence[float] = moves.DEFAULT_THRESHOLDS,
        top: int | None = None,
        **which: Any,
    ) -> Answer[MovesRow]:
        """``thresholds`` in percent, and in decimal: 1.1 counts a change of just 1.1 %."""
        scope = self.scope(top=top, **{"since": "30d", **which})
        request = Moves(scope, window, tuple(dict.fromkeys(float(each) for each in thresholds)))
        return self._paged(
            request,
            Words(
                "moves",
                moves.title(request),
                f"sends no change over {window}",
                WINDOWS[window].percent,
                by_samples=True,
            ),
            moves.columns(request),
            body_after=lambda after: moves.body(request, after),
            row_of=lambda bucket: moves.row(request, bucket),
        )

    def latest(self, *, top: int | None = None, **which: Any) -> Answer[LatestRow]:
        scope = self.scope(top=top, **{"since": "2h", **which})
        request = Latest(scope)
        return self._paged(
            request,
            Words("latest", latest.title(request), "sends no price", whole_period=False),
            latest.columns(request),
            body_after=lambda after: latest.body(request, after),
            row_of=lambda bucket: latest.row(request, bucket),
        )

    def volatility(
        self, window: str = "1h", *, top: int | None = 20, progress: Progress | None = None, **which: Any
    ) -> Answer[VolatilityRow]:
        """``top``: the most volatile, most volatile first."""
        request = Volatility(self.scope(**which), periods.interval(window), top)
        lacks = f"has no prices in three whole windows of {request.window.text} one after the other"
        words = Words("volatility", volatility.title(request), lacks, step_ms=request.window.ms)
        return self._answer(
            request, words, volatility.columns(request),
            rows=lambda watch: volatility.most_volatile(self.search, request, watch, progress),
        )  # fmt: skip

    def freshness(
        self, *, since: str = "1d", until: str | None = None, source: Names = ALL, interval: str | None = None
    ) -> Answer[FreshnessRow]:
        """``interval``: between slots; without, what the records tell."""
        span = periods.period(since, until, now_ms=self._clock.now_ms())
        request = Freshness(span, _sources(source), periods.interval(interval) if interval else None)
        covers, said = Covers(span), list[str]()
        return Answer(
            question="freshness",
            title=freshness.title(request),
            where=", ".join(request.sources) or "all sources",
            columns=freshness.columns(request),
            rows=freshness.rows(self.search, request, covers, said),
            covers=covers,
            notes=said,
            asked=request,
        )

    def scope(
        self,
        *,
        symbols: Names = (),
        base: Names = (),
        assets: Names = (),
        quote: Names = (),
        source: Names = DEFAULT_SOURCE,
        since: str = "7d",
        until: str | None = None,
        top: int | None = None,
    ) -> Scope:
        """Which records: names as a list or with commas between them; ``source="all"`` is any.

        ``base`` is a coin under whatever symbol: BTC is BTC at CoinGecko and BTCUSDT, BTCUSDC … at an exchange.
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
        if coins := tuple(each.upper() for each in _names(base)):
            made = replace(made, symbols=(*made.symbols, *self._traded_as(coins, made)), coins=coins)
        return self._most_traded(made, top) if top else made

    def _traded_as(self, coins: tuple[str, ...], scope: Scope) -> tuple[str, ...]:
        """The symbols of these coins: alone, or before their own quote. The coins themselves, if there are none."""
        there = self.search(pairs_body(scope, coins))["aggregations"]["pairs"]["buckets"]
        pairs = [(each["key"]["symbol"], each["key"]["quote"]) for each in there]
        found = {symbol for symbol, quote in pairs if symbol in coins or symbol.removesuffix(quote) in coins}
        return tuple(sorted(found)) or coins

    def _most_traded(self, scope: Scope, top: int) -> Scope:
        found = find(self.search, scope)
        if not found:
            notes.raise_why(self.search, scope)
        return replace(scope, chosen=tuple(most_traded(found, top)))

    def _paged(
        self,
        request: Any,
        words: Words,
        columns: tuple[Column[R], ...],
        *,
        body_after: Callable[[Bucket | None], Json],
        row_of: Callable[[Mapping[str, Any]], R | None],
        noted: Callable[[Watch, R], None] | None = None,
    ) -> Answer[R]:
        """Rows as they come; of the most traded assets, in their order."""

        def rows(watch: Watch) -> Iterator[R]:
            for bucket in self.search.pages(body_after):
                row = row_of(bucket)
                if row is None:
                    watch.see(asset_of(bucket), has_value=False)
                    continue
                watch.see(row.asset, row.seen)
                if noted is not None:
                    noted(watch, row)
                yield row

        def ranked(watch: Watch) -> Iterator[R]:
            place = {asset.identity: number for number, asset in enumerate(request.scope.chosen)}
            yield from sorted(rows(watch), key=lambda row: place[row.asset.identity])

        return self._answer(request, words, columns, rows=ranked if request.scope.chosen else rows)

    def _answer(
        self,
        request: Any,
        words: Words,
        columns: tuple[Column[R], ...],
        *,
        rows: Callable[[Watch], Iterator[R]],
    ) -> Answer[R]:
        scope: Scope = request.scope
        said: list[str] = []
        covers = Covers(scope.period)
        watch = Watch(scope, words.lacks, covers, words.field, words.by_samples, words.whole_period, words.step_ms)

        def noting() -> Iterator[R]:
            yield from rows(watch)
            if not watch.saw_any:
                notes.raise_why(self.search, scope)
            if not watch.saw_rows:
                raise NothingFound("; ".join(watch.lacking()))
            said.extend(watch.notes())
            if not scope.sources and not scope.chosen:
                said.extend(watch.silent_sources(freshness.sources_of(self.search(freshness.sources_body()))))

        chosen = f"; the {len(scope.chosen)} most traded, the largest volume first" if scope.chosen else ""
        return Answer(
            words.question,
            words.title + chosen,
            scope.where,
            columns,
            noting(),
            covers=covers,
            notes=said,
            asked=request,
        )


def _names(given: Names) -> tuple[str, ...]:
    parts = given.split(",") if isinstance(given, str) else given
    return tuple(dict.fromkeys(each.strip() for each in parts if each.strip()))


def _sources(given: Names) -> tuple[str, ...]:
    names = _names(given)
    return () if ALL in names else names
