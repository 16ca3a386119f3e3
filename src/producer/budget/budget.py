"""The budget of one upstream, as its sources are given it."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from cryptoproxy.common.clock import Clock
from cryptoproxy.common.log import Limited
from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.datasets import iso
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS
from cryptoproxy.producer.budget import counts as of_counts
from cryptoproxy.producer.budget.counts import BudgetState, DamagedStateError, decode, encode
from cryptoproxy.producer.budget.granting import Turns, decide
from cryptoproxy.producer.budget.intervals import usable
from cryptoproxy.producer.budget.ledger import Ledger, Moment
from cryptoproxy.producer.budget.windows import MINUTE, WINDOWS, Buckets, added, even_share, falls_to, used
from cryptoproxy.upstreams.base import MONTH, Limit, Limits, Priority

log = logging.getLogger(__name__)

UNLIMITED = 10**9
MONTHS_PORTIONS = 20


class Budget:
    """Shared by the sources of an upstream; thread-safe.

    Args:
        folder: where ``<upstream>.json`` is kept. One process per folder.
        urgent: set at a ban, so that a publisher of :meth:`state` does not wait with it.
        metrics: counts the cost there, and shows what is left and how long a ban lasts.
        share: the part of what all plans leave of each window that may be read through, 0 to 1.
        boot: see :class:`Ledger`.

    Raises:
        OperatorError: the folder or the file in it cannot be used.
    """

    def __init__(
        self,
        limits: Limits,
        folder: Path,
        *,
        clock: Clock,
        urgent: threading.Event | None = None,
        metrics: PollerMetrics | None = None,
        share: float = 0.5,
        boot: str | None = None,
    ) -> None:
        self.limits = limits
        self._share = share
        self.upstream = limits.upstream
        self._monotonic = clock.monotonic
        self._urgent = urgent or threading.Event()
        self._metrics = metrics
        self._lock = threading.Lock()
        self._turns = Turns()
        self._planned: dict[Priority, Mapping[str, int]] = {}
        self._spent: dict[Priority, dict[str, Buckets]] = {}
        """What each priority has used of each window that rolls, since the start. In monotonic time."""
        self._last: float | None = None
        self._often = Limited(log, seconds=300, clock=clock.monotonic)
        self._ledger = Ledger(limits, folder, clock=clock, boot=boot)
        self._log_ban(self._ledger.look().now_ms)
        if metrics:
            metrics.ban_seconds.labels(self.upstream).set_function(self.ban_ends_in)
            for each in limits.limits:
                left = metrics.budget_left.labels(self.upstream, each.window)
                left.set_function(partial(self._left_in, each.window))

    def take(self, cost: int, *, who: Hashable = None, priority: Priority = Priority.TICKERS) -> float:
        """0.0 if a request of this cost may be sent now: it is counted and on disk already, whatever becomes of it.
        Else the seconds after which to ask again; nothing is counted then, and a place in the queue is kept.

        Args:
            who: whose place in the queue it is; the thread's without.
            priority: all but the first take only what those before it leave over: what these have planned for
                (:meth:`reserve`) is kept free, so that none of their polls has to wait for one that comes after.

        Raises:
            OperatorError: the file cannot be written (nothing is granted), or no window ever holds so much.
        """
        who = threading.get_ident() if who is None else who
        with self._looked() as (moment, counts):
            if ban_ms := counts.ban_ms(moment.now_ms):
                if self._ledger.unsaved:
                    self._ledger.save()
                return ban_ms / 1000
            self.limits.require_possible(cost, f"one request to {self.upstream}")
            now = self._monotonic()
            wait_ms, limit = decide(
                counts,
                self.limits,
                moment,
                need=cost + self._turns.ahead_of(who, now, priority),
                idle_ms=None if self._last is None else round((now - self._last) * 1000),
                kept_free=self._kept_free(priority, moment) if priority else None,
            )
            if priority is Priority.READ_THROUGH:
                wait_ms, limit = max((wait_ms, limit), self._beyond_share(cost, moment), key=lambda each: each[0])
            if limit is not None:
                self._turns.wait(who, cost, wait_ms / 1000, now, priority)
                if priority:
                    return wait_ms / 1000  # no news: it lives on what is left over
                self._often.warning(
                    limit.window,
                    f"{self.upstream} waits {wait_ms / 1000:.1f} s: {self._used(limit, moment)} of {limit.amount} "
                    f"{self.limits.unit} per {limit.window} are used ({limit.setting})",
                )
                return wait_ms / 1000
            self._ledger.enter(
                of_counts.counted(counts, self.limits, cost=cost, now_ms=moment.now_ms, labels=moment.months)
            )
            self._last = now
            self._spend(priority, cost, now)
            self._turns.leave(who)
        if self._metrics:
            self._metrics.cost.labels(self.upstream).inc(cost)
        return 0.0

    def reported(self, used: int) -> None:
        """What the upstream says is used in its minute. More than we know of is counted at once (others behind our
        address); less never takes anything back. On disk with the next :meth:`take`."""
        with self._looked() as (moment, counts):
            if any(limit.window == MINUTE.name for limit in self.limits.rolling):
                self._ledger.counts = of_counts.corrected(counts, MINUTE, used=used, now_ms=moment.now_ms)

    def ban(self, seconds: float, why: str, *, least: float = 0.0) -> None:
        """Nothing is granted before its end, here or after a restart. An earlier ban that ends later stays.

        Args:
            least: above 0 it is a refusal, and each one in a row lasts longer: see :func:`counts.banned`.
        """
        seconds = of_counts.LONGEST_BAN_SECONDS if math.isnan(seconds) else seconds
        with self._looked() as (moment, counts):
            now_ms = moment.now_ms
            self._ledger.counts = of_counts.banned(counts, seconds=seconds, least=least, why=why, now_ms=now_ms)
            self._ledger.save()
            self._log_ban(moment.now_ms)
        self._urgent.set()

    def answered(self) -> None:
        """The upstream has answered what was asked: the next refusal is the first one again."""
        with self._lock:
            if self._ledger.counts.refusals:
                self._ledger.counts = replace(self._ledger.counts, refusals=0)  # on disk with the next take

    def ban_ends_in(self) -> float:
        """Seconds; 0 without a ban."""
        with self._looked() as (moment, counts):
            return counts.ban_ms(moment.now_ms) / 1000

    def ban_reason(self) -> str:
        """Why nothing is granted, in the upstream's words; empty without a ban."""
        with self._looked() as (moment, counts):
            return counts.ban.why if counts.ban and counts.ban_ms(moment.now_ms) else ""

    def reserve(self, planned: Mapping[Priority, Mapping[str, int]]) -> None:
        """``planned`` is what the polls of each priority use of each window (``minute``, ``5s``, and a whole
        ``month``) if none of them fails: no retry takes from that, and nothing that comes after them."""
        with self._lock:
            self._planned = dict(planned)

    def spare(self) -> int:
        """What the polls that are planned leave for retries of one slot. Of the month no slot may take more than a
        twentieth of what is left, so that an outage of hours does not cost the rest of the month."""
        with self._looked() as (moment, _):
            spare = UNLIMITED
            for limit in self.limits.limits:
                planned = sum(each.get(limit.window, 0) for each in self._planned.values())
                if limit.window == MONTH:
                    to_come = planned - even_share(planned, moment.now_ms)
                    spare = min(spare, (limit.amount - self._used(limit, moment) - to_come) // MONTHS_PORTIONS)
                else:
                    spare = min(spare, limit.amount - planned)
            return max(0, spare)

    def left(self, priority: Priority = Priority.TICKERS) -> Mapping[str, int]:
        """What may still be sent, by window that has a limit: ``minute``, ``5s``, ``month``; with a lower ``priority``
        what is left over by those before it."""
        with self._looked() as (moment, _):
            kept_free = self._kept_free(priority, moment)
            return {
                limit.window: max(
                    0,
                    (usable(limit) if priority else limit.amount) - self._used(limit, moment) - kept_free[limit.window],
                )
                for limit in self.limits.limits
            }

    def state(self) -> bytes:
        """All of it, for another machine."""
        with self._looked() as (moment, counts):
            return encode(BudgetState(upstream=self.upstream, counts=of_counts.clipped(counts, moment.now_ms)))

    def merge(self, state: bytes) -> None:
        """Takes over what a :meth:`state` knows beyond this: the larger count per window, the later end of a ban.

        What is no state is said aloud and changes nothing.
        """
        try:
            theirs = decode(state, upstream=self.upstream).counts
        except DamagedStateError as error:
            log.error("a state of %s from elsewhere is ignored: %s", self.upstream, error)  # noqa: TRY400
            return
        with self._looked() as (moment, counts):
            ours = of_counts.clipped(counts, moment.now_ms)
            both = of_counts.merged(ours, of_counts.clipped(theirs, moment.now_ms))
            if both != ours:
                self._ledger.counts = both
                self._ledger.save()
            if both.ban != ours.ban:
                self._log_ban(moment.now_ms)

    @contextmanager
    def _looked(self) -> Iterator[tuple[Moment, of_counts.Counts]]:
        with self._lock:
            moment = self._ledger.look()  # first, since it may move the counts
            yield moment, self._ledger.counts

    def _kept_free(self, priority: Priority, moment: Moment) -> dict[str, int]:
        """What of each window is not for this priority, since those before it have planned for it and not used it yet.

        After a restart they seem to have used nothing, so a window's length passes with less than there is.
        """
        now_ms = round(self._monotonic() * 1000)
        free = {limit.window: 0 for limit in self.limits.limits}
        for first in (each for each in self._planned if each < priority):
            for limit in self.limits.limits:
                planned = self._planned[first].get(limit.window, 0)
                if limit.window == MONTH:
                    done = even_share(planned, moment.now_ms)
                else:
                    spent = self._spent.get(first, {}).get(limit.window, ())
                    done = used(WINDOWS[limit.window], spent, now_ms)
                free[limit.window] += max(0, planned - done)
        return free

    def _beyond_share(self, cost: int, moment: Moment) -> tuple[int, Limit | None]:
        """As :func:`decide`, for what is read through: a share of what the plans leave. Of a month it comes day by day,
        so that one busy hour does not take all of it."""
        longest: tuple[int, Limit | None] = 0, None
        for limit in self.limits.limits:
            rest = usable(limit) - sum(each.get(limit.window, 0) for each in self._planned.values())
            share = int(rest * self._share)
            if limit.window == MONTH:
                planned = usable(limit) - rest
                beyond = self._used(limit, moment) - even_share(planned, moment.now_ms) + cost
                wait_ms = 0 if beyond <= even_share(share, moment.now_ms + DAY_MS) else HOUR_MS
            else:
                spent = self._spent.get(Priority.READ_THROUGH, {}).get(limit.window, ())
                level = max(share, min(rest, cost)) - cost if share else -1
                wait_ms = falls_to(WINDOWS[limit.window], spent, round(self._monotonic() * 1000), level)
            if wait_ms > longest[0]:
                longest = wait_ms, limit
        return longest

    def _spend(self, priority: Priority, cost: int, now: float) -> None:
        spent = self._spent.setdefault(priority, {})
        for limit in self.limits.rolling:
            window = WINDOWS[limit.window]
            spent[limit.window] = added(window, spent.get(limit.window, ()), round(now * 1000), cost)

    def _used(self, limit: Limit, moment: Moment) -> int:
        if limit.window == MONTH:
            return self._ledger.counts.used_in(moment.months)
        return self._ledger.counts.used(WINDOWS[limit.window], moment.now_ms)

    def _log_ban(self, now_ms: int) -> None:
        ban, left_ms = self._ledger.counts.ban, self._ledger.counts.ban_ms(now_ms)
        if ban and left_ms:
            log.warning(
                "nothing is sent to %s for %.0f s, until %s: %s",
                self.upstream, left_ms / 1000, iso(ban.until_ms), ban.why,
            )  # fmt: skip

    def _left_in(self, window: str) -> float:
        return float(self.left()[window])
