"""Kafka's callbacks about partitions that come and go, as the indexer needs them; and how a member with a name joins.

An indexer has a name in its group (`group.instance.id`), so that after a SIGKILL the one that is started anew gets its
partitions back at once: without a name they would wait for the dead member's session to end, 45 s.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from kafka.consumer.subscription_state import AsyncConsumerRebalanceListener


def instance_id(chosen: str | None, port: int) -> str | None:
    """The name of this indexer: the same after a restart, and no other's. Two on one host cannot have one health port;
    where that is any free one, there is nothing to tell them by."""
    if chosen is None and port:
        return re.sub(r"[^A-Za-z0-9._-]", "-", f"{socket.gethostname()}-{port}")[-200:]
    return chosen


def say_when_it_leaves(consumer: Any) -> Any:
    """The same consumer, which leaves its group when it is closed. With a name, the client would just go, and after a
    rolling restart or a scale-down nobody would read its partitions until the session has ended."""
    consumer._coordinator.is_dynamic_member = lambda: True
    return consumer


def join_once_more(consumer: Any) -> None:
    """For a member with a name, once it has settled. If it was the group's leader before it was killed, the brokers
    take it for that still, and it does not know: nobody would see that partitions were added. A leader that joins
    again has the partitions shared out anew, by itself; of any other member that changes nothing."""
    if not consumer._coordinator._is_leader:
        consumer._coordinator.request_rejoin()


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
