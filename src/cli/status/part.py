"""One line of what `cryptoproxy status` answers."""

from __future__ import annotations

from dataclasses import dataclass, field

SECONDS = 10.0
"""Longest wait for one answer."""


@dataclass
class Part:
    """One line of the answer; ``faults`` are why it does not work, ``words`` what there is to know."""

    name: str
    words: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
