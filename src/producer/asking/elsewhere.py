"""A process beside an active poller asks nothing itself: its calls go through that one's door, in the one budget."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from prometheus_client import CollectorRegistry

from cryptoproxy.common.asking import NoBudgetError, NotAllowedError
from cryptoproxy.common.asking.client import DoorClient
from cryptoproxy.common.asking.words import HISTORY
from cryptoproxy.common.clock import Clock
from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.common.settings import Settings
from cryptoproxy.errors import OperatorError
from cryptoproxy.producer.budget import Budget
from cryptoproxy.producer.budget.budget import UNLIMITED
from cryptoproxy.producer.feeds.poll import PollOnce
from cryptoproxy.upstreams import asked_of
from cryptoproxy.upstreams.base import BannedError, Call, Response, Source

CALL_SECONDS = 120.0
"""So long one call waits at the door for its budget."""


class Elsewhere:
    """What asks for any source, as `once.asker_of` does within a budget of its own."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._asked = asked_of(settings.upstreams)
        self._client = DoorClient(settings.kafka, settings.asking)
        self._clock = clock

    def require(self) -> None:
        """Raises:
        CryptoProxyError: no poller is active that could be asked.
        """
        self._client.require()

    @contextmanager
    def asker(self, source: Source) -> Iterator[PollOnce]:
        """Asks for ``source``."""
        far = _FarBudget()
        asked = self._asked[source.upstream]

        def get(call: Call, *, timeout: float) -> Response:
            begun = time.monotonic()
            try:
                replied = self._client.ask(asked.question(call), priority=HISTORY, seconds=timeout)
            except NoBudgetError as error:
                far.ban(error.retry_after or 1.0, str(error))
                raise BannedError(str(error), retry_after=error.retry_after or 1.0) from error
            except NotAllowedError as error:
                raise OperatorError(str(error), remedy="Let both have the same version and ASK_TOKEN") from error
            return Response(replied.status, replied.headers, replied.body, time.monotonic() - begun)

        yield PollOnce(
            source,
            budget=cast("Budget", far),
            get=get,
            clock=self._clock,
            metrics=PollerMetrics(CollectorRegistry()),
            timeout=CALL_SECONDS,
        )

    def close(self) -> None:
        self._client.close()


class _FarBudget:
    """The poller's own decides; this one remembers for how long it said no."""

    def __init__(self) -> None:
        self._until, self._why = 0.0, ""

    def take(self, cost: int, **_: object) -> float:
        return self.ban_ends_in()

    def ban(self, seconds: float, why: str, **_: object) -> None:
        self._until, self._why = time.monotonic() + seconds, why

    def ban_ends_in(self) -> float:
        return max(0.0, self._until - time.monotonic())

    def ban_reason(self) -> str:
        return self._why if self.ban_ends_in() else ""

    def reported(self, used: int) -> None: ...

    def answered(self) -> None: ...

    def spare(self) -> int:
        return UNLIMITED
