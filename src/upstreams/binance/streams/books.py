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
from cryptoproxy.upstreams.streaming.books import ANEW_MS, DOUBTS, BookChange, Levels, LocalBook
from cryptoproxy.upstreams.streaming.ladder import Ladder
from cryptoproxy.upstreams.streaming.stream import Ask, Venue

WEIGHTS = {100: 5, 500: 25, 1000: 50, 5000: 250}
"""Of a snapshot, by its levels a side."""
PROBE = min(WEIGHTS)
LOOK = "look:"
"""Before the symbol, where a snapshot is to tell only whether anything has happened; no symbol has it."""
MOST_ASKS = 4
"""At once."""
MOST_KEPT = 200
"""Frames without a snapshot to put them on, 20 s of them. Of more the oldest are let go: the snapshot will be newer."""
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
    """See the module. A snapshot is asked for by REST; one that is newer than every frame that has come waits for those
    up to it, or it would not be known since when the book stands so."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: deque[BookChange] = deque(maxlen=MOST_KEPT)
        """The newest frames that the next snapshot is put under, without a hole between them."""
        self._snapshot: tuple[Ladder, int] | None = None
        """One that waits, and its number."""
        self.awaits = False
        """Whether a snapshot of a book that goes on is on its way, by the will of whoever asks for it."""

    @property
    def wants_snapshot(self) -> bool:
        """Not before a frame has come: a snapshot of before it would have to be asked for again. Of a book that nothing
        is heard of a snapshot tells whether anything happened; one that is nearly used up is asked for anew in time.
        """
        if self.why in DOUBTS:
            return self.why == "silent"
        return bool(self._kept) if self.why else self._is_short

    @property
    def _is_short(self) -> bool:
        """Whether prices have moved so far that little is left of what the snapshot showed of a side."""
        sides = (self.ladder.bids, self.ladder.asks) if self.ladder else ()
        return any(side.runs_out(SHORT) for side in sides)

    def joins(self, change: BookChange) -> bool:
        return self._may_go_on and change.first <= self.update_id + 1 <= change.last

    def take(self, change: BookChange) -> None:
        if self.ladder is None or not self._may_go_on:
            self._keep(change)
        elif self.joins(change):
            if self.awaits or self._snapshot or self._is_short:
                self._keep(change)
            else:
                self._kept.clear()
            self.why = ""
            self._apply(self.ladder, change)
        elif change.last > self.update_id or _begins_anew(change, self.updated_ms):
            self.lose("hole")
            self._keep(change)
        self._put_under()

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
        """A snapshot; whether it is proven now. It is by the frames that are kept, of which the first that ends after
        it must not begin later than next. A book in doubt is proven by one that ends where it does.

        Args:
            levels: how many were asked for.

        Raises:
            TransientError: it is none.
        """
        try:
            found = _snapshot.decode(body)
        except UNREADABLE as error:
            raise not_spoken(NAME, body, error) from error
        if self.why in DOUBTS:
            self.why = "" if found.last_update_id == self.update_id else self.why
            return self.proven
        ladder = Ladder(found.bids, found.asks, most=levels, moves=False)
        if ladder.crossed:
            if not self.proven:
                self.lose("crossed")
            return False
        if self._snapshot is None or found.last_update_id < self._snapshot[1]:  # the older is the sooner reached
            self._snapshot = ladder, found.last_update_id
        return self._put_under()

    def _put_under(self) -> bool:
        """The snapshot that waits under the frames that are kept, once they have come as far as it."""
        if self._snapshot is None or not (self._kept or self.proven):
            return False
        kept = list(self._kept)
        ladder, last = self._snapshot
        before, newest = (kept[0].first - 1, kept[-1].last) if kept else (self.update_id, self.update_id)
        if last > newest:
            return False
        self._snapshot = None
        if last < before:
            return False
        times = [change.time_ms for change in kept if change.last <= last]
        self._kept.clear()
        self._replace(ladder, last, times[-1] if times else self.updated_ms)
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
        due: list[tuple[int, Ask]] = []
        for symbol, kept in self._kept.items():
            wanted, silent = kept.book.wants_snapshot, kept.book.why == "silent"
            for wish, mine, key, levels in (
                (kept.look, silent, LOOK + symbol, PROBE),
                (kept.snapshot, not silent, symbol, self._levels),
            ):
                if wish.due(now_ms, wanted=wanted and mine):
                    call = snapshot_call(self._base_url, symbol, levels)
                    due.append((wish.tries, Ask(key, call, wish.since_ms)))
        due.sort(key=lambda each: (each[0], each[1].since_ms))
        return [ask for _, ask in due[:MOST_ASKS]]

    def check(self, answer: Response, *, now_ms: int) -> None:
        refusals.check(answer, now_ms=now_ms)

    def used(self, answer: Response) -> int | None:
        return used_weight(answer)

    def answered(self, ask: Ask, answer: Response, *, now_ms: int) -> None:
        symbol, looks = ask.key.removeprefix(LOOK), ask.key.startswith(LOOK)
        if (kept := self._kept.get(symbol)) is None:
            return
        (kept.look if looks else kept.snapshot).tried(now_ms)
        if looks != (kept.book.why == "silent"):
            return  # what it was to tell is told by now, or something else is in question
        if kept.book.load(answer.body, int(ask.call.params["limit"])) and looks:
            self._tell(symbol, kept, ask.since_ms, now_ms)

    def hopeless(self, ask: Ask, why: str, *, now_ms: int) -> None:
        symbol = ask.key.removeprefix(LOOK)
        self._rejected.append(Rejected("refused", symbol, f"its book cannot be asked for: {why}"))
        if (kept := self._kept.get(symbol)) is not None:
            (kept.look if ask.key.startswith(LOOK) else kept.snapshot).put_off(now_ms)
