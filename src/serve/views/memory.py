"""What ``/v1`` answers from without the index: this door's memory, and what the brokers say."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptoproxy.common.clock import Clock
from cryptoproxy.serve.road.newest import Newest
from cryptoproxy.serve.views.stats import NewestStats
from cryptoproxy.serve.views.working import Working


@dataclass(frozen=True, slots=True)
class FromMemory:
    """See above."""

    newest: Newest
    clock: Clock
    working: Working
    stats: NewestStats = field(default_factory=NewestStats)
