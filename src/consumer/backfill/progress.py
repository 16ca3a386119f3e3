"""How far a run has got: on disk, so that a second start goes on after the last full hour; and on the screen."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from cryptoproxy.datasets import from_iso, iso
from cryptoproxy.datasets.times import written
from cryptoproxy.errors import OperatorError

log = logging.getLogger(__name__)

LINE_SECONDS = 10.0


@dataclass(slots=True)
class Totals:
    """What a replay has done so far, its interrupted starts included."""

    read: int = 0
    written: int = 0
    known: int = 0
    """Were there already; always 0 for a topic, which cannot know."""
    poison: int = 0


class Marks:
    """The last finished (hour, source) of one replay, in the order of reading.

    Args:
        task: all that makes it this replay and no other: from where, what, and to where.
    """

    def __init__(self, folder: Path, task: dict[str, Any]) -> None:
        self._task = task
        name = hashlib.sha256(json.dumps(task, sort_keys=True).encode()).hexdigest()[:12]
        self.path = folder / f"replay-{name}.json"

    def load(self) -> tuple[tuple[int, str] | None, Totals]:
        """The mark, or None where nothing is finished yet. A file that cannot be used counts as none: what is sent
        again does no harm."""
        try:
            found = json.loads(self.path.read_bytes())
            return (from_iso(found["hour"]), str(found["source"])), Totals(**found["totals"])
        except FileNotFoundError:
            return None, Totals()
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s cannot be used, so the replay starts anew: %s", self.path, error)
            return None, Totals()

    def finish(self, hour_ms: int, source: str, totals: Totals) -> None:
        """All up to this hour of this source is at its target.

        Raises:
            OperatorError: the mark cannot be written.
        """
        content = {"hour": iso(hour_ms), "source": source, "totals": asdict(totals), "task": self._task}
        beside = self.path.with_suffix(f".{os.getpid()}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text(f"{json.dumps(content)}\n", encoding="utf-8")
            beside.replace(self.path)
        except OSError as error:
            raise OperatorError(
                f"{self.path} cannot be written: {error.strerror}", remedy="Mend that, or name another --progress-dir"
            ) from error

    def forget(self) -> None:
        """The replay is at its end, or starts anew."""
        self.path.unlink(missing_ok=True)


class Display:
    """Hours as steps, records beside them. Writes to standard error, so that a result can be piped."""

    def __init__(self, what: str, console: Console, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._console = console
        self._monotonic = monotonic
        self._total = self._done = self._records = 0
        self._began = self._said = monotonic()
        self._task: TaskID | None = None
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("hours"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[records]}"),
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Display:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def begin(self, total: int, done: int = 0) -> None:
        """So many hours are to be done, some of them already."""
        self._total, self._done = total, done
        self._began = self._said = self._monotonic()
        if self._task is None:
            self._bar.start()
            self._task = self._bar.add_task(self._what, total=total, completed=done, records="")
        else:
            self._bar.update(self._task, total=total, completed=done)

    def records(self, count: int) -> None:
        self._records += count
        if self._task is not None:
            self._bar.update(self._task, records=self._pace())

    def hour_done(self, source: str, hour_ms: int) -> None:
        self._done += 1
        if self._task is not None:
            self._bar.update(self._task, completed=self._done)
        if not self._console.is_terminal and self._monotonic() - self._said >= LINE_SECONDS:
            self._said = self._monotonic()
            self.say(f"{self._what}: {self._done} of {self._total} hours, {source} {written(hour_ms)}, {self._pace()}")

    def say(self, line: str) -> None:
        """A line of its own, above the bar."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _pace(self) -> str:
        seconds = max(0.001, self._monotonic() - self._began)
        return f"{self._records} records, {self._records / seconds:.0f}/s"
