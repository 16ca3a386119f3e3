"""The counts with their file and their clock: read at the start, moved along when the clock is stepped, written."""

from __future__ import annotations

import logging
from pathlib import Path

from cryptoproxy.common.clock import Clock
from cryptoproxy.common.errors import OperatorError
from cryptoproxy.common.log import Limited
from cryptoproxy.producer.budget import counts as of_counts
from cryptoproxy.producer.budget.counts import Counts
from cryptoproxy.producer.budget.kept_file import KeptFile
from cryptoproxy.producer.budget.state import State
from cryptoproxy.producer.budget.timeline import Moment, Timeline, boot_id
from cryptoproxy.upstreams.base import Limits

log = logging.getLogger(__name__)


class Ledger:
    """Not thread-safe: its owner has a lock. Look before you read or change :attr:`counts`.

    Args:
        boot: of this boot of the machine, see :mod:`producer.budget.timeline`; asked of the system without.

    Raises:
        OperatorError: the folder or the file in it cannot be used.
    """

    def __init__(self, limits: Limits, folder: Path, *, clock: Clock, boot: str | None = None) -> None:
        self._upstream = limits.upstream
        self._boot = boot_id() if boot is None else boot
        self._file = KeptFile(folder, limits.upstream)
        self._often = Limited(log, seconds=300, clock=clock.monotonic)
        self.unsaved = False
        """Whether there is something that a restart would forget, since it could not be written."""
        kept, damaged = self._file.load(now_ms=clock.now_ms())
        same_boot = kept is not None and kept.boot == self._boot != ""
        self._timeline = Timeline(clock, zero_ms=kept.zero_ms if kept and same_boot else None)
        self.counts = kept.counts if kept else Counts()
        now_ms = self.look().now_ms
        if damaged:
            self.counts = of_counts.assumed(limits, now_ms)
            self.save()
        self.counts = of_counts.clipped(self.counts, now_ms)

    def look(self) -> Moment:
        """The moment that it is; all stamps are moved along if the wall clock was stepped."""
        if by_ms := self._timeline.follow():
            self.counts = of_counts.shifted(self.counts, by_ms)
            log.info("the clock was stepped by %+.0f s; the budget of %s goes on", by_ms / 1000, self._upstream)
        return self._timeline.moment()

    def enter(self, counts: Counts) -> None:
        """Takes ``counts`` over when they are written, so that no crash of the process loses them.

        Raises:
            OperatorError: they cannot be written; what was known before stays.
        """
        self._write(counts, sync=False)
        self.counts = counts

    def save(self) -> None:
        """Writes what holds already, so that it survives a power failure, too. If it cannot be written it holds all
        the same, for as long as the process lives, and that is said."""
        try:
            self._write(self.counts, sync=True)
        except OperatorError as error:
            self.unsaved = True
            self._often.warning("unsaved", f"{error}. Until then a restart would forget what is known")

    def _write(self, counts: Counts, *, sync: bool) -> None:
        state = State(upstream=self._upstream, counts=counts, boot=self._boot, zero_ms=self._timeline.zero_ms)
        try:
            self._file.write(state, sync=sync)
        except OSError as error:
            raise OperatorError(
                f"{self._file.path} cannot be written ({error.strerror}), and nothing is sent that is not counted",
                remedy="Free its disk or mend its rights",
            ) from error
        self.unsaved = False
