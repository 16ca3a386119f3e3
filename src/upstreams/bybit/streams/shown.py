"""A book of Bybit's streams as it is shown: prices and sizes in the very texts that came, for those who are shown it
again. Clients find a level by its text, so that ``63125.50`` may not become ``63125.5``.

It is whole from a snapshot on while ``u`` goes up by one and ``seq`` does not go back; else nothing of it is shown. Of
fewer levels than it has, what others would see of it is told as snapshots and changes as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

import msgspec

from cryptoproxy.datasets.codec import UNREADABLE
from cryptoproxy.upstreams.answers.refusals import not_spoken
from cryptoproxy.upstreams.bybit.streams.books import FRESH
from cryptoproxy.upstreams.bybit.tickers import UPSTREAM
from cryptoproxy.upstreams.streaming.books import ANEW_MS

Texts = dict[str, str]
"""Sizes by price."""


class _Data(msgspec.Struct, gc=False):
    s: str
    u: int
    b: list[tuple[str, str]] = msgspec.field(default_factory=list)
    a: list[tuple[str, str]] = msgspec.field(default_factory=list)
    seq: int = 0


class ShownFrame(msgspec.Struct, gc=False):
    """A frame of ``orderbook.<levels>.<symbol>``."""

    topic: str
    type: str
    data: _Data
    ts: int = 0
    cts: int = 0

    @property
    def whole(self) -> bool:
        """A snapshot, whatever it is called."""
        return self.type == "snapshot" or self.data.u == FRESH


_frame = msgspec.json.Decoder(ShownFrame)
_encode = msgspec.json.Encoder().encode


def frame_of(body: bytes) -> ShownFrame:
    """Raises:
    TransientError: it is none.
    """
    try:
        found = _frame.decode(body)
    except UNREADABLE as error:
        raise not_spoken(UPSTREAM, body, error) from error
    if not all(map(_is_level, (*found.data.b, *found.data.a))):
        raise not_spoken(UPSTREAM, body, "a level is no price and size")
    return found


def _is_level(texts: tuple[str, str]) -> bool:
    try:
        return all(map(isfinite, map(float, texts)))
    except ValueError:
        return False


class ShownBook:
    """Of one topic."""

    def __init__(self) -> None:
        self.whole = False
        self.update_id = self.sequence = self.ts = self.cts = 0
        self._bids: Texts = {}
        self._asks: Texts = {}

    def take(self, frame: ShownFrame) -> bool:
        """Whether this has changed it: not what is known, nor what does not join on."""
        data = frame.data
        may_be_late = frame.ts <= self.ts + ANEW_MS
        if frame.whole:
            known = data.u != FRESH and (data.seq, data.u) <= (self.sequence, self.update_id)
            if self.whole and known and may_be_late:  # of a connection that follows on this one
                return False
            self._bids, self._asks, self.whole = dict(data.b), dict(data.a), True
        elif not self.whole or (data.u <= self.update_id and data.seq <= self.sequence and may_be_late):
            return False
        elif data.u != self.update_id + 1 or data.seq < self.sequence:
            self.whole = False
            return False
        else:
            for side, levels in ((self._bids, data.b), (self._asks, data.a)):
                for price, size in levels:
                    if float(size):
                        side[price] = size
                    else:
                        side.pop(price, None)
        self.update_id, self.sequence, self.ts, self.cts = data.u, data.seq, frame.ts, frame.cts
        return True

    def __len__(self) -> int:
        """Levels of the longer side."""
        return max(len(self._bids), len(self._asks))

    def top(self, levels: int) -> tuple[Texts, Texts]:
        """The best levels, bids and asks, best first."""
        bids = sorted(self._bids, key=float, reverse=True)[:levels]
        asks = sorted(self._asks, key=float)[:levels]
        return {each: self._bids[each] for each in bids}, {each: self._asks[each] for each in asks}

    def result(self, symbol: str, levels: int) -> Mapping[str, Any]:
        """The ``result`` of ``market/orderbook``."""
        bids, asks = self.top(levels)
        return {
            "s": symbol, "b": list(bids.items()), "a": list(asks.items()),
            "ts": self.ts, "u": self.update_id, "seq": self.sequence, "cts": self.cts,
        }  # fmt: skip

    def snapshot(self, symbol: str, levels: int) -> bytes:
        """As a frame of ``orderbook.<levels>.<symbol>``."""
        return self._frame("snapshot", symbol, levels, *self.top(levels))

    def delta(self, symbol: str, levels: int, before: tuple[Texts, Texts]) -> bytes:
        """The same of what has changed since :meth:`top` gave ``before``."""
        return self._frame("delta", symbol, levels, *map(_changed, before, self.top(levels)))

    def _frame(self, kind: str, symbol: str, levels: int, bids: Texts, asks: Texts) -> bytes:
        data = {
            "s": symbol, "b": list(bids.items()), "a": list(asks.items()),
            "u": self.update_id, "seq": self.sequence,
        }  # fmt: skip
        topic = f"orderbook.{levels}.{symbol}"
        return _encode({"topic": topic, "type": kind, "ts": self.ts, "data": data, "cts": self.cts})


def _changed(before: Texts, now: Texts) -> Texts:
    gone = {price: "0" for price in before if price not in now}
    return gone | {price: size for price, size in now.items() if before.get(price) != size}
