"""The indexer's loop: consume → decode → index → dead-letter → commit.

One thread consumes, decodes and commits; a few threads wait for Elasticsearch and for dead letters. While something
stands in the way, partitions are paused and `poll` goes on, so the group keeps its members.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kafka import OffsetAndMetadata
from kafka import errors as kafka_errors
from kafka.structs import MemberState

from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clock import Clock
from cryptoproxy.common.log import Limited
from cryptoproxy.common.metrics import IndexerMetrics
from cryptoproxy.common.retry import Backoff
from cryptoproxy.common.service import Health, Loop
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.consumer.batch import read
from cryptoproxy.consumer.member import RebalanceListener, join_once_more
from cryptoproxy.consumer.pipeline import Pipeline
from cryptoproxy.consumer.positions import Positions
from cryptoproxy.datasets import Period
from cryptoproxy.errors import OperatorError

log = logging.getLogger(__name__)

COMMIT_SECONDS = 1.0
UNHEARD_SECONDS = 90.0
"""A commit without an answer for so long, three times what a request may take, is made again."""
LOOK_SECONDS = 10.0
"""How often the brokers are asked for their ends. A `poll` says nothing about brokers that are away; and while indexing
is slow, what the client has fetched ahead says nothing about what has come since: the lag would be far too small."""
MEMBER_SECONDS = 20.0
"""A rebalance that takes longer is worth a word."""
ANEW_SECONDS = 330.0
"""The group waits for its slowest member no longer than `max.poll.interval.ms`, 300 s: after that, join anew."""
FINISH_SECONDS = 5.0
"""How long a revoked partition's batches may take to finish: well within the session's 45 s."""
LEAVE_SECONDS = 4.5
LEAVE_COMMIT_MS = 2_000
LEAVE_GROUP_MS = 1_000
"""Together less than the 9 s from a stop signal to the end of the process, also when Kafka is away."""
PART = "kafka"
PART_COMMIT = "offset commits"
PART_GROUP = "consumer group"
PART_MISSING = "missing records"
MISSING_SECONDS = 600.0
"""For so long after the last one it is said that records were missing."""


class Indexer:
    """One member of the consumer group."""

    def __init__(
        self,
        *,
        kafka: Kafka,
        alias: str,
        period: Period,
        connect: Callable[[str | None], Any],
        name: str | None,
        pipeline: Pipeline,
        health: Health,
        metrics: IndexerMetrics,
        clock: Clock,
    ) -> None:
        self._kafka = kafka
        self._alias = alias
        self._period = period
        self._connect = connect
        self._name = name
        self._pipeline = pipeline
        self._health = health
        self._metrics = metrics
        self._clock = clock
        self._limited = Limited(log, clock=clock.monotonic)
        self._consumer: Any = None
        self._positions: Positions
        self._leaving = False
        self._paused = False
        self._committing: Mapping[Any, int] = {}
        """A commit that was not answered yet."""
        self._began_to_commit = 0.0
        self._committed_at = clock.monotonic()
        self._looked_at = float("-inf")
        self._asked_at = float("-inf")
        self._member_at = 0.0
        self._settled = False
        self._missed_at = float("-inf")

    # --- the loop

    def run(self, loop: Loop) -> None:
        """Until the process stops. Whatever Kafka does meanwhile is waited out, never given up."""
        self._pipeline.verify()
        backoff = Backoff(cap=10.0)
        while loop.running:
            try:
                if self._consumer is None:
                    self._open()
                if self._turn():
                    self._health.release(PART)
                    backoff.reset()
            except kafka_errors.FencedInstanceIdError:
                log.error(  # noqa: TRY400 - where it came from tells nothing
                    "another indexer of group %s is called %s too and has taken over: this one goes on without a name, "
                    "and after a kill is missed for a session. Give each a KAFKA_GROUP_INSTANCE_ID of its own",
                    self._kafka.group_id, self._name,
                )  # fmt: skip
                self._name = None
                self._leave()
            except (kafka_errors.KafkaError, OperatorError) as error:
                meaning = error if isinstance(error, OperatorError) else kafka_client.meaning(error, self._kafka)
                self._health.hold(PART, str(meaning))
                self._looked_at = float("-inf")  # `poll` raising no more proves nothing: the next look does
                if isinstance(meaning, OperatorError):
                    self._leave()  # and join anew, with secrets as they are by then
                loop.wait(backoff.next())
        self._leave()
        self._pipeline.stop()

    def _turn(self) -> bool:
        """One turn: finish what is done, read more if there is room, commit what is due. True if Kafka answered."""
        held_up = self._pipeline.held_up(0.5)
        self._pause(held_up)
        # While a batch is under way its end must be seen soon; paused, this only keeps the membership.
        consumed = self._poll(200 if held_up else 20 if self._pipeline.busy else 250)
        if consumed:  # even held up: a rebalance within this very poll assigns partitions that are not paused
            self._looked_at = self._clock.monotonic()
            self._positions.read(consumed)
            self._pipeline.begin(read(consumed, alias=self._alias, period=self._period, now_ms=self._clock.now_ms()))
            self._metrics.consumed.inc(sum(map(len, consumed.values())))
        self._say_missing()
        looked = self._look_when_due()
        self._commit_when_due()
        self._look_at_membership()
        return bool(consumed) or looked

    def _poll(self, timeout_ms: int) -> Mapping[Any, Sequence[Any]]:
        try:
            if self._positions.topic_made_again():
                self._finish_soon()
                self._positions.go_on_with_the_new_topic()
                self._pipeline.keep_only(())
                self._pipeline.read_topic(self._positions.topic_id())
            consumed: Mapping[Any, Sequence[Any]] = self._consumer.poll(timeout_ms=timeout_ms)
        except kafka_errors.NoOffsetForPartitionError as error:
            self._pipeline.offer(self._positions.begin(error))
        except kafka_errors.OffsetOutOfRangeError as error:
            self._finish_soon()
            shorter = self._positions.go_on_from_earliest(error)
            self._pipeline.keep_only(self._consumer.assignment() - set(shorter))
        except kafka_errors.LogTruncationError as error:
            self._finish_soon()
            shorter = self._positions.go_on_after_truncation(error)
            self._pipeline.keep_only(self._consumer.assignment() - set(shorter))
        else:
            return consumed
        return {}

    def _finish_soon(self) -> None:
        """Before offsets of what is under way lose their meaning: its records may stand nowhere else any more."""
        self._pipeline.finish(FINISH_SECONDS)
        finished = self._pipeline.take_finished()
        self._positions.finished(finished)
        self._pipeline.offer(finished)

    def _pause(self, held_up: bool) -> None:
        if held_up:
            self._consumer.pause(*self._consumer.assignment())  # each turn: an assignment may be new
        elif self._paused:
            self._consumer.resume(*self._consumer.paused())
        self._paused = held_up
        self._metrics.paused.set(held_up and bool(self._health.reasons()))

    def _say_missing(self) -> None:
        if missing := self._positions.missing():
            self._missed_at = self._clock.monotonic()
            self._health.hold(PART_MISSING, missing)
        elif self._clock.monotonic() - self._missed_at > MISSING_SECONDS:
            self._health.release(PART_MISSING)

    def _look_when_due(self) -> bool:
        now = self._clock.monotonic()
        idle = now - self._looked_at >= LOOK_SECONDS
        if not idle and now - self._asked_at < LOOK_SECONDS:
            return False
        self._asked_at = now
        try:
            self._positions.look()
        except kafka_errors.KafkaError:
            if not idle:
                return False  # records come; this was for the lag, which is as old as their fetch then
            if not self._consumer.assignment():
                self._leave()  # a topic that is missing and brokers that are away look alike; joining anew tells
            raise
        self._looked_at = self._clock.monotonic()
        return True

    def _look_at_membership(self) -> None:
        """A group that does not come to an end of sharing out its partitions gives us nothing to read, silently."""
        now = self._clock.monotonic()
        if self._consumer.group_metadata().state is MemberState.STABLE:
            self._member_at = now
            self._health.release(PART_GROUP)
            if not self._settled:
                self._settled = True
                if self._name is not None:
                    join_once_more(self._consumer)
        elif now - self._member_at > MEMBER_SECONDS:
            self._health.hold(PART_GROUP, f"group {self._kafka.group_id} has not given us partitions yet")
            if now - self._member_at > ANEW_SECONDS:
                self._leave()

    # --- commit

    def _commit_when_due(self) -> None:
        if self._clock.monotonic() - self._committed_at < COMMIT_SECONDS:
            return
        self._committed_at = self._clock.monotonic()
        if self._committing and self._committed_at - self._began_to_commit > UNHEARD_SECONDS:
            self._pipeline.put_back(self._committing)
            self._committing = {}
        self._pipeline.offer(self._positions.passed_over())
        if not self._committing:  # one at a time, so that an older one never comes after a newer one
            self._commit(self._pipeline.take_finished())
        self._pipeline.progress.report(self._positions.lag())

    def _commit(self, offsets: Mapping[Any, int]) -> None:
        if not offsets:
            return
        self._positions.finished(offsets)
        self._committing, self._began_to_commit = offsets, self._clock.monotonic()
        try:
            self._consumer.commit_async(self._with_note(offsets), callback=self._committed)
        except kafka_errors.KafkaError:
            self._committing = {}
            self._pipeline.put_back(offsets)
            raise

    def _committed(self, offsets: Mapping[Any, Any], response: Any) -> None:
        self._committing = {}
        failed = isinstance(response, Exception)
        self._metrics.commits.labels("failed" if failed else "done").inc()
        if not failed:
            self._health.release(PART_COMMIT)
            return
        said = f"offsets not committed, offered again: {type(response).__name__}: {response}"
        self._limited.warning(type(response).__name__, said)
        self._pipeline.put_back({partition: each.offset for partition, each in offsets.items()})
        if not isinstance(response, (kafka_errors.CommitFailedError, kafka_errors.RebalanceInProgressError)):
            self._health.hold(PART_COMMIT, str(kafka_client.meaning(response, self._kafka)))

    def _with_note(self, offsets: Mapping[Any, int]) -> dict[Any, OffsetAndMetadata]:
        note = self._pipeline.progress.note()
        return {partition: OffsetAndMetadata(offset, note, -1) for partition, offset in offsets.items()}

    # --- membership

    def _open(self) -> None:
        consumer = self._connect(self._name)
        positions = Positions(consumer, self._kafka, self._metrics, self._pipeline.progress.recall)
        listener = RebalanceListener(
            consumer,
            before_release=self._before_release,
            assigned=lambda: self._go_on_with(consumer.assignment()),
            lost=lambda: self._let_go(()),
        )
        try:
            positions.require_topics()
            consumer.subscribe([self._kafka.topic], listener=listener)
        except (kafka_errors.KafkaError, OperatorError):
            consumer.close(autocommit=False, timeout_ms=LEAVE_GROUP_MS)
            raise
        self._consumer, self._positions = consumer, positions
        self._member_at = self._clock.monotonic()
        self._leaving = self._paused = self._settled = False
        self._committing = {}

    async def _before_release(self) -> None:
        """Partitions may go to others: finish what is under way within :data:`FINISH_SECONDS`, and commit."""
        if self._leaving:
            return  # done already
        self._pipeline.finish(FINISH_SECONDS)
        offsets = self._pipeline.take_finished()
        if offsets:
            self._positions.finished(offsets)
            try:
                await self._consumer.commit_async(self._with_note(offsets))
                self._metrics.commits.labels("done").inc()
            except kafka_errors.KafkaError as error:
                self._metrics.commits.labels("failed").inc()
                self._pipeline.put_back(offsets)
                log.warning("offsets not committed before a rebalance: %s: %s", type(error).__name__, error)

    def _go_on_with(self, assigned: Any) -> None:
        self._let_go(assigned)
        self._pipeline.read_topic(self._positions.topic_id())
        self._health.release(PART_COMMIT)  # what was refused may be another member's by now; the next one tells
        self._looked_at = float("-inf")  # how far behind is what came new?

    def _let_go(self, owned: Any) -> None:
        """What is not among ``owned`` is read again by whoever owns it now."""
        self._pipeline.keep_only(owned)
        self._positions.keep_only(owned)

    def _leave(self) -> None:
        """What is under way is finished and committed, or comes again to whoever gets the partitions."""
        if self._consumer is None:
            return
        consumer, self._consumer, self._leaving = self._consumer, None, True
        self._pipeline.finish(LEAVE_SECONDS)
        offsets = self._pipeline.take_finished()
        try:
            if offsets:
                consumer.commit(self._with_note(offsets), timeout_ms=LEAVE_COMMIT_MS)
                self._metrics.commits.labels("done").inc()
                self._positions.finished(offsets)
            self._pipeline.progress.report(self._positions.lag())
        except kafka_errors.KafkaError as error:
            log.warning("offsets not committed at the end; their records come again: %s", type(error).__name__)
        try:
            consumer.close(autocommit=False, timeout_ms=LEAVE_GROUP_MS)
        except kafka_errors.KafkaError as error:
            log.warning("left the group without saying so: %s: %s", type(error).__name__, error)
        self._let_go(())
