"""Bars of any length: open, highest, lowest, close and volumes of each step, for each asset.

A stored interval as it is; else put together from a smaller stored one, exactly: the first open, the highest, the
lowest, the last close, sums. Of an asset's stored intervals the one that covers most is taken, of those that cover as
much the longest. Only whole bars: one that lacks a part is left out, which is said. Where an asset has no candles its
tickers are taken: such a bar's ends are those of the samples, and it has no volume.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from cryptoproxy.datasets import from_iso
from cryptoproxy.datasets.contracts.candle import STEPS
from cryptoproxy.datasets.times import DAY_MS, Span
from cryptoproxy.queries.answer import Cell, Look, asset_columns
from cryptoproxy.queries.backend import Backend
from cryptoproxy.queries.notes import Noting, listed
from cryptoproxy.queries.periods import Interval
from cryptoproxy.queries.scope import MAX_BUCKETS, AssetRef, Json, Scope, Seen, by_asset

PAGE = 10_000
"""Bars that one search gives."""
SAMPLES = "ticker samples"
VOLUMES = ("base_volume", "quote_volume", "trades", "taker_base_volume", "taker_quote_volume")


class Bar(NamedTuple):
    """Prices in quote; a volume is None where the source sends none, or a part of the bar has none."""

    begin_ms: int
    open: float
    high: float
    low: float
    close: float
    base_volume: float | None = None
    quote_volume: float | None = None
    trades: int | None = None
    taker_base_volume: float | None = None
    taker_quote_volume: float | None = None


@dataclass(frozen=True, slots=True)
class Candles:
    scope: Scope
    every: Interval

    @property
    def whole(self) -> Span:
        """The whole steps of the scope's period."""
        return self.every.whole_in(self.scope.period)


@dataclass(frozen=True, slots=True)
class CandlesRow:
    """``made_of``: ``1h candles`` as they are stored, ``1m candles`` put together, or ``ticker samples``."""

    asset: AssetRef
    bar: Bar
    made_of: str


# ---- which are taken, and what is made of them


def fitting(every: Interval) -> dict[str, int]:
    """The stored intervals that make whole steps, with their lengths: its own, and those that divide a day and it."""
    own = every.text if not every.fixed else Interval.of_ms(every.ms).text
    parts = {name: step for name, step in STEPS.items() if DAY_MS % step == 0}
    found = {name: step for name, step in parts.items() if not every.fixed or every.ms % step == 0}
    return found | ({own: every.ms} if own in STEPS or own == "1mo" else {})


def chosen(there: Mapping[str, int], every: Interval) -> str | None:
    """The stored interval to take, of those that there are so many bars of; None where none fits."""
    steps = fitting(every)
    covered = {name: (count * steps[name], steps[name]) for name, count in there.items() if name in steps}
    return max(covered, key=lambda name: covered[name]) if covered else None


def put_together(bars: Iterable[Bar], every: Interval, step_ms: int) -> Iterator[Bar | None]:
    """Bars in the order of time to longer ones; None for one that would not be whole."""
    for begin_ms, group in groupby(bars, key=lambda each: every.begin_of(each.begin_ms)):
        parts = list(group)
        if len(parts) * step_ms != every.end_of(begin_ms) - begin_ms:
            yield None
            continue
        yield Bar(
            begin_ms,
            parts[0].open,
            max(each.high for each in parts),
            min(each.low for each in parts),
            parts[-1].close,
            *(_sum([getattr(each, name) for each in parts]) for name in VOLUMES),
        )


def _sum(values: Sequence[float | None]) -> Any:
    """Correctly rounded; counts stay whole."""
    known = [each for each in values if each is not None]
    if len(known) < len(values):
        return None
    return sum(known) if all(isinstance(each, int) for each in known) else math.fsum(known)


def rows(engine: Backend, request: Candles, watch: Noting) -> Iterator[CandlesRow]:
    """Bar by bar of one asset, then of the next."""
    scope, every = replace(request.scope, period=request.whole), request.every
    there = engine.intervals(scope)
    taken = {asset: chosen(counts, every) for asset, counts in there.items()}
    lengths, own = fitting(every), every.text if not every.fixed else Interval.of_ms(every.ms).text
    for stored in sorted({each for each in taken.values() if each is not None}, key=lambda each: lengths[each]):
        assets = sorted(asset for asset, each in taken.items() if each == stored)
        bars_of = groupby(engine.bars(replace(scope, chosen=tuple(assets)), stored), key=itemgetter(0))
        for asset, group in bars_of:
            bars = (bar for _, bar in group)
            made = bars if stored == own else put_together(bars, every, lengths[stored])
            yield from _told(asset, made, f"{stored} candles", request, watch)
    served = {asset.identity for asset, stored in taken.items() if stored is not None}
    rest = sorted(each.asset for each in engine.found(scope) if each.asset.identity not in served)
    without = {asset for asset, stored in taken.items() if stored is None}
    if rest:
        for asset, group in groupby(engine.sampled(replace(scope, chosen=tuple(rest)), every), key=itemgetter(0)):
            yield from _told(asset, (bar for _, bar in group), SAMPLES, request, watch)
        words = f"only candles of {', '.join(sorted({name for each in without for name in there[each]}))}, which do not"
        why = f"{words} make bars of {every.words}" if without else "no candles"
        watch.more.append(
            f"{listed(each.symbol for each in rest)}: {why}, so the bars are made of the prices of tickers: "
            "highest and lowest are those of the samples, and there is no volume"
        )


def _told(
    asset: AssetRef, bars: Iterable[Bar | None], made_of: str, request: Candles, watch: Noting
) -> Iterator[CandlesRow]:
    """The rows of one asset; what is known when they have gone by is told to ``watch``."""
    first = last = None
    count = partial = 0
    for bar in bars:
        if bar is None:
            partial += 1
            continue
        count, first, last = count + 1, bar.begin_ms if first is None else first, bar.begin_ms
        yield CandlesRow(asset, bar, made_of)
    every = request.every
    if partial:
        bars_are = "1 bar is" if partial == 1 else f"{partial} bars are"
        watch.more.append(
            f"{asset.symbol}: {bars_are} left out, as some of the {made_of} that would make a whole one are missing"
        )
    seen = None
    if first is not None and last is not None:
        planned = count * every.ms if every.fixed else every.end_of(last) - first
        seen = Seen(first, last, planned, every.ms, max(every.ms, every.end_of(last) - last))
    watch.see(asset, seen, has_value=bool(count))


# ---- asked of Elasticsearch


def intervals_body(scope: Scope, after: Mapping[str, Any] | None) -> Json:
    there: Json = {"intervals_there": {"terms": {"field": "interval", "size": len(STEPS) + 1}}}
    return _body(scope, by_asset(there, size=1_000, after=after))


def bars_body(scope: Scope, after: Sequence[Any] | None) -> Json:
    """One asset's bars, the next ``PAGE`` after a moment."""
    found = _body(scope, None) | {
        "size": PAGE,
        "sort": [{"timestamp": "asc"}],
        "_source": ["timestamp", *Bar._fields[1:]],
    }
    return found | ({"search_after": list(after)} if after else {})


def bar(record: Mapping[str, Any]) -> Bar:
    return Bar(from_iso(record["timestamp"]), *(record.get(name) for name in Bar._fields[1:]))  # type: ignore[arg-type]


def sampled_body(scope: Scope, every: Interval) -> Json:
    def end(order: str) -> Json:
        return {
            "top_hits": {
                "size": 1,
                "sort": [{"timestamp": order}],
                "stored_fields": "_none_",
                "_source": False,
                "docvalue_fields": ["price"],
            }
        }

    steps: Json = {
        "steps": {
            "date_histogram": {**every.histogram(), "min_doc_count": 1},
            "aggs": {"prices": {"stats": {"field": "price"}}, "open": end("asc"), "close": end("desc")},
        }
    }
    return _body(scope, by_asset(steps, size=len(scope.chosen) or MAX_BUCKETS))


def sampled(bucket: Mapping[str, Any]) -> Iterator[Bar]:
    for step in bucket["steps"]["buckets"]:
        first, last = (step[end]["hits"]["hits"][0]["fields"]["price"][0] for end in ("open", "close"))
        yield Bar(step["key"], first, step["prices"]["max"], step["prices"]["min"], last)


def _body(scope: Scope, aggregations: Json | None) -> Json:
    found: Json = {"size": 0, "track_total_hits": False, "query": scope.query()}
    return found | ({"aggs": aggregations} if aggregations else {})


# ---- shown


def bar_columns(of: Any, *, whole: bool = True) -> tuple[Cell[Any], ...]:
    """``whole``: all of it in a table, else the close alone."""
    return (
        Cell("begin", "begin (UTC)", Look.TIME, lambda row: of(row).begin_ms),
        Cell("open", "open", Look.PRICE, lambda row: of(row).open, whole),
        Cell("high", "high", Look.PRICE, lambda row: of(row).high, whole),
        Cell("low", "low", Look.PRICE, lambda row: of(row).low, whole),
        Cell("close", "close", Look.PRICE, lambda row: of(row).close),
        Cell("base_volume", "base volume", Look.NUMBER, lambda row: of(row).base_volume, whole),
        Cell("quote_volume", "quote volume", Look.NUMBER, lambda row: of(row).quote_volume, whole),
    )


def columns(_: Candles) -> tuple[Cell[CandlesRow], ...]:
    return (
        *asset_columns(lambda row: row.asset),
        *bar_columns(lambda row: row.bar),
        Cell("trades", "trades", Look.COUNT, lambda row: row.bar.trades),
        Cell("taker_base_volume", "taker base", Look.NUMBER, lambda row: row.bar.taker_base_volume, False),
        Cell("taker_quote_volume", "taker quote", Look.NUMBER, lambda row: row.bar.taker_quote_volume, False),
        Cell("made_of", "made of", Look.TEXT, lambda row: row.made_of),
    )


def title(request: Candles) -> str:
    return f"Candles of {request.every.text}"
