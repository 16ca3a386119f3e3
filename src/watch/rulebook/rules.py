"""A file of rules, read: plain values that say what is watched, when it is told, and to whom."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

from cryptoproxy.datasets.contracts.alert import Severity
from cryptoproxy.datasets.contracts.candle import STEPS
from cryptoproxy.datasets.times import DAY_MS, MINUTE_MS
from cryptoproxy.watch.rulebook.conditions import KINDS, Kind, Spec, longest_window

DISCORD = "https://discord.com/api/v10"
_LEARNED_MINUTES = 60
"""That a row of features needs before it."""


@dataclass(frozen=True, slots=True)
class Series:
    """One number of one kind of record: ``ticker.price``, ``candle-1m.close``."""

    dataset: str
    part: str
    field: str

    def __str__(self) -> str:
        return f"{self.called}.{self.field}"

    @property
    def called(self) -> str:
        """The dataset and part, as settings and commands spell it."""
        return f"{self.dataset}-{self.part}" if self.part else self.dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One figure held against one threshold."""

    kind: str
    of: Series
    threshold: float
    clear: float
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def of_kind(self) -> Kind:
        return KINDS[self.kind]

    @property
    def above(self) -> bool:
        """Holds at or above the threshold."""
        down = self.kind == "average-crosses" and self.options["direction"] == "down"
        return self.of_kind.above and not down

    @property
    def spec(self) -> Spec:
        """Its gauge."""
        return self.of_kind.gauge(self.options)

    @property
    def back_ms(self) -> int:
        """How much of the past it needs before it can tell anything."""
        bars: int = max(self.options.get("bars", 0), self.options.get("slow", 0))
        step = STEPS.get(self.of.part, 0) if self.of.dataset == "candle" else 0
        minutes: int = self.options.get("samples", _LEARNED_MINUTES if "model" in self.options else 0)
        return max(longest_window(self.spec), 2 * bars * step, minutes * MINUTE_MS)

    @property
    def stale_ms(self) -> int:
        """Of `stale`: after how long without a record; 0 of all others."""
        return int(self.threshold * 1000) if self.kind == "stale" else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """When a rule may begin to hold, by the time of the record, UTC."""

    days: frozenset[int] = frozenset(range(7))
    """Monday is 0."""
    begin: int = 0
    """Minute of the day."""
    end: int = 1440
    """Not within; before ``begin`` where it goes over midnight, and the night belongs to the day it began on."""

    def hold(self, at_ms: int) -> bool:
        """Whether this moment is within."""
        day, minute = divmod(at_ms // 60_000, 1440)
        if self.begin < self.end:
            within = self.begin <= minute < self.end
        else:
            within = minute >= self.begin or minute < self.end
            day -= minute < self.end
        return within and (day + 3) % 7 in self.days  # 1970 began on a Thursday


@dataclass(frozen=True, slots=True, kw_only=True)
class Assets:
    """Which assets a rule is for."""

    patterns: Sequence[str] = ("*",)
    """Beginnings of keys: ``binance:BTCUSDT``, ``coingecko``, ``*:BTCUSDT``."""
    top: int | None = None
    """By market cap, at each record anew."""

    def hold(self, key: str) -> bool:
        """Whether the asset with this key is among them."""
        return any(fnmatchcase(key, pattern) or fnmatchcase(key, f"{pattern}:*") for pattern in self.patterns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What is told of each asset by itself."""

    name: str
    join: Literal["all", "any"] = "all"
    conditions: Sequence[Condition]
    assets: Assets = Assets()
    hold: int = 1
    """Records in a row for which it must hold."""
    cool_down_ms: int = 0
    """From one opening to the next, at least."""
    severity: Severity = "warning"
    hours: Hours = Hours()
    tell: Sequence[str] = ()

    @property
    def mark(self) -> str:
        """Changes with all that decides on opening and closing, and with nothing else."""
        decides = (self.join, [*self.conditions], self.assets, self.hold, self.cool_down_ms, self.hours)
        return hashlib.sha256(repr(decides).encode()).hexdigest()[:16]

    @property
    def kind(self) -> str:
        return self.conditions[0].kind if len(self.conditions) == 1 else self.join


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """Somewhere people are told."""

    name: str
    way: Literal["discord", "discord-bot", "slack", "webhook", "apprise"]
    place: str
    """Where its address is, or the bot's token: ``env:NAME`` or ``file:/path``; it is a secret."""
    to: str | None = None
    """Of a bot: the number of the channel that it writes to."""
    api: str = DISCORD
    """Of a bot: where Discord is asked."""
    template: str | None = None
    """Of a webhook: its body; ``{words}`` and the other fields are put in as JSON texts."""
    digest: int = 20
    """Rows that a message shows; the others are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """All of one file."""

    rules: Mapping[str, Rule] = field(default_factory=dict)
    channels: Mapping[str, Channel] = field(default_factory=dict)
    stats: Assets | None = None
    """Of whose tickers stats are made."""
    bars: Assets | None = None
    """Of whose tickers bars of a minute are made."""

    def derives(self, key: str) -> tuple[bool, bool]:
        """Whether bars, and whether stats, are made of the tickers with this key."""
        return (
            self.bars is not None and self.bars.hold(key),
            self.stats is not None and self.stats.hold(key),
        )

    @property
    def back_ms(self) -> int:
        """How much of the past all of it needs."""
        conditions = [each.back_ms for rule in self.rules.values() for each in rule.conditions]
        # Of bars the minute under way: else the first one would be of a part of it.
        derived = [DAY_MS * (self.stats is not None), MINUTE_MS * (self.bars is not None)]
        return max([*conditions, *derived])

    def asked(self) -> dict[str, set[str]]:
        """The numbers that are needed, by dataset and part as they are spelled."""
        found: dict[str, set[str]] = {}
        for series in self.series():
            found.setdefault(series.called, set()).add(series.field)
        if self.stats or self.bars:
            found.setdefault("ticker", set()).add("price")
        return found

    def series(self) -> set[Series]:
        """All that is looked at."""
        return {condition.of for rule in self.rules.values() for condition in rule.conditions}
