"""A day's quality as a table, as JSON, and as metrics for Prometheus' textfile collector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile
from rich.table import Table

from cryptoproxy.datasets import iso
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, MINUTE_MS, Span, written
from cryptoproxy.quality.day import Quality
from cryptoproxy.quality.measure import Indexed

_RIGHT = (
    "records", "assets", "missing", "of", "share", "gaps", "longest", "duplicates", "violations", "unreadable", "age",
)  # fmt: skip


def table(rows: Sequence[Quality], span: Span) -> Table:
    made = Table(title=f"Quality of {span}")
    made.add_column("feed", overflow="fold")
    for name in _RIGHT:
        made.add_column(name, justify="right")
    for row in rows:
        share = row.missing_share
        made.add_row(
            row.feed,
            f"{row.records:,}",
            f"{row.assets:,}",
            _count(row.missing),
            _count(row.expected),
            "-" if share is None else f"{share:.2%}",
            _count(row.gaps),
            _length(row.longest_gap_ms),
            f"{row.duplicates:,}",
            f"{sum(row.violations.values()):,}",
            f"{row.unreadable:,}",
            _length(row.age_ms),
        )
    return made


def words(rows: Sequence[Quality], index: Sequence[Indexed], span: Span) -> Iterator[str]:
    """What stands beside the table."""
    for row in rows:
        for reason, count in sorted(row.violations.items()):
            yield f"{row.feed}: {count:,} dead letters: {reason} (cryptoproxy dead-letters list)"
    for each in index:
        if each.records != each.documents:
            yield (
                f"{each.dataset} of {each.source}: {each.records:,} records in the lake, {each.documents:,} documents: "
                f"cryptoproxy reconcile --dataset {each.dataset} --source {each.source} "
                f"--from {written(span.begin_ms)} --to {written(span.begin_ms + DAY_MS)}"
            )


def as_json(rows: Sequence[Quality], index: Sequence[Indexed], span: Span) -> dict[str, Any]:
    """Times as ISO texts; shares as fractions of 1."""
    return {
        "date": written(span.begin_ms),
        "until": iso(span.end_ms),
        "feeds": [
            {name: value for name, value in asdict(row).items() if name != "newest_ms"}
            | {
                "missing_share": row.missing_share,
                "newest": None if row.newest_ms is None else iso(row.newest_ms),
            }
            for row in rows
        ],
        "index": [each._asdict() for each in index],
    }


class QualityMetrics:
    """Of one day, by feed."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, what: str, *labels: str) -> Gauge:
            return Gauge(f"cryptoproxy_quality_{name}", what, labels, registry=registry)

        self.day = gauge("day_timestamp_seconds", "The day that was looked at")
        self.records = gauge("records", "Records of the day in the lake", "feed")
        self.expected = gauge("expected", "Slots or bars that should be there", "feed")
        self.missing = gauge("missing", "Of these, that are not", "feed")
        self.gaps = gauge("gaps", "Stretches of missing ones", "feed")
        self.longest = gauge("longest_gap_seconds", "The longest of these", "feed")
        self.duplicates = gauge("duplicates", "Second copies of an id among the raw objects", "feed")
        self.unreadable = gauge("unreadable", "Objects and lines of the lake that cannot be used", "feed")
        self.age = gauge("age_seconds", "Age of the newest record at the day's end", "feed")
        self.violations = gauge("violations", "Dead letters that were set aside on the day", "feed", "reason")


def write_metrics(rows: Sequence[Quality], span: Span, file: Path) -> None:
    """Replaces ``file`` as a whole, so nobody reads half of it."""
    registry = CollectorRegistry()
    told = QualityMetrics(registry)
    told.day.set(span.begin_ms / 1000)
    for row in rows:
        for family, value in (
            (told.records, row.records), (told.expected, row.expected), (told.missing, row.missing),
            (told.gaps, row.gaps), (told.longest, _seconds(row.longest_gap_ms)), (told.duplicates, row.duplicates),
            (told.unreadable, row.unreadable), (told.age, _seconds(row.age_ms)),
        ):  # fmt: skip
            if value is not None:
                family.labels(row.feed).set(value)
        for reason, count in row.violations.items():
            told.violations.labels(row.feed, reason).set(count)
    write_to_textfile(str(file), registry)


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1000


def _length(ms: int | None) -> str:
    """``7 s``, ``12 min``, ``3.5 h``."""
    if ms is None:
        return "-"
    if ms < MINUTE_MS:
        return f"{ms / 1000:g} s"
    return f"{ms / MINUTE_MS:.0f} min" if ms < HOUR_MS else f"{ms / HOUR_MS:.1f} h"
