"""Which of the things that a rule matches it is meant for. Requests and frames are counted alike."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any


class RuleError(ValueError):
    """A rule that cannot be. The text names the field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """Counts are from 1."""

    name: str = ""
    """What ledger and counts call it; two rules may share a name."""
    nth: int | None = None
    """Only the n-th match: short for ``first=n, last=n``."""
    first: int = 1
    last: int | None = None
    every: int = 1
    """Of these every k-th: the first of them, then each k later."""
    times: int | None = None
    """Fires at most so often."""
    probability: float = 1.0

    def check_turns(self) -> None:
        """Raises:
        RuleError: they cannot be.
        """
        for name in ("nth", "first", "last", "every", "times"):
            at_least(name, getattr(self, name), 1)
        if not 0 <= self.probability <= 1:
            raise RuleError(f"probability: must be 0…1, not {self.probability}")

    @property
    def label(self) -> str:
        return self.name or "pass"

    def given(self) -> dict[str, object]:
        """The fields that are not at their default."""
        values = {f.name: (getattr(self, f.name), f.default) for f in fields(self)}
        return {name: value for name, (value, default) in values.items() if value not in (default, {})}

    def matches(self, asked: Any) -> bool:
        """Whether it is counted at all; of what, each kind of rule says."""
        raise NotImplementedError

    def due(self, n: int) -> bool:
        """Whether the n-th match is one of those meant."""
        first, last = (self.nth, self.nth) if self.nth is not None else (self.first, self.last)
        return n >= first and (last is None or n <= last) and (n - first) % self.every == 0


def at_least(name: str, value: float | None, least: int) -> None:
    if value is not None and value < least:
        raise RuleError(f"{name}: must be {least} or more, not {value}")


def check_pattern(name: str, pattern: str | None) -> None:
    try:
        re.compile(pattern or "")
    except re.error as error:
        raise RuleError(f"{name}: not a regular expression: {error}") from None
