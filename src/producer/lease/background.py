"""What may take long is done beside the lease's thread, which must go on polling its group."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

T = TypeVar("T")


def start(name: str, job: Callable[[], T], *, after: Future[None] | None = None) -> Future[T]:
    """Runs ``job`` on a daemon thread, when ``after`` has ended: the process can end without it, whatever it waits
    for (an executor's threads are waited for at exit)."""
    future: Future[T] = Future()

    def run() -> None:
        if after is not None:
            wait([after])
        try:
            result = job()
        except BaseException as error:  # noqa: BLE001 - raised again by result(), where it is decided on
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future
