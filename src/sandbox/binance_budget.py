"""Binance's request weight: counted per minute, 429 above the limit, 418 for those who go on."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from cryptoproxy.sandbox.limits import Limits, Minute

LONGEST_BAN_S = 3 * 86_400


@dataclass(frozen=True, slots=True)
class Verdict:
    """``status`` 200, 429 or 418; for the last two ``wait_s`` is the ``Retry-After``."""

    status: int
    used: int
    wait_s: int = 0
    banned_until_ms: int = 0


class Budget:
    """The weight of one IP."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._minute = Minute()
        self._lock = threading.Lock()
        self._ignored = 0
        """Calls since the first 429 of a row of them."""
        self._bans = 0
        self._until_ms = 0

    def spend(self, now_ms: int, weight: int) -> Verdict:
        limit = self._limits.binance_weight_per_minute
        with self._lock:
            if now_ms < self._until_ms:
                return self._banned(now_ms)
            used = self._minute.use(now_ms, weight)
            if limit is None or used <= limit:
                self._ignored = 0
                return Verdict(200, used)
            self._ignored += 1
            if self._ignored <= self._limits.binance_calls_until_ban:
                return Verdict(429, used, self._minute.left_s(now_ms))
            self._ignored = 0
            self._until_ms = now_ms + min(LONGEST_BAN_S, self._limits.binance_ban_s * 2**self._bans) * 1000
            self._bans += 1
            return self._banned(now_ms)

    def _banned(self, now_ms: int) -> Verdict:
        return Verdict(418, self._minute.use(now_ms, 0), -(-(self._until_ms - now_ms) // 1000), self._until_ms)
