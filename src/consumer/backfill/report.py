"""An outcome in a table, as JSON, and as the commands that mend it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from rich.table import Table

from cryptoproxy.common.record import NOWHERE, iso
from cryptoproxy.consumer.backfill.compare import Difference
from cryptoproxy.consumer.backfill.reconcile import Outcome
from cryptoproxy.consumer.backfill.span import Span, written

_ROWS = 200


def mending(outcome: Outcome, *, command: Sequence[str]) -> list[str]:
    """The replays that bring back what is missing, ready to paste: one for each stretch of hours of a source.

    Args:
        command: how this program was called, up to the name of the command.
    """
    stretches: list[tuple[str, Span]] = []
    for (source, hour), found in sorted(outcome.hours.items()):
        if not found.missing.count:
            continue
        part = outcome.span.cut(hour)
        if stretches and stretches[-1][0] == source and stretches[-1][1].end_ms == part.begin_ms:
            stretches[-1] = (source, Span(stretches[-1][1].begin_ms, part.end_ms))
        else:
            stretches.append((source, part))
    return [
        # Not resumed: what an earlier replay of just this range has done is what is missing now.
        f"{shlex.join(command)} replay --from {written(span.begin_ms)} --to {written(span.end_ms)} "
        f"--source {source} --no-resume"
        for source, span in stretches
    ]


def table(outcome: Outcome) -> Table:
    """The hours that differ, and the sum of all."""
    made = Table("source", "hour (UTC)", title=f"{outcome.span}, lake against documents and dead letters")
    for name in ("lake", "documents", "dead letters", "missing", "not in the lake"):
        made.add_column(name, justify="right")
    differing = outcome.differing
    for (source, hour), found in list(differing.items())[:_ROWS]:
        made.add_row(source, f"{written(hour)}", *_cells(found))
    if len(differing) > _ROWS:
        made.add_row("…", f"{len(differing) - _ROWS} more hours")
    made.add_section()
    for source in sorted({source for source, _ in outcome.hours}):
        of_source = [each for (name, _), each in outcome.hours.items() if name == source]
        bad = sum(1 for each in of_source if not each.agrees)
        said = f"all {len(of_source)} hours agree" if not bad else f"{bad} of {len(of_source)} hours differ"
        made.add_row(source, said, *_sums(of_source))
    return made


def _cells(found: Difference) -> list[str]:
    counts = (found.lake, found.documents, found.dead_letters, found.missing.count, found.extra.count)
    return [f"{count:,}" for count in counts]


def _sums(hours: Sequence[Difference]) -> list[str]:
    columns = zip(
        *((each.lake, each.documents, each.dead_letters, each.missing.count, each.extra.count) for each in hours),
        strict=True,
    )
    return [f"{sum(column):,}" for column in columns]


def as_json(outcome: Outcome, *, mend: Sequence[str]) -> dict[str, Any]:
    """All of it. Ids are listed up to a thousand an hour."""
    return {
        "from": iso(outcome.span.begin_ms),
        "to": iso(outcome.span.end_ms),
        "agrees": outcome.agrees,
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
            for (source, hour), found in outcome.hours.items()
        ],
        "unreadable_in_lake": [str(fault)[:1000] for fault in outcome.faults],
        "dead_letters_without_id": [
            {"topic": topic, "partition": partition, "count": count}
            for (topic, partition), count in sorted(outcome.dead.undecodable.items())
        ],
        "mend": list(mend),
    }


def words(outcome: Outcome, *, mend: Sequence[str], left_out_from_ms: int | None) -> list[str]:
    """What is said below the table."""
    said = []
    if not outcome.hours:
        said.append("Neither the lake nor the index has anything of this range.")
    if left_out_from_ms is not None:
        said.append(f"Left out, since it may still be on its way: slots from {written(left_out_from_ms)} on.")
    for (topic, partition), count in sorted(outcome.dead.undecodable.items()):
        where = f"of {topic} partition {partition}" if partition != NOWHERE else f"that never got onto {topic}"
        said.append(f"{count} dead letters {where} have no id (of all times).")
    if outcome.faults:
        said.append(f"{len(outcome.faults)} objects or lines of the lake cannot be read, so nothing is proved of them.")
    if any(found.extra.count for found in outcome.hours.values()):
        said.append(
            "Documents that are not in the lake: the poller's outbox may still hold them for S3 "
            "(cryptoproxy_outbox_polls), or something else writes to topic or index. A replay does not mend that."
        )
    if mend:
        said += ["To mend what is missing:", *(f"  {line}" for line in mend)]
    return said
