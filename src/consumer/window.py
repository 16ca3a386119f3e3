"""The batches under way, oldest first, the offsets that may be committed because all before them is finished, and the
threads in which batches wait for servers, so that the loop need not.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from cryptoproxy.consumer.batch import Batch, DeadLetter
from cryptoproxy.consumer.index.delivery import Delivered

T = TypeVar("T")


@dataclass(slots=True)
class Flight:
    """A batch between its reading and its end."""

    batch: Batch
    future: Future[Any]
    """First of the delivery to Elasticsearch, then, where something is poison, of the dead letters."""
    abandon: threading.Event = field(default_factory=threading.Event)
    delivered: Delivered | None = None
    held_by_fuse: bool = False
    judged: bool = False
    """The fuse let it pass."""

    def letters(self) -> list[DeadLetter]:
        """What is poison in it, of the partitions that are still ours."""
        found = self.batch.dead if self.delivered is None else [*self.batch.dead, *self.delivered.dead]
        # A TopicPartition is equal to the tuple of its fields.
        return [each for each in found if (each.record.topic, each.record.partition) in self.batch.next_offsets]


class Window:
    """First in, first out. Not thread-safe: its user holds a lock."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._flights: deque[Flight] = deque()
        self._finished: dict[Any, int] = {}
        self._taken: dict[Any, int] = {}
        """What was last given out to be committed."""

    @property
    def full(self) -> bool:
        return len(self._flights) >= self._size

    def __len__(self) -> int:
        return len(self._flights)

    def add(self, flight: Flight) -> None:
        self._flights.append(flight)

    @property
    def oldest(self) -> Flight | None:
        return self._flights[0] if self._flights else None

    def finish_oldest(self) -> None:
        """The oldest batch is finished: its offsets are the highest contiguous finished ones."""
        self._finished.update(self._flights.popleft().batch.next_offsets)

    def offer(self, offsets: Mapping[Any, int]) -> None:
        """Positions that nothing had to be done for, to be committed as well."""
        self._finished.update(offsets)

    def take_finished(self) -> Mapping[Any, int]:
        """The offsets to commit since the last call, by TopicPartition."""
        finished, self._finished = self._finished, {}
        self._taken.update(finished)
        return finished

    def put_back(self, offsets: Mapping[Any, int]) -> None:
        """A commit failed: offer them again, but for what was given out, finished or given away since."""
        for partition, offset in offsets.items():
            if self._taken.get(partition) == offset:
                self._finished.setdefault(partition, offset)

    def keep_only(self, owned: Collection[Any]) -> None:
        """The other partitions are somebody else's: stop working on what is theirs alone, and commit none of it.

        What is ours stays under way: the client goes on after what it has read of a partition that it keeps, so what
        is forgotten here would never be read again.
        """
        for offsets in (self._finished, self._taken):
            _keep(offsets, owned)
        for flight in self._flights:
            _keep(flight.batch.next_offsets, owned)
            if not flight.batch.next_offsets:
                flight.abandon.set()
                flight.future.cancel()
        self._flights = deque(flight for flight in self._flights if flight.batch.next_offsets)


def _keep(offsets: dict[Any, int], owned: Collection[Any]) -> None:
    for partition in [each for each in offsets if each not in owned]:
        del offsets[partition]


class Workers:
    """At most ``count`` threads, each begun with a task. Unlike those of a ``ThreadPoolExecutor`` they never hold up
    the end of the process: what a hanging server keeps them waiting for is not acknowledged, so it is done again at the
    next start."""

    def __init__(self, count: int, name: str) -> None:
        self._tasks: queue.SimpleQueue[tuple[Future[object], Callable[[], object]] | None] = queue.SimpleQueue()
        self._count = count
        self._name = name
        self._begun = 0
        self._lock = threading.Lock()

    def submit(self, task: Callable[[], T]) -> Future[T]:
        """Runs ``task`` as soon as a thread is free; a future that is cancelled before that is skipped."""
        future: Future[T] = Future()
        self._tasks.put((future, task))  # type: ignore[arg-type]
        with self._lock:
            if self._begun < self._count:
                self._begun += 1
                threading.Thread(target=self._work, name=f"{self._name}-{self._begun}", daemon=True).start()
        return future

    def stop(self) -> None:
        """The threads end when they are done with what they have; nobody waits for that."""
        for _ in range(self._begun):
            self._tasks.put(None)

    def _work(self) -> None:
        while (item := self._tasks.get()) is not None:
            future, task = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(task())
            except BaseException as error:  # noqa: BLE001 - raised again by whoever asks the future
                future.set_exception(error)
            # Until the next task comes, nothing of this one may be kept: a batch is megabytes.
            del item, future, task
