"""``<source>.book``: the stream that keeps a local book of each symbol and tells, slot by slot, how it stood.

A slot is told once the next frame has come and joins on: then the book is known to have stood so at that moment, by the
upstream's own time of both frames. A frame that does not join on leaves the slots before it without a record: they are
counted by why, and when there is a record again the time in between is told as a gap, which is never mended, since no
upstream tells how its book was.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

import msgspec

from cryptoproxy.datasets import BOOK, Book, Feed, Gap, from_iso, iso
from cryptoproxy.datasets.dataset import AnyRecord
from cryptoproxy.errors import SettingsError, TransientError
from cryptoproxy.upstreams.answers.gathering import usable_id
from cryptoproxy.upstreams.answers.quotes import UNKNOWN
from cryptoproxy.upstreams.base import Rejected, Response, SymbolList
from cryptoproxy.upstreams.streaming.books import BookChange, BookOwner, LocalBook, lacks, record
from cryptoproxy.upstreams.streaming.stream import Batch, Gathered, Left, Mark, Venue

B = TypeVar("B", bound=LocalBook)
SILENT_MS = 10_000
"""Without a frame for so long a stream is suspected: an asset that is traded has another book by then."""
SKEW_MS = 5_000
"""By so much a frame may be ahead of what we take for the upstream's time; what is more is no time of a frame."""
NO_QUOTE, ANEW, CLOCK = "no_quote", "anew", "clock"
"""Why a slot of a proven book has no record, beside what it ``lacks``: no quote is told yet; the whole book was told
anew, and when what is new in it happened is not known; the frame after it has no time, or none that can be."""
RETRY_MS, LONGEST_RETRY_MS = 1_000, 60_000
"""After a try; twice as long with each in a row."""
STOOD_MS, ROW_MS = 5_000, 10_000


class Wish:
    """What is asked of the upstream until it is there. A try counts whether it has helped or not: what is lost again at
    once is not asked for again at once. A new row begins with what has stood for :data:`STOOD_MS`, and with a try that
    comes :data:`ROW_MS` after it might have."""

    def __init__(self) -> None:
        self.since_ms = 0
        """Since when it is wanted; 0 while it is not."""
        self.tries = 0
        """In a row."""
        self._next_ms = 0
        self._row_ms = 0
        """A try after this time begins a new row."""

    def due(self, now_ms: int, *, wanted: bool) -> bool:
        """Whether to ask now."""
        if self.since_ms and not wanted:  # it has come
            self._next_ms = min(self._next_ms, now_ms + STOOD_MS)
            self._row_ms = min(self._row_ms, now_ms + STOOD_MS)
        self.since_ms = (self.since_ms or now_ms) if wanted else 0
        self._next_ms = min(self._next_ms, now_ms + LONGEST_RETRY_MS)  # the clock may have been put back
        return wanted and self._next_ms <= now_ms

    def tried(self, now_ms: int) -> None:
        self.tries = 1 if now_ms > self._row_ms else self.tries + 1
        wait_ms = min(RETRY_MS * 2 ** (self.tries - 1), LONGEST_RETRY_MS)
        self._next_ms, self._row_ms = now_ms + wait_ms, now_ms + wait_ms + ROW_MS

    def put_off(self, now_ms: int) -> None:
        """The upstream refuses it."""
        self._next_ms = now_ms + LONGEST_RETRY_MS


class Kept(Generic[B]):
    """The book of one symbol, and how far its slots are told."""

    def __init__(self, book: B, next_ms: int, last_ms: int) -> None:
        self.book = book
        self.next_ms = next_ms
        """The first slot that is neither told nor missed yet."""
        self.last_ms = last_ms
        """The last one with a record; 0 before the first."""
        self.collected_ms = last_ms
        self.newest_ms = 0
        """The time of the newest frame; one of before it is none."""
        self.missed = 0
        """Slots since then."""
        self.why = ""
        """Of the first of them."""
        self.snapshot = Wish()
        self.look = Wish()
        """For what tells whether anything has happened, of a book that is silent."""


class BookStream(Gathered[AnyRecord], ABC, Generic[B]):
    """What is common to all; an upstream's own module tells its topics, its frames and how a snapshot is got.

    Args:
        interval_ms: between slots.

    Raises:
        SettingsError: a symbol that nobody can have.
    """

    def __init__(
        self,
        *,
        venue: Venue,
        symbols: Sequence[str],
        topic_of: Callable[[str], str],
        symbol_list: SymbolList,
        interval_ms: int,
        sized_in_quote: bool = False,
    ) -> None:
        self.venue, self.upstream = venue, venue.upstream
        self.feed = Feed(venue.name, BOOK.name)
        names = dict.fromkeys(each.upper() for each in symbols)
        if faults := [f"{self.feed.name} has no symbol {each!r}" for each in names if not usable_id(each)]:
            raise SettingsError(faults)
        self.symbol_list = symbol_list
        self.interval_ms = interval_ms
        self._sized_in_quote = sized_in_quote
        super().__init__({topic_of(symbol): symbol for symbol in names})
        self._kept: dict[str, Kept[B]] = {}
        self._gaps: list[Gap] = []
        self._missed: Counter[str] = Counter()

    # --- what an upstream tells

    @abstractmethod
    def _new_book(self) -> B: ...

    @abstractmethod
    def _change(self, body: bytes | msgspec.Raw) -> BookChange:
        """A frame's data.

        Raises:
            TransientError: it is none.
        """

    def used(self, answer: Response) -> int | None:
        return None

    # --- what comes

    @property
    def ready(self) -> bool:
        return bool(self._kept)

    def begin(self, left: Left, *, now_ms: int) -> None:
        """What the holder before has told of last is where the first gap begins."""
        self._records, self._gaps, self._rejected, self._missed = [], [], [], Counter()
        last = {symbol: mark.at_ms for symbol, mark in left.marks.items()}
        for each in left.records:
            if isinstance(each, Book):
                last[each.asset_id] = max(last.get(each.asset_id, 0), from_iso(each.timestamp))
        next_ms = now_ms // self.interval_ms * self.interval_ms + self.interval_ms
        self._kept = {}
        for symbol in self.symbols:
            kept = self._kept[symbol] = Kept(self._new_book(), next_ms, last.get(symbol, 0))
            if kept.last_ms:
                kept.missed, kept.why = max(0, (next_ms - kept.last_ms) // self.interval_ms - 1), "handover"

    def cut(self, topics: Sequence[str], *, now_ms: int) -> None:
        for symbol in filter(None, map(self._symbol_of.get, topics)):
            if symbol in self._kept:
                self._kept[symbol].book.lose("cut")

    def take(self, data: Mapping[str, Sequence[bytes | msgspec.Raw]], *, now_ms: int) -> None:
        for topic, bodies in data.items():
            symbol = self._symbol_of.get(topic)
            if symbol is None or symbol not in self._kept:
                continue
            kept = self._kept[symbol]
            for body in bodies:
                try:
                    change = self._change(body)
                except TransientError as error:
                    # Whether it was a change is told by the number of the next one.
                    self._rejected.append(Rejected("bad_frame", symbol, str(error)))
                    continue
                self._enter(symbol, kept, change, now_ms)

    def _enter(self, symbol: str, kept: Kept[B], change: BookChange, now_ms: int) -> None:
        book, upto_ms = kept.book, now_ms
        if change.time_ms is not None and kept.newest_ms <= change.time_ms <= now_ms + SKEW_MS:
            kept.newest_ms = upto_ms = change.time_ms
            if book.joins(change):
                self._tell(symbol, kept, upto_ms, now_ms)
        else:
            change = change._replace(time_ms=None)
        why, ladder, number = book.why, book.ladder, book.update_id
        book.take(change)
        known = not (why or book.why) and book.ladder is ladder and book.update_id == number
        if kept.next_ms <= upto_ms and not known:
            self._miss(kept, upto_ms, why or book.why or (CLOCK if change.time_ms is None else ANEW))

    def _tell(self, symbol: str, kept: Kept[B], upto_ms: int, now_ms: int) -> None:
        """The slots up to this moment, at which the book stood as it is."""
        if kept.next_ms > upto_ms:
            return
        quote = self.symbol_list.quotes.of(symbol)
        asset = BookOwner(self.feed.source, symbol, quote or UNKNOWN, self._sized_in_quote)
        while quote and kept.next_ms <= upto_ms:
            found = record(
                kept.book,
                asset,
                slot_ms=kept.next_ms,
                fetched_at_ms=max(now_ms, kept.next_ms),
                interval_ms=self.interval_ms,
            )
            if found is None:
                break
            if kept.missed and kept.last_ms:
                self._gaps.append(self._gap(asset, kept, now_ms))
            self._records.append(found)
            kept.last_ms, kept.missed = kept.next_ms, 0
            kept.next_ms += self.interval_ms
        if kept.next_ms <= upto_ms:
            self._miss(kept, upto_ms, lacks(kept.book) if quote else NO_QUOTE)

    def _miss(self, kept: Kept[B], upto_ms: int, why: str) -> None:
        """The slots up to this moment have no record."""
        count = (upto_ms - kept.next_ms) // self.interval_ms + 1
        kept.why = kept.why if kept.missed else why
        kept.missed += count
        kept.next_ms += count * self.interval_ms
        self._missed[why] += count

    def _gap(self, asset: BookOwner, kept: Kept[B], now_ms: int) -> Gap:
        return Gap(
            source=asset.source,
            asset_id=asset.asset_id,
            quote=asset.quote,
            kind=BOOK.name,
            state="open",
            timestamp=iso(kept.last_ms),
            until=iso(kept.next_ms),
            fetched_at=iso(now_ms),
            why=kept.why,
            records=kept.missed,
        )

    # --- what is kept

    def collect(self, *, now_ms: int) -> Batch:
        for kept in self._kept.values():
            if kept.next_ms + SILENT_MS < now_ms:
                kept.book.lose("silent")
                self._miss(kept, now_ms - SILENT_MS, kept.book.why)
        moved = {symbol: kept for symbol, kept in self._kept.items() if kept.last_ms > kept.collected_ms}
        marks = {symbol: Mark(str(kept.last_ms), kept.last_ms) for symbol, kept in moved.items()}
        for kept in moved.values():
            kept.collected_ms = kept.last_ms
        newest = max((kept.last_ms for kept in self._kept.values()), default=0)
        batch = Batch(self._records, self._gaps, marks, self._rejected, self._missed, newest)
        self._records, self._gaps, self._rejected, self._missed = [], [], [], Counter()
        return batch
