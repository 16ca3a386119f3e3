"""Why nothing was found: one search for how many records meet each condition of a question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cryptoproxy.datasets.times import Span
from cryptoproxy.queries.backend import Facts
from cryptoproxy.queries.scope import Json, Scope

_ALWAYS = Span(0, 253_402_300_799_000)


def facts_body(scope: Scope) -> Json:
    """How many records meet the scope's conditions, taken one after the other."""
    source = Scope(_ALWAYS, sources=scope.sources)
    in_time = replace(source, period=scope.period)
    filters = {
        "source": source,
        "period": in_time,
        "symbols": replace(in_time, symbols=scope.symbols),
        "assets": replace(in_time, symbols=scope.symbols, assets=scope.assets),
    }
    values = {
        name: {"terms": {"field": each, "size": 5_000, "order": {"_key": "asc"}}}
        for name, each in (("symbols", "symbol"), ("assets", "asset_id"), ("quotes", "quote"))
    }
    return {
        "size": 0,
        "track_total_hits": True,
        "aggs": {
            "met": {"filters": {"filters": {name: each.query() for name, each in filters.items()}}},
            "sources": {"terms": {"field": "source", "size": 50}},
            "of_source": {
                "filter": source.query(),
                "aggs": {"first": {"min": {"field": "timestamp"}}, "newest": {"max": {"field": "timestamp"}}},
            },
            "of_period": {"filter": in_time.query(), "aggs": values},
        },
    }


def facts_of(answer: Mapping[str, Any]) -> Facts:
    """Of :func:`facts_body`'s answer."""
    found = answer["aggregations"]
    met = {name: each["doc_count"] for name, each in found["met"]["buckets"].items()}
    first, newest = (found["of_source"][end]["value"] for end in ("first", "newest"))
    return Facts(
        answer["hits"]["total"]["value"],
        met["source"],
        met["period"],
        met["symbols"],
        met["assets"],
        [each["key"] for each in found["sources"]["buckets"]],
        None if first is None else int(first),
        None if newest is None else int(newest),
        {
            name: [each["key"] for each in found["of_period"][name]["buckets"]]
            for name in ("symbols", "assets", "quotes")
        },
    )
