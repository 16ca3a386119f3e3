"""Kafka's callbacks about partitions that come and go, as the indexer needs them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from kafka.consumer.subscription_state import AsyncConsumerRebalanceListener


class RebalanceListener(AsyncConsumerRebalanceListener):  # type: ignore[misc]
    """Runs on the client's own thread while ``poll`` waits for it. Asynchronous, because only so may it commit."""

    def __init__(
        self, *, before_release: Callable[[], Awaitable[None]], assigned: Callable[[], None], lost: Callable[[], None]
    ) -> None:
        self._before_release = before_release
        self._assigned = assigned
        self._lost = lost

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """Some of these, or all, may come back with the next assignment. Also called when the consumer closes."""
        if revoked:
            await self._before_release()

    async def on_partitions_assigned(self, assigned: Any) -> None:
        """What we have from now on; the client keeps its position in what we had before as well."""
        self._assigned()

    async def on_partitions_lost(self, lost: Any) -> None:
        """The group went on without us: a commit would be refused."""
        self._lost()
