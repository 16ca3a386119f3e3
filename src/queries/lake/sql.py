"""What the questions in SQL share: conditions of a scope, steps of time, an asset, the time that it covers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptoproxy.datasets.contracts.ticker import LONGEST_INTERVAL_MS, SHORTEST_INTERVAL_MS
from cryptoproxy.queries.periods import Interval
from cryptoproxy.queries.questions.flow.steps import Measure
from cryptoproxy.queries.scope import AssetRef, Scope, Seen, spelled

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ASSET = "source, asset_id, quote"
HEAD = f"{ASSET}, arg_max(symbol, timestamp)"
"""For :func:`asset_of`."""
SEEN = (
    "count(*), epoch_ms(min(timestamp)), epoch_ms(max(timestamp)), count(interval_ms), "
    "CAST(sum(interval_ms) AS BIGINT), min(interval_ms), max(interval_ms)"
)
"""For :func:`seen_of`."""
HEADS, SEENS = 4, 7


def where(scope: Scope, more: Sequence[str] = ()) -> tuple[str, list[Any]]:
    """The scope's conditions, with what stands for the question marks in them."""
    conditions = ["timestamp >= ?", "timestamp < ?", *more]
    parameters: list[Any] = [moment(scope.period.begin_ms), moment(scope.period.end_ms)]

    def among(column: str, values: Sequence[str]) -> None:
        if values:
            conditions.append(f"{column} IN ({', '.join('?' * len(values))})")
            parameters.extend(values)

    if scope.chosen:
        markets: dict[tuple[str, str], list[str]] = {}
        for each in scope.chosen:
            markets.setdefault((each.source, each.quote), []).append(each.asset_id)
        either = " OR ".join(
            f"(source = ? AND quote = ? AND asset_id IN ({', '.join('?' * len(ids))}))" for ids in markets.values()
        )
        conditions.append(f"({either})")
        parameters += [part for market, ids in markets.items() for part in (*market, *ids)]
    else:
        for column, values in (
            ("source", scope.sources),
            ("symbol", spelled(scope.symbols)),
            ("asset_id", scope.assets),
            ("quote", spelled(scope.quotes)),
        ):
            among(column, values)
    among("interval", [scope.interval] if scope.interval else [])
    return f"WHERE {' AND '.join(conditions)}", parameters


def count_of(condition: str) -> str:
    """0 also where it is never known, unlike ``count_if``."""
    return f"count(*) FILTER ({condition})"


_OF = {"sum": "coalesce(fsum({}){}, 0)", "avg": "favg({}){}", "value_count": "count({}){}"}


def measured(measure: Measure) -> str:
    """As Elasticsearch has it: a sum of nothing is 0. Sums and means do not depend on the order."""
    only = f" FILTER (WHERE side = '{measure.side}')" if measure.side else ""
    return _OF.get(measure.of, measure.of + "({}){}").format(measure.field, only)


def moment(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)


def begin_of(every: Interval) -> str:
    """Where the step of a record begins, in ms: as :meth:`Interval.begin_of` has it."""
    if every.fixed:
        return f"epoch_ms(timestamp) // {every.ms} * {every.ms}"
    unit = {"1w": "week", "1mo": "month", "1y": "year"}[every.text]
    return f"epoch_ms(date_trunc('{unit}', make_timestamp(epoch_us(timestamp))))"


def asset_of(row: Sequence[Any]) -> AssetRef:
    source, asset_id, quote, symbol = row[:HEADS]
    return AssetRef(source, asset_id, quote, symbol)


def seen_of(found: Sequence[Any]) -> Seen:
    records, first, last, told, planned, shortest, longest = found[:SEENS]
    return Seen(first, last, planned if told == records else None, shortest, longest)


def together(seens: Sequence[Seen]) -> Seen:
    """Of an asset's steps, in the order of time."""
    planned = [each.planned_ms for each in seens]
    told = [each for each in planned if each is not None]
    return Seen(
        seens[0].first_ms,
        seens[-1].last_ms,
        sum(told) if len(told) == len(planned) else None,
        min((each.shortest_ms for each in seens if each.shortest_ms is not None), default=None),
        max((each.longest_ms for each in seens if each.longest_ms is not None), default=None),
    )


def interval_or_none(interval_ms: int | None) -> int | None:
    """None for what is no interval."""
    return interval_ms if interval_ms and SHORTEST_INTERVAL_MS <= interval_ms <= LONGEST_INTERVAL_MS else None
