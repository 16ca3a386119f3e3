"""Threads that wait for servers, so that the loop need not."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


class Workers:
    """A fixed number of threads. Unlike those of a ``ThreadPoolExecutor`` they never hold up the end of the process:
    what a hanging server keeps them waiting for is not acknowledged, so it is done again at the next start."""

    def __init__(self, count: int, name: str) -> None:
        self._tasks: queue.SimpleQueue[tuple[Future[object], Callable[[], object]] | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True) for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, task: Callable[[], T]) -> Future[T]:
        """Runs ``task`` as soon as a thread is free; a future that is cancelled before that is skipped."""
        future: Future[T] = Future()
        self._tasks.put((future, task))  # type: ignore[arg-type]
        return future

    def stop(self) -> None:
        """The threads end when they are done with what they have; nobody waits for that."""
        for _ in self._threads:
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
