"""Kafka's callbacks about partitions that come and go, as the indexer needs them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from kafka.consumer.subscription_state import AsyncConsumerRebalanceListener


class RebalanceListener(AsyncConsumerRebalanceListener):  # type: ignore[misc]
    """Asynchronous, because only so may it commit while the client waits for it."""

    def __init__(self, before_release: Callable[[], Awaitable[None]], let_go: Callable[[], None]) -> None:
        self._before_release = before_release
        self._let_go = let_go

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """Also called when the consumer closes."""
        if revoked:
            await self._before_release()

    async def on_partitions_assigned(self, assigned: Any) -> None:
        """Nothing to do: reading begins at what is committed."""

    async def on_partitions_lost(self, lost: Any) -> None:
        """The group went on without us: a commit would be refused."""
        self._let_go()
