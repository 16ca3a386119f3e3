"""The gaps of streams and histories that touch a time: each with whether it was mended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

import msgspec

from cryptoproxy.datasets import Gap, from_iso, iso
from cryptoproxy.datasets.times import Span
from cryptoproxy.queries.answer import Cell, Look
from cryptoproxy.queries.elastic.search import NoIndexError, Search
from cryptoproxy.queries.scope import Json

PAGE = 5_000


class GapStory(NamedTuple):
    """A gap, and its second record if there is one."""

    opened: Gap
    mended: Gap | None


def body(period: Span, sources: Collection[str], after: list[object] | None = None) -> Json:
    """Both records of each gap that touches ``period``, oldest first."""
    filters: list[Json] = [
        {"range": {"timestamp": {"lt": iso(period.end_ms)}}},
        {"range": {"until": {"gte": iso(period.begin_ms)}}},
    ]
    if sources:
        filters.append({"terms": {"source": sorted(sources)}})
    found: Json = {
        "size": PAGE,
        "track_total_hits": False,
        "query": {"bool": {"filter": filters}},
        # By what makes the id, so that the two records of a gap stand together, and pages have no seam.
        "sort": [{field: "asc"} for field in ("timestamp", "source", "asset_id", "quote", "kind", "state")],
    }
    return found | ({"search_after": after} if after else {})


def records(search: Search, period: Span, sources: Collection[str] = ()) -> Iterator[Gap]:
    """Raises as :class:`Search`."""
    after: list[object] | None = None
    while True:
        hits = search(body(period, sources, after))["hits"]["hits"]
        for hit in hits:
            yield msgspec.convert(hit["_source"], Gap)
        if len(hits) < PAGE:
            return
        after = hits[-1]["sort"]


def told(gaps: Iterable[Gap]) -> list[GapStory]:
    """Each gap once. A second record alone tells of one as well: its first may be on the way."""
    found: dict[tuple[str, ...], dict[str, Gap]] = {}
    for gap in gaps:
        name = (gap.timestamp, gap.source, gap.asset_id, gap.quote, gap.kind)
        found.setdefault(name, {})[gap.state] = gap
    return [GapStory(each.get("open") or each["mended"], each.get("mended")) for _, each in sorted(found.items())]


def not_mended(search: Search, period: Span, sources: Collection[str] = ()) -> list[Gap]:
    """Of those that touch the time; none where gaps are not set up. Raises as :class:`Search`."""
    try:
        return [each.opened for each in told(records(search, period, sources)) if each.mended is None]
    except NoIndexError:
        return []


def counted(gaps: Collection[Gap]) -> str:
    """How many, by source, in words."""
    which = ", ".join(f"{source} {count}" for source, count in Counter(gap.source for gap in gaps).items())
    return f"{len(gaps)} gaps of this time are not mended ({which})"


def columns() -> tuple[Cell[GapStory], ...]:
    """What is shown of each."""
    return (
        Cell("source", "source", Look.TEXT, lambda row: row.opened.source),
        Cell("asset_id", "asset", Look.TEXT, lambda row: row.opened.asset_id),
        Cell("quote", "quote", Look.TEXT, lambda row: row.opened.quote),
        Cell("kind", "what", Look.TEXT, lambda row: row.opened.kind),
        Cell("begin", "from (UTC)", Look.TIME, lambda row: from_iso(row.opened.timestamp)),
        Cell("until", "to (UTC)", Look.TIME, lambda row: from_iso(row.opened.until)),
        Cell("records", "lacked", Look.COUNT, lambda row: row.opened.records),
        Cell("why", "why", Look.TEXT, lambda row: row.opened.why),
        Cell("mended", "mended (UTC)", Look.TIME, lambda row: from_iso(row.mended.fetched_at) if row.mended else None),
    )
