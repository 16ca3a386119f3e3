"""Records of the road for those who listen: each is read and rendered where somebody hears it, and only there.

A topic is carried when something of it has come since a little before the door's start. What comes late (what mended a
gap, history) is behind what was told, and is not told as new.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cryptoproxy.common.clock import Clock
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.datasets import BOOK, CANDLE, TICKER, TRADE, Book, Candle, Dataset, Ticker, Trade, from_iso
from cryptoproxy.datasets.contracts.candle import STEPS, end_of
from cryptoproxy.datasets.times import moment_of
from cryptoproxy.errors import PoisonError
from cryptoproxy.serve.road.flow import Flow
from cryptoproxy.serve.road.open_bars import OpenBars
from cryptoproxy.serve.streams.binance import ALL_MINI, PARTIAL
from cryptoproxy.serve.streams.hub import Hub
from cryptoproxy.serve.streams.live import Live
from cryptoproxy.upstreams.binance.candles import BinanceCandles
from cryptoproxy.upstreams.binance.streams import frames as binance
from cryptoproxy.upstreams.binance.tickers import NAME
from cryptoproxy.upstreams.bybit.candles import BybitCandles
from cryptoproxy.upstreams.bybit.streams import frames as bybit
from cryptoproxy.upstreams.bybit.symbols import Category
from cryptoproxy.upstreams.bybit.tickers import UPSTREAM
from cryptoproxy.upstreams.streaming.stream import AHEAD_MS

_MARKETS: Mapping[str, Category] = {f"{UPSTREAM}-{market}": market for market in Category}
_LATE_MS = 60_000
"""What is older is of the past; of bars, what ended three of their own lengths and so long ago."""
_MONTH_MS = 31 * 86_400_000


class Records:
    """Of the door's loop, but for what is read."""

    def __init__(self, hub: Hub, live: Live, bars: OpenBars, kafka: Kafka, clock: Clock, *, flow: Flow) -> None:
        self._hub, self._live, self._bars, self._flow, self._clock = hub, live, bars, flow, clock
        self._of = {
            topic: (dataset, part)
            for dataset in (TRADE, CANDLE, BOOK, TICKER)
            for topic, part in ((kafka.topic_of(dataset, name), name) for name in dataset.parts)
        }
        self.seen: set[tuple[str, str, str]] = set()
        """Source, dataset (and part), symbol."""
        self._last: dict[tuple[str, str], int] = {}
        """The time of the trade that was told last."""

    def take(self, records: Sequence[Any]) -> int:
        """Of one partition; how many are none."""
        if not records or (found := self._of.get(records[0].topic)) is None:
            return 0
        dataset, part = found
        name = f"{dataset.name}-{part}" if part else dataset.name
        by_asset: dict[tuple[str, str], list[bytes]] = {}
        for record in records:
            if record.key is None or record.value is None:
                continue
            source, _, rest = record.key.decode("utf-8", "replace").partition(":")
            asset = rest.rpartition(":")[0]
            by_asset.setdefault((source, asset), []).append(record.value)
        strange = 0
        minis: list[bytes] = []
        for (source, asset), values in by_asset.items():
            if source != NAME and source not in _MARKETS:
                continue
            self.seen.add((source, name, asset))
            found_of = _Read(dataset, values)
            try:
                if dataset is TRADE:
                    self._trades(source, asset, found_of)
                elif dataset is CANDLE:
                    self._bars_of(source, asset, part, found_of)
                elif source == NAME and dataset is BOOK:
                    self._books(asset, found_of)
                elif source == NAME:
                    self._minis(asset, found_of, minis)
            except (ValueError, TypeError, KeyError):  # somebody else's id, of which no frame can be made
                strange += 1
            strange += found_of.strange
        if minis:
            for topic in ALL_MINI:
                self._hub.tell(NAME, topic, b"[" + b",".join(minis) + b"]")
        return strange

    def _trades(self, source: str, asset: str, read: _Read) -> None:
        if source == NAME:
            self._flow.take_trades(asset, read.values)
        topic = f"{asset.lower()}@aggTrade" if source == NAME else f"publicTrade.{asset}"
        if not self._hub.wants(source, topic):
            self._last.pop((source, topic), None)
            return
        new: list[Trade] = []
        now_ms = self._clock.now_ms()
        oldest_ms = now_ms - _LATE_MS  # history may be the first that comes
        for trade in read.records():
            at_ms = moment_of(trade.timestamp)
            if at_ms >= self._last.get((source, topic), oldest_ms):
                new.append(trade)
                if at_ms <= now_ms + AHEAD_MS:
                    self._last[source, topic] = at_ms
        if source == NAME:
            for trade in new:
                self._hub.tell(source, topic, binance.agg_trade(trade))
        else:
            for frame in bybit.public_trades(new, _MARKETS[source]):
                self._hub.tell(source, topic, frame)

    def _bars_of(self, source: str, asset: str, part: str, read: _Read) -> None:
        intervals = BinanceCandles.intervals if source == NAME else BybitCandles.intervals
        if part not in intervals:
            return
        topic = f"{asset.lower()}@kline_{intervals[part]}" if source == NAME else f"kline.{intervals[part]}.{asset}"
        oldest_ms = self._clock.now_ms() - _LATE_MS - 3 * STEPS.get(part, _MONTH_MS)
        candle: Candle
        for candle in read.records():
            if end_of(candle.timestamp, part) < oldest_ms:
                continue
            self._bars.close(candle)
            if self._live.is_new_bar(source, topic, from_iso(candle.timestamp), closed=True):
                frame = binance.kline(candle) if source == NAME else bybit.kline(candle, _MARKETS[source])
                self._hub.tell(source, topic, frame)

    def _books(self, asset: str, read: _Read) -> None:
        self._flow.take_book(asset, read.values[-1])
        symbol = asset.lower()
        topics = [f"{symbol}@{each}" for each in ("bookTicker", *PARTIAL)]
        if not any(self._hub.wants(NAME, each) for each in topics):
            return
        book: Book
        for book in read.records():
            if self._is_past(book.fetched_at):
                continue
            self._hub.tell(NAME, topics[0], binance.book_ticker(book))
            for name, count in PARTIAL.items():
                if self._hub.wants(NAME, f"{symbol}@{name}"):
                    self._hub.tell(NAME, f"{symbol}@{name}", binance.partial_depth(book, count))

    def _minis(self, asset: str, read: _Read, minis: list[bytes]) -> None:
        topic = f"{asset.lower()}@miniTicker"
        everybody = any(self._hub.wants(NAME, each) for each in ALL_MINI)
        if not everybody and not self._hub.wants(NAME, topic):
            return
        ticker: Ticker
        for ticker in read.records():
            if not self._is_past(ticker.fetched_at) and (frame := binance.mini_ticker(ticker)) is not None:
                self._hub.tell(NAME, topic, frame)
                if everybody:
                    minis.append(frame)

    def _is_past(self, fetched_at: str) -> bool:
        """What a door reads back at its start is no news."""
        return self._clock.now_ms() - moment_of(fetched_at) > _LATE_MS


class _Read:
    """Records of one asset, read when somebody wants them."""

    def __init__(self, dataset: Dataset[Any], values: Sequence[bytes]) -> None:
        self._dataset, self.values = dataset, values
        self.strange = 0

    def records(self) -> list[Any]:
        found = []
        for value in self.values:
            try:
                found.append(self._dataset.codec.decode(value))
            except PoisonError:
                self.strange += 1
        return found
