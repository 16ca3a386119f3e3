"""The poller as `python -m cryptoproxy.producer` runs it, with what tests need beside: another clock, shorter times, a sudden end.

| environment | does |
|---|---|
| ``TEST_CLOCK`` | file with seconds that the wall clock is off; read again each time, so that it can be stepped |
| ``TEST_PATCH`` | JSON: dotted names of constants, of modules or classes, to their values |
| ``TEST_ALONE`` | no lease: a killed poller is followed at once |
| ``TEST_ONCE`` | `--once` |
| ``TEST_DIE`` | ``point:n``: SIGKILL at the n-th time that this point is reached, see :data:`POINTS` |
"""

from __future__ import annotations

import functools
import json
import os
import pkgutil
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.start import start


class SteppedClock(SystemClock):
    def __init__(self, file: Path) -> None:
        self._file = file

    def now_ms(self) -> int:
        return super().now_ms() + round(float(self._file.read_text() or 0) * 1000)


def patch(values: dict[str, Any]) -> None:
    for dotted, value in values.items():
        place, _, name = dotted.rpartition(".")
        owner = pkgutil.resolve_name(place)
        if not hasattr(owner, name):
            raise AttributeError(dotted)
        setattr(owner, name, value)


def die(*_: object) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


class Countdown:
    def __init__(self, times: int) -> None:
        self._left = times

    def __call__(self) -> bool:
        self._left -= 1
        return self._left == 0


Wrap = Callable[[Any, str, Countdown], None]


def before(owner: Any, name: str, due: Countdown) -> None:
    """Dies instead of the n-th call."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if due():
            die()
        return original(*args, **kwargs)

    setattr(owner, name, wrapped)


def after(owner: Any, name: str, due: Countdown) -> None:
    """Dies when the n-th call has returned."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        if due():
            die()
        return result

    setattr(owner, name, wrapped)


def half_written(owner: Any, name: str, due: Countdown) -> None:
    """Dies in the middle of the n-th file."""
    original = getattr(owner, name)

    def wrapped(path: Path, content: bytes) -> None:
        if due():
            with path.open("wb") as file:
                file.write(content[: len(content) // 2])
                file.flush()
                die()
        original(path, content)

    setattr(owner, name, wrapped)


def one_link(owner: Any, name: str, due: Countdown) -> None:
    """Dies when the n-th poll has one of its two names."""
    original = getattr(owner, name)

    def wrapped(paths: Iterable[Path], *folders: Path) -> None:
        if due():
            original(paths, folders[0])
            die()
        original(paths, *folders)

    setattr(owner, name, wrapped)


POINTS: dict[str, tuple[Wrap, str, str]] = {
    "fetched": (after, "cryptoproxy.producer.feeds.fetch:Fetcher", "get"),
    "half-written": (half_written, "cryptoproxy.producer.outbox.files", "write"),
    "written": (after, "cryptoproxy.producer.outbox.files", "write"),
    "marked": (after, "cryptoproxy.producer.outbox.files:Mark", "advance"),
    "one-link": (one_link, "cryptoproxy.producer.outbox.files", "link"),
    "linked": (after, "cryptoproxy.producer.outbox.files", "link"),
    "kept": (after, "cryptoproxy.producer.outbox.outbox:Outbox", "keep_all"),
    "sent": (after, "cryptoproxy.producer.drains.to_kafka:Publisher", "_send_waiting"),
    "acknowledged": (before, "cryptoproxy.producer.drains.to_kafka:Publisher", "_leave"),
    "before-put": (before, "cryptoproxy.lake.store:Store", "put"),
    "put": (after, "cryptoproxy.lake.store:Store", "put"),
    "leaving": (after, "cryptoproxy.producer.outbox.outbox:Outbox", "done"),
    "left": (after, "cryptoproxy.producer.drains.to_s3:Archiver", "_leave"),
}
"""The steps of a poll from the upstream to Kafka and S3, and where in the code each is."""


HISTORY_POINTS: dict[str, tuple[Wrap, str, str]] = {
    "history-asked": (after, "cryptoproxy.producer.feeds.history.loop:HistoryLoop", "_asked"),
    "history-walked": (after, "cryptoproxy.producer.feeds.history.walk:Walk", "step"),
    "history-kept": (after, "cryptoproxy.producer.feeds.history.loop:HistoryLoop", "_keep"),
    "history-saved": (after, "cryptoproxy.producer.feeds.history.runs:RunsFile", "save"),
    "history-announced": (after, "cryptoproxy.producer.feeds.history.agenda:Agenda", "announce"),
    "history-told": (after, "cryptoproxy.producer.feeds.history.runs:RunsTopic", "tell"),
}
"""The steps of a page of history, before it goes the way of a poll."""


def arm(point: str, times: int) -> None:
    wrap, where, name = (POINTS | HISTORY_POINTS)[point]
    wrap(pkgutil.resolve_name(where), name, Countdown(times))


def main() -> int:
    from cryptoproxy.producer.alone import once
    from cryptoproxy.producer.wiring import Poller

    patch(json.loads(os.environ.get("TEST_PATCH", "{}")))
    if point := os.environ.get("TEST_DIE"):
        name, _, times = point.partition(":")
        arm(name, int(times or 1))
    clock = SteppedClock(Path(file)) if (file := os.environ.get("TEST_CLOCK")) else None
    settings, alone = start(), bool(os.environ.get("TEST_ALONE"))
    if os.environ.get("TEST_ONCE"):
        return once.once(settings)
    poller = Poller(settings, clock=clock, alone=alone)
    poller.archiver.object_ms = settings.s3.object_seconds * 1000  # not one object per poll, as `--once` has it
    return poller.run()


if __name__ == "__main__":
    sys.exit(main())
