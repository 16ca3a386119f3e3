"""The indexer's loop of one dataset: consume → decode → index → dead-letter → commit.

One thread consumes, decodes and commits; a few threads wait for Elasticsearch and for dead letters. While something
stands in the way, partitions are paused and `poll` goes on, so the group keeps its members.

Each topic has a pipeline of its own, so what is slow or held up in one part (the history of daily bars) pauses that
part's partitions alone. The client hands out what it has fetched partition by partition, 2 MiB at the most, so none of
them waits for long behind another one's flood.
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
from cryptoproxy.common.metrics import DatasetMetrics
from cryptoproxy.common.retry import Backoff
from cryptoproxy.common.service import Health, Loop
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.consumer.batch import read
from cryptoproxy.consumer.lanes import Lane, Lanes, by_topic
from cryptoproxy.consumer.member import RebalanceListener, join_once_more
from cryptoproxy.consumer.positions import Positions
from cryptoproxy.consumer.progress import Progress
from cryptoproxy.datasets import Dataset
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
    """One member of the consumer group of a dataset.

    Args:
        lanes: by topic.
        progress: which their pipelines share.
        set_up: whether any of its topics is there; until then it stands by without a word. None where it was asked for
            by name: then what is missing is a fault.
    """

    def __init__(
        self,
        *,
        kafka: Kafka,
        dataset: Dataset[Any],
        lanes: Mapping[str, Lane],
        progress: Progress,
        connect: Callable[[str | None], Any],
        name: str | None,
        health: Health,
        metrics: DatasetMetrics,
        clock: Clock,
        set_up: Callable[[], bool] | None = None,
    ) -> None:
        self._kafka = kafka
        self._dataset = dataset
        self._lanes = Lanes(lanes)
        self._progress = progress
        self._set_up = set_up
        self._connect = connect
        self._name = name
        self._health = health
        self._metrics = metrics
        self._clock = clock
        self._limited = Limited(log, clock=clock.monotonic)
        self._consumer: Any = None
        self._positions: Positions
        self._leaving = False
        self._paused: set[str] = set()
        """The topics that are."""
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
        while self._set_up is not None and loop.running and not self._set_up():
            loop.wait(LOOK_SECONDS)
        if loop.running:
            self._lanes.pipelines[0].verify()
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
                    self._kafka.group_of(self._dataset), self._name,
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
        for pipeline in self._lanes.pipelines:
            pipeline.stop()

    def _turn(self) -> bool:
        """One turn: finish what is done, read more if there is room, commit what is due. True if Kafka answered."""
        # The ordinary back-pressure: what has become full waits for room. What is full since before is paused.
        full, patience = set(), 0.5
        for topic, lane in self._lanes.items():
            if lane.pipeline.held_up(0.0 if topic in self._paused else patience):
                full.add(topic)
                patience = 0.0
        self._pause(full)
        busy = {topic for topic, lane in self._lanes.items() if lane.pipeline.busy}
        # While a batch is under way its end must be seen soon; paused, this only keeps the membership.
        consumed = self._poll(250 if not busy else 200 if busy <= full else 20)
        if consumed:  # even held up: a rebalance within this very poll assigns partitions that are not paused
            self._looked_at = self._clock.monotonic()
            self._positions.read(consumed)
            for topic, records in by_topic(consumed).items():
                lane = self._lanes[topic]
                lane.pipeline.begin(read(records, lane.place, now_ms=self._clock.now_ms()))
            self._metrics.consumed.inc(sum(map(len, consumed.values())))
        self._say_missing()
        looked = self._look_when_due()
        self._commit_when_due()
        self._look_at_membership()
        return bool(consumed) or looked

    def _poll(self, timeout_ms: int) -> Mapping[Any, Sequence[Any]]:
        try:
            for topic in self._positions.topics_made_again():
                self._finish_soon()
                self._positions.go_on_with_the_new(topic)
                pipeline = self._lanes[topic].pipeline
                pipeline.keep_only(())
                pipeline.read_topic(self._positions.topic_id(topic))
            consumed: Mapping[Any, Sequence[Any]] = self._consumer.poll(timeout_ms=timeout_ms)
        except kafka_errors.NoOffsetForPartitionError as error:
            self._lanes.offer(self._positions.begin(error))
        except kafka_errors.OffsetOutOfRangeError as error:
            self._finish_soon()
            shorter = self._positions.go_on_from_earliest(error)
            self._lanes.keep_only(self._consumer.assignment() - set(shorter))
        except kafka_errors.LogTruncationError as error:
            self._finish_soon()
            shorter = self._positions.go_on_after_truncation(error)
            self._lanes.keep_only(self._consumer.assignment() - set(shorter))
        else:
            return consumed
        return {}

    def _finish_soon(self) -> None:
        """Before offsets of what is under way lose their meaning: its records may stand nowhere else any more."""
        self._lanes.finish(FINISH_SECONDS)
        finished = self._lanes.take_finished()
        self._positions.finished(finished)
        self._lanes.offer(finished)

    def _pause(self, full: set[str]) -> None:
        if full:
            # Each turn: an assignment may be new.
            self._consumer.pause(*(each for each in self._consumer.assignment() if each.topic in full))
        if self._paused - full:
            self._consumer.resume(*(each for each in self._consumer.paused() if each.topic not in full))
        self._paused = full
        self._metrics.paused.set(any(self._lanes[topic].pipeline.troubled for topic in full))

    # --- how it goes

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
            self._health.hold(
                PART_GROUP, f"group {self._kafka.group_of(self._dataset)} has not given us partitions yet"
            )
            if now - self._member_at > ANEW_SECONDS:
                self._leave()

    # --- commit

    def _commit_when_due(self) -> None:
        if self._clock.monotonic() - self._committed_at < COMMIT_SECONDS:
            return
        self._committed_at = self._clock.monotonic()
        if self._committing and self._committed_at - self._began_to_commit > UNHEARD_SECONDS:
            self._lanes.put_back(self._committing)
            self._committing = {}
        self._lanes.offer(self._positions.passed_over())
        if not self._committing:  # one at a time, so that an older one never comes after a newer one
            self._commit(self._lanes.take_finished())
        self._progress.report(self._positions.lag())

    def _commit(self, offsets: Mapping[Any, int]) -> None:
        if not offsets:
            return
        self._positions.finished(offsets)
        self._committing, self._began_to_commit = offsets, self._clock.monotonic()
        try:
            self._consumer.commit_async(self._with_note(offsets), callback=self._committed)
        except kafka_errors.KafkaError:
            self._committing = {}
            self._lanes.put_back(offsets)
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
        self._lanes.put_back({partition: each.offset for partition, each in offsets.items()})
        if not isinstance(response, (kafka_errors.CommitFailedError, kafka_errors.RebalanceInProgressError)):
            self._health.hold(PART_COMMIT, str(kafka_client.meaning(response, self._kafka)))

    def _with_note(self, offsets: Mapping[Any, int]) -> dict[Any, OffsetAndMetadata]:
        note = self._progress.note()
        return {partition: OffsetAndMetadata(offset, note, -1) for partition, offset in offsets.items()}

    # --- membership

    def _open(self) -> None:
        consumer = self._connect(self._name)
        positions = Positions(consumer, self._kafka, self._metrics, self._progress.recall, dataset=self._dataset)
        listener = RebalanceListener(
            consumer,
            before_release=self._before_release,
            assigned=lambda: self._go_on_with(consumer.assignment()),
            lost=lambda: self._let_go(()),
        )
        try:
            positions.require_topics()
            consumer.subscribe(list(self._lanes), listener=listener)
        except (kafka_errors.KafkaError, OperatorError):
            consumer.close(autocommit=False, timeout_ms=LEAVE_GROUP_MS)
            raise
        self._consumer, self._positions = consumer, positions
        self._member_at = self._clock.monotonic()
        self._leaving = self._settled = False
        self._paused = set()
        self._committing = {}

    async def _before_release(self) -> None:
        """Partitions may go to others: finish what is under way within :data:`FINISH_SECONDS`, and commit."""
        if self._leaving:
            return  # done already
        self._lanes.finish(FINISH_SECONDS)
        offsets = self._lanes.take_finished()
        if offsets:
            self._positions.finished(offsets)
            try:
                await self._consumer.commit_async(self._with_note(offsets))
                self._metrics.commits.labels("done").inc()
            except kafka_errors.KafkaError as error:
                self._metrics.commits.labels("failed").inc()
                self._lanes.put_back(offsets)
                log.warning("offsets not committed before a rebalance: %s: %s", type(error).__name__, error)

    def _go_on_with(self, assigned: Any) -> None:
        self._let_go(assigned)
        for topic, lane in self._lanes.items():
            lane.pipeline.read_topic(self._positions.topic_id(topic))
        self._health.release(PART_COMMIT)  # what was refused may be another member's by now; the next one tells
        self._looked_at = float("-inf")  # how far behind is what came new?

    def _let_go(self, owned: Any) -> None:
        """What is not among ``owned`` is read again by whoever owns it now."""
        self._lanes.keep_only(owned)
        self._positions.keep_only(owned)

    def _leave(self) -> None:
        """What is under way is finished and committed, or comes again to whoever gets the partitions."""
        if self._consumer is None:
            return
        consumer, self._consumer, self._leaving = self._consumer, None, True
        self._lanes.finish(LEAVE_SECONDS)
        offsets = self._lanes.take_finished()
        try:
            if offsets:
                consumer.commit(self._with_note(offsets), timeout_ms=LEAVE_COMMIT_MS)
                self._metrics.commits.labels("done").inc()
                self._positions.finished(offsets)
            self._progress.report(self._positions.lag())
        except kafka_errors.KafkaError as error:
            log.warning("offsets not committed at the end; their records come again: %s", type(error).__name__)
        try:
            consumer.close(autocommit=False, timeout_ms=LEAVE_GROUP_MS)
        except kafka_errors.KafkaError as error:
            log.warning("left the group without saying so: %s: %s", type(error).__name__, error)
        self._let_go(())
