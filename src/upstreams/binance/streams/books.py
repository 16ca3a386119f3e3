"""Binance spot ``<symbol>@depth@100ms``: what has changed, on top of a snapshot by REST (``/api/v3/depth``).

| frame | |
|---|---|
| ``U``, ``u`` | number of the first and the last change in it |
| ``b``, ``a`` | prices with their new sizes; 0 takes a price out |
| ``E`` | time of the frame |

The rule (web-socket-streams.md, "How to manage a local order book correctly"): keep frames; get a snapshot, a newer one
while its ``lastUpdateId`` is before the first ``U``; drop frames that end by it; from then on each frame begins at most
one after the last change. A frame that the snapshot falls into is applied whole: it tells sizes and no differences.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import msgspec

from cryptoproxy.datasets.codec import UNREADABLE
from cryptoproxy.datasets.contracts.book import LEVELS
from cryptoproxy.upstreams.answers.refusals import not_spoken
from cryptoproxy.upstreams.base import Call, Rejected, Response, SymbolList
from cryptoproxy.upstreams.binance import refusals
from cryptoproxy.upstreams.binance.tickers import NAME, used_weight
from cryptoproxy.upstreams.streaming.book_stream import BookStream
from cryptoproxy.upstreams.streaming.books import DOUBTS, BookChange, Levels, LocalBook
from cryptoproxy.upstreams.streaming.ladder import Ladder
from cryptoproxy.upstreams.streaming.stream import Ask, Venue

WEIGHTS = {100: 5, 500: 25, 1000: 50, 5000: 250}
"""Of a snapshot, by its levels a side."""
PROBE = min(WEIGHTS)
MOST_ASKS = 4
"""At once."""
RETRY_MS, LONGEST_RETRY_MS = 500, 60_000
"""After a snapshot that is not proven; twice as long with each in a row."""
MOST_KEPT = 200
"""Frames without a snapshot to put them on, 20 s of them. Of more the oldest are let go: the snapshot will be newer."""
ANEW_MS = 10_000
"""A frame so much later whose numbers are lower: those before it were wrong, or are counted anew."""
SHORT = 2 * LEVELS
"""Levels of a side below which a new snapshot is asked for, while the book goes on."""


class Depth(msgspec.Struct, gc=False):
    """The data of a frame."""

    s: str
    U: int
    u: int
    b: Levels
    a: Levels
    E: int | None = None


class _Snapshot(msgspec.Struct, rename="camel"):
    last_update_id: int
    bids: Levels
    asks: Levels


_depth = msgspec.json.Decoder(Depth, strict=False)
_snapshot = msgspec.json.Decoder(_Snapshot, strict=False)


def topic(symbol: str) -> str:
    """What to subscribe to."""
    return f"{symbol.lower()}@depth@100ms"


def snapshot_call(base_url: str, symbol: str, levels: int) -> Call:
    """Levels: one of :data:`WEIGHTS`."""
    return Call(f"{base_url.rstrip('/')}/api/v3/depth", {"symbol": symbol, "limit": str(levels)}, cost=WEIGHTS[levels])


def change_of(data: bytes | msgspec.Raw) -> BookChange:
    """The data of a frame of a stream of depth.

    Raises:
        TransientError: it is none.
    """
    try:
        found = _depth.decode(data)
    except UNREADABLE as error:
        raise not_spoken(NAME, bytes(data), error) from error
    if found.u < found.U:
        raise not_spoken(NAME, bytes(data), "its first change comes behind its last")
    return BookChange(found.s, found.b, found.a, found.U, found.u, found.E)


class BinanceBook(LocalBook):
    """See the module. A snapshot is asked for by REST."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: deque[BookChange] = deque(maxlen=MOST_KEPT)
        """The newest frames that the next snapshot is put under, without a hole between them."""
        self.ahead = False
        """Whether the snapshot is newer than every frame that has come: since when the book stands so is not known."""

    @property
    def wants_snapshot(self) -> bool:
        """Not before a frame has come: a snapshot of before it would have to be asked for again. Of a book that nothing
        is heard of a snapshot tells whether anything happened; one that is nearly used up is asked for anew in time.
        """
        if self.why == "silent":
            return True
        return bool(self._kept) if self.why else self._is_short

    @property
    def _is_short(self) -> bool:
        """Whether prices have moved so far that little is left of what the snapshot showed of a side."""
        sides = (self.ladder.bids, self.ladder.asks) if self.ladder else ()
        return any(side.runs_out(SHORT) for side in sides)

    def joins(self, change: BookChange) -> bool:
        return self._may_go_on and not self.ahead and change.first == self.update_id + 1

    def take(self, change: BookChange) -> None:
        self.ahead = self.ahead and change.last < self.update_id
        if self.ladder is None or not self._may_go_on:
            self._keep(change)
        elif change.last > self.update_id:
            if change.first > self.update_id + 1:
                self.lose("hole")
                self._keep(change)
                return
            if self._is_short:
                self._keep(change)
            else:
                self._kept.clear()
            self.why = ""
            self._apply(self.ladder, change)
        elif _begins_anew(change, self.updated_ms):
            self.lose("hole")
            self._keep(change)

    def _keep(self, change: BookChange) -> None:
        if self._kept:
            newest = self._kept[-1]
            known = change.last <= newest.last
            if known and not _begins_anew(change, newest.time_ms):
                return
            if known or change.first > newest.last + 1:
                self._kept.clear()
        self._kept.append(change)

    def load(self, body: bytes, levels: int) -> bool:
        """A snapshot; whether it is proven. It is by the frames that are kept, of which the first that ends after it
        must not begin later than next. A book in doubt is proven by one that ends where it does.

        Args:
            levels: how many were asked for.

        Raises:
            TransientError: it is none.
        """
        try:
            found = _snapshot.decode(body)
        except UNREADABLE as error:
            raise not_spoken(NAME, body, error) from error
        last, kept = found.last_update_id, list(self._kept)
        if self.why in DOUBTS:
            self.why = "" if last == self.update_id else self.why
            return self.proven
        if (not kept and not self.proven) or last < (kept[0].first if kept else self.update_id + 1) - 1:
            return False
        self._kept.clear()
        self.ahead = (self.proven and self.ahead) or last > (kept[-1].last if kept else self.update_id)
        self._replace(Ladder(found.bids, found.asks, most=levels, moves=False), last, None)
        for change in kept:
            if not self.why:
                self.take(change)
        return self.proven


def _begins_anew(change: BookChange, before_ms: int | None) -> bool:
    return None not in (change.time_ms, before_ms) and change.time_ms > before_ms + ANEW_MS  # type: ignore[operator]


class BinanceBooks(BookStream[BinanceBook]):
    """``binance.book``.

    Args:
        levels: of a snapshot, one of :data:`WEIGHTS`.
    """

    def __init__(
        self,
        *,
        venue: Venue,
        base_url: str,
        symbols: Sequence[str],
        symbol_list: SymbolList,
        levels: int,
        interval_ms: int,
    ) -> None:
        super().__init__(venue=venue, symbols=symbols, topic_of=topic, symbol_list=symbol_list, interval_ms=interval_ms)
        self._base_url, self._levels = base_url, levels

    def _new_book(self) -> BinanceBook:
        return BinanceBook()

    def _change(self, body: bytes | msgspec.Raw) -> BookChange:
        return change_of(body)

    def asks(self, *, now_ms: int) -> Sequence[Ask]:
        """A few at a time. Whether anything has happened is told by a small one; how often that was of no use delays
        none that is wanted when the stream goes on.
        """
        for kept in self._kept.values():
            if kept.looks != (kept.book.why == "silent"):
                kept.looks, kept.tries, kept.due_ms = not kept.looks, 0, 0
            kept.wanted_ms = (kept.wanted_ms or now_ms) if kept.book.wants_snapshot else 0
        wanted = [(symbol, kept) for symbol, kept in self._kept.items() if kept.wanted_ms and kept.due_ms <= now_ms]
        wanted.sort(key=lambda each: (each[1].tries, each[1].wanted_ms))
        return [
            Ask(symbol, snapshot_call(self._base_url, symbol, PROBE if kept.looks else self._levels))
            for symbol, kept in wanted[:MOST_ASKS]
        ]

    def check(self, answer: Response, *, now_ms: int) -> None:
        refusals.check(answer, now_ms=now_ms)

    def used(self, answer: Response) -> int | None:
        return used_weight(answer)

    def answered(self, ask: Ask, answer: Response, *, now_ms: int) -> None:
        symbol, levels = ask.key, int(ask.call.params["limit"])
        if (kept := self._kept.get(symbol)) is None or not kept.wanted_ms:
            return
        silent = kept.book.why == "silent"
        if levels < self._levels and not silent:
            return  # it was to tell whether anything has happened, which by now is told
        kept.tries += 1
        kept.due_ms = now_ms + min(RETRY_MS * 2**kept.tries, LONGEST_RETRY_MS)
        if kept.book.load(answer.body, levels):
            if silent and not kept.book.ahead:
                self._tell(symbol, kept, kept.wanted_ms, now_ms)
            kept.tries = kept.due_ms = kept.wanted_ms = 0

    def hopeless(self, ask: Ask, why: str, *, now_ms: int) -> None:
        self._rejected.append(Rejected("refused", ask.key, f"its book cannot be asked for: {why}"))
        if ask.key in self._kept:
            self._kept[ask.key].due_ms = now_ms + LONGEST_RETRY_MS
