"""What must come of the records that a feeder sends, by docs/watch.md alone; knows nothing of watch's own code."""

from __future__ import annotations

from dataclasses import dataclass, field

MINUTE_MS = 60_000
RULES = """
channels:
  ops: {discord: "file:HOOK"}
rules:
  high: {when: {above: 100}, tell: [ops]}
  falls: {when: {falls: 2%, within: 1m}, tell: [ops]}
"""
DERIVES = "stats: all\nbars: [coingecko]\n"
HIGH, LOW = 101.0, 98.0
"""From one to the other is a fall of three percent."""


@dataclass
class Seen:
    """Of one asset."""

    prices: dict[int, float] = field(default_factory=dict)
    """By time in ms; those that moved something."""
    newest: int = 0
    holds: set[str] = field(default_factory=set)
    bar: list[float] = field(default_factory=list)
    """Prices of the minute that is under way."""


class Must:
    """Each record in the order in which it is sent. Times are whole parts of a minute, so that a window of a minute either
    has a record of its begin or says nothing."""

    def __init__(self) -> None:
        self.alerts: set[str] = set()
        self.derived: dict[str, tuple[float, ...]] = {}
        """By id: of bars open, high, low and close; of stats the price, and its change over a minute where that is known."""
        self._assets: dict[str, Seen] = {}

    def take(self, key: str, at: int, price: float, *, derives: bool) -> None:
        """One record that is not of the past; what is late or there twice moves nothing."""
        seen = self._assets.setdefault(key, Seen())
        if at <= seen.newest:
            return
        before = seen.prices.get(at - MINUTE_MS)
        self._say(seen, "high", key, at, price >= 100)
        if before is not None:
            self._say(seen, "falls", key, at, price / before <= 0.98)
        if derives:
            self._derive(seen, key, at, price, before)
        seen.prices[at], seen.newest = price, at

    def _say(self, seen: Seen, rule: str, key: str, at: int, holds: bool) -> None:
        if holds != (rule in seen.holds):
            seen.holds ^= {rule}
            self.alerts.add(f"watch:{rule}:{key.replace(':', '.')}:{at}-{'open' if holds else 'resolved'}")

    def _derive(self, seen: Seen, key: str, at: int, price: float, before: float | None) -> None:
        begin, last = at - at % MINUTE_MS, seen.newest - seen.newest % MINUTE_MS
        if begin == last:
            seen.bar.append(price)
            return
        changed = () if before is None else (float(f"{(price / before - 1) * 100:.7g}"),)
        self.derived[f"{key}:{at}"] = (price, *changed)
        if seen.bar and key.startswith("coingecko:"):
            bar = seen.bar
            self.derived[f"{key}:1m-{last}"] = (bar[0], max(bar), min(bar), bar[-1])
        seen.bar = [price]
