"""The questions as Python calls, in the words of `cryptoproxy query`.

client = Elasticsearch("http://localhost:9200")
for row in Queries(client).percentiles("change_24h", symbols=["BTC", "ETH"], since="7d"):
    print(row.asset.symbol, row.values[50.0])
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from cryptoproxy.datasets import CANDLE, DATASETS, GAP, MARKET, USAGE, called
from cryptoproxy.queries import gaps, notes, periods, usage
from cryptoproxy.queries.answer import Answer, Covers, NothingFound
from cryptoproxy.queries.asking import Asking, Names, Resolved, Words, names_in, sources_in
from cryptoproxy.queries.backend import Progress
from cryptoproxy.queries.fields import WINDOWS
from cryptoproxy.queries.gaps import GapStory
from cryptoproxy.queries.notes import Noting
from cryptoproxy.queries.questions import (
    average,
    candles,
    freshness,
    indicators,
    latest,
    market,
    moves,
    percentiles,
    sentiment,
    volatility,
)
from cryptoproxy.queries.questions.average import Average, AverageRow
from cryptoproxy.queries.questions.candles import Candles, CandlesRow
from cryptoproxy.queries.questions.flow import depth, spread, steps, trades
from cryptoproxy.queries.questions.flow.steps import Measure, Step, Steps
from cryptoproxy.queries.questions.freshness import Freshness, FreshnessRow
from cryptoproxy.queries.questions.indicators import Indicators, IndicatorsRow
from cryptoproxy.queries.questions.latest import Latest, LatestRow
from cryptoproxy.queries.questions.market import MarketFigures, MarketRow
from cryptoproxy.queries.questions.moves import Moves, MovesRow
from cryptoproxy.queries.questions.percentiles import DEFAULT_PERCENTS, Percentiles, PercentilesRow
from cryptoproxy.queries.questions.sentiment import Sentiment, SentimentRow
from cryptoproxy.queries.questions.volatility import Volatility, VolatilityRow
from cryptoproxy.queries.scope import ALL, Scope
from cryptoproxy.queries.usage import UsageRow


class Queries(Asking):
    """Answers are read as they come; see :class:`~queries.answer.Answer`.

    Every method raises ValueError for a word that is none, and while its answer is read NothingFound, TooMany,
    TransientError or OperatorError.
    """

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
        asked = self.asked(top=top, **which)
        request = Percentiles(asked.scope, field, tuple(dict.fromkeys(each + 0.0 for each in percents)), compression)
        words = Words("percentiles", percentiles.title(request), f"sends no {field}", field, by_samples=True)
        return self.by_asset(
            asked, request, words, percentiles.columns(request), asked.engine.percentiles, noted=percentiles.noted
        )

    def average(
        self, field: str = "price", *, interval: str | None = None, top: int | None = None, **which: Any
    ) -> Answer[AverageRow]:
        """``interval``: a step like ``1d``, ``1w``, ``1mo``; without, one row for the whole period."""
        asked = self.asked(top=top, **{"since": "30d", **which})
        request = Average(asked.scope, field, None if interval is None else periods.interval(interval))
        words = Words("average", average.title(request), f"sends no {field}", field)
        return self.by_asset(asked, request, words, average.columns(request), asked.engine.average, noted=average.noted)

    def moves(
        self,
        window: str = "24h",
        *,
        thresholds: Sequence[float] = moves.DEFAULT_THRESHOLDS,
        top: int | None = None,
        **which: Any,
    ) -> Answer[MovesRow]:
        """``thresholds`` in percent, and in decimal: 1.1 counts a change of just 1.1 %."""
        asked = self.asked(top=top, **{"since": "30d", **which})
        request = Moves(asked.scope, window, tuple(dict.fromkeys(float(each) for each in thresholds)))
        lacks, field = f"sends no change over {window}", WINDOWS[window].percent
        words = Words("moves", moves.title(request), lacks, field, by_samples=True)
        return self.by_asset(asked, request, words, moves.columns(request), asked.engine.moves)

    def latest(self, *, top: int | None = None, **which: Any) -> Answer[LatestRow]:
        asked = self.asked(top=top, **{"since": "2h", **which})
        request = Latest(asked.scope)
        words = Words("latest", latest.title(request), "sends no price", whole_period=False)
        return self.by_asset(asked, request, words, latest.columns(request), asked.engine.latest)

    def volatility(
        self, window: str = "1h", *, top: int | None = 20, progress: Progress | None = None, **which: Any
    ) -> Answer[VolatilityRow]:
        """``top``: the most volatile, most volatile first."""
        asked = self.asked(**which)
        request = Volatility(asked.scope, periods.interval(window), top)
        lacks = f"has no prices in three whole windows of {request.window.text} one after the other"
        words = Words("volatility", volatility.title(request), lacks, step_ms=request.window.ms)
        return self.answer(
            asked, request, words, volatility.columns(request),
            lambda watch: volatility.most_volatile(asked.engine, request, watch, progress),
        )  # fmt: skip

    def candles(self, interval: str = "1h", *, top: int | None = None, **which: Any) -> Answer[CandlesRow]:
        """Closed bars of that length, whatever is stored; of all sources, if none is named."""
        asked, request = self._candles(interval, top, which)
        words = Words("candles", candles.title(request), "has no whole bar", step_ms=request.every.ms,
                      tells_silence=False)  # fmt: skip
        return self.answer(
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
        request = Indicators(of, tuple(dict.fromkeys(indicators.indicator(each) for each in names_in(names))))
        words = Words("indicators", indicators.title(request), "has no whole bar", step_ms=request.every.ms,
                      tells_silence=False)  # fmt: skip
        return self.answer(
            asked, request, words, indicators.columns(request),
            lambda watch: indicators.rows(asked.engine, request, watch),
        )  # fmt: skip

    def _candles(self, interval: str, top: int | None, which: dict[str, Any]) -> tuple[Resolved, Candles]:
        every = periods.interval(interval)
        asked = self.asked(top=top, dataset=CANDLE, **{"since": "30d", "source": ALL, **which})
        request = Candles(asked.scope, every)
        _ = request.whole  # raises
        return asked, request

    def trades(self, interval: str = "1h", *, top: int | None = None, **which: Any) -> Answer[Step]:
        """Volume, VWAP and pressure of each step that has a trade; of all sources, if none is named."""
        return self._steps("trades", trades, trades.MEASURES, interval=interval, top=top, **which)

    def spread(self, interval: str = "1h", *, top: int | None = None, **which: Any) -> Answer[Step]:
        """Of order books, over the slots of each step."""
        return self._steps("spread", spread, spread.MEASURES, interval=interval, top=top, **which)

    def depth(
        self, interval: str = "1h", *, within: int = depth.DEFAULT, top: int | None = None, **which: Any
    ) -> Answer[Step]:
        """Of order books, ``within`` so many basis points of mid: 10, 50 or 100."""
        return self._steps("depth", depth, depth.measures(within), interval=interval, top=top, **which)

    def _steps(
        self, name: str, of: Any, measures: tuple[Measure, ...], *, interval: str, top: int | None, **which: Any
    ) -> Answer[Step]:
        every = periods.interval(interval)
        asked = self.asked(top=top, dataset=of.DATASET, **{"since": "1d", "source": ALL, **which})
        request = Steps(name, asked.scope, every, of.DATASET, measures)
        words = Words(name, of.title(request), f"has no {of.DATASET.name}", step_ms=every.ms, tells_silence=False)

        def rows(watch: Noting) -> Iterator[Step]:
            found = steps.rows(asked.engine, request, watch)
            return depth.noted(found, request, watch) if of is depth else found

        return self.answer(asked, request, words, of.columns(request), rows)

    def sentiment(self, *, interval: str = "1h", **which: Any) -> Answer[SentimentRow]:
        """At the newest poll of each step."""
        asked = self.asked(**which)
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

    def market(
        self,
        *,
        interval: str = "1h",
        dominance: Names = market.DEFAULT_COINS,
        quote: str = "USD",
        source: Names = ALL,
        since: str = "30d",
        until: str | None = None,
    ) -> Answer[MarketRow]:
        """At the newest poll of each step. ``dominance``: symbols of coins whose share is told, ``btc,eth``."""
        span = periods.period(since, until, now_ms=self.clock.now_ms())
        coins = tuple(each.lower() for each in names_in(dominance))
        quotes = (quote.upper(), market.NO_QUOTE)
        scope = Scope(span, sources_in(source), assets=(market.WHOLE_MARKET,), quotes=quotes)
        request = MarketFigures(scope, periods.interval(interval), coins)
        engine, said = self.engine_for(scope.sources, span, MARKET)
        covers = Covers(span)

        def rows() -> Iterator[MarketRow]:
            told: set[str] = set()
            for row in engine.market(request):
                told |= row.figures.keys()
                covers.see(row.seen)
                yield row
            if market.CAP not in told:
                notes.raise_no_market(engine, scope, request.quote)
            if missing := [each for each in coins if market.DOMINANCE + each not in told]:
                said.append(f"the share of {', '.join(missing)} is not told; CoinGecko tells those of the ten largest")

        return Answer(
            question="market",
            title=market.title(request),
            where=", ".join(scope.sources) or "all sources",
            columns=market.columns(request),
            rows=rows(),
            covers=covers,
            notes=said,
            asked=request,
            engine=engine.name,
        )

    def gaps(self, *, since: str = "7d", until: str | None = None, source: Names = ALL) -> Answer[GapStory]:
        """What streams lacked, and whether it was mended; of Elasticsearch."""
        span = periods.period(since, until, now_ms=self.clock.now_ms())
        sources = sources_in(source)
        return Answer(
            question="gaps",
            title="What streams lacked, and what of it was mended",
            where=", ".join(sources) or "all sources",
            columns=gaps.columns(),
            rows=iter(gaps.told(gaps.records(self.searches[GAP.name], span, sources))),
            covers=Covers(span),
        )

    def usage(self, *, since: str = "1d", until: str | None = None, team: str | None = None) -> Answer[UsageRow]:
        """Who asked the doors for what, and how many calls of the upstreams that saved; of Elasticsearch."""
        span = periods.period(since, until, now_ms=self.clock.now_ms())
        covers = Covers(span)
        return Answer(
            question="usage",
            title="Who asked the doors, and what that saved",
            where=team or "all teams",
            columns=usage.columns(),
            rows=usage.rows(self.searches[USAGE.name], span, team, covers),
            covers=covers,
        )

    def freshness(
        self,
        *,
        since: str = "1d",
        until: str | None = None,
        source: Names = ALL,
        interval: str | None = None,
        dataset: Names = (),
    ) -> Answer[FreshnessRow]:
        """``interval``: between slots; without, what the records tell. ``dataset``: ``ticker,candle-1m``; without, all
        that there are."""
        span = periods.period(since, until, now_ms=self.clock.now_ms())
        named = tuple((DATASETS[each], None) if each in DATASETS else called(each) for each in names_in(dataset))
        every = None if interval is None else periods.interval(interval)
        request = Freshness(span, sources_in(source), every, named)
        engine, said = self.engine_for(request.sources, span, request.first)
        covers = Covers(span)
        rows = freshness.rows(engine, request, covers, said)
        return Answer(
            question="freshness",
            title=freshness.title(request),
            where=", ".join(request.sources) or "all sources",
            columns=freshness.columns(request),
            rows=self._with_gaps(rows, request, said) if engine.name == "es" else rows,
            covers=covers,
            notes=said,
            asked=request,
            engine=engine.name,
        )

    def _with_gaps(self, rows: Iterator[FreshnessRow], request: Freshness, said: list[str]) -> Iterator[FreshnessRow]:
        """And what streams and histories know that they lack, whether or not it has slots."""
        shown: set[tuple[str, str]] = set()
        for row in rows:
            shown.add((row.source, row.series.dataset.called(row.series.part)))
            yield row
        if shown and GAP.name in self.searches:
            found = gaps.not_mended(self.searches[GAP.name], request.period, {source for source, _ in shown})
            if lacking := [gap for gap in found if (gap.source, gap.kind) in shown]:
                said.append(f"{gaps.counted(lacking)}: cryptoproxy gaps --open lists them")
