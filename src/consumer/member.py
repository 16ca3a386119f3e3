"""The indexer as a member of its group: its consumer, its name, and what comes with partitions that come and go.

An indexer has a name in its group (`group.instance.id`), so that after a SIGKILL the one that is started anew gets its
partitions back at once: without a name they would wait for the dead member's session to end, 45 s.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from kafka.consumer.subscription_state import AsyncConsumerRebalanceListener

from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clients.kafka_python.fetching import fetch_without_waiting_for_others
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import Dataset


def instance_id(chosen: str | None, port: int) -> str | None:
    """The name of this indexer: the same after a restart, and no other's. Two on one host cannot have one health port;
    where that is any free one, there is nothing to tell them by."""
    if chosen is None and port:
        return re.sub(r"[^A-Za-z0-9._-]", "-", f"{socket.gethostname()}-{port}")[-200:]
    return chosen


def consumer(settings: Settings, dataset: Dataset[Any], name: str | None) -> Any:
    """The indexer's, as fast as it gets."""
    made = kafka_client.consumer(
        settings.kafka,
        group_id=settings.kafka.group_of(dataset),
        client_id="cryptoproxy-indexer",
        group_instance_id=name,
        # Decided here and said aloud, never by the client (consumer.positions).
        auto_offset_reset="none",
        max_poll_records=settings.indexer.bulk_records,
        fetch_max_bytes=8 * 1024 * 1024,
        max_partition_fetch_bytes=2 * 1024 * 1024,
        # New partitions, and a topic made again, are seen after so long.
        metadata_max_age_ms=10_000,
    )
    # It leaves its group when it is closed. With a name, the client would just go, and after a rolling restart or a
    # scale-down nobody would read its partitions until the session has ended.
    made._coordinator.is_dynamic_member = lambda: True
    return fetch_without_waiting_for_others(know_the_topic_before_joining(made))


def know_the_topic_before_joining(consumer: Any) -> Any:
    """The same consumer. Until it knows the topic that it subscribes to, it asks for metadata without a pause.

    The client leaves `retry_backoff_ms` between any two such questions, though nothing has failed. At the start there
    are three: for the brokers, for all topics (`partitions_for_topic`), for the subscribed one. Meanwhile it joins its
    group without knowing the topic's partitions, and once it does, it joins again. That was a fifth of a second.
    """
    cluster = consumer._cluster
    as_configured = cluster.config["retry_backoff_ms"]

    def known(_: Any) -> None:
        """Called by the client at each answer."""
        if consumer.subscription():
            cluster.config["retry_backoff_ms"] = as_configured

    cluster.config["retry_backoff_ms"] = 1
    cluster.add_listener(known)
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
        # Why: see common.clients.kafka.see_a_rejoin_through. Here the client itself tells that a rejoin has begun.
        self._consumer._coordinator.request_rejoin()
