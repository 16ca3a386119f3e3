"""Readiness: which parts cannot go on, and why. Empty means ready."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable

from cryptoproxy.datasets import MAX_AHEAD_MS, iso
from cryptoproxy.errors import visible

log = logging.getLogger(__name__)

AGAIN_SECONDS = 60.0


class Health:
    """Thread-safe. A part says why it is held up, and that it is not any more; each change is logged.

    The same reason with other numbers is no change. A reason that comes and goes is logged once a minute.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._reasons: dict[str, str] = {}
        self._since: dict[str, float] = {}
        self._logged: dict[str, dict[str, float]] = {}
        """By part: what was logged within the last minute, without its numbers, and when; the newest last."""

    def hold(self, part: str, reason: str, *, expected: bool = False) -> None:
        """``part`` cannot go on. ``expected``: it belongs to an ordinary start or stop, and is no warning."""
        reason = visible(reason)
        with self._lock:
            before = self._reasons.get(part)
            self._reasons[part] = reason
            self._since.setdefault(part, self._clock())
            told = self._tell(part, reason, is_new=before is None)
        if told:
            level = logging.INFO if expected else logging.WARNING
            log.log(level, "%s: %s: %s", "not ready" if before is None else "still not ready", part, reason)

    def release(self, part: str) -> None:
        """``part`` goes on."""
        with self._lock:
            reason = self._reasons.pop(part, None)
            since = self._since.pop(part, 0.0)
        if reason is not None:
            log.info("ready: %s, after %.0f s (it was: %s)", part, self._clock() - since, reason)

    def reasons(self) -> dict[str, str]:
        """By part; empty when ready."""
        with self._lock:
            return dict(self._reasons)

    def of(self, name: str) -> HealthOf:
        """The view of one who has parts of its own here."""
        return HealthOf(self, name)

    def _tell(self, part: str, reason: str, *, is_new: bool) -> bool:
        now = self._clock()
        words = re.sub(r"\d+", "#", reason)
        logged = self._logged.setdefault(part, {})
        last = next(reversed(logged), None)
        recent = {text: when for text, when in logged.items() if now - when < AGAIN_SECONDS or text == last}
        told = is_new or (words != last and words not in recent)
        if told:
            recent.pop(words, None)
            recent[words] = now
        self._logged[part] = recent
        return told


class HealthOf(Health):
    """Parts that have a name before theirs: ``candle-1m fuse``. Sees no other's."""

    def __init__(self, health: Health, name: str) -> None:
        self._health = health
        self._begin = f"{name} "

    def hold(self, part: str, reason: str, *, expected: bool = False) -> None:
        self._health.hold(self._begin + part, reason, expected=expected)

    def release(self, part: str) -> None:
        self._health.release(self._begin + part)

    def reasons(self) -> dict[str, str]:
        begin = self._begin
        return {part[len(begin) :]: why for part, why in self._health.reasons().items() if part.startswith(begin)}


def tell_slow_clock(health: Health | HealthOf, ahead: int, records: int, now_ms: int) -> None:
    """What is far ahead of a clock is passed over, be it of the future or the clock slow: else nothing would come of
    any record, and nothing be said of that.

    Args:
        ahead: so many of the records that came last. One among many that are good says nothing of the clock.
        records: all that came with them.
        now_ms: what the clock says.
    """
    if ahead and 2 * ahead >= records:
        health.hold(
            "clock",
            f"{ahead} records are more than {MAX_AHEAD_MS // 60_000} minutes ahead of this machine's clock, "
            f"{iso(now_ms)}: nothing comes of them. Set the clock (NTP); if it is right, the poller's is wrong",
        )
    else:
        health.release("clock")
