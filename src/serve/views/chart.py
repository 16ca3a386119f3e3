"""``/v1/chart``: bars for a picture, as many as it has room for, put together by Elasticsearch.

`candles` gives bars that are whole, each read and added up here, and a month of minutes is 43,200 of them. A picture
has room for some hundred: so the step follows from the span, the index does the adding, and a bar of which parts are
missing is given with the share that is there, instead of being left out. Where an asset has no candles its tickers are
taken, as `candles` does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cryptoproxy.datasets import CANDLE
from cryptoproxy.datasets.contracts.candle import STEPS
from cryptoproxy.datasets.times import DAY_MS, Span
from cryptoproxy.errors import OperatorError
from cryptoproxy.queries import Answer, NothingFound, Queries, periods
from cryptoproxy.queries.answer import Cell, Covers, Look, asset_columns
from cryptoproxy.queries.asking import Names, Resolved, names_in
from cryptoproxy.queries.periods import Interval
from cryptoproxy.queries.questions import candles
from cryptoproxy.queries.questions.candles import SAMPLES, Bar, chosen
from cryptoproxy.queries.questions.indicators import Indicator, calculated, indicator, talib
from cryptoproxy.queries.scope import ALL, AssetRef, Json, Scope, Seen

MOST_POINTS = 2_000
MOST_ASSETS = 6
LADDER = (*(name for name, step in STEPS.items() if DAY_MS % step == 0), "1w", "1mo")
"""Steps of a picture, the shortest first."""
_SUMS = ("base_volume", "quote_volume", "trades")


@dataclass(frozen=True, slots=True)
class Point:
    """A bar, the share of its parts that are there, and what indicators say at it."""

    asset: AssetRef
    bar: Bar
    step_ms: int
    share: float | None
    made_of: str
    values: Mapping[str, float | None]


def chart(
    queries: Queries,
    *,
    assets: Names = (),
    source: str = ALL,
    quote: Names = (),
    since: str = "1d",
    until: str | None = None,
    points: int = 400,
    names: Names = (),
) -> Answer[Point]:
    """``assets``: up to :data:`MOST_ASSETS`; ``names``: indicators, as `indicators` takes them."""
    if not 2 <= points <= MOST_POINTS:
        raise ValueError(f"points must be between 2 and {MOST_POINTS}")
    if not 1 <= len(names_in(assets)) <= MOST_ASSETS:
        raise ValueError(f"assets must name 1 to {MOST_ASSETS} ids, with commas between them")
    which = tuple(indicator(each) for each in names_in(names))
    asked = queries.asked(assets=assets, source=source, quote=quote, since=since, until=until, dataset=CANDLE)
    covers = Covers(asked.scope.period)
    return Answer(
        question="chart",
        title="Bars for a picture",
        where=asked.scope.where,
        columns=_columns(which),
        rows=_points(queries, asked, points=points, which=which, covers=covers),
        covers=covers,
        notes=asked.said,
        asked=asked.scope,
        engine=asked.engine.name,
    )


def steps_for(period: Span, points: int) -> Sequence[Interval]:
    """From the shortest step of which no more than ``points`` lie in the period, to longer ones."""
    every = [periods.interval(name) for name in LADDER]
    fits = [each for each in every if period.length_ms <= points * each.ms]
    return fits or every[-1:]


def _points(
    queries: Queries, asked: Resolved, *, points: int, which: Sequence[Indicator], covers: Covers
) -> Iterator[Point]:
    scope, engine, notes = asked
    steps = steps_for(scope.period, points)
    there = engine.intervals(scope)
    # A picture is of candles where there are any: that the same id has tickers elsewhere is not looked for.
    lacking = tuple(each for each in scope.assets if each not in {found.asset_id for found in there})
    rest = [found.asset for found in engine.found(replace(scope, assets=lacking))] if lacking else []
    if not there and not rest:
        raise NothingFound(f"no record of {', '.join(scope.assets)} at {scope} in this time")
    library = _library(notes) if which else None
    for asset in sorted({*there, *rest}):
        every, stored = _taken(there.get(asset, {}), steps)
        begin_ms = every.begin_of(scope.period.begin_ms)  # the first bar is a whole one, too
        own = replace(scope, chosen=(asset,), period=Span(begin_ms, scope.period.end_ms))
        if stored is None:
            bars: list[tuple[Bar, float | None]] = [(bar, None) for _, bar in engine.sampled(own, every)]
            until_ms = bars[-1][0].begin_ms if bars else 0
        else:
            part_ms = STEPS.get(stored, every.ms)
            answer = queries.searches[CANDLE.name](body(replace(own, interval=stored), every))
            bars = [*told(answer, every, part_ms)]
            until_ms = int(answer["aggregations"]["newest"]["value"] or 0) + part_ms
        if bars:
            covers.see(Seen(bars[0][0].begin_ms, min(until_ms, scope.period.end_ms)))
        found = calculated(library, which, [bar for bar, _ in bars]) if library else {}
        if thin := sum(share is not None and share < 1 for _, share in bars[:-1]):
            notes.append(f"{asset.symbol}: of {thin} bars parts are missing")
        for number, (bar, share) in enumerate(bars):
            made_of = f"{stored} candles" if stored else SAMPLES
            values = {name: of[number] for name, of in found.items()}
            yield Point(asset, bar, every.ms, share, made_of, values)


def _taken(there: Mapping[str, int], steps: Sequence[Interval]) -> tuple[Interval, str | None]:
    """The first step that stored bars make, and of which; without any the first, of tickers."""
    found = ((every, chosen(there, every)) for every in steps)
    return next(((every, stored) for every, stored in found if stored), (steps[0], None))


def _library(notes: list[str]) -> Any:
    try:
        return talib()
    except OperatorError as error:
        notes.append(str(error))
        return None


# ---- asked of Elasticsearch


def body(scope: Scope, every: Interval) -> Json:
    """All bars of one asset and one stored interval, by step."""

    def end(field: str, order: str) -> Json:
        only: Json = {"stored_fields": "_none_", "_source": False, "docvalue_fields": [field]}
        return {"top_hits": {"size": 1, "sort": [{"timestamp": order}], **only}}

    inside: Json = {name: {"sum": {"field": name}} for name in _SUMS}
    inside |= {f"{name}_there": {"value_count": {"field": name}} for name in _SUMS}
    inside |= {"high": {"max": {"field": "high"}}, "low": {"min": {"field": "low"}}}
    inside |= {"open": end("open", "asc"), "close": end("close", "desc")}
    steps: Json = {"date_histogram": {**every.histogram(), "min_doc_count": 1}, "aggs": inside}
    return {
        "size": 0,
        "track_total_hits": False,
        "query": scope.query(),
        "aggs": {"steps": steps, "newest": {"max": {"field": "timestamp"}}},
    }


def told(answer: Mapping[str, Any], every: Interval, part_ms: int) -> Iterator[tuple[Bar, float]]:
    """Each bar with the share of its parts that are there. A volume that one part lacks is None."""
    for step in answer["aggregations"]["steps"]["buckets"]:
        begin_ms, parts = int(step["key"]), step["doc_count"]
        ends = (step[name]["hits"]["hits"][0]["fields"][name][0] for name in ("open", "close"))
        first, last = ends
        volumes = [step[name]["value"] if step[f"{name}_there"]["value"] == parts else None for name in _SUMS]
        trades = None if volumes[2] is None else int(volumes[2])
        bar = Bar(begin_ms, first, step["high"]["value"], step["low"]["value"], last, volumes[0], volumes[1], trades)
        yield bar, min(1.0, parts * part_ms / (every.end_of(begin_ms) - begin_ms))


def _columns(which: Sequence[Indicator]) -> tuple[Cell[Point], ...]:
    def value(name: str) -> Cell[Point]:
        return Cell(name, name, Look.NUMBER, lambda row: row.values.get(name))

    return (
        *asset_columns(lambda row: row.asset),
        *candles.bar_columns(lambda row: row.bar),
        Cell("trades", "trades", Look.COUNT, lambda row: row.bar.trades),
        Cell("step_ms", "step", Look.SPAN, lambda row: row.step_ms),
        Cell("share", "of it there", Look.SHARE, lambda row: row.share),
        Cell("made_of", "made of", Look.TEXT, lambda row: row.made_of),
        *(value(name) for each in which for name in each.columns),
    )
