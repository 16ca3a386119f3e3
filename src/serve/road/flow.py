"""What flows, of Binance's pairs: the newest trades and the last book of each, as they were on their topics.

They are read when somebody asks. Numbers of trades go up by one, so what is told is known to lack none: it is cut
behind the last hole. Bybit's ids prove nothing of the kind, and its trades are not kept here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import pairwise

from cryptoproxy.common.clock import Clock
from cryptoproxy.datasets import BOOK, TRADE, Book, Trade, iso
from cryptoproxy.errors import PoisonError
from cryptoproxy.upstreams.streaming.chain import is_ours, numbers

KEPT, ALL_KEPT = 1_000, 50_000
"""Trades of a pair, as many as Binance tells at once; and of all pairs, each of which has its share of them."""
READ = 8
"""Pairs whose trades stay read until new ones come."""
_PAST_MS = 15 * 60 * 1000
"""History comes on the same topic. What lacked and was brought later is younger than this, or is not missed here."""
_STAMP = b'"timestamp":"'


class Flow:
    """Of the door's loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._trades: dict[str, deque[bytes]] = {}
        self._books: dict[str, bytes] = {}
        self.taken: dict[str, int] = {}
        """How many trades of a pair have come: while it stays the same, so does what is told of them."""
        self._read = lru_cache(maxsize=READ)(self._run)

    def take_trades(self, asset: str, values: Sequence[bytes]) -> None:
        """In the order of the topic."""
        oldest = iso(self._clock.now_ms() - _PAST_MS).encode()
        new = [each for each in values if each[(at := each.find(_STAMP) + len(_STAMP)) : at + 24] > oldest]
        if not new:
            return
        kept = self._trades.setdefault(asset, deque(maxlen=KEPT))
        kept.extend(new)
        while len(kept) > ALL_KEPT // len(self._trades):
            kept.popleft()
        self.taken[asset] = self.taken.get(asset, 0) + len(new)

    def take_book(self, asset: str, value: bytes) -> None:
        self._books[asset] = value

    def trades(self, asset: str) -> Sequence[Trade]:
        """The newest, oldest first, none missing between two of them."""
        return self._read(asset, self.taken.get(asset, 0))

    def _run(self, asset: str, taken: int) -> Sequence[Trade]:
        del taken  # with it an answer of before stays true
        by_number: dict[tuple[int, int], Trade] = {}
        for value in self._trades.get(asset, ()):
            with suppress(PoisonError):
                trade = TRADE.codec.decode(value)
                if is_ours(trade.trade_id):
                    by_number[numbers(trade.trade_id)] = trade
        order = sorted(by_number)
        holes = [place for place, (one, other) in enumerate(pairwise(order), 1) if other[0] > one[0] + 1]
        return [by_number[each] for each in order[holes[-1] if holes else 0 :]]

    def book(self, asset: str) -> Book | None:
        """The last."""
        try:
            return BOOK.codec.decode(self._books[asset])
        except (KeyError, PoisonError):
            return None
