"""The counts with their file and their clock: read at the start, moved along when the clock is stepped, written."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptoproxy.common import files
from cryptoproxy.common.clock import Clock
from cryptoproxy.common.log import Limited
from cryptoproxy.errors import OperatorError
from cryptoproxy.producer.budget import counts as of_counts
from cryptoproxy.producer.budget.counts import BudgetState, Counts, DamagedStateError, decode, encode
from cryptoproxy.producer.budget.windows import month_end_ms, month_of
from cryptoproxy.upstreams.base import Limits

log = logging.getLogger(__name__)

STEP_MS = 1000
"""Steps are followed in whole multiples of this, which each bucket divides; less is no step."""

DOUBT_SECONDS = 3600.0

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Ledger:
    """The file is ``<folder>/<upstream>.json``; one process per folder. Not thread-safe: its owner has a lock. Look
    before you read or change :attr:`counts`.

    Args:
        boot: of this boot of the machine, see :class:`Timeline`; asked of the system without.

    Raises:
        OperatorError: the folder or the file in it cannot be used.
    """

    def __init__(self, limits: Limits, folder: Path, *, clock: Clock, boot: str | None = None) -> None:
        self._upstream = limits.upstream
        self._boot = boot_id() if boot is None else boot
        self.path = folder / f"{limits.upstream}.json"
        self._often = Limited(log, seconds=300, clock=clock.monotonic)
        self.unsaved = False
        """Whether there is something that a restart would forget, since it could not be written."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OperatorError(f"the folder {folder} cannot be made: {error}", remedy="Mend OUTBOX_DIR") from error
        kept, damaged = self._load(clock.now_ms())
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
        """Takes ``counts`` over when they are written, so that no crash of the process loses them. A power failure may
        cost the last seconds' counts: a month's quota does not notice, and the short windows are over when the machine
        is up again.

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
        state = BudgetState(upstream=self._upstream, counts=counts, boot=self._boot, zero_ms=self._timeline.zero_ms)
        try:
            files.replace(self.path, encode(state), sync=sync)
        except OSError as error:
            raise OperatorError(
                f"{self.path} cannot be written ({error.strerror}), and nothing is sent that is not counted",
                remedy="Free its disk or mend its rights",
            ) from error
        self.unsaved = False

    def _load(self, now_ms: int) -> tuple[BudgetState | None, bool]:
        """What was written last, and whether it was damaged; None and False when nothing was ever written.

        A damaged file is set aside under a name that says when, and never taken for an empty one.
        """
        try:
            try:
                return decode(self.path.read_bytes(), upstream=self._upstream), False
            except FileNotFoundError:
                return None, False
            except DamagedStateError as error:
                stamp = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
                aside = self.path.with_name(f"{self.path.name}.damaged-{stamp}")
                self.path.replace(aside)
                log.error(  # noqa: TRY400
                    "%s is damaged (%s) and was set aside as %s; until the state topic tells more, the budget's short "
                    "windows count as used up and its month as used evenly until now",
                    self.path, error, aside,
                )  # fmt: skip
                return None, True
        except OSError as error:
            raise OperatorError(
                f"{self.path} cannot be read: {error}", remedy="Mend its rights: it tells what may be sent"
            ) from error


@dataclass(frozen=True, slots=True)
class Moment:
    """A look at the clock: now, the months that now may be in, and until when these are the ones."""

    now_ms: int
    months: tuple[str, ...]
    months_until_ms: int


class Timeline:
    """Stamps that read like the wall clock and pass like the monotonic one.

    Within a run a stamp's age is monotonic time, so a wall clock that is stepped makes nothing older or younger:
    the stamps are stepped with it (:meth:`follow`). Within one boot of the machine this holds across
    restarts, too, since its monotonic clock goes on. Only between machines, and across a boot, the wall clock is
    believed.

    Months are the wall clock's. After a step across a month's end nobody can say which of the two it is (a step may
    mend the clock or break it), so for an hour both must have room and both are counted. A clock that is off for
    longer stops the poller for another reason: the upstream's `Date`.

    Args:
        zero_ms: the stamp at which the monotonic clock was 0; that of an earlier run of the same boot goes on.
    """

    def __init__(self, clock: Clock, *, zero_ms: int | None = None) -> None:
        self._clock = clock
        self.zero_ms = clock.now_ms() - round(clock.monotonic() * 1000) if zero_ms is None else zero_ms
        self._doubt_ms = 0
        self._doubt_ends = 0.0

    def now_ms(self) -> int:
        return self.zero_ms + round(self._clock.monotonic() * 1000)

    def follow(self) -> int:
        """Goes after the wall clock if that was stepped; by how many ms, which older stamps must be moved by, too."""
        now = self._clock.monotonic()
        if self._doubt_ms and now >= self._doubt_ends:
            self._doubt_ms = 0
        step_ms = int((self._clock.now_ms() - self.now_ms()) / STEP_MS) * STEP_MS
        if step_ms:
            if not self._doubt_ms:
                self._doubt_ends = now + DOUBT_SECONDS
            self._doubt_ms += step_ms
            self.zero_ms += step_ms
        return step_ms

    def moment(self) -> Moment:
        now_ms = self.now_ms()
        month, until_ms = month_of(now_ms), month_end_ms(now_ms)
        if not self._doubt_ms:
            return Moment(now_ms, (month,), until_ms)
        other = month_of(now_ms - self._doubt_ms)
        if other == month:
            return Moment(now_ms, (month,), until_ms)
        doubt_left_ms = int((self._doubt_ends - self._clock.monotonic()) * 1000) + 1
        return Moment(now_ms, (month, other), min(until_ms, now_ms + doubt_left_ms))


def boot_id() -> str:
    """Of this boot of the machine; empty where the system does not tell."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""
