"""Each second what a stream has gathered becomes a batch in the outbox: its gaps first, then its records, its marks.

What the outbox does not take now is held and tried again; the stream is paused meanwhile, and what it misses is a gap
that is mended later. So never more than one batch of a stream waits in memory.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass

from cryptoproxy.common.log import Limited
from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.datasets import GAP, Feed
from cryptoproxy.producer.feeds.lines import lines_of
from cryptoproxy.producer.feeds.stream.marks import Marks
from cryptoproxy.producer.outbox import Entry, Outbox, OutboxFullError
from cryptoproxy.producer.statistics import RejectedLog
from cryptoproxy.upstreams.chain import HANDOVER, HOLE, RECONNECT
from cryptoproxy.upstreams.stream import Batch, Stream

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Keeper:
    """Of one stream.

    Args:
        kept: told of each entry of records before a drain can see it, and of its size.
    """

    stream: Stream
    _: KW_ONLY
    outbox: Outbox
    marks: Marks
    metrics: PollerMetrics
    monotonic: Callable[[], float]
    kept: Callable[[Entry, float, int], None]

    def __post_init__(self) -> None:
        self.feed = self.stream.feed
        self.name = self.feed.name
        self.held: Batch | None = None
        """A batch that the outbox has not taken."""
        self.why = ""
        """Why not."""
        self.metrics.begin(self.name, self.outbox.last_slot(self.name))
        for why in (HOLE, RECONNECT, HANDOVER):
            self.metrics.gaps_opened.labels(self.name, why)
        self.metrics.gaps_mended.labels(self.name)
        self._rejected_log = RejectedLog(self.name, most=1_000)
        self._often = Limited(log, seconds=60, clock=self.monotonic)

    def forget(self) -> None:
        """Another process goes on from what is published: what is held here, it asks for."""
        self.held, self.why = None, ""

    def keep(self, batch: Batch, *, slot_ms: int) -> bool:
        """Keeps it, or what is held from the last time. False if the outbox does not take it now.

        Args:
            slot_ms: the second that it stands for; polls that come so fast share an object of the lake.
        """
        self.held = batch
        try:
            self._keep(batch, slot_ms)
        except OutboxFullError as error:
            self.why = str(error)
        except OSError as error:
            self.why = f"the outbox {self.outbox.folder} cannot be written: {error}. Free its disk, or mend its rights"
        else:
            self.held, self.why = None, ""
        return self.held is None

    def _keep(self, batch: Batch, slot_ms: int) -> None:
        arrived = self.monotonic()
        self.marks.open()
        gap_feed = Feed(self.feed.source, GAP.name)
        for lines in lines_of(gap_feed, batch.gaps)[0]:
            self.outbox.keep(gap_feed, lines.content, begin_ms=lines.begin_ms, before_drains=self.marks.entered)
        parts, refused = lines_of(self.feed, batch.records)

        def entered(entry: Entry) -> None:
            self.marks.entered(entry)
            self.kept(entry, arrived, len(lines.content))

        for lines in parts:
            self.outbox.keep(self.feed, lines.content, begin_ms=lines.begin_ms, slot_ms=slot_ms, before_drains=entered)
        self.marks.close(batch.marks)
        self._count(batch, sum(lines.records for lines in parts), slot_ms)
        for row in [*batch.rejected, *refused]:
            self.metrics.rows_rejected.labels(self.name, row.reason).inc()
        self._rejected_log.say([*batch.rejected, *refused])

    def _count(self, batch: Batch, records: int, slot_ms: int) -> None:
        self.metrics.records_polled.labels(self.name).inc(records)
        self.metrics.polls.labels(self.name).inc()
        self.metrics.last_poll.labels(self.name).set(slot_ms / 1000)
        for gap in batch.gaps:
            if gap.state == "open":
                self.metrics.gaps_opened.labels(self.name, gap.why).inc()
                log.warning(
                    "%s: %s lacks %s from %s to %s (%s)",
                    self.name, gap.asset_id, "something" if gap.records is None else f"{gap.records} records",
                    gap.timestamp, gap.until, gap.why,
                )  # fmt: skip
            else:
                self.metrics.gaps_mended.labels(self.name).inc()
                log.info(
                    "%s: what %s lacked from %s to %s is there: %d records (%s)",
                    self.name, gap.asset_id, gap.timestamp, gap.until, gap.records or 0, gap.why,
                )  # fmt: skip
