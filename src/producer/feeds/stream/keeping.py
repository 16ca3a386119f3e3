"""Each second what a stream has gathered becomes a batch in the outbox: gaps that are open, records, gaps that are
mended by them, marks.

What the outbox does not take now is held and tried again; the stream is paused meanwhile, and what it misses is a gap
that is mended later. So never more than one batch of a stream waits in memory.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass

from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.datasets import GAP, Feed
from cryptoproxy.datasets.dataset import AnyRecord
from cryptoproxy.producer.feeds.lines import lines_of
from cryptoproxy.producer.feeds.stream.marks import Marks
from cryptoproxy.producer.outbox import Entry, Outbox, OutboxFullError, Piece
from cryptoproxy.producer.outbox.entry import NO_SLOT
from cryptoproxy.producer.statistics import RejectedLog
from cryptoproxy.upstreams.streaming.gaps import HANDOVER, HOLE, RECONNECT
from cryptoproxy.upstreams.streaming.stream import Batch, Stream

log = logging.getLogger(__name__)

MOST_RECORDS = 10_000
"""In one entry."""
SHARE, BYTES_PER_RECORD = 16, 512
"""Nor more than this part of the outbox, as records weigh at most as a rule."""


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
        """A batch that the outbox has not taken whole."""
        self.why = ""
        """Why not."""
        self._left: deque[list[Piece]] = deque()
        """What of it is left, encoded; each of these is kept whole or not at all."""
        self.metrics.begin(self.name, self.outbox.last_slot(self.name))
        for why in (HOLE, RECONNECT, HANDOVER):
            self.metrics.gaps_opened.labels(self.name, why)
        self.metrics.gaps_mended.labels(self.name)
        self._rejected_log = RejectedLog(self.name, most=1_000)

    def forget(self) -> None:
        """Another process goes on from what is published: what is held here, it asks for."""
        self.held, self.why = None, ""
        self._left.clear()

    def keep(self, batch: Batch, *, slot_ms: int) -> bool:
        """Keeps it, or goes on with what is held. False if the outbox does not take all of it now.

        Args:
            slot_ms: the second that it stands for; polls that come so fast share an object of the lake.
        """
        if self.held is None:
            self.held = batch
            self.marks.open()
            self._left.extend(self._cut_up(batch, slot_ms))
        try:
            while self._left:
                self._keep(self._left[0])
                self._left.popleft()
        except OutboxFullError as error:
            self.why = str(error)
            return False
        except OSError as error:
            self.why = f"the outbox {self.outbox.folder} cannot be written: {error}. Free its disk, or mend its rights"
            return False
        self.marks.close(self.held.marks)
        self._count(self.held, len(self.held.records), slot_ms)
        self.held, self.why = None, ""
        return True

    def _cut_up(self, batch: Batch, slot_ms: int) -> list[list[Piece]]:
        """Into what is kept at once: none is so large that an outbox with some room does not take it."""
        gap_feed = Feed(self.feed.source, GAP.name)
        most = max(1, min(MOST_RECORDS, self.outbox.stops_at // SHARE // BYTES_PER_RECORD))
        rejected = [*batch.rejected]

        def pieces(feed: Feed, records: Sequence[AnyRecord], slot_ms: int = NO_SLOT) -> list[Piece]:
            parts, refused = lines_of(feed, records)
            rejected.extend(refused)
            return [Piece(feed, part.content, part.begin_ms, slot_ms) for part in parts]

        together = [
            pieces(self.feed, batch.records[at : at + most], slot_ms) for at in range(0, len(batch.records), most)
        ] or [[]]
        # A gap is open no later than what lies after it is there, and mended at the moment when the last of what it
        # lacked is: whoever goes on after a kill could not find out, where the upstream tells only what is newest.
        together[0][:0] = pieces(gap_feed, [gap for gap in batch.gaps if gap.state == "open"])
        together[-1] += pieces(gap_feed, [gap for gap in batch.gaps if gap.state != "open"])
        for row in rejected:
            self.metrics.rows_rejected.labels(self.name, row.reason).inc()
        self._rejected_log.say(rejected)
        return [each for each in together if each]

    def _keep(self, pieces: Sequence[Piece]) -> None:
        arrived = self.monotonic()
        known: list[Entry] = []

        def entered(entry: Entry) -> None:
            size = len(pieces[len(known)].content)
            known.append(entry)
            self.marks.entered(entry)
            if entry.feed == self.feed:
                self.kept(entry, arrived, size)

        try:
            self.outbox.keep_all(pieces, before_drains=entered)
        except OSError:
            for entry in known:  # it was taken back, and comes again under another name
                self.marks.published(entry)
            raise

    def _count(self, batch: Batch, records: int, slot_ms: int) -> None:
        self.metrics.records_polled.labels(self.name).inc(records)
        self.metrics.polls.labels(self.name).inc()
        self.metrics.last_poll.labels(self.name).set(slot_ms / 1000)
        for why, slots in batch.missed.items():
            self.metrics.slots_missed.labels(self.name, why).inc(slots)
        for words in batch.apart:
            self.metrics.candles_apart.labels(self.name).inc()
            log.warning("%s: %s", self.name, words)
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
