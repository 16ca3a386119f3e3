"""Fetching that keeps up with a partition which has much, beside others that have nothing."""

from __future__ import annotations

from typing import Any


def fetch_without_waiting_for_others(consumer: Any) -> Any:
    """The same consumer. Only where nothing at all is buffered a fetch waits for new records, as long as configured.

    The client keeps one fetch under way per broker, for those partitions of which it has nothing buffered. While it
    goes through a long answer of one partition, the next fetch is for the others alone. If they have nothing new, the
    broker holds that fetch for `fetch_max_wait_ms`, and until then the partition with all the records cannot be asked
    for: it is read at the pace of one answer each half second (docs/decisions/0005-kafka-python-faults.md).
    """
    fetcher = consumer._fetcher
    wait_ms, with_nothing_buffered = fetcher.config["fetch_max_wait_ms"], fetcher._fetchable_partitions

    def partitions_to_fetch() -> list[Any]:
        """Asked by the client just before it makes its requests."""
        chosen: list[Any] = with_nothing_buffered()
        some_are_left_out = len(chosen) < len(fetcher._subscriptions.fetchable_partitions())
        fetcher.config["fetch_max_wait_ms"] = 0 if some_are_left_out else wait_ms
        return chosen

    fetcher._fetchable_partitions = partitions_to_fetch
    return consumer
