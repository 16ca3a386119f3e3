"""Progress: a bar where a person looks on, a line now and then where a log is kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from cryptoproxy.consumer.backfill.span import written

LINE_SECONDS = 10.0


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
