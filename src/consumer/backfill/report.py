"""What a reconciliation comes to: in a table, as JSON, and as the commands that mend it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from rich.table import Table

from cryptoproxy.consumer.backfill.reconcile import Difference, Reconciled
from cryptoproxy.datasets import NOWHERE, iso
from cryptoproxy.datasets.times import Span, written

_ROWS = 200


def mending(result: Reconciled, *, command: Sequence[str], dataset: str = "ticker") -> list[str]:
    """The replays that bring back what is missing, ready to paste: one for each stretch of hours of a source.

    Args:
        command: how this program was called, up to the name of the command.
    """
    return [
        # Not resumed: what an earlier replay of just this range has done is what is missing now.
        f"{shlex.join(command)} replay --dataset {dataset} --from {written(span.begin_ms)} --to {written(span.end_ms)} "
        f"--source {source} --no-resume"
        for source, span, _ in _stretches(result, lambda hour: bool(hour.missing.count))
    ]


def table(result: Reconciled, dataset: str = "ticker") -> Table:
    """The stretches of hours that differ in the same way, with what they come to, and the sum of all."""
    made = Table(title=f"{dataset}, {result.span}, lake against documents and dead letters")
    for name in ("source", "hours (UTC)"):
        made.add_column(name, overflow="fold")  # on a narrow terminal broken, never cut
    for name in ("lake", "documents", "dead letters", "missing", "not in the lake"):
        made.add_column(name, justify="right")
    stretches = _stretches(
        result, lambda hour: (bool(hour.missing.count), bool(hour.extra.count)) if not hour.agrees else None
    )
    for source, span, hours in stretches[:_ROWS]:
        made.add_row(source, written(span.begin_ms) if len(hours) == 1 else f"{span} ({len(hours)})", *_sums(hours))
    if len(stretches) > _ROWS:
        made.add_row("…", f"{len(stretches) - _ROWS} more stretches")
    made.add_section()
    for source in sorted({source for source, _ in result.hours}):
        of_source = [each for (name, _), each in result.hours.items() if name == source]
        bad = sum(1 for each in of_source if not each.agrees)
        said = f"all {len(of_source)} hours agree" if not bad else f"{bad} of {len(of_source)} hours differ"
        made.add_row(source, said, *_sums(of_source))
    return made


def _stretches(result: Reconciled, kind: Callable[[Difference], object]) -> list[tuple[str, Span, list[Difference]]]:
    """A source's hours one after the other that are of one ``kind``; those of none (None, False) are left out."""
    found: list[tuple[str, Span, list[Difference]]] = []
    last: object = None
    for (source, hour), difference in sorted(result.hours.items(), key=itemgetter(0)):
        part, this = result.span.cut(hour), kind(difference)
        if this and this == last and found[-1][0] == source and found[-1][1].end_ms == part.begin_ms:
            before = found.pop()
            found.append((source, Span(before[1].begin_ms, part.end_ms), [*before[2], difference]))
        elif this:
            found.append((source, part, [difference]))
        last = this
    return found


def _sums(hours: Sequence[Difference]) -> list[str]:
    columns = zip(
        *((each.lake, each.documents, each.dead_letters, each.missing.count, each.extra.count) for each in hours),
        strict=True,
    )
    return [f"{sum(column):,}" for column in columns]


def as_json(result: Reconciled, *, mend: Sequence[str], dataset: str = "ticker") -> dict[str, Any]:
    """All of it. Ids are listed up to a thousand an hour."""
    return {
        "dataset": dataset,
        "from": iso(result.span.begin_ms),
        "to": iso(result.span.end_ms),
        "agrees": result.agrees,
        "compared": "counts" if result.quick else "ids",
        "hours": [
            {
                "source": source,
                "hour": iso(hour),
                "lake": found.lake,
                "documents": found.documents,
                "dead_letters": found.dead_letters,
                "missing": found.missing.count,
                "missing_ids": found.missing.ids,
                "extra": found.extra.count,
                "extra_ids": found.extra.ids,
            }
            for (source, hour), found in result.hours.items()
        ],
        "unreadable_in_lake": [str(fault)[:1000] for fault in result.faults],
        "dead_letters_without_id": [
            {"topic": topic, "partition": partition, "count": count}
            for (topic, partition), count in sorted(result.dead.undecodable.items())
        ],
        "mend": list(mend),
    }


def words(
    result: Reconciled, *, mend: Sequence[str], left_out_from_ms: int | None, dataset: str = "ticker"
) -> list[str]:
    """What is said below the table, or in its place where it would have no row."""
    said = []
    if not result.hours:
        said.append(f"{dataset}, {result.span}: neither the lake nor the index has anything.")
    if result.quick:
        said.append("Hours whose counts agree were not looked at id by id (--quick), so this is no proof.")
    if left_out_from_ms is not None:
        said.append(f"Left out, since it may still be on its way: slots from {written(left_out_from_ms)} on.")
    for (topic, partition), count in sorted(result.dead.undecodable.items()):
        where = f"of {topic} partition {partition}" if partition != NOWHERE else f"that never got onto {topic}"
        said.append(f"{count} dead letters {where} have no id (of all times).")
    if result.faults:
        said.append(f"{len(result.faults)} objects or lines of the lake cannot be read, so nothing is proved of them.")
    if any(found.extra.count for found in result.hours.values()):
        said.append(
            "Documents that are not in the lake: the poller's outbox may still hold them for S3 "
            "(cryptoproxy_outbox_polls), or something else writes to topic or index. A replay does not mend that."
        )
    if mend:
        said += ["To mend what is missing:", *(f"  {line}" for line in mend)]
    return said
