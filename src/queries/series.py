"""What freshness looks at as one: of a dataset, or of one part of it, the records of one source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from cryptoproxy.datasets import Dataset, Feed, iso
from cryptoproxy.datasets.contracts.candle import STEPS
from cryptoproxy.queries.scope import Json

PART = "interval"
"""The field that tells a record's part, where a dataset has several."""
SEVERAL = "metric"
"""The field that tells apart the records of one asset at one slot, where there may be several."""


class Series(NamedTuple):
    dataset: Dataset[Any]
    source: str
    part: str = ""

    @property
    def name(self) -> str:
        """As SOURCES spells it: ``binance``, ``binance.candle-1m``."""
        return Feed(self.source, self.dataset.name, self.part).name

    @property
    def step_ms(self) -> int | None:
        """From one record to the next, where the contract tells it: the length of a bar."""
        return STEPS.get(self.part) if self.has(PART) else None

    @property
    def has_slots(self) -> bool:
        """Whether it can be told which records should be there: not of what is replaced, of what comes when it comes
        (trades), nor of calendar months."""
        if self.dataset.compacted or (self.has(PART) and self.step_ms is None):
            return False
        return any(map(self.has, (PART, SEVERAL, "interval_ms")))

    def has(self, field: str) -> bool:
        return field in self.dataset.record.__struct_fields__

    def query(self, begin_ms: int | None, end_ms: int) -> Json:
        """In filter context: nothing is scored."""
        time: Json = {"lt": iso(end_ms)} if begin_ms is None else {"gte": iso(begin_ms), "lt": iso(end_ms)}
        part = [{"term": {PART: self.part}}] if self.part else []
        return {"bool": {"filter": [{"term": {"source": self.source}}, *part, {"range": {"timestamp": time}}]}}


def apart(dataset: Dataset[Any]) -> bool:
    """Whether the records of its parts can be told apart."""
    return len(dataset.parts) > 1 and PART in dataset.record.__struct_fields__


def sources_body(dataset: Dataset[Any]) -> Json:
    """Answered from the index's own statistics, however many records there are."""
    parts: Json = {"aggs": {"parts": {"terms": {"field": PART, "size": 100}}}} if apart(dataset) else {}
    sources = {"sources": {"terms": {"field": "source", "size": 1_000}, **parts}}
    return {"size": 0, "track_total_hits": False, "aggs": sources}


def series_of(answer: Mapping[str, Any], dataset: Dataset[Any]) -> list[Series]:
    """Of the answer to :func:`sources_body`."""
    found = []
    for source in answer["aggregations"]["sources"]["buckets"]:
        there = {each["key"] for each in source["parts"]["buckets"]} if apart(dataset) else set()
        parts = [part for part in dataset.parts if part in there] if apart(dataset) else [""]
        found += [Series(dataset, source["key"], part) for part in parts]
    return found
