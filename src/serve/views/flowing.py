"""``/v1/book``, ``tape`` and ``alerts``: the newest of what comes when it comes, as the index has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

from cryptoproxy.datasets import ALERT, BOOK, TRADE, Alert, Book, Trade, from_iso, iso
from cryptoproxy.datasets.dataset import Dataset
from cryptoproxy.datasets.times import Span
from cryptoproxy.queries import Answer, NothingFound, Queries, periods
from cryptoproxy.queries.answer import Cell, Covers, Look
from cryptoproxy.queries.asking import Names, names_in, sources_in
from cryptoproxy.queries.elastic.search import NoIndexError
from cryptoproxy.queries.scope import ALL, Json, Scope, Seen

DEFAULT_TOP = 100


class BookLevel(NamedTuple):
    """One level of a book; ``sum_quote``: in quote, of it and all better ones."""

    book: Book
    side: str
    price: float
    size: float
    sum_quote: float


def book(
    queries: Queries, *, assets: Names = (), source: str = ALL, quote: Names = (), since: str = "1h"
) -> Answer[BookLevel]:
    """The newest book of one asset, best levels first, bids and then asks."""
    if len(names_in(assets)) != 1:
        raise ValueError("assets must name one id: a book is of one pair")
    scope = _scope(queries, assets=assets, source=source, quote=quote, since=since, until=None)
    return _answer("book", "The newest order book", scope, _level_columns(), _levels(queries, scope))


def _levels(queries: Queries, scope: Scope) -> Callable[[Covers], Iterator[BookLevel]]:
    def rows(covers: Covers) -> Iterator[BookLevel]:
        for found in _newest(queries, BOOK, scope, 1):
            _see(covers, found.timestamp)
            for side, levels in (("bid", found.bids), ("ask", found.asks)):
                total = 0.0
                for price, size in levels:
                    total += price * size
                    yield BookLevel(found, side, price, size, total)

    return rows


def tape(
    queries: Queries,
    *,
    assets: Names = (),
    source: str = ALL,
    quote: Names = (),
    since: str = "1h",
    until: str | None = None,
    top: int = DEFAULT_TOP,
) -> Answer[Trade]:
    """The newest trades, the newest first."""
    scope = _scope(queries, assets=assets, source=source, quote=quote, since=since, until=until)
    return _newest_first(
        queries, scope, name="tape", title="The newest trades", dataset=TRADE, top=top, columns=_trade_columns()
    )


def alerts(queries: Queries, *, since: str = "7d", until: str | None = None, top: int = DEFAULT_TOP) -> Answer[Alert]:
    """What watch has found and what has ended, the newest first."""
    scope = _scope(queries, since=since, until=until)
    return _newest_first(
        queries, scope, name="alerts", title="What watch has found", dataset=ALERT, top=top, columns=_alert_columns()
    )


# ---- how they are asked


def _scope(
    queries: Queries, *, since: str, until: str | None, assets: Names = (), source: str = ALL, quote: Names = ()
) -> Scope:
    period = periods.period(since, until, now_ms=queries.clock.now_ms())
    if until is None:  # what was traded or found just now, by a clock that is a little ahead, is of now
        period = Span(period.begin_ms, period.end_ms + 60_000)
    return Scope(period, sources_in(source), assets=names_in(assets), quotes=names_in(quote))


def _newest(queries: Queries, dataset: Dataset[Any], scope: Scope, top: int) -> Iterator[Any]:
    query: Json = {"size": top, "track_total_hits": False, "query": scope.query(), "sort": [{"timestamp": "desc"}]}
    try:
        hits = queries.searches[dataset.name](query)["hits"]["hits"]
    except NoIndexError as error:
        raise NothingFound(f"no {dataset.name} has been set up here: `cryptoproxy setup`") from error
    if not hits:
        named = f" of {', '.join(scope.assets)}" if scope.assets else ""
        raise NothingFound(f"no {dataset.name}{named} since {iso(scope.period.begin_ms)[:16]}Z")
    for hit in hits:
        yield msgspec.convert(hit["_source"], dataset.record)


def _newest_first(
    queries: Queries,
    scope: Scope,
    *,
    name: str,
    title: str,
    dataset: Dataset[Any],
    top: int,
    columns: tuple[Cell[Any], ...],
) -> Answer[Any]:
    if not 1 <= top <= 10_000:
        raise ValueError("top must be between 1 and 10000")

    def rows(covers: Covers) -> Iterator[Any]:
        for found in _newest(queries, dataset, scope, top):
            _see(covers, found.timestamp)
            yield found

    return _answer(name, title, scope, columns, rows)


def _answer(
    name: str, title: str, scope: Scope, columns: tuple[Cell[Any], ...], rows: Callable[[Covers], Iterator[Any]]
) -> Answer[Any]:
    covers = Covers(scope.period)
    return Answer(
        question=name, title=title, where=scope.where, columns=columns, rows=rows(covers), covers=covers, asked=scope
    )


def _see(covers: Covers, timestamp: str) -> None:
    covers.see(Seen(from_iso(timestamp), from_iso(timestamp)))


# ---- how they are shown


def _field(name: str, title: str, kind: Look = Look.TEXT) -> Cell[Any]:
    if kind is Look.TIME:
        return Cell(name, title, kind, lambda row: from_iso(getattr(row, name)))
    return Cell(name, title, kind, lambda row: getattr(row, name))


def _level_columns() -> tuple[Cell[BookLevel], ...]:
    def of_book(name: str, title: str, kind: Look = Look.TEXT) -> Cell[BookLevel]:
        field: Cell[Any] = _field(name, title, kind)
        return Cell(name, title, kind, lambda row: field.of(row.book))

    return (
        of_book("symbol", "symbol"),
        of_book("source", "source"),
        of_book("asset_id", "asset"),
        of_book("quote", "quote"),
        of_book("timestamp", "slot (UTC)", Look.TIME),
        of_book("mid", "mid", Look.PRICE),
        of_book("spread_bps", "spread, bps", Look.NUMBER),
        of_book("imbalance", "imbalance", Look.NUMBER),
        Cell("side", "side", Look.TEXT, lambda row: row.side),
        Cell("price", "price", Look.PRICE, lambda row: row.price),
        Cell("size", "size, base", Look.NUMBER, lambda row: row.size),
        Cell("sum_quote", "sum, quote", Look.NUMBER, lambda row: row.sum_quote),
    )


def _trade_columns() -> tuple[Cell[Trade], ...]:
    return (
        *(_field(each, each) for each in ("symbol", "source", "asset_id", "quote")),
        _field("timestamp", "traded (UTC)", Look.TIME),
        _field("side", "side of the taker"),
        _field("price", "price", Look.PRICE),
        _field("base_volume", "base volume", Look.NUMBER),
        _field("quote_volume", "quote volume", Look.NUMBER),
        _field("trade_id", "id"),
    )


def _alert_columns() -> tuple[Cell[Alert], ...]:
    return (
        _field("timestamp", "moment (UTC)", Look.TIME),
        _field("since", "since (UTC)", Look.TIME),
        *(_field(each, each) for each in ("rule", "asset", "symbol", "state", "severity", "of", "kind")),
        *(_field(each, each, Look.NUMBER) for each in ("value", "threshold", "normal")),
        *(_field(each, each) for each in ("unit", "words")),
    )
