"""The indexer's loop: consume → decode → index → dead-letter → commit.

One thread consumes, decodes and decides; a few threads wait for Elasticsearch. Batches are finished in the order in
which they were read, so a commit never passes a record that is neither indexed nor acknowledged as a dead letter.
While something stands in the way, partitions are paused and `poll` goes on, so the group keeps its members.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from kafka import OffsetAndMetadata
from kafka import errors as kafka_errors

from common.clients import kafka as kafka_client
from common.clock import Clock
from common.errors import OperatorError
from common.metrics import IndexerMetrics
from common.record import Period
from common.retry import Backoff
from common.service import Health, Loop
from common.settings.catalogue import Kafka
from consumer.batch import Batch, read
from consumer.dead_letters import DeadLetterQueue
from consumer.delivery import Delivered, Delivery
from consumer.fuse import Fuse
from consumer.positions import Positions
from consumer.progress import Progress
from consumer.rebalance import RebalanceListener
from consumer.window import InFlight, Window

log = logging.getLogger(__name__)

COMMIT_SECONDS = 1.0
FINISH_SECONDS = 5.0
"""How long a revoked partition's batches may take to finish: well within the session's 45 s."""
CLOSE_MS = 7_000
PART = "kafka"


class Indexer:
    """One member of the consumer group."""

    def __init__(
        self,
        *,
        kafka: Kafka,
        alias: str,
        period: Period,
        in_flight: int,
        connect: Callable[[], Any],
        delivery: Delivery,
        dead_letters: DeadLetterQueue,
        health: Health,
        metrics: IndexerMetrics,
        clock: Clock,
    ) -> None:
        self._kafka = kafka
        self._alias = alias
        self._period = period
        self._connect = connect
        self._delivery = delivery
        self._dead_letters = dead_letters
        self._health = health
        self._metrics = metrics
        self._clock = clock
        self._window = Window(in_flight)
        self._fuse = Fuse()
        self._blown = False
        self._lock = threading.RLock()
        self._pool = ThreadPoolExecutor(in_flight, thread_name_prefix="bulk")
        self._progress = Progress(metrics)
        self._consumer: Any = None
        self._positions: Any = None
        self._paused = False
        self._committed_at = clock.monotonic()

    # --- the loop

    def run(self, loop: Loop) -> None:
        """Until the process stops. Whatever Kafka does meanwhile is waited out, never given up."""
        backoff = Backoff()
        while loop.running:
            try:
                if self._consumer is None:
                    self._open()
                self._turn()
                self._health.release(PART)
                backoff.reset()
            except kafka_errors.NoOffsetForPartitionError as error:
                self._positions.begin(error)
            except kafka_errors.OffsetOutOfRangeError as error:
                self._positions.go_on_from_earliest(error)
            except (kafka_errors.KafkaError, OperatorError) as error:
                meaning = error if isinstance(error, OperatorError) else kafka_client.meaning(error, self._kafka)
                self._health.hold(PART, str(meaning))
                if isinstance(meaning, OperatorError):
                    self._close_consumer()  # built anew, with secrets as they are by then
                loop.wait(backoff.next())
        self._finish()

    def _turn(self) -> None:
        """One turn: finish what is done, read more if there is room, commit what is due."""
        held_up = self._held_up()
        if held_up and not self._blown:
            # A short wait for room is the ordinary back-pressure; only after it are partitions paused.
            self._window.wait_for_oldest(0.5)
            held_up = self._held_up()
        self._pause(held_up)
        # While a batch is under way its end must be seen soon; paused, this only keeps the membership.
        consumed = self._consumer.poll(timeout_ms=200 if held_up else 20 if len(self._window) else 250)
        if consumed:  # even held up: a rebalance within this very poll assigns partitions that are not paused
            self._begin(consumed)
        self._commit_when_due()

    def _held_up(self) -> bool:
        with self._lock:
            self._settle()
            return self._window.full or self._blown

    def _pause(self, held_up: bool) -> None:
        if held_up:
            self._consumer.pause(*self._consumer.assignment())  # each turn: an assignment may be new
        elif self._paused:
            self._consumer.resume(*self._consumer.paused())
        if held_up != self._paused:
            self._paused = held_up
            self._metrics.paused.set(held_up)

    # --- consume, decode, index

    def _begin(self, consumed: Mapping[Any, Sequence[Any]]) -> None:
        batch = read(consumed, alias=self._alias, period=self._period, now_ms=self._clock.now_ms())
        with self._lock:
            abandon = threading.Event()
            future = self._pool.submit(self._delivery.deliver, batch, abandon)
            self._window.add(InFlight(batch, future, abandon=abandon))
            self._metrics.in_flight.set(len(self._window))
        self._metrics.consumed.inc(len(batch.order))

    # --- dead-letter, finish

    def _settle(self) -> None:
        """Takes the oldest batches as far as they have got. Holds the lock."""
        while (flight := self._window.oldest) is not None and flight.future.done() and not self._blown:
            if flight.delivered is None:
                flight.delivered = flight.future.result()
                flight.delivered.dead = [*flight.batch.dead, *flight.delivered.dead]
                if self._fuse_blows(flight.batch, flight.delivered):
                    return
                if flight.delivered.dead:
                    flight.future = self._pool.submit(self._dead_letters.send, flight.delivered.dead, flight.abandon)
                    continue
            self._progress.add(flight.batch, flight.delivered)
            self._window.finish_oldest()
            self._metrics.in_flight.set(len(self._window))

    def _fuse_blows(self, batch: Batch, delivered: Delivered) -> bool:
        bad = {id(letter.record) for letter in delivered.dead}
        self._blown = self._fuse.judge(id(record) in bad for record in batch.order)
        if self._blown:
            last = delivered.dead[-1]
            self._health.hold(
                "fuse",
                f"100 of the last 110 records are poison, the last one {last.record.topic} "
                f"{last.record.partition}:{last.record.offset} ({last.reason}: {last.error}). "
                "Nothing of this batch is sent to the dead letters or committed. If they may go there, say how far: "
                f"cryptoproxy consume --accept-poison {last.record.partition}:{last.record.offset}",
            )
        return self._blown

    # --- commit

    def _commit_when_due(self) -> None:
        if self._clock.monotonic() - self._committed_at < COMMIT_SECONDS:
            return
        self._committed_at = self._clock.monotonic()
        with self._lock:
            offsets = self._window.take_finished()
        if offsets:
            self._positions.finished(offsets)
            self._consumer.commit_async(_with_metadata(offsets), callback=self._committed)
        self._progress.report(self._positions.lag())

    def _committed(self, offsets: Mapping[Any, Any], response: Any) -> None:
        failed = isinstance(response, Exception)
        self._metrics.commits.labels("failed" if failed else "done").inc()
        if failed:
            log.warning("offsets not committed, offered again: %s: %s", type(response).__name__, response)
            with self._lock:
                self._window.put_back({partition: each.offset for partition, each in offsets.items()})

    # --- membership

    def _open(self) -> None:
        self._consumer = self._connect()
        self._positions = Positions(self._consumer, self._kafka, self._metrics)
        self._positions.require_topics()
        self._consumer.subscribe([self._kafka.topic], listener=RebalanceListener(self.before_release, self.let_go))
        self._paused = False

    async def before_release(self) -> None:
        """Partitions go to others: finish what is under way within :data:`FINISH_SECONDS`, commit, let go.

        Runs on the client's own thread while ``poll`` waits for it.
        """
        deadline = time.monotonic() + FINISH_SECONDS
        while time.monotonic() < deadline:
            with self._lock:
                self._settle()
                if not len(self._window) or self._blown:
                    break
            self._window.wait_for_oldest(0.2)
        with self._lock:
            offsets = self._window.take_finished()
        if offsets:
            try:
                await self._consumer.commit_async(_with_metadata(offsets))
            except kafka_errors.KafkaError as error:
                log.warning("offsets not committed before a rebalance; their records come again: %s", error)
        self.let_go()

    def let_go(self) -> None:
        """Forgets what is under way: its partitions are somebody else's, and its records will be read again."""
        with self._lock:
            self._window.abandon_all()
            if self._blown:
                self._blown = False
                self._health.release("fuse")

    def _finish(self) -> None:
        """The process stops: what is under way is finished and committed, or comes again at the next start."""
        self._close_consumer()
        self._dead_letters.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _close_consumer(self) -> None:
        if self._consumer is not None:
            try:
                self._consumer.close(autocommit=False, timeout_ms=CLOSE_MS)  # calls before_release
            except kafka_errors.KafkaError as error:
                log.warning("left the group without saying so: %s: %s", type(error).__name__, error)
            self._consumer = None
        self.let_go()


def _with_metadata(offsets: Mapping[Any, int]) -> dict[Any, OffsetAndMetadata]:
    return {partition: OffsetAndMetadata(offset, "", -1) for partition, offset in offsets.items()}
