"""``crypto.live`` for those who listen: changes of books, and bars that are still open, of the symbols that are live.

Binance's frames go on as they came. Bybit's books are kept as they are shown, so that a new subscription begins with a
snapshot, as it does there, and fewer levels can be had of them; while one is not whole nothing of it is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cryptoproxy.common.clock import Clock
from cryptoproxy.datasets import Candle, from_iso, iso
from cryptoproxy.datasets.codec import UNREADABLE
from cryptoproxy.errors import TransientError
from cryptoproxy.serve.road.open_bars import OpenBars
from cryptoproxy.serve.streams.binance import DIFFS
from cryptoproxy.serve.streams.bybit import DEPTHS
from cryptoproxy.serve.streams.hub import Hub
from cryptoproxy.upstreams.binance.candles import BinanceCandles
from cryptoproxy.upstreams.binance.streams import candles as of_binance
from cryptoproxy.upstreams.binance.streams.books import BinanceBook, change_of
from cryptoproxy.upstreams.binance.tickers import NAME
from cryptoproxy.upstreams.bybit.candles import BybitCandles
from cryptoproxy.upstreams.bybit.streams import candles as of_bybit
from cryptoproxy.upstreams.bybit.streams.shown import ShownBook, frame_of
from cryptoproxy.upstreams.bybit.symbols import Category
from cryptoproxy.upstreams.bybit.tickers import UPSTREAM
from cryptoproxy.upstreams.streaming.candle_stream import Closed
from cryptoproxy.upstreams.streaming.stream import AHEAD_MS

_OF_BINANCE = {theirs: ours for ours, theirs in BinanceCandles.intervals.items()}
_OF_BYBIT = {theirs: ours for ours, theirs in BybitCandles.intervals.items()}
LOAD_SECONDS = 30.0
RECEIVED, TOPIC = "received-at", "topic"
"""Headers."""


class Live:
    """Of the door's loop, but for what is read."""

    def __init__(self, hub: Hub, bars: OpenBars, clock: Clock) -> None:
        self._hub, self._bars, self._clock = hub, bars, clock
        self._loaded: dict[str, float] = {}
        self.heard: dict[tuple[str, str], int] = {}
        """When each topic was heard last, ms."""
        self.books: dict[str, BinanceBook] = {}
        """Of Binance, by symbol; without a snapshot they only keep frames."""
        self.shown: dict[tuple[str, str], tuple[int, ShownBook]] = {}
        """Of Bybit, by venue and symbol: levels, and the book."""
        self._told: dict[tuple[str, str], int] = {}
        """The begin of the bar that was last told as closed."""

    def take(self, records: Sequence[Any]) -> int:
        """Of the topic; how many are none."""
        strange = 0
        for record in records:
            try:
                venue, _, symbol = record.key.decode().partition(":")
                headers = dict(record.headers)
                topic = headers[TOPIC].decode()
                self._take(venue, symbol, topic, bytes(record.value), int(headers[RECEIVED]))
            except (AttributeError, TypeError, ValueError, KeyError, TransientError, *UNREADABLE):
                strange += 1
        return strange

    def _take(self, venue: str, symbol: str, topic: str, body: bytes, at_ms: int) -> None:
        if venue == NAME:
            if "@depth" in topic:
                self.books.setdefault(symbol, BinanceBook()).take(change_of(body))
                for name in DIFFS:
                    self._hub.tell(venue, f"{symbol.lower()}@{name}", body)
            else:
                bar, closed = of_binance.bar_of(body)
                interval = _OF_BINANCE[topic.partition("@kline_")[2]]
                self._bar(topic, _candle(venue, symbol, interval, bar), body, closed=closed)
        elif topic.startswith("orderbook."):
            self._book(venue, symbol, topic, body)
        else:
            interval, inverse = _OF_BYBIT[topic.split(".")[1]], venue == f"{UPSTREAM}-{Category.INVERSE}"
            for bar, closed in of_bybit.bars_of(body, inverse=inverse):
                self._bar(topic, _candle(venue, symbol, interval, bar), body, closed=closed)
        self.heard[venue, topic] = at_ms

    def is_new(self, venue: str, topic: str, within_ms: int) -> bool:
        """Whether it was heard a moment ago: what is older is no book to trade by."""
        return self._clock.now_ms() - self.heard.get((venue, topic), 0) <= within_ms

    # --- bars

    def _bar(self, topic: str, candle: Candle | None, body: bytes, *, closed: bool) -> None:
        if candle is None or not self.is_new_bar(candle.source, topic, from_iso(candle.timestamp), closed=closed):
            return
        if closed:
            self._bars.close(candle)
        else:
            self._bars.show(candle)
        self._hub.tell(candle.source, topic, body)

    def is_new_bar(self, venue: str, topic: str, begin_ms: int, *, closed: bool) -> bool:
        """Whether this is behind the last that was told as closed. Frames and records both tell that a bar has closed:
        the first that comes is told. By one of hours ahead all that comes until then would be taken for told."""
        if not self._told.get((venue, topic), 0) < begin_ms <= self._clock.now_ms() + AHEAD_MS:
            return False
        if closed:
            self._told[venue, topic] = begin_ms
        return True

    # --- books

    def may_load(self, symbol: str) -> bool:
        """Whether a snapshot of a book of Binance may be asked for: each once in a while, as it costs much."""
        now = self._clock.monotonic()
        if now - self._loaded.get(symbol, float("-inf")) < LOAD_SECONDS:
            return False
        self._loaded[symbol] = now
        return True

    def _book(self, venue: str, symbol: str, topic: str, body: bytes) -> None:
        levels = int(topic.split(".")[1])
        _, book = self.shown.setdefault((venue, symbol), (levels, ShownBook()))
        frame = frame_of(body)
        was_whole = book.whole
        less = [n for n in DEPTHS if n < levels and self._hub.wants(venue, f"orderbook.{n}.{symbol}")]
        before = {n: book.top(n) for n in less} if was_whole else {}
        if not book.take(frame):
            return
        self._hub.tell(venue, topic, body)
        for n in less:
            if n == 1:
                if before.get(n) != book.top(n):
                    self._hub.tell(venue, f"orderbook.1.{symbol}", book.snapshot(symbol, n))
            elif frame.whole or n not in before:
                self._hub.tell(venue, f"orderbook.{n}.{symbol}", book.snapshot(symbol, n))
            else:
                self._hub.tell(venue, f"orderbook.{n}.{symbol}", book.delta(symbol, n, before[n]))

    def snapshot(self, venue: str, topic: str) -> bytes | None:
        """What a new subscription to a book of Bybit begins with."""
        _, count, symbol = topic.split(".", 2)
        found = self.shown.get((venue, symbol))
        return found[1].snapshot(symbol, int(count)) if found and found[1].whole else None

    def carries(self, venue: str, topic: str, symbol: str) -> bool:
        """A topic of changes of a book."""
        if venue == NAME:
            return symbol in self.books
        levels, book = self.shown.get((venue, symbol), (0, None))
        return book is not None and book.whole and int(topic.split(".")[1]) <= levels


def _candle(venue: str, symbol: str, interval: str, closed: Closed) -> Candle | None:
    """A bar as an answer has it; it is no record, so its quote is not told."""
    bar = closed.bar
    if bar.open is None or bar.high is None or bar.low is None or bar.close is None:
        return None
    return Candle(
        source=venue,
        asset_id=symbol,
        symbol=symbol,
        quote="",
        interval=interval,  # type: ignore[arg-type]
        timestamp=iso(bar.stamp_ms),
        fetched_at=iso(closed.event_ms),
        open=bar.open,
        high=bar.high,
        low=bar.low,
        close=bar.close,
        base_volume=closed.base_volume,
        quote_volume=closed.quote_volume,
        trades=closed.trades,
        taker_base_volume=closed.taker_base_volume,
        taker_quote_volume=closed.taker_quote_volume,
    )
