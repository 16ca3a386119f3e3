"""Start, watch and end the loops of one process.

Exit codes: 0 after a stop signal, 1 after an unhandled error, 2 for wrong settings, 70 when a loop is stuck.
"""

from __future__ import annotations

import gc
import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

from prometheus_client import CollectorRegistry

from cryptoproxy.common.service.health import Health
from cryptoproxy.common.service.http import HealthServer
from cryptoproxy.errors import CryptoProxyError

log = logging.getLogger(__name__)

STUCK_EXIT_CODE = 70
STOP_SECONDS = 9.0
"""From a stop signal to the end, whatever a client waits for; what is unfinished is done at the next start."""


class Loop:
    """Given to each loop: it asks :attr:`running` each turn, and waits by :meth:`wait`, so that a stop ends it at
    once and the watchdog sees that it turns."""

    def __init__(self, name: str, stop: threading.Event) -> None:
        self.name = name
        self._stop = stop
        self._turned = time.monotonic()

    @property
    def running(self) -> bool:
        """Whether to go on. Asking counts as a turn."""
        self.turn()
        return not self._stop.is_set()

    def turn(self) -> None:
        """Says that the loop still turns, in the middle of something long."""
        self._turned = time.monotonic()

    def wait(self, seconds: float) -> bool:
        """Waits, in steps that the watchdog sees; returns at once at a stop. True when the process shall stop."""
        deadline = time.monotonic() + seconds
        while True:
            self.turn()
            left = deadline - time.monotonic()
            if self._stop.wait(max(0.0, min(left, 1.0))):
                return True
            if left <= 1.0:
                return False

    @property
    def seconds_since_turn(self) -> float:
        return time.monotonic() - self._turned


class Service:
    """One process of loops. Each loop is a function of a :class:`Loop`; its end or error ends the process.

    Usage: ``service.add("drain", drain.run)``, then ``return service.run()`` in the main thread.
    """

    def __init__(
        self, name: str, *, host: str, port: int, watchdog_seconds: float, registry: CollectorRegistry | None = None
    ) -> None:
        self.name = name
        self.health = Health()
        self.registry = registry or CollectorRegistry()
        self._stop = threading.Event()
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        """Ends the main thread's wait. A signal may come while that thread holds the event's lock, so its handler
        must not set the event; this queue's ``put`` is made for handlers."""
        self._watchdog_seconds = watchdog_seconds
        self._loops: list[tuple[Loop, Callable[[Loop], None]]] = []
        self._failed = False
        self._server = HealthServer(host, port, health=self.health, stuck=self.stuck, registry=self.registry)

    @property
    def url(self) -> str:
        """Where `/livez`, `/readyz` and `/metrics` are."""
        return self._server.url

    def add(self, name: str, run: Callable[[Loop], None]) -> None:
        """Another loop, started by :meth:`run`."""
        self._loops.append((Loop(name, self._stop), run))

    def stop(self) -> None:
        """Asks every loop to end, as a stop signal does."""
        self._stop.set()
        self._wake.put(None)

    def wait_for_stop(self, seconds: float) -> bool:
        """Waits so long; returns at once, and True, when the process stops."""
        return self._stop.wait(seconds)

    def stuck(self) -> list[str]:
        """The loops that have not turned for the watchdog's time."""
        return [loop.name for loop, _ in self._loops if loop.seconds_since_turn > self._watchdog_seconds]

    def run(self) -> int:
        """Runs until a stop signal or the end of a loop; returns the exit code. Call it in the main thread."""
        settle()
        self._server.start()
        log.info("%s started; health and metrics at %s", self.name, self.url)
        threads = [
            threading.Thread(target=self._guarded, args=(loop, run), name=loop.name, daemon=True)
            for loop, run in self._loops
        ]
        with self._signals():
            for (loop, _), thread in zip(self._loops, threads, strict=True):
                loop.turn()
                thread.start()
            self._watch()
            self._stop.set()
            deadline = time.monotonic() + STOP_SECONDS
            for thread in threads:
                thread.join(max(0.0, deadline - time.monotonic()))
        self._server.close()
        code = 1 if self._failed else 0
        if late := [thread.name for thread in threads if thread.is_alive()]:
            # A client that waits for a server that is away cannot be interrupted. Nothing is lost by leaving:
            # what was not acknowledged is still in the outbox or uncommitted.
            log.warning("stopped without waiting longer for %s; the next start goes on there", ", ".join(late))
            leave(code)
        log.info("%s stopped", self.name)
        return code

    def _watch(self) -> None:
        """Until a stop; ends the process when a loop is stuck."""
        looked = time.monotonic()
        while True:
            try:
                self._wake.get(timeout=min(1.0, self._watchdog_seconds / 4))
            except queue.Empty:
                late = self.stuck()
            else:
                return
            before, looked = looked, time.monotonic()
            if looked - before > self._watchdog_seconds / 2:
                # The whole process was held (SIGSTOP, a paused machine): the loops have had no chance to turn.
                for loop, _ in self._loops:
                    loop.turn()
            elif late:
                self._leave_stuck(late)

    def _guarded(self, loop: Loop, run: Callable[[Loop], None]) -> None:
        try:
            run(loop)
            if not self._stop.is_set():
                log.info("%s has ended, and with it the process", loop.name)
        except CryptoProxyError as error:
            self._failed = True
            log.critical("%s ends the process: %s", loop.name, error)
        except Exception as error:
            self._failed = True
            log.critical("%s ends the process: %s: %s", loop.name, type(error).__name__, error, exc_info=True)
        finally:
            self.stop()

    def _leave_stuck(self, late: list[str]) -> NoReturn:
        log.critical(
            "%s has not turned for %.0f s (WATCHDOG_TIMEOUT); the process ends so that its supervisor starts it anew",
            " and ".join(late),
            self._watchdog_seconds,
        )
        leave(STUCK_EXIT_CODE)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def handle(number: int, frame: FrameType | None) -> None:
            self._wake.put(None)

        if threading.current_thread() is not threading.main_thread():
            yield  # a test's thread, which stops by stop()
            return
        before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def settle() -> None:
    """Once a process is made, before it works: what is there by now stays to the end, and no pass of Python's garbage
    collector visits it again.

    Else each full pass visits over sixty thousand objects of modules and clients, and every few batches of records make
    for one: an eighth of the indexer's CPU. How often the collector looks stays as it is: a request that failed leaves
    its body in a cycle of its error's traceback, and a hundred of those would be much memory.
    """
    gc.collect()
    gc.freeze()


def leave(code: int) -> NoReturn:
    """Ends the process without waiting for any thread."""
    logging.shutdown()
    with suppress(OSError):  # nobody reads it any more
        sys.stdout.flush()
    os._exit(code)
