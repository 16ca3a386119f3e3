"""What streams of trades have in common: symbols and topics, what waits to be kept, and how far each symbol is.

An upstream's own module says what a frame holds, and what proves that nothing lacks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Generic, TypeVar

import msgspec

from cryptoproxy.datasets import Feed, Gap, Trade
from cryptoproxy.datasets.codec import EARLIEST_MS
from cryptoproxy.datasets.times import DAY_MS
from cryptoproxy.errors import SettingsError
from cryptoproxy.upstreams.answers.gathering import usable_id
from cryptoproxy.upstreams.base import Rejected, SymbolList
from cryptoproxy.upstreams.streaming.gaps import GapRecords
from cryptoproxy.upstreams.streaming.stream import Batch, Gathered, Mark, Venue

LOOK_MS = 2_000
"""A symbol without a trade for so long after its topic has come again is asked for what it may have missed."""


class Known(ABC):
    """What is known of one symbol."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.begins: list[int] = []
        """Of the gaps that an earlier holder has left open."""
        self.gaps: GapRecords | None = None
        self.told: Mark | None = None
        """The mark that was collected last."""
        self.look_ms = 0
        """When to look whether it has missed something, since no frame has shown it; 0 for never."""

    @property
    @abstractmethod
    def last(self) -> Mark | None:
        """Its last trade."""


K = TypeVar("K", bound=Known)


class TradeStream(Gathered[Trade], ABC, Generic[K]):
    """One market.

    Args:
        topics: of each symbol.

    Raises:
        SettingsError: a symbol that nobody can have.
    """

    def __init__(self, feed: Feed, venue: Venue, topics: Mapping[str, str], symbol_list: SymbolList) -> None:
        if faults := [f"{feed.name} has no symbol {each!r}" for each in topics if not usable_id(each)]:
            raise SettingsError(faults)
        super().__init__({topic: symbol for symbol, topic in topics.items()})
        self.feed = feed
        self.venue = venue
        self.upstream = venue.upstream
        self.symbol_list = symbol_list
        self._of: dict[str, K] = {}
        """Empty before :meth:`Stream.begin`."""
        self._keys = count(1)

    @property
    def ready(self) -> bool:
        """What lacks is in the list of what is asked for from the moment it is found."""
        return bool(self._of)

    def joined(self, topics: Sequence[str], *, now_ms: int) -> None:
        for each in self._known(topics):
            if each.last is not None:
                each.look_ms = now_ms + LOOK_MS

    def collect(self, *, now_ms: int) -> Batch:
        batch = Batch(self._records, rejected=self._rejected)
        self._records, self._rejected = [], []
        gaps: list[Gap] = []
        marks: dict[str, Mark] = {}
        for each in self._of.values():
            if each.gaps is None:
                quote = self._quote_of(each.symbol) or "UNKNOWN"
                each.gaps = GapRecords(
                    source=self.feed.source,
                    asset_id=each.symbol,
                    quote=quote,
                    kind=self.feed.dataset,
                    begins=each.begins,
                )
            gaps += self._gaps_of(each, each.gaps, now_ms)
            if each.last is not None and each.last != each.told:
                each.told = marks[each.symbol] = each.last
        batch.gaps, batch.marks = gaps, marks
        return batch

    @abstractmethod
    def _gaps_of(self, each: K, records: GapRecords, now_ms: int) -> list[Gap]:
        """The records of what was found to lack, and of what was mended, since the last time."""

    def _known(self, topics: Sequence[str]) -> Iterator[K]:
        """Those of these topics."""
        return (self._of[symbol] for topic in topics if (symbol := self._symbol_of.get(topic)) in self._of and symbol)

    def _quote_of(self, symbol: str) -> str | None:
        return self.symbol_list.quotes.of(symbol)

    def _is_time(self, symbol: str, at_ms: int, now_ms: int) -> bool:
        """False, and rejected, for what is in other units than milliseconds."""
        if EARLIEST_MS <= at_ms <= now_ms + DAY_MS:
            return True
        self._reject("bad_time", symbol, f"{at_ms} is no time in milliseconds of a trade")
        return False

    def _reject(self, reason: str, symbol: str, detail: str) -> None:
        self._rejected.append(Rejected(reason, symbol, detail[:300]))

    def _unread(self, symbol: str, error: Exception, body: bytes | msgspec.Raw) -> None:
        self._reject("bad_row", symbol, f"{error}: {bytes(body)[:200]!r}")
