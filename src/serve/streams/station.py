"""All that is streamed by a door: its topics in, its connections out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from cryptoproxy.common.clock import Clock
from cryptoproxy.common.metrics import ServeMetrics
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.serve.road.flow import Flow
from cryptoproxy.serve.road.newest import Kept, Newest
from cryptoproxy.serve.road.open_bars import OpenBars
from cryptoproxy.serve.streams import binance, bybit
from cryptoproxy.serve.streams.hub import Ferry, Hub, Listener
from cryptoproxy.serve.streams.live import Live
from cryptoproxy.serve.streams.ours import Ours
from cryptoproxy.serve.streams.records import Records
from cryptoproxy.serve.streams.wire import framed
from cryptoproxy.upstreams.binance.streams import frames as of_binance
from cryptoproxy.upstreams.binance.tickers import NAME
from cryptoproxy.upstreams.bybit.streams import frames as of_bybit
from cryptoproxy.upstreams.bybit.tickers import UPSTREAM

TICKERS_24HR, TICKERS = "ticker/24hr", "market/tickers"
Rows = Callable[[Kept], Mapping[str, bytes]]
"""The rows of an answer by symbol, each as it came."""


class Station:
    """
    Args:
        rows: of answers, by upstream.
    """

    def __init__(
        self,
        kafka: Kafka,
        newest: Newest,
        bars: OpenBars,
        *,
        rows: Mapping[str, Rows],
        metrics: ServeMetrics,
        clock: Clock,
    ) -> None:
        self._newest, self._rows = newest, rows
        self.ferry = Ferry()
        self.hub = Hub(metrics)
        self.live = Live(self.hub, bars, clock)
        self.flow = Flow(clock)
        self.ours = Ours(kafka, metrics)
        self._records = Records(self.hub, self.live, bars, kafka, clock, flow=self.flow)
        self._answered: dict[str, int] = {}

    # --- what comes: called by threads that follow topics

    def take(self, records: Iterable[Any]) -> int:
        """Of one partition of a topic of records; how many are none."""
        return self.ferry.over(self._take, records)

    def lose(self, topic: str, partition: int, since: int, until: int) -> None:
        """Offsets that a topic has lost before they were read."""
        self.ferry.over(lambda _: self.ours.lose(topic, partition, since, until), ())

    def begun(self, topic: str, partition: int, end: int) -> None:
        """A partition that begins to be read, and its next offset then."""
        self.ferry.over(lambda _: self.ours.begun(topic, partition, end), ())

    def take_live(self, records: Iterable[Any]) -> int:
        """Of the topic of what is live."""
        return self.ferry.over(self.live.take, records)

    def look(self, records: Iterable[Any]) -> int:
        """Answers of polls have come, and are among the newest."""
        del records
        return self.ferry.over(lambda _: self._tell_answers(), ())

    def _take(self, records: Sequence[Any]) -> int:
        self.ours.take(records)
        return self._records.take(records)

    # --- tickers, which come as answers

    def _tell_answers(self) -> int:
        for upstream, path in ((NAME, TICKERS_24HR), (UPSTREAM, TICKERS)):
            for kept in self._newest.answers(upstream, path):
                key = f"{upstream} {sorted(kept.params.items())}"
                if self._answered.get(key, 0) >= kept.asked_ms:
                    continue
                self._answered[key] = kept.asked_ms
                venue = NAME if upstream == NAME else f"{UPSTREAM}-{kept.params.get('category')}"
                wanted = [name for name in self.hub.wanted(venue) if self._kind(venue, name) == "answers"]
                with suppress(msgspec.DecodeError):  # no rows: those of others are told all the same
                    for name in wanted:
                        if (text := self._ticker(venue, name, kept)) is not None:
                            self.hub.tell(venue, name, text)
        return 0

    def _ticker(self, venue: str, name: str, kept: Kept) -> bytes | None:
        symbol = name.partition("@")[0].upper() if venue == NAME else name.partition(".")[2]
        row = self._rows[kept.upstream](kept).get(symbol)
        if row is None:
            return None
        return (of_binance.ticker if venue == NAME else of_bybit.tickers)(symbol, row, kept.asked_ms)

    def _newest_ticker(self, venue: str, name: str) -> bytes | None:
        """As it was polled last."""
        upstream, path = (NAME, TICKERS_24HR) if venue == NAME else (UPSTREAM, TICKERS)
        for kept in self._newest.answers(upstream, path):
            if venue in (NAME, f"{UPSTREAM}-{kept.params.get('category')}"):
                with suppress(msgspec.DecodeError):
                    if (text := self._ticker(venue, name, kept)) is not None:
                        return text
        return None

    # --- who listens

    def carries(self, venue: str, name: str) -> bool:
        """Whether the road has this topic of a venue."""
        kind = binance.kind_of(name) if venue == NAME else bybit.kind_of(name)
        if kind is None:
            return False
        dataset, symbol = kind
        if dataset == "answers":
            return self._newest_ticker(venue, name) is not None
        if dataset == "live":
            return self.live.carries(venue, name, symbol)
        if not symbol:
            return any(source == venue and there == dataset for source, there, _ in self._records.seen)
        return (venue, dataset, symbol) in self._records.seen or (venue, name) in self.live.heard

    def _kind(self, venue: str, name: str) -> str:
        kind = binance.kind_of(name) if venue == NAME else bybit.kind_of(name)
        return kind.dataset if kind else ""

    def begin(self, listener: Listener, names: Iterable[str]) -> None:
        """What a new subscription begins with: a book of Bybit, and a ticker, as they are."""
        for name in names:
            kind, text = self._kind(listener.venue, name), None
            if kind == "answers":
                text = self._newest_ticker(listener.venue, name)
            elif kind == "live" and listener.venue != NAME:
                text = self.live.snapshot(listener.venue, name)
            if text is not None:
                said = text if not listener.combined else b'{"stream":"%s","data":%s}' % (name.encode(), text)
                listener.wire.write(framed(said))

    def arrive(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """The loop of the door; None when it ends."""
        self.ferry.arrive(loop)
