"""How much the stand-ins allow, in the units of the real ones, and how they count. All callers are one IP here."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """None switches a limit off. The defaults are the documented ones, except CoinGecko's, which is off."""

    coingecko_calls_per_minute: int | None = None
    coingecko_retry_after_s: int | None = None
    """None: until the minute is over (119 s was seen)."""
    coingecko_cache_s: int = 0
    """The same question within so many seconds gets the same answer, with ``Age``; really 20 to 60."""
    binance_weight_per_minute: int | None = 6000
    binance_calls_until_ban: int = 10
    """Calls after the first 429 that turn it into a ban."""
    binance_ban_s: int = 120
    """The first ban; each further one is twice as long, up to three days."""
    bybit_calls_per_5s: int | None = 600
    bybit_ban_s: int = 600
    bybit_visits_per_second: int | None = None
    """Over it: HTTP 200 with retCode 10006, as per-account limits answer."""


class Minute:
    """A count that starts anew with each window of the clock, as Binance and CoinGecko count."""

    def __init__(self, seconds: int = 60) -> None:
        self._ms = seconds * 1000
        self._window = -1
        self._used = 0
        self._lock = threading.Lock()

    def use(self, now_ms: int, amount: int = 1) -> int:
        """What is used in this window, with this."""
        with self._lock:
            if now_ms // self._ms != self._window:
                self._window, self._used = now_ms // self._ms, 0
            self._used += amount
            return self._used

    def left_s(self, now_ms: int) -> int:
        """Whole seconds until the next window, at least 1."""
        return -(-(self._ms - now_ms % self._ms) // 1000)


class Sliding:
    """How many calls in the last seconds, as Bybit counts."""

    def __init__(self, seconds: int) -> None:
        self._ms = seconds * 1000
        self._calls: deque[int] = deque()
        self._lock = threading.Lock()

    def use(self, now_ms: int) -> int:
        with self._lock:
            while self._calls and self._calls[0] <= now_ms - self._ms:
                self._calls.popleft()
            self._calls.append(now_ms)
            return len(self._calls)
