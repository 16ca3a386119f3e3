"""Removes whole index periods that are old enough, and only where the lake has at least as much.

A command of its own with rights of its own: neither poller nor indexer can delete anything.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cryptoproxy.consumer.backfill.display import Display
from cryptoproxy.consumer.backfill.documents import Documents
from cryptoproxy.consumer.backfill.span import Span
from cryptoproxy.lake.archive import Archive, Fault

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one index that is old enough."""

    index: str
    lake: int
    documents: int
    remove: bool
    why: str


def due(indices: Mapping[str, Span], *, keep_ms: int, now_ms: int) -> list[tuple[str, Span]]:
    """The indices whose whole period is older than ``keep_ms``, the oldest first; never one that may still grow."""
    return sorted(
        ((name, span) for name, span in indices.items() if span.end_ms <= now_ms - keep_ms and span.end_ms <= now_ms),
        key=lambda each: each[1],
    )


def decide(index: str, *, lake: int, documents: int, damaged: int) -> Verdict:
    """Whether all of an index can be had from the lake again.

    Args:
        lake: distinct ids of its period in the lake.
        damaged: objects of its period that cannot be read at all.
    """
    if damaged:
        return Verdict(index, lake, documents, False, f"{damaged} objects of the lake are damaged")
    if lake < documents:
        return Verdict(index, lake, documents, False, f"the lake has {documents - lake} fewer")
    return Verdict(index, lake, documents, True, "the lake has them all")


class Retention:
    """Looks at each period that is due, and removes its index unless it is a dry run."""

    def __init__(self, archive: Archive, documents: Documents, display: Display) -> None:
        self._archive = archive
        self._documents = documents
        self._display = display

    def run(self, *, keep_ms: int, now_ms: int, dry_run: bool) -> Iterator[Verdict]:
        """A verdict for each; what it says is done by then.

        Raises:
            TransientError, OperatorError: the lake or Elasticsearch cannot be read. Nothing more is removed.
        """
        old = due(self._documents.indices(), keep_ms=keep_ms, now_ms=now_ms)
        if not old:
            return
        sources = self._archive.sources()
        hours = {
            name: [(hour, source) for source in sources for hour in self._archive.hours(source, span)]
            for name, span in old
        }
        self._display.begin(sum(map(len, hours.values())))
        self._documents.refresh()
        for name, span in old:
            lake, damaged = self._in_lake(span, sorted(hours[name]))
            # Counted last: reading the lake takes long, and what a replay wrote meanwhile counts as well.
            verdict = decide(name, lake=lake, documents=self._documents.count(name), damaged=damaged)
            if verdict.remove and not dry_run:
                self._documents.delete(name)
                log.info("removed index %s (%s, %d documents)", name, span, verdict.documents)
            yield verdict

    def _in_lake(self, span: Span, hours: list[tuple[int, str]]) -> tuple[int, int]:
        """(distinct ids, damaged objects) of a period."""
        ids = 0
        damaged: list[Fault] = []

        def report(fault: Fault) -> None:
            # A line that breaks today's contract just does not count; a whole object may hold anything.
            if fault.number is None:
                damaged.append(fault)
            self._display.say(f"poison: {str(fault)[:1000]}")

        for hour, source in hours:
            found = sum(1 for _ in self._archive.records(source, span.cut(hour), report))
            ids += found
            self._display.records(found)
            self._display.hour_done(source, hour)
        return ids, len(damaged)
