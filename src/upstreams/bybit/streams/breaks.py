"""What may lack of one of Bybit's symbols, whose ids tell nothing of what lies between them: breaks, and what an answer
with the newest trades proves of each.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice

import msgspec

from cryptoproxy.upstreams.answers.values import Number
from cryptoproxy.upstreams.streaming.gaps import GRACE_MS, MOST_TRIES, RETRY_MS, Recorded
from cryptoproxy.upstreams.streaming.stream import AHEAD_MS, Mark
from cryptoproxy.upstreams.streaming.trade_stream import Known

MOST_SEEN = 4_000
"""Ids that are remembered of each symbol."""


MOST_BEFORE = 20
"""Ids from before a break that are looked for, the newest."""
MOST_BREAKS = 50
"""Of a symbol. Of more the oldest are given up: Bybit's newest trades do not reach back to them any more."""


class Recent(msgspec.Struct, rename="camel", gc=False):
    """A row of ``recent-trade``."""

    exec_id: str
    time: int
    side: str
    size: Number
    price: Number
    is_block_trade: bool = False
    seq: int | None = None


@dataclass(slots=True, eq=False)
class Break:
    """A moment at which something may lack."""

    before: Collection[str]
    """Ids from before it; one of them in an answer proves that it reaches back far enough."""
    after: Mark
    first: Mark
    """What came first behind it: an answer without it is older than the break."""
    why: str
    due_ms: int
    tries: int = 0
    brought: int = 0
    lost: bool = False
    record: Recorded | None = None


class Symbol(Known):
    """One."""

    def __init__(self, symbol: str) -> None:
        super().__init__(symbol)
        self.seen: dict[str, None] = {}
        self.mark: Mark | None = None
        self.why = ""
        """Of a break before the next trade; empty where there is none."""
        self.late = False
        """Something broke since the newest trades were asked for: their answer may be older than that."""
        self.breaks: list[Break] = []
        self.over: list[Break] = []
        """Those that are decided, and not told yet."""

    @property
    def last(self) -> Mark | None:
        return self.mark

    def broke(self, why: str) -> None:
        """Something may lack before the next trade."""
        self.why = self.why or why
        self.late = True

    def remember(self, trade_id: str) -> bool:
        """Whether it is new."""
        seen = self.seen
        if trade_id in seen:
            return False
        seen[trade_id] = None
        if len(seen) > MOST_SEEN:
            del seen[next(iter(seen))]
        return True

    def follow(self, trade_id: str, at_ms: int, now_ms: int) -> None:
        """A trade that is new; the first one behind a break begins to be proved."""
        if self.why:
            if self.mark is not None:
                before = frozenset((self.mark.id, *islice(reversed(self.seen), MOST_BEFORE)))
                first = Mark(trade_id, min(at_ms, now_ms + AHEAD_MS))
                self.breaks.append(Break(before, self.mark, first, self.why, now_ms + GRACE_MS))
                if len(self.breaks) > MOST_BREAKS:
                    self.breaks[0].lost = True
                    self._decide(self.breaks[0])
            self.why, self.look_ms = "", 0
        self.remember(trade_id)
        self.mark = Mark.behind(self.mark, trade_id, at_ms, now_ms)

    def wants(self, now_ms: int) -> bool:
        """Whether its newest trades shall be asked for."""
        return any(one.due_ms <= now_ms for one in self.breaks) or 0 < self.look_ms <= now_ms

    def weigh(self, one: Break, rows: Sequence[Recent], new: Sequence[Recent], now_ms: int) -> None:
        """What an answer proves of a break.

        Args:
            rows: oldest first.
            new: those of them that have not come before.
        """
        ids = {row.exec_id for row in rows}
        one.brought += sum(1 for row in new if one.after.at_ms <= row.time <= one.first.at_ms)
        if not ids.isdisjoint(one.before):
            if one.first.id in ids:
                self._decide(one)
                return
            # Older than the break; what it brings stands behind what was there. So the next answer, which reaches back
            # less far, need only reach to that.
            behind = [row.exec_id for row in rows if row.time <= one.first.at_ms]
            one.before = {*one.before, *behind[-MOST_BEFORE:]}
        if one.due_ms > now_ms:  # it was asked for something else, and may know less than the stream
            return
        one.tries += 1
        one.due_ms = now_ms + RETRY_MS * 2**one.tries
        reaches_on = one.first.id in ids or bool(rows and rows[0].time > one.first.at_ms)
        if reaches_on or one.tries >= MOST_TRIES:  # there are older ones, and Bybit does not give them any more
            one.lost = True
            self._decide(one)

    def give_up(self) -> None:
        """Nothing can be asked for."""
        self.look_ms = 0
        for one in list(self.breaks):
            one.lost = True
            self._decide(one)

    def _decide(self, one: Break) -> None:
        self.breaks.remove(one)
        self.over.append(one)
