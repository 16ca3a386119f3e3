"""Who asked the doors for what, and how many calls of the upstreams that saved: sums of the records of `usage`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from cryptoproxy.datasets import iso
from cryptoproxy.datasets.times import Span
from cryptoproxy.queries.answer import Cell, Covers, Look, NothingFound
from cryptoproxy.queries.elastic.search import Search
from cryptoproxy.queries.scope import Json, Seen

PAGE = 1_000
_COUNTS = ("requests", "refused", "made", "saved")


class UsageRow(NamedTuple):
    """Of one team and path."""

    team: str
    path: str
    requests: int
    refused: int
    made: int
    saved: int


def body(period: Span, team: str | None, after: Mapping[str, Any] | None = None) -> Json:
    """Sums by team and path, a page of them."""
    filters: list[Json] = [{"range": {"timestamp": {"gte": iso(period.begin_ms), "lt": iso(period.end_ms)}}}]
    if team:
        filters.append({"term": {"team": team}})
    by: Json = {"size": PAGE, "sources": [{name: {"terms": {"field": name}}} for name in ("team", "path")]}
    sums: Json = {name: {"sum": {"field": name}} for name in _COUNTS}
    ends: Json = {"first": {"min": {"field": "timestamp"}}, "last": {"max": {"field": "timestamp"}}}
    return {
        "size": 0,
        "track_total_hits": False,
        "query": {"bool": {"filter": filters}},
        "aggs": {"rows": {"composite": by | ({"after": after} if after else {}), "aggs": sums | ends}},
    }


def rows(search: Search, period: Span, team: str | None, covers: Covers) -> Iterator[UsageRow]:
    """Who asked most first.

    Raises:
        NothingFound: nobody has asked.
        TransientError, OperatorError: as :class:`Search`.
    """
    found: list[UsageRow] = []
    for each in search.pages(lambda after: body(period, team, after)):
        counts = (int(each[name]["value"]) for name in _COUNTS)
        found.append(UsageRow(each["key"]["team"], each["key"]["path"], *counts))
        covers.see(Seen(int(each["first"]["value"]), int(each["last"]["value"])))
    if not found:
        raise NothingFound(f"no usage{f' of {team}' if team else ''} since {iso(period.begin_ms)[:16]}Z")
    yield from sorted(found, key=lambda row: (-row.requests, row.team, row.path))


def columns() -> tuple[Cell[UsageRow], ...]:
    """What is shown of each."""
    return (
        Cell("team", "team", Look.TEXT, lambda row: row.team),
        Cell("path", "path", Look.TEXT, lambda row: row.path),
        Cell("requests", "asked", Look.COUNT, lambda row: row.requests),
        Cell("refused", "refused", Look.COUNT, lambda row: row.refused),
        Cell("made", "calls made", Look.COUNT, lambda row: row.made),
        Cell("saved", "calls saved", Look.COUNT, lambda row: row.saved),
    )
