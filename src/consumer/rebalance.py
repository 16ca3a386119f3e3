"""Kafka's callbacks about partitions that come and go, as the indexer needs them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from kafka.consumer.subscription_state import AsyncConsumerRebalanceListener


class RebalanceListener(AsyncConsumerRebalanceListener):  # type: ignore[misc]
    """Runs on the client's own thread while ``poll`` waits for it. Asynchronous, because only so may it commit."""

    def __init__(
        self,
        consumer: Any,
        *,
        before_release: Callable[[], Awaitable[None]],
        assigned: Callable[[], None],
        lost: Callable[[], None],
    ) -> None:
        self._consumer = consumer
        self._before_release = before_release
        self._assigned = assigned
        self._lost = lost

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """Some of these, or all, may come back with the next assignment. Also called when the consumer closes."""
        self._see_the_rejoin_through()
        if revoked:
            await self._before_release()

    async def on_partitions_assigned(self, assigned: Any) -> None:
        """What we have from now on; the client keeps its position in what we had before as well."""
        self._assigned()

    async def on_partitions_lost(self, lost: Any) -> None:
        """The group went on without us: a commit would be refused."""
        self._see_the_rejoin_through()
        self._lost()

    def _see_the_rejoin_through(self) -> None:
        # kafka-python 3.0.12 forgets a rejoin that it began because the topic's metadata changed (at the start, and
        # when partitions are added): if a short `poll` ends before the group has answered, and the leader has taken
        # the new metadata meanwhile, it sees no reason to rejoin any more, and neither joins nor reads ever again.
        # The flag holds until the rejoin is complete.
        self._consumer._coordinator.request_rejoin()
