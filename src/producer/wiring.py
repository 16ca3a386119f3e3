"""The poller's process, built from settings: the one place where its parts and clients are made."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import cast

from cryptoproxy.common.asking.words import DOOR
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clock import Clock, SystemClock
from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.common.service import Loop, Service
from cryptoproxy.common.settings import Settings
from cryptoproxy.errors import CryptoProxyError
from cryptoproxy.lake.store import Store
from cryptoproxy.producer.asking.answers import Answers
from cryptoproxy.producer.asking.desk import Desk
from cryptoproxy.producer.asking.door import Door
from cryptoproxy.producer.compaction import DailyCompaction
from cryptoproxy.producer.drains.to_kafka import Publisher, connect, refusal
from cryptoproxy.producer.drains.to_s3 import Archiver
from cryptoproxy.producer.feeds.fetch import Fetcher
from cryptoproxy.producer.feeds.history.agenda import Agenda
from cryptoproxy.producer.feeds.history.loop import HistoryLoop
from cryptoproxy.producer.feeds.history.runs import RunsTopic
from cryptoproxy.producer.feeds.poll import PollOnce, Wait
from cryptoproxy.producer.feeds.slots import PollGrid
from cryptoproxy.producer.feeds.source_loop import QUIET_BELOW_MS, SourceLoop
from cryptoproxy.producer.feeds.stream.left import left_of
from cryptoproxy.producer.feeds.stream.live import LiveFrames
from cryptoproxy.producer.feeds.stream.marks import told_in
from cryptoproxy.producer.feeds.stream.room import Room
from cryptoproxy.producer.feeds.symbols import SymbolLists
from cryptoproxy.producer.gauges import Gauges
from cryptoproxy.producer.handover import Handover, StatePublisher, stream_key
from cryptoproxy.producer.lease import Lease
from cryptoproxy.producer.outbox import Entry, Outbox
from cryptoproxy.producer.outbox.waiting import DRAINS, rooms
from cryptoproxy.producer.planning import budgets_of, capacity_of, grids_of, intervals_of, quotas_of
from cryptoproxy.producer.statistics import Statistics, Timings
from cryptoproxy.upstreams import asked_of, histories_of, sources_of, streams_of, wanted_of
from cryptoproxy.upstreams.asked import Askable
from cryptoproxy.upstreams.base import Source
from cryptoproxy.upstreams.streaming.stream import Stream

log = logging.getLogger(__name__)

TELL_SECONDS = 1.5
DELIVER_STEP_SECONDS = 0.05


class Poller:
    """All parts of the process, wired; :attr:`service` runs them.

    Args:
        alone: for a single poll by hand or cron: no port, and no object of the lake shared with later polls.
        lease: whether it takes part in the lease; without a word one that is not alone does.
        compact: the command that compacts the lake, run at LAKE_COMPACT_AT.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        alone: bool = False,
        lease: bool | None = None,
        compact: Sequence[str] | None = None,
    ) -> None:
        self.settings = settings
        self._alone = alone
        self.clock = clock = clock or SystemClock()
        upstreams, kafka, poller = settings.upstreams, settings.kafka, settings.poller
        self.service = service = Service(
            "poller",
            host=settings.service.host,
            port=0 if alone else poller.port,
            watchdog_seconds=settings.service.watchdog,
        )
        self.metrics = metrics = PollerMetrics(service.registry)
        self.outbox = outbox = Outbox(
            poller.outbox_dir,
            max_bytes=poller.outbox_max_size,
            rooms=rooms(poller.outbox_max_size, kafka=poller.outbox_kafka_max_size, s3=poller.outbox_s3_max_size),
            passed_over=lambda feed, drain: metrics.polls_passed_over.labels(feed, drain).inc(),
            now_ms=clock.now_ms,
        )
        self._urgent = urgent = threading.Event()  # something that a successor must know
        self.sources = sources_of(upstreams)
        self.budgets = budgets_of(
            upstreams,
            poller.outbox_dir / "budget",
            clock=clock,
            metrics=metrics,
            urgent=urgent,
            share=settings.asking.share,
        )
        self.intervals = intervals_of(upstreams, self.sources, self.budgets)
        self._grids = grids_of(upstreams, self.intervals)
        names = [source.feed.name for source in self.sources]
        self.streams = streams_of(upstreams)
        streamed = [stream.feed.name for stream in self.streams]
        self.intervals |= dict.fromkeys(streamed, upstreams.stream_batch_seconds)
        self.statistics = {name: Statistics(name, poller.statistics_every) for name in [*names, *streamed]}
        self.timings = Timings(self.statistics, metrics, clock.monotonic)
        self.capacity = capacity_of(self.sources, self.intervals, outbox.stops_at)

        self.lease = self._lease() if (not alone if lease is None else lease) else None
        self.handover = Handover(kafka, self.budgets, names, outbox)
        self.live = LiveFrames(kafka, metrics=metrics, clock=clock) if kafka.live_symbols and self.streams else None
        self.rooms = self._rooms()
        for room in self.rooms:
            self.handover.states.update({stream_key(name): state for name, state in room.states().items()})
        self._leaving, self._state_told = threading.Event(), threading.Event()
        if self.lease is not None:
            self.lease.on_acquired(self.handover.take_over)
            self.lease.on_lost(self._tell_successor)
        asked = asked_of(upstreams)
        self.answers = (
            Answers(kafka, asked, metrics=metrics, clock=clock) if kafka.keeps_answers and not alone else None
        )
        self.door = None if alone or self.lease is None else self._door(asked, self.lease)
        self.state = StatePublisher(
            kafka,
            self.handover.states,
            active=lambda: self.may_poll() or self._leaving.is_set(),
            urgent=urgent,
        )
        listed = [*self.sources, *cast("list[Source]", self.streams)]
        self.symbols = SymbolLists(
            listed,
            {source.feed.name: self.poll_once(source) for source in listed if source.symbol_list},
            may_poll=self.may_poll,
            clock=clock,
            folder=poller.outbox_dir / "symbols",
            heard={stream.feed.name: stream.symbols for stream in self.streams},
        )
        self.publisher = Publisher(
            kafka,
            outbox,
            connect=partial(connect, kafka),
            refusal=partial(refusal, kafka),
            published=self._published,
            health=service.health,
            metrics=metrics,
            clock=clock,
            quiet=self._quiet,
        )
        self.archiver = Archiver(
            Store(settings.s3),
            outbox,
            interval_ms=self.interval_ms,
            object_ms=settings.s3.object_seconds * 1000 if not alone else 1,
            health=service.health,
            metrics=metrics,
            clock=clock,
            quiet=self._too_often,
        )
        self.compaction = (
            DailyCompaction(settings.s3.compact_at, compact, active=self.may_poll, clock=clock)
            if settings.s3.compact_at and compact
            else None
        )
        self.loops = {source.feed.name: self._source_loop(source) for source in self.sources}
        self.history = HistoryLoop(
            histories_of(upstreams),
            Agenda(wanted_of(upstreams), topic=RunsTopic(kafka), folder=poller.outbox_dir, clock=clock),
            budgets=self.budgets,
            outbox=outbox,
            may_poll=self.may_poll,
            metrics=metrics,
            clock=clock,
            timeout=self._timeout,
            folder=poller.outbox_dir,
        )

    def may_poll(self) -> bool:
        """Whether this process is the one to poll right now."""
        return self.lease is None or self.lease.may_poll()

    def run(self) -> int:
        """Until a stop signal; the exit code."""
        gauges = Gauges(self.outbox, self.capacity, self.metrics, self.clock, self.service.health)
        self.add_lease()
        for name, loop in (
            ("publish", self.publisher.run),
            ("archive", self.archiver.run),
            ("symbols", self.symbols.run),
            ("gauges", gauges.run),
            ("history", self.history.run),
            *((("answers", self.answers.run),) if self.answers is not None else ()),
            *((("live", self.live.run),) if self.live is not None else ()),
            *((("door", self.door.run),) if self.door is not None else ()),
            *((("compact", self.compaction.run),) if self.compaction is not None else ()),
            *((f"poll {name}", loop.run) for name, loop in self.loops.items()),
            *chain.from_iterable(room.threads() for room in self.rooms),
        ):
            self.service.add(name, loop)
        try:
            return self.service.run()
        finally:
            self.outbox.close()

    def add_lease(self) -> None:
        """The loops by which pollers agree who polls, and what a successor must know."""
        if self.lease is not None:
            self.service.add("lease", self.lease.run)
        self.service.add("state", self._publish_state)

    def deliver(self, loop: Loop, *, seconds: float) -> bool:
        """Waits until the outbox is empty; False, and said, where it is not after so long, or at a stop."""
        deadline = time.monotonic() + seconds
        while any(self.outbox.count(drain) for drain in DRAINS):
            if time.monotonic() > deadline or not loop.running:
                reasons = "; ".join(self.service.health.reasons().values())
                log.error("not delivered within %.0f s, waits on disk: %s", seconds, reasons or "stopped")
                return False
            loop.wait(DELIVER_STEP_SECONDS)
        return True

    def _publish_state(self, loop: Loop) -> None:
        self.state.run(loop)
        self._state_told.set()

    def _tell_successor(self) -> None:
        """At a stop, before the lease is given back: what was polled last and what is used is on the topic."""
        if self.service.wait_for_stop(0):
            self._leaving.set()
            self._state_told.wait(TELL_SECONDS)

    def _rooms(self) -> list[Room]:
        """One for each venue that streams lead to."""
        of: dict[str, list[Stream]] = {}
        for stream in self.streams:
            of.setdefault(stream.venue.name, []).append(stream)
        upstreams = self.settings.upstreams
        return [
            Room(
                streams[0].venue,
                streams,
                ask={stream.feed.name: self.poll_once(cast("Source", stream)) for stream in streams},
                told=lambda feed: told_in(self.handover.found.get(stream_key(feed))),
                left=lambda stream, told: left_of(
                    stream.feed, told, self.settings.kafka, self.outbox, now_ms=self.clock.now_ms()
                ),
                may_poll=self.may_poll,
                outbox=self.outbox,
                health=self.service.health,
                metrics=self.metrics,
                clock=self.clock,
                batch_seconds=upstreams.stream_batch_seconds,
                batch_records=upstreams.stream_batch_records,
                kept=self._batch_kept,
                listeners=[partial(self.live.put, name)] if self.live is not None else [],
            )
            for name, streams in of.items()
        ]

    def _batch_kept(self, entry: Entry, arrived: float, size: int) -> None:
        self.timings.arrived(entry, arrived)
        self.capacity.measured(entry.feed.name, size)

    def _published(self, entry: Entry) -> None:
        self.timings.published(entry)
        for room in self.rooms:
            room.published(entry)

    def _door(self, asked: Mapping[str, Askable], lease: Lease) -> Door:
        """Told on the state topic as long as this poller is active."""
        desk = Desk(
            asked,
            self.budgets,
            may_poll=self.may_poll,
            stopped=self.service.wait_for_stop,
            metrics=self.metrics,
            clock=self.clock,
            timeout=self._timeout,
        )
        door = Door(self.settings.asking, desk.ask, epoch=lambda: lease.term)
        self.handover.states[DOOR] = door.word
        return door

    def _source_loop(self, source: Source) -> SourceLoop:
        name, fetcher = source.feed.name, Fetcher()
        return SourceLoop(
            name,
            poll=self.poll_once(source, fetcher),
            grid=self.grid(name),
            outbox=self.outbox,
            may_poll=self.may_poll,
            before_poll=partial(self._prepare, source, fetcher),
            kept=self._kept,
            answered=(
                partial(self.answers.put, source.upstream, every_ms=self.grid(name).interval_ms)
                if self.answers is not None
                else lambda _: None
            ),
            quotas=partial(quotas_of, self.budgets[source.upstream]),
            statistics=self.statistics[name],
            health=self.service.health,
            metrics=self.metrics,
            clock=self.clock,
        )

    def _prepare(self, source: Source, fetcher: Fetcher, wait: Wait) -> None:
        """Before a poll: the connection is being made while the list of symbols is waited for."""
        if self.budgets[source.upstream].ban_ends_in() <= 0:
            with suppress(CryptoProxyError):  # the poll meets it, too, and says it
                fetcher.connect(source.calls()[0].url)
        self.symbols.wait_for_first(source.feed.name, wait)

    def poll_once(self, source: Source, fetcher: Fetcher | None = None) -> PollOnce:
        """Polls ``source`` on connections of its own."""
        return PollOnce(
            source,
            budget=self.budgets[source.upstream],
            get=(fetcher or Fetcher()).get,
            clock=self.clock,
            metrics=self.metrics,
            timeout=self._timeout,
        )

    @property
    def _timeout(self) -> float:
        """Of one answer: while it waits for it, a loop does not turn."""
        return min(self.settings.upstreams.timeout, self.settings.service.watchdog / 2)

    def _kept(self, entry: Entry, arrived: float, size: int) -> None:
        self.timings.arrived(entry, arrived)
        self.capacity.measured(entry.feed.name, size)
        if not self._quiet(entry.feed.name):
            self._urgent.set()  # else a successor might poll this slot once more, since it lasts for a while

    def grid(self, feed: str) -> PollGrid:
        """The slots of the feed of that name."""
        return self._grids[feed]

    def interval_ms(self, feed: str) -> int:
        """Of a feed that is not polled any more, but still waits in the outbox: as if it came with each object."""
        seconds = self.intervals.get(feed, self.settings.s3.object_seconds)
        return round(seconds * 1000)

    def _quiet(self, feed: str) -> bool:
        return self._too_often(self.interval_ms(feed))

    def _too_often(self, each_ms: int) -> bool:
        """For a line in the log each time."""
        return not self._alone and each_ms < QUIET_BELOW_MS

    def _lease(self) -> Lease:
        return Lease(
            self.settings.kafka,
            health=self.service.health,
            metrics=self.metrics,
            connect=partial(kafka_client.consumer, self.settings.kafka),
            identity=f"{socket.gethostname()}:{os.getpid()}",
        )
