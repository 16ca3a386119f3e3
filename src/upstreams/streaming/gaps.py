"""Gaps of a stream while they are open: how long is waited for what lacks, and the two records of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cryptoproxy.datasets import Gap, iso
from cryptoproxy.upstreams.streaming.stream import Mark

GRACE_MS = 300
"""Frames may come in another order; what lacks is asked for so much later."""
MOST_TRIES = 5
"""So often an answer may lack what it was asked for, each later than the one before, until that is believed."""
RETRY_MS = 1_000
MOST_BEGINS = 1_000
HOLE, RECONNECT, HANDOVER = "hole", "reconnect", "handover"
"""Why there is one."""


@dataclass(slots=True, eq=False)
class Recorded:
    """A gap that has its first record. Its holes may be several by now."""

    gap: Gap
    holes: int = 1
    brought: int = 0
    lost: bool = False
    """Some of it is not to be had: it never gets its second record."""


class GapRecords:
    """Of one asset: makes the records of its gaps, each with a begin of its own, since that is in the id.

    Args:
        begins: of gaps that an earlier holder has left.
    """

    def __init__(self, *, source: str, asset_id: str, quote: str, kind: str, begins: Iterable[int] = ()) -> None:
        self._same = {"source": source, "asset_id": asset_id, "quote": quote, "kind": kind}
        self._begins = dict[int, None].fromkeys(begins)

    def opened(self, *, after: Mark, before: Mark, why: str, records: int | None, now_ms: int) -> Gap:
        """That of a new one. Of several from the same millisecond on all but one begin earlier, which is no lie."""
        begin_ms = after.at_ms
        while begin_ms in self._begins:
            begin_ms -= 1
        self._begins[begin_ms] = None
        if len(self._begins) > MOST_BEGINS:
            del self._begins[next(iter(self._begins))]
        return Gap(
            **self._same,
            state="open",
            timestamp=iso(begin_ms),
            until=iso(max(before.at_ms, begin_ms)),
            fetched_at=iso(now_ms),
            why=why,
            after_id=after.id,
            before_id=before.id,
            records=records,
        )

    @staticmethod
    def mended(gap: Gap, *, records: int, why: str, now_ms: int, upto: Mark | None = None) -> Gap:
        """The second record of ``gap``; with ``upto`` of its begin, since another gap tells of what is left."""
        return Gap(
            source=gap.source,
            asset_id=gap.asset_id,
            quote=gap.quote,
            kind=gap.kind,
            state="mended",
            timestamp=gap.timestamp,
            until=iso(upto.at_ms) if upto else gap.until,
            fetched_at=iso(now_ms),
            why=why,
            after_id=gap.after_id,
            before_id=upto.id if upto else gap.before_id,
            records=records,
        )
