"""Ids in the lake = documents + dead letters, by source and hour.

Every id is looked at. On demand (``quick``) hours whose counts agree and that no dead letter is about are taken as
equal: one record that is missing and another that is too many cancel out there. What is younger than a grace is left
out: it may still be on its way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cryptoproxy.common.errors import OperatorError
from cryptoproxy.consumer.backfill.compare import Difference, compare
from cryptoproxy.consumer.backfill.display import Display
from cryptoproxy.consumer.backfill.documents import Documents
from cryptoproxy.consumer.backfill.letters import DeadIds
from cryptoproxy.consumer.backfill.span import Span
from cryptoproxy.lake.form import Fault, Form


@dataclass(slots=True)
class Outcome:
    """What a range comes to."""

    span: Span
    hours: dict[tuple[str, int], Difference] = field(default_factory=dict)
    """By source and begin of the hour, in this order."""
    faults: list[Fault] = field(default_factory=list)
    """What of the lake cannot be read, so that nothing is proved of it."""
    dead: DeadIds = field(default_factory=DeadIds)
    quick: bool = False
    """Hours whose counts agree were taken as equal."""

    @property
    def agrees(self) -> bool:
        return not self.faults and all(hour.agrees for hour in self.hours.values())

    @property
    def differing(self) -> dict[tuple[str, int], Difference]:
        return {place: hour for place, hour in self.hours.items() if not hour.agrees}


def reconcile(
    archive: Form,
    documents: Documents,
    dead: DeadIds,
    *,
    span: Span,
    sources: Sequence[str] | None,
    quick: bool,
    display: Display,
) -> Outcome:
    """Compares all of ``span``.

    Raises:
        TransientError, OperatorError: one of the two sides cannot be read.
    """
    outcome = Outcome(span, dead=dead, quick=quick)
    if span.empty:
        return outcome
    documents.refresh()
    counts = documents.counts(span, sources)
    there = archive.sources()
    wanted = there if sources is None else sources
    if unknown := sorted(set(wanted) - set(there) - {source for source, _ in counts}):
        raise OperatorError(
            f"neither lake nor index has anything of {', '.join(unknown)}",
            remedy=f"The lake knows {', '.join(there) or 'no source'}",
        )
    places = sorted({(each, hour) for each in wanted for hour in archive.hours(each, span)} | counts.keys())
    display.begin(len(places))

    said: set[tuple[str, int | None]] = set()

    def report(fault: Fault) -> None:
        if (fault.key, fault.number) not in said and not dead.has_line(fault.line):
            said.add((fault.key, fault.number))
            outcome.faults.append(fault)
            display.say(f"poison: {str(fault)[:1000]}")

    for source, hour in places:
        part, count = span.cut(hour), counts.get((source, hour), 0)
        if quick and not dead.of(source, hour) and _number(archive, source, part, report) == count:
            difference = Difference(count, count)
        else:
            ids = ((each.slot_ms, each.id) for each in archive.records(source, part, report))
            difference = compare(ids, documents.ids(source, part), dead.of(source, hour))
        outcome.hours[source, hour] = difference
        display.records(difference.lake)
        display.hour_done(source, hour)
    return outcome


def _number(archive: Form, source: str, part: Span, report: Callable[[Fault], None]) -> int:
    return sum(1 for _ in archive.records(source, part, report))
