"""Why a question found nothing: the first of its conditions that no record meets, in words."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cryptoproxy.queries.errors import NothingFound
from cryptoproxy.queries.periods import Period, written
from cryptoproxy.queries.scope import Json, Scope
from cryptoproxy.queries.search import Search

_ALWAYS = Period(0, 253_402_300_799_000)
_LISTED = 10


def body(scope: Scope) -> Json:
    """How many records meet the scope's conditions, taken one after the other."""
    source = Scope(_ALWAYS, sources=scope.sources)
    in_time = replace(source, period=scope.period)
    filters = {
        "source": source,
        "period": in_time,
        "symbols": replace(in_time, symbols=scope.symbols),
        "assets": replace(in_time, symbols=scope.symbols, assets=scope.assets),
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
            "of_period": {
                "filter": in_time.query(),
                "aggs": {"symbols": {"terms": {"field": "symbol", "size": 5_000, "order": {"_key": "asc"}}}},
            },
        },
    }


def why(scope: Scope, answer: Mapping[str, Any], *, index: str) -> str:
    """The reason, for :func:`body`'s answer."""
    found = answer["aggregations"]
    met = {name: each["doc_count"] for name, each in found["met"]["buckets"].items()}
    if not answer["hits"]["total"]["value"]:
        return f"{index} is empty: nothing has been indexed yet"
    if not met["source"]:
        there = ", ".join(each["key"] for each in found["sources"]["buckets"])
        return f"no record of {scope}; there are records of {there}"
    if not met["period"]:
        first, newest = (int(found["of_source"][end]["value"]) for end in ("first", "newest"))
        return f"no record of {scope} in {scope.period}; its records run from {written(first)} to {written(newest)}"
    if not met["symbols"]:
        return f"{unknown_symbols(scope, scope.symbols, _symbols(found))} in {scope.period}"
    if not met["assets"]:
        return f"no record of the asset {', '.join(scope.assets)} at {scope} in {scope.period}"
    return f"no record of {scope} in {scope.period} that fits --quote {', '.join(scope.quotes)}"


def unknown_symbols(scope: Scope, symbols: tuple[str, ...], there: list[str]) -> str:
    """That nobody is called so, and who is called nearly so."""
    said = f"no symbol {', '.join(symbols)} at {scope}"
    near = sorted({each for one in symbols for each in difflib.get_close_matches(one, there, n=3, cutoff=0.6)})
    listed = near or there[:_LISTED]
    if not listed:
        return said
    return f"{said} ({'near it' if near else 'there are'}: {', '.join(listed)}{'' if near else ' …'})"


def raise_why(search: Search, scope: Scope) -> None:
    """Raises:
    NothingFound: always.
    """
    raise NothingFound(why(scope, search(body(scope)), index=search.index))


def _symbols(found: Mapping[str, Any]) -> list[str]:
    return [each["key"] for each in found["of_period"]["symbols"]["buckets"]]
