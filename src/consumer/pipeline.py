"""What of one topic is under way: batches from their reading to their end. decode → index → dead-letter → finished.

Batches are finished in the order in which they were read, so no offset is given out to be committed before each
record below it is indexed, known as a duplicate, or acknowledged by the dead-letter topic.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, wait
from functools import partial
from typing import Any

from cryptoproxy.common.metrics import DatasetMetrics
from cryptoproxy.common.service import Health
from cryptoproxy.consumer.batch import Batch, DeadLetter
from cryptoproxy.consumer.index.delivery import Delivery
from cryptoproxy.consumer.letters.dead_letters import DeadLetterQueue
from cryptoproxy.consumer.letters.fuse import IN_A_ROW, OF_THE_LAST, Acceptances, Fuse
from cryptoproxy.consumer.progress import Progress
from cryptoproxy.consumer.window import Flight, Window, Workers
from cryptoproxy.errors import CryptoProxyError

log = logging.getLogger(__name__)

LOOK_SECONDS = 3.0
"""How often a blown fuse looks for a person's word."""
UNANSWERED_SECONDS = 20.0
"""A batch that is under way for so long without any trouble waits for a server that took it and says nothing."""
PART = "fuse"
PART_WORD = "acceptance"
PART_ANSWER = "batches"


class Pipeline:
    """Thread-safe: the loop uses it, and the client's own thread while the loop waits for a rebalance."""

    def __init__(
        self,
        *,
        in_flight: int,
        spelled: str = "",
        delivery: Delivery,
        dead_letters: DeadLetterQueue,
        acceptances: Acceptances,
        health: Health,
        metrics: DatasetMetrics,
        monotonic: Callable[[], float],
        progress: Progress | None = None,
    ) -> None:
        """
        Args:
            spelled: what the topic's offsets are called by in ``--accept-poison``: nothing, or ``candle-1m:``.
            progress: of the dataset, where it has several topics.
        """
        self._spelled = spelled
        self._delivery = delivery
        self._dead_letters = dead_letters
        self._acceptances = acceptances
        self._health = health
        self._metrics = metrics
        self._monotonic = monotonic
        self._lock = threading.RLock()
        self._workers = Workers(in_flight, "bulk")
        # What goes to Kafka must not wait behind an Elasticsearch that is away. One thread: only the oldest batch is
        # judged, and the fuse is not blown while its letters are on their way.
        self._aside = Workers(1, "dead-letters")
        # One more than there are threads is read and decoded while all of them wait: it goes as soon as one is free.
        self._window = Window(in_flight + 1)
        self.progress = progress or Progress(metrics)
        self._told = 0
        self._fuse = Fuse()
        self._blown = False
        self._topic_id = ""
        self._accepted: Mapping[int, int] = {}
        self._look: Future[Mapping[int, int]] | None = None
        self._look_at = 0.0
        self._looking = False
        self._waiting_for: Flight | None = None
        self._waiting_since = 0.0
        self._stopped = threading.Event()

    # --- for the loop

    def verify(self) -> None:
        """Looks whether Elasticsearch is as it must be, before the first record comes; not ready until it is."""
        threading.Thread(target=self._delivery.verify, args=(self._stopped,), name="verify", daemon=True).start()

    def begin(self, batch: Batch) -> None:
        """Takes a batch that was just read."""
        abandon = threading.Event()
        with self._lock:
            future = self._workers.submit(partial(self._delivery.deliver, batch, abandon))
            self._window.add(Flight(batch, future, abandon))
            self._tell_in_flight()

    def held_up(self, seconds: float) -> bool:
        """Whether no further batch may begin now. Waits so long for room: the ordinary back-pressure."""
        held_up = self._advance()
        if held_up:
            if not self._blown:
                self._wait_for_oldest(seconds)
            held_up = self._advance()
        self._say_if_unanswered()
        return held_up

    @property
    def busy(self) -> bool:
        return len(self._window) > 0

    @property
    def troubled(self) -> bool:
        """Whether it is held up for a reason that is told."""
        return bool(self._health.reasons())

    @property
    def unfinished(self) -> bool:
        """Whether it comes to an end if it is waited for."""
        return self.busy and not self._blown

    def take_finished(self) -> Mapping[Any, int]:
        """The offsets to commit since the last call, by TopicPartition."""
        with self._lock:
            return self._window.take_finished()

    def put_back(self, offsets: Mapping[Any, int]) -> None:
        """A commit of these failed."""
        with self._lock:
            self._window.put_back(offsets)

    def offer(self, offsets: Mapping[Any, int]) -> None:
        """Positions to commit that nothing has to be done for."""
        with self._lock:
            self._window.offer(offsets)

    # --- for a rebalance, and for the end

    def finish(self, seconds: float) -> None:
        """Waits so long for what is under way. What needs a person's word is not waited for."""
        deadline = time.monotonic() + seconds
        self._advance()
        while self.unfinished and (left := deadline - time.monotonic()) > 0:
            self._wait_for_oldest(min(left, 0.2))
            self._advance()

    def read_topic(self, topic_id: str) -> None:
        """What is read from now on stands on the topic with this id: a person's word about another one is void."""
        with self._lock:
            if topic_id != self._topic_id:
                self._topic_id, self._accepted, self._look = topic_id, {}, None

    def keep_only(self, owned: Collection[Any]) -> None:
        """Lets go of all partitions but these."""
        with self._lock:
            self._window.keep_only(owned)
            self._tell_in_flight()
            self._reconsider()

    def stop(self) -> None:
        """Ends all threads as soon as they have what they wait for."""
        self.keep_only(())
        self._stopped.set()
        self._workers.stop()
        self._aside.stop()
        self._dead_letters.close()

    # --- decode → index → dead-letter → finished

    def _advance(self) -> bool:
        """Takes the oldest batches as far as they have got. True if no further one may begin."""
        with self._lock:
            self._look_for_word()
            while (flight := self._window.oldest) is not None and flight.future.done() and not self._blown:
                if flight.delivered is None:
                    flight.delivered = flight.future.result()
                if not flight.judged:
                    letters = flight.letters()
                    if not self._passes(flight, letters):
                        break
                    flight.judged = True
                    if letters:
                        flight.future = self._aside.submit(partial(self._dead_letters.send, letters, flight.abandon))
                        continue
                flight.future.result()
                self.progress.add(flight.batch, flight.delivered)
                self._fuse.remember()
                self._window.finish_oldest()
                self._tell_in_flight()
            return self._blown or self._window.full

    def _tell_in_flight(self) -> None:
        count = len(self._window)
        self._metrics.in_flight.inc(count - self._told)
        self._told = count

    def _wait_for_oldest(self, seconds: float) -> None:
        with self._lock:
            flight = self._window.oldest
        if flight is not None:
            wait((flight.future,), timeout=seconds)

    def _say_if_unanswered(self) -> None:
        """A request to a frozen server ends only after its timeout, and one that failed is not told at once: without
        this, the process would be ready for minutes in which nothing is indexed."""
        with self._lock:
            oldest, now = self._window.oldest, self._monotonic()
            if oldest is not self._waiting_for:
                self._waiting_for, self._waiting_since = oldest, now
                self._health.release(PART_ANSWER)
            elif oldest is None or now - self._waiting_since <= UNANSWERED_SECONDS:
                return
            elif self._health.reasons().keys() - {PART_ANSWER}:  # said by whoever knows it better
                self._waiting_since = now
                self._health.release(PART_ANSWER)
            else:
                server = "the dead-letter topic" if oldest.judged else "Elasticsearch"
                self._health.hold(
                    PART_ANSWER,
                    f"a batch is under way for more than {UNANSWERED_SECONDS:.0f} s: {server} does not answer; it is "
                    "waited for, and asked again",
                )

    # --- the fuse

    def _passes(self, flight: Flight, letters: list[DeadLetter]) -> bool:
        if not letters:
            self._fuse.judge_good(len(flight.batch.order))
        else:
            mine, accepted = flight.batch.next_offsets, self._accepted
            bad = {id(letter.record) for letter in letters}
            blows = self._fuse.judge(
                id(record) in bad
                for record in flight.batch.order
                if (record.topic, record.partition) in mine and record.offset > accepted.get(record.partition, -1)
            )
            unaccepted = [each for each in letters if each.record.offset > accepted.get(each.record.partition, -1)]
            # Once blown, a word that leaves some of the batch's poison out is not enough.
            if blows or (flight.held_by_fuse and unaccepted):
                flight.held_by_fuse = self._blown = True
                self._health.hold(PART, _words(unaccepted, self._spelled))
                return False
        self._forget_fuse()
        return True

    def _look_for_word(self) -> None:
        """While the fuse is blown: has a person accepted the poison?"""
        if self._look is not None and self._look.done():
            look, self._look = self._look, None
            try:
                accepted = look.result()
            except CryptoProxyError as error:
                self._health.hold(PART_WORD, f"whether a person accepted the poison cannot be read: {error}")
            else:
                self._health.release(PART_WORD)
                if accepted != self._accepted:
                    self._accepted = accepted
                    self._reconsider()
        if self._look is not None:
            return
        if self._blown and self._monotonic() >= self._look_at:
            self._look_at = self._monotonic() + LOOK_SECONDS
            self._look = self._aside.submit(partial(self._acceptances.read, self._topic_id))
            self._looking = True
        elif self._looking and not self._blown:
            self._looking = False
            self._aside.submit(self._acceptances.close)

    def _reconsider(self) -> None:
        """Partitions or acceptances are others now: judge the held batch again, if it is still there."""
        self._blown = False
        self._look_at = 0.0
        if self._window.oldest is None or not self._window.oldest.held_by_fuse:
            self._forget_fuse()

    def _forget_fuse(self) -> None:
        self._health.release(PART)
        self._health.release(PART_WORD)


def _words(poison: list[DeadLetter], spelled: str) -> str:
    last: dict[int, DeadLetter] = {}
    for letter in poison:
        found = last.get(letter.record.partition)
        if found is None or found.record.offset < letter.record.offset:
            last[letter.record.partition] = letter
    places = " ".join(
        f"--accept-poison {spelled}{partition}:{last[partition].record.offset}" for partition in sorted(last)
    )
    example = poison[-1]
    return (
        f"{IN_A_ROW} of the last {OF_THE_LAST} records are poison, for example {example.record.topic} "
        f"{example.record.partition}:{example.record.offset} ({example.reason}: {example.error[:300]}). "
        "Nothing of this batch is sent to the dead letters or committed. If it may go there: "
        f"cryptoproxy consume {places} (or higher offsets, to let more pass)"
    )
