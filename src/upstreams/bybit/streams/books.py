"""Bybit v5 ``orderbook.<levels>.<symbol>``: a snapshot, then what has changed, numbered one by one.

| frame | |
|---|---|
| ``type`` | ``snapshot`` replaces the book at any time, ``delta`` changes it |
| ``data.u`` | number of the frame; 1 after the service has begun anew, which is a snapshot whatever it is called |
| ``data.seq`` | order over all books; it grows, with holes |
| ``data.b``, ``data.a`` | prices with their new sizes; 0 takes a price out |
| ``cts``, else ``ts`` | time of the change, of the frame |

While one connection follows on another both tell the same numbers, and the new one's snapshot may be older than what
the old one has told: one that is not ahead of a proven book changes nothing.

The best ``<levels>`` of a side are shown, always: what moves out of them is taken out by a delta, what moves in is
told. A new snapshot comes to whoever subscribes anew. Of level 1 each frame is a snapshot, and without a change the
last is repeated after 3 s, with its number. Sizes are in base units, of inverse contracts in USD.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from cryptoproxy.datasets.codec import UNREADABLE
from cryptoproxy.upstreams.answers.refusals import not_spoken
from cryptoproxy.upstreams.base import Response, SymbolList
from cryptoproxy.upstreams.bybit import refusals
from cryptoproxy.upstreams.bybit.symbols import Category
from cryptoproxy.upstreams.bybit.tickers import UPSTREAM
from cryptoproxy.upstreams.streaming.book_stream import SKEW_MS, BookStream, Kept
from cryptoproxy.upstreams.streaming.books import BookChange, Levels, LocalBook
from cryptoproxy.upstreams.streaming.ladder import Ladder
from cryptoproxy.upstreams.streaming.stream import Ask, Venue

DEPTHS = (50, 200, 1000)
"""Levels a side that there are streams of, besides 1, whose frames are not numbered one by one."""
FRESH = 1
ANEW = "1000000"
"""A number that no first subscription has: its answer is none to those."""


class _Data(msgspec.Struct, gc=False):
    s: str
    u: int
    b: Levels = msgspec.field(default_factory=list)
    a: Levels = msgspec.field(default_factory=list)
    seq: int = 0


class _Frame(msgspec.Struct, gc=False):
    topic: str
    type: str
    data: _Data
    ts: int | None = None
    cts: int | None = None


_frame = msgspec.json.Decoder(_Frame, strict=False)


def topic(symbol: str, levels: int) -> str:
    """What to subscribe to."""
    return f"orderbook.{levels}.{symbol}"


def change_of(frame: bytes | msgspec.Raw) -> BookChange:
    """A frame of such a topic.

    Raises:
        TransientError: it is none.
    """
    try:
        found = _frame.decode(frame)
        levels = int(found.topic.split(".")[1])
    except (*UNREADABLE, ValueError, IndexError) as error:
        raise not_spoken(UPSTREAM, bytes(frame), error) from error
    data = found.data
    return BookChange(
        data.s,
        data.b,
        data.a,
        data.u,
        data.u,
        found.cts or found.ts,
        data.seq,
        found.type == "snapshot" or data.u == FRESH,
        levels,
        found.ts,
    )


class BybitBook(LocalBook):
    """See the module. A snapshot is got by subscribing anew."""

    def __init__(self) -> None:
        super().__init__()
        self._sequence = 0
        self._cut = False
        """Whether no whole book has come since the connection ended: a new one begins with it, or it was lost."""

    @property
    def wants_snapshot(self) -> bool:
        """A new subscription brings one by itself."""
        return self.why not in ("", "new", "cut")

    def joins(self, change: BookChange) -> bool:
        """Never what is whole: how many changes lie in it is not told where numbers begin anew."""
        follows = change.last == self.update_id + 1 and change.sequence >= self._sequence
        return self._may_go_on and follows and not (change.whole or self._cut)

    def lose(self, why: str) -> None:
        self._cut = self._cut or why == "cut"
        super().lose(why)

    def take(self, change: BookChange) -> None:
        if change.whole and self.proven and self._is_known(change):
            return
        if change.whole:
            self._sequence, self._cut = change.sequence, False
            self._replace(Ladder(change.bids, change.asks, most=change.most, moves=True), change.last, change.time_ms)
        elif self.ladder is not None and self.joins(change):
            self._sequence, self.why = change.sequence, ""
            self._apply(self.ladder, change)
        elif self.ladder is None or (
            self._may_go_on and (change.last > self.update_id or change.sequence > self._sequence)
        ):
            self.lose("hole")

    def _is_known(self, change: BookChange) -> bool:
        place = change.sequence, change.last
        return change.last != FRESH and change.sequence > 0 and place <= (self._sequence, self.update_id)

    def is_told_again(self, change: BookChange) -> bool:
        """Whether this is the whole book as it is kept."""
        same = (change.sequence, change.last) == (self._sequence, self.update_id)
        return change.whole and same and change.sequence > 0


class BybitBooks(BookStream[BybitBook]):
    """``bybit-linear.book``, and those of the other markets.

    Args:
        levels: one of :data:`DEPTHS`.
    """

    def __init__(
        self,
        market: Category,
        *,
        venue: Venue,
        symbols: Sequence[str],
        symbol_list: SymbolList,
        levels: int,
        interval_ms: int,
    ) -> None:
        super().__init__(
            venue=venue,
            symbols=symbols,
            topic_of=lambda symbol: topic(symbol, levels),
            symbol_list=symbol_list,
            interval_ms=interval_ms,
            sized_in_quote=market is Category.INVERSE,
        )

    def _new_book(self) -> BybitBook:
        return BybitBook()

    def _change(self, body: bytes | msgspec.Raw) -> BookChange:
        return change_of(body)

    def _enter(self, symbol: str, kept: Kept[BybitBook], change: BookChange, now_ms: int) -> None:
        """Where a silent book is told once more, nothing has happened until then."""
        stands = kept.book.why == "silent" and kept.book.is_told_again(change)
        if stands and change.told_ms is not None and change.told_ms <= now_ms + SKEW_MS:
            self._tell(symbol, kept, min(change.told_ms, now_ms), now_ms)
        super()._enter(symbol, kept, change, now_ms)

    def renew(self, *, now_ms: int) -> Mapping[str, Sequence[bytes]]:
        found: dict[str, Sequence[bytes]] = {}
        for name, symbol in self._symbol_of.items():
            kept = self._kept.get(symbol)
            if kept is not None and kept.snapshot.due(now_ms, wanted=kept.book.wants_snapshot):
                kept.snapshot.tried(now_ms)
                found[name] = [
                    msgspec.json.encode({"req_id": ANEW, "op": op, "args": [name]})
                    for op in ("unsubscribe", "subscribe")
                ]
        return found

    # --- no call is asked

    def asks(self, *, now_ms: int) -> Sequence[Ask]:
        return ()

    def check(self, answer: Response, *, now_ms: int) -> None:
        refusals.check(answer, now_ms=now_ms)

    def answered(self, ask: Ask, answer: Response, *, now_ms: int) -> None: ...

    def hopeless(self, ask: Ask, why: str, *, now_ms: int) -> None: ...
