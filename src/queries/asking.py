"""How a question is asked: which backend, which records, and what is said beside the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Self, TypeVar

from elasticsearch import Elasticsearch

from cryptoproxy.common.clock import Clock, SystemClock
from cryptoproxy.common.settings.catalogue import Elasticsearch as ElasticsearchSettings
from cryptoproxy.datasets import CANDLE, DATASETS, TICKER, Dataset
from cryptoproxy.datasets.times import Span
from cryptoproxy.queries import notes, periods
from cryptoproxy.queries.answer import Answer, Cell, Covers, NothingFound
from cryptoproxy.queries.backend import Backend, Findings, FoundAsset, choose, most_traded
from cryptoproxy.queries.elastic.engine import Elastic
from cryptoproxy.queries.elastic.search import Search
from cryptoproxy.queries.notes import Noting
from cryptoproxy.queries.scope import ALL, DEFAULT_SOURCE, Scope, spelled

Names = str | Sequence[str]
R = TypeVar("R")


class Resolved(NamedTuple):
    """Of whom, which records, and what is to be said of the choice. In the order of :meth:`Asking.answer`."""

    scope: Scope
    engine: Backend
    said: list[str]


class Words(NamedTuple):
    """Of a question; ``lacks`` and what follows are those of :class:`~queries.notes.Noting`."""

    question: str
    title: str
    lacks: str
    field: str | None = None
    by_samples: bool = False
    whole_period: bool = True
    step_ms: int = 0
    tells_silence: bool = True
    """Asked of all sources, that one has nothing of it is worth a note."""


class Asking:
    """Clients, clock and choice; the questions are in :class:`~queries.api.Queries`.

    Args:
        index: the alias of tickers; ``bars`` is that of candles; ``aliases`` those of other datasets by name, where
            they are not those of the contract.
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
        aliases: Mapping[str, str] | None = None,
        lake: Backend | None = None,
        engine: str = "es",
        clock: Clock | None = None,
        request_cache: bool | None = None,
    ) -> None:
        own = {each.name: each.alias for each in DATASETS.values() if each.alias is not None}
        self.aliases = {**own, **(aliases or {}), TICKER.name: index, CANDLE.name: bars}
        searches = {name: Search(client, alias, request_cache=request_cache) for name, alias in self.aliases.items()}
        self.searches = searches
        self.search = searches[TICKER.name]
        self._elastic = Elastic(searches)
        self._lake = lake
        self._engine = engine
        self.clock = clock or SystemClock()

    @classmethod
    def of(cls, settings: ElasticsearchSettings, client: Elasticsearch, **more: Any) -> Self:
        """With the aliases of these settings; ``more`` as above."""
        aliases = {each.name: settings.alias_of(each) for each in DATASETS.values() if each.alias is not None}
        return cls(client, index=aliases[TICKER.name], bars=aliases[CANDLE.name], aliases=aliases, **more)

    def scope(self, **which: Any) -> Scope:
        """Which records: names as a list or with commas between them; ``source="all"`` is any.

        ``symbols``, ``assets``, ``quote``, ``source``; ``base`` is a coin under whatever symbol: BTC is BTC at
        CoinGecko and BTCUSDT, BTCUSDC … at an exchange. Symbols, coins and quotes are found as they are typed and in
        capitals. ``since`` is a span before the end, a date or a time;
        ``until`` a date or a time, and now without.
        """
        return self.asked(**which).scope

    def asked(
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
    ) -> Resolved:
        if top is not None and top < 1:
            raise ValueError("top must be at least 1")
        made = Scope(
            periods.period(since, until, now_ms=self.clock.now_ms()),
            sources_in(source),
            names_in(symbols),
            names_in(assets),
            names_in(quote),
        )
        engine, said = self.engine_for(made.sources, made.period, dataset)
        if coins := names_in(base):
            made = replace(made, symbols=(*made.symbols, *_traded_as(engine, coins, made)), coins=coins)
        if top:
            made = replace(made, chosen=tuple(most_traded(_found(engine, made), top)))
        return Resolved(made, engine, said)

    def engine_for(self, sources: Sequence[str], period: Span, dataset: Dataset[Any]) -> tuple[Backend, list[str]]:
        if self._engine == "es" or self._lake is None:
            return self._elastic, []
        if self._engine == "lake":
            return self._lake, []
        engine, why = choose(self._elastic, self._lake, sources, period, dataset)
        return engine, [why]

    def by_asset(
        self,
        asked: Resolved,
        request: Any,
        words: Words,
        columns: tuple[Cell[R], ...],
        ask: Callable[[Any], Iterator[Findings[R]]],
        *,
        noted: Callable[[Noting, R], None] | None = None,
    ) -> Answer[R]:
        """Rows as they come; of the most traded assets, in their order."""
        chosen = asked.scope.chosen

        def rows(watch: Noting) -> Iterator[R]:
            told: Iterable[Findings[R]] = ask(request)
            if chosen:
                place = {asset.identity: number for number, asset in enumerate(chosen)}
                told = sorted(told, key=lambda each: place[each.asset.identity])
            for asset, own, seen in told:
                watch.see(asset, seen, has_value=bool(own))
                for row in own:
                    if noted is not None:
                        noted(watch, row)
                    yield row

        return self.answer(asked, request, words, columns, rows)

    def answer(
        self,
        asked: Resolved,
        request: Any,
        words: Words,
        columns: tuple[Cell[R], ...],
        rows: Callable[[Noting], Iterator[R]],
    ) -> Answer[R]:
        scope, engine, said = asked
        covers = Covers(scope.period)
        watch = Noting(scope, words.lacks, covers, words.field, words.by_samples, words.whole_period, words.step_ms)

        def noting() -> Iterator[R]:
            yield from rows(watch)
            if not watch.saw_any:
                notes.raise_why(engine, scope)
            if not watch.saw_rows:
                raise NothingFound("; ".join([*watch.lacking(), *watch.more]))
            said.extend(watch.notes())
            if words.tells_silence and not scope.sources and not scope.chosen:
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
    either = spelled(coins)
    pairs = engine.pairs(scope, either)
    found = {symbol for symbol, quote in pairs if symbol in either or symbol.removesuffix(quote) in either}
    return tuple(sorted(found)) or coins


def _found(engine: Backend, scope: Scope) -> list[FoundAsset]:
    found = engine.found(scope)
    if not found:
        notes.raise_why(engine, scope)
    return found


def names_in(given: Names) -> tuple[str, ...]:
    """Each once. Of an empty list none, which means any.

    Raises:
        ValueError: something was given and names nothing, as ``,`` or a variable that is not set: that must not mean
            any.
    """
    parts = given.split(",") if isinstance(given, str) else given
    found = tuple(dict.fromkeys(each.strip() for each in parts if each.strip()))
    if parts and not found:
        raise ValueError(f"{given!r} names nothing: leave it out, or say which")
    return found


def sources_in(given: Names) -> tuple[str, ...]:
    names = names_in(given)
    return () if ALL in names else names
