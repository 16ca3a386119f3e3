"""The questions as Python calls, in the words of `cryptoproxy query`.

client = Elasticsearch("http://localhost:9200")
for row in Queries(client).percentiles("change_24h", symbols=["BTC", "ETH"], since="7d"):
    print(row.asset.symbol, row.values[50.0])
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from elasticsearch import Elasticsearch

from cryptoproxy.common.clock import Clock, SystemClock
from cryptoproxy.datasets import CANDLE, TICKER, Dataset
from cryptoproxy.datasets.times import Span
from cryptoproxy.queries import notes, periods
from cryptoproxy.queries.answer import Answer, Cell, Covers, NothingFound
from cryptoproxy.queries.backend import Backend, Found, Progress, Told, choose, most_traded
from cryptoproxy.queries.elastic.engine import Elastic
from cryptoproxy.queries.elastic.search import Search
from cryptoproxy.queries.fields import WINDOWS
from cryptoproxy.queries.notes import Watch
from cryptoproxy.queries.questions import (
    average,
    candles,
    freshness,
    indicators,
    latest,
    moves,
    percentiles,
    sentiment,
    volatility,
)  # fmt: skip
from cryptoproxy.queries.questions.average import Average, AverageRow
from cryptoproxy.queries.questions.candles import Candles, CandlesRow
from cryptoproxy.queries.questions.freshness import Freshness, FreshnessRow
from cryptoproxy.queries.questions.indicators import Indicators, IndicatorsRow
from cryptoproxy.queries.questions.latest import Latest, LatestRow
from cryptoproxy.queries.questions.moves import Moves, MovesRow
from cryptoproxy.queries.questions.percentiles import DEFAULT_PERCENTS, Percentiles, PercentilesRow
from cryptoproxy.queries.questions.sentiment import Sentiment, SentimentRow
from cryptoproxy.queries.questions.volatility import Volatility, VolatilityRow
from cryptoproxy.queries.scope import ALL, DEFAULT_SOURCE, Scope

Names = str | Sequence[str]


R = TypeVar("R")


class Asked(NamedTuple):
    """Of whom, which records, and what is to be said of the choice. In the order of :meth:`Queries._answer`."""

    scope: Scope
    engine: Backend
    said: list[str]


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
    """Answers are read as they come; see :class:`~queries.answer.Answer`.

    Every method raises ValueError for a word that is none, and while its answer is read NothingFound, TooMany,
    TransientError or OperatorError.

    Args:
        index: the alias of tickers; ``bars`` is that of candles.
        lake: the second engine, where there is one.
        engine: ``es``, ``lake``, or ``auto``: Elasticsearch where it holds all of the time that is asked for, else the
            lake. One of them answers a question as a whole; ``Answer.engine`` says which.
    """

    def __init__(
        self,
        client: Elasticsearch,
        *,
        index: str = "crypto-prices",
        bars: str = CANDLE.alias or "",
        lake: Backend | None = None,
        engine: str = "es",
        clock: Clock | None = None,
        request_cache: bool | None = None,
    ) -> None:
        self.search = Search(client, index, request_cache=request_cache)
        self.aliases = (index, bars)
        self._elastic = Elastic(self.search, Search(client, bars, request_cache=request_cache))
        self._lake = lake
        self._engine = engine
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
        asked = self._asked(top=top, **which)
        request = Percentiles(asked.scope, field, tuple(dict.fromkeys(each + 0.0 for each in percents)), compression)
        words = Words("percentiles", percentiles.title(request), f"sends no {field}", field, by_samples=True)
        return self._by_asset(
            asked, request, words, percentiles.columns(request), asked.engine.percentiles, noted=percentiles.noted
        )

    def average(
        self, field: str = "price", *, interval: str | None = None, top: int | None = None, **which: Any
    ) -> Answer[AverageRow]:
        """``interval``: a step like ``1d``, ``1w``, ``1mo``; without, one row for the whole period."""
        asked = self._asked(top=top, **{"since": "30d", **which})
        request = Average(asked.scope, field, periods.interval(interval) if interval else None)
        words = Words("average", average.title(request), f"sends no {field}", field)
        return self._by_asset(
            asked, request, words, average.columns(request), asked.engine.average, noted=average.noted
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
        asked = self._asked(top=top, **{"since": "30d", **which})
        request = Moves(asked.scope, window, tuple(dict.fromkeys(float(each) for each in thresholds)))
        lacks, field = f"sends no change over {window}", WINDOWS[window].percent
        words = Words("moves", moves.title(request), lacks, field, by_samples=True)
        return self._by_asset(asked, request, words, moves.columns(request), asked.engine.moves)

    def latest(self, *, top: int | None = None, **which: Any) -> Answer[LatestRow]:
        asked = self._asked(top=top, **{"since": "2h", **which})
        request = Latest(asked.scope)
        words = Words("latest", latest.title(request), "sends no price", whole_period=False)
        return self._by_asset(asked, request, words, latest.columns(request), asked.engine.latest)

    def volatility(
        self, window: str = "1h", *, top: int | None = 20, progress: Progress | None = None, **which: Any
    ) -> Answer[VolatilityRow]:
        """``top``: the most volatile, most volatile first."""
        asked = self._asked(**which)
        request = Volatility(asked.scope, periods.interval(window), top)
        lacks = f"has no prices in three whole windows of {request.window.text} one after the other"
        words = Words("volatility", volatility.title(request), lacks, step_ms=request.window.ms)
        return self._answer(
            asked, request, words, volatility.columns(request),
            lambda watch: volatility.most_volatile(asked.engine, request, watch, progress),
        )  # fmt: skip

    def candles(self, interval: str = "1h", *, top: int | None = None, **which: Any) -> Answer[CandlesRow]:
        """Closed bars of that length, whatever is stored; of all sources, if none is named."""
        asked, request = self._candles(interval, top, which)
        words = Words("candles", candles.title(request), "has no whole bar", step_ms=request.every.ms)
        return self._answer(
            asked, request, words, candles.columns(request),
            lambda watch: candles.rows(asked.engine, request, watch),
        )  # fmt: skip

    def indicators(
        self,
        names: str | Sequence[str] = indicators.DEFAULT,
        *,
        interval: str = "1h",
        top: int | None = None,
        **which: Any,
    ) -> Answer[IndicatorsRow]:
        """``names``: ``sma:20,macd``, as a list or with commas between them."""
        asked, of = self._candles(interval, top, which)
        request = Indicators(of, tuple(dict.fromkeys(indicators.indicator(each) for each in _names(names))))
        words = Words("indicators", indicators.title(request), "has no whole bar", step_ms=request.every.ms)
        return self._answer(
            asked, request, words, indicators.columns(request),
            lambda watch: indicators.rows(asked.engine, request, watch),
        )  # fmt: skip

    def _candles(self, interval: str, top: int | None, which: dict[str, Any]) -> tuple[Asked, Candles]:
        every = periods.interval(interval)
        asked = self._asked(top=top, dataset=CANDLE, **{"since": "30d", "source": ALL, **which})
        request = Candles(asked.scope, every)
        _ = request.whole  # raises
        return asked, request

    def sentiment(self, *, interval: str = "1h", **which: Any) -> Answer[SentimentRow]:
        """At the newest poll of each step."""
        asked = self._asked(**which)
        request = Sentiment(asked.scope, periods.interval(interval))

        def rows() -> Iterator[SentimentRow]:
            found = False
            for row in asked.engine.sentiment(request):
                found = True
                covers.see(row.seen)
                yield row
            if not found:
                if asked.engine.facts(asked.scope).assets:
                    raise NothingFound(f"{asked.scope.where} sends no change over 24h")
                notes.raise_why(asked.engine, asked.scope)

        covers = Covers(asked.scope.period)
        return Answer(
            question="sentiment",
            title=sentiment.title(request),
            where=asked.scope.where,
            columns=sentiment.columns(request),
            rows=rows(),
            covers=covers,
            notes=asked.said,
            asked=request,
            engine=asked.engine.name,
        )

    def freshness(
        self, *, since: str = "1d", until: str | None = None, source: Names = ALL, interval: str | None = None
    ) -> Answer[FreshnessRow]:
        """``interval``: between slots; without, what the records tell."""
        span = periods.period(since, until, now_ms=self._clock.now_ms())
        request = Freshness(span, _sources(source), periods.interval(interval) if interval else None)
        engine, said = self._engine_for(request.sources, span, TICKER)
        covers = Covers(span)
        return Answer(
            question="freshness",
            title=freshness.title(request),
            where=", ".join(request.sources) or "all sources",
            columns=freshness.columns(request),
            rows=freshness.rows(engine, request, covers, said),
            covers=covers,
            notes=said,
            asked=request,
            engine=engine.name,
        )

    def scope(self, **which: Any) -> Scope:
        """Which records: names as a list or with commas between them; ``source="all"`` is any.

        ``symbols``, ``assets``, ``quote``, ``source``; ``base`` is a coin under whatever symbol: BTC is BTC at
        CoinGecko and BTCUSDT, BTCUSDC … at an exchange. ``since`` is a span before the end, a date or a time;
        ``until`` a date or a time, and now without.
        """
        return self._asked(**which).scope

    def _asked(
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
        dataset: Dataset[Any] = TICKER,
    ) -> Asked:
        if top is not None and top < 1:
            raise ValueError("top must be at least 1")
        made = Scope(
            periods.period(since, until, now_ms=self._clock.now_ms()),
            _sources(source),
            tuple(each.upper() for each in _names(symbols)),
            _names(assets),
            tuple(each.upper() for each in _names(quote)),
        )
        engine, said = self._engine_for(made.sources, made.period, dataset)
        if coins := tuple(each.upper() for each in _names(base)):
            made = replace(made, symbols=(*made.symbols, *_traded_as(engine, coins, made)), coins=coins)
        if top:
            made = replace(made, chosen=tuple(most_traded(_found(engine, made), top)))
        return Asked(made, engine, said)

    def _engine_for(self, sources: Sequence[str], period: Span, dataset: Dataset[Any]) -> tuple[Backend, list[str]]:
        if self._engine == "es" or self._lake is None:
            return self._elastic, []
        if self._engine == "lake":
            return self._lake, []
        engine, why = choose(self._elastic, self._lake, sources, period, dataset)
        return engine, [why]

    def _by_asset(
        self,
        asked: Asked,
        request: Any,
        words: Words,
        columns: tuple[Cell[R], ...],
        ask: Callable[[Any], Iterator[Told[R]]],
        *,
        noted: Callable[[Watch, R], None] | None = None,
    ) -> Answer[R]:
        """Rows as they come; of the most traded assets, in their order."""
        chosen = asked.scope.chosen

        def rows(watch: Watch) -> Iterator[R]:
            told: Iterable[Told[R]] = ask(request)
            if chosen:
                place = {asset.identity: number for number, asset in enumerate(chosen)}
                told = sorted(told, key=lambda each: place[each.asset.identity])
            for asset, own, seen in told:
                watch.see(asset, seen, has_value=bool(own))
                for row in own:
                    if noted is not None:
                        noted(watch, row)
                    yield row

        return self._answer(asked, request, words, columns, rows)

    def _answer(
        self,
        asked: Asked,
        request: Any,
        words: Words,
        columns: tuple[Cell[R], ...],
        rows: Callable[[Watch], Iterator[R]],
    ) -> Answer[R]:
        scope, engine, said = asked
        covers = Covers(scope.period)
        watch = Watch(scope, words.lacks, covers, words.field, words.by_samples, words.whole_period, words.step_ms)

        def noting() -> Iterator[R]:
            yield from rows(watch)
            if not watch.saw_any:
                notes.raise_why(engine, scope)
            if not watch.saw_rows:
                raise NothingFound("; ".join([*watch.lacking(), *watch.more]))
            said.extend(watch.notes())
            if not scope.sources and not scope.chosen:
                said.extend(watch.silent_sources(engine.sources()))

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
            engine=engine.name,
        )


def _traded_as(engine: Backend, coins: tuple[str, ...], scope: Scope) -> tuple[str, ...]:
    pairs = engine.pairs(scope, coins)
    found = {symbol for symbol, quote in pairs if symbol in coins or symbol.removesuffix(quote) in coins}
    return tuple(sorted(found)) or coins


def _found(engine: Backend, scope: Scope) -> list[Found]:
    found = engine.found(scope)
    if not found:
        notes.raise_why(engine, scope)
    return found


def _names(given: Names) -> tuple[str, ...]:
    parts = given.split(",") if isinstance(given, str) else given
    return tuple(dict.fromkeys(each.strip() for each in parts if each.strip()))


def _sources(given: Names) -> tuple[str, ...]:
    names = _names(given)
    return () if ALL in names else names
