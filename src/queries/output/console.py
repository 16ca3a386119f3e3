"""A question's searches as Kibana's console takes them.

Where a search follows from the one before (which assets, which source), the first of its kind is shown.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from cryptoproxy.datasets import CANDLE, MARKET, TICKER, Dataset
from cryptoproxy.datasets.times import Span
from cryptoproxy.queries.elastic.search import assets_body, portions
from cryptoproxy.queries.questions import (
    average,
    candles,
    freshness,
    latest,
    market,
    moves,
    percentiles,
    sentiment,
    volatility,
)
from cryptoproxy.queries.questions.average import Average
from cryptoproxy.queries.questions.candles import Candles
from cryptoproxy.queries.questions.flow import steps
from cryptoproxy.queries.questions.flow.steps import Steps
from cryptoproxy.queries.questions.freshness import Freshness, bodies
from cryptoproxy.queries.questions.freshness.slots import SlotGrid
from cryptoproxy.queries.questions.indicators import Indicators
from cryptoproxy.queries.questions.latest import Latest
from cryptoproxy.queries.questions.market import MarketFigures
from cryptoproxy.queries.questions.moves import Moves
from cryptoproxy.queries.questions.percentiles import Percentiles
from cryptoproxy.queries.questions.sentiment import Sentiment
from cryptoproxy.queries.questions.volatility import Volatility
from cryptoproxy.queries.scope import DEFAULT_SOURCE, AssetRef, Json, Scope
from cryptoproxy.queries.series import Series, sources_body

_NOBODY = AssetRef("", "", "", "")


def console_text(aliases: Mapping[str, str], request: Any) -> str:
    """Each search with a comment that says what it is for.

    Args:
        aliases: by dataset.
    """
    dataset: Dataset[Any]
    match request:
        case Candles() | Indicators():
            dataset = CANDLE
        case MarketFigures():
            dataset = MARKET
        case Steps():
            dataset = request.dataset
        case Freshness():
            dataset = request.first
        case _:
            dataset = TICKER
    index = aliases[dataset.name]
    return "\n\n".join(
        f"# {comment}\nGET {index}/_search\n{json.dumps(body, indent=2)}" for comment, body in searches(request)
    )


def searches(request: Any) -> Iterator[tuple[str, Json]]:
    """(what it is for, body).

    Raises:
        TypeError: no request of a question.
    """
    if isinstance(request, Freshness):
        yield from _freshness(request)
        return
    if isinstance(request, (Candles, Indicators)):
        yield from _candles(request)
        return
    if isinstance(request, Steps):
        yield "which assets there are", steps.assets_body(request.scope)
        portion = next(portions(request.scope.chosen or [_NOBODY], request.scope.period, request.every))
        yield f"{request.question} of each step", steps.body(request, request.scope, portion.periods[0])
        return
    if isinstance(request, MarketFigures):
        yield market.title(request), market.body(request, next(market.stretches(request)))
        return
    if not isinstance(request, (Percentiles, Average, Moves, Latest, Volatility, Sentiment)):
        raise TypeError(f"{type(request).__name__} is no question")
    scope: Scope = request.scope
    if scope.chosen:
        yield "the most traded assets", assets_body(replace(scope, chosen=()))
    match request:
        case Percentiles():
            yield percentiles.title(request), percentiles.body(request)
        case Moves():
            yield moves.title(request), moves.body(request)
        case Sentiment():
            yield sentiment.title(request), sentiment.body(request, next(sentiment.stretches(request)))
        case Latest():
            yield latest.title(request), latest.body(request)
        case Average(every=None):
            yield average.title(request), average.body(request)
        case Average() | Volatility():
            yield from _by_steps(request)


def _by_steps(request: Average | Volatility) -> Iterator[tuple[str, Json]]:
    scope = request.scope
    if not scope.chosen:
        yield "which assets there are", assets_body(scope)
    if isinstance(request, Volatility):
        portion = next(portions(scope.chosen or [_NOBODY], request.whole_windows, request.window))
        chosen = portion.assets if scope.chosen else ()
        yield f"{volatility.title(request)}: last prices", volatility.body(request, chosen, portion.periods[0])
    elif request.every is not None:
        portion = next(portions(scope.chosen or [_NOBODY], scope.period, request.every))
        chosen = portion.assets if scope.chosen else ()
        yield average.title(request), average.steps_body(request, request.every, chosen, portion.periods[0])


def _candles(request: Candles | Indicators) -> Iterator[tuple[str, Json]]:
    scope = replace(request.scope, period=request.every.whole_in(request.scope.period))
    stored = next(iter(candles.fitting(request.every)))
    yield "which stored intervals there are", candles.intervals_body(scope, None)
    yield "the bars of one, of an asset", candles.bars_body(replace(scope, interval=stored), None)


def _freshness(request: Freshness) -> Iterator[tuple[str, Json]]:
    dataset, part = request.datasets[0] if request.datasets else (TICKER, None)
    source = Series(dataset, request.sources[0] if request.sources else DEFAULT_SOURCE, part or "")
    end = request.period.end_ms
    yield "which sources there are", sources_body(dataset)
    yield "a source's newest record", bodies.end_body(source, before_ms=end, newest=True)
    yield "its first record", bodies.end_body(source, before_ms=end, newest=False)
    yield (
        "its newest slots, for its interval",
        bodies.grid_body(source, Span(end - freshness.LOOK_BACK_MS[0], end)),
    )
    grid = SlotGrid(request.interval.ms if request.interval else 60_000, "told", assets=50, records=50)
    yield (
        "slots that are there, and what is there twice",
        bodies.slots_body(source, bodies.stretches(request.period, grid)[0]),
    )
