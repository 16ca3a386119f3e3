"""What a new active poller takes over from the one before, on whatever machine: budgets, bans, the last slots kept."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping

from cryptoproxy.common.errors import OperatorError
from cryptoproxy.common.record import iso
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.producer.budget import Budget
from cryptoproxy.producer.budget.state_topic import budget_key, read_all, slot_key
from cryptoproxy.producer.outbox import Outbox

log = logging.getLogger(__name__)

READ_SECONDS = 10.0


class Handover:
    """Reads the compacted state topic when the lease is acquired, before the first poll.

    Args:
        read: the latest value of each key of the topic.
    """

    def __init__(
        self,
        kafka: Kafka,
        budgets: Mapping[str, Budget],
        sources: Iterable[str],
        outbox: Outbox,
        *,
        read: Callable[[], Mapping[str, bytes]] | None = None,
    ) -> None:
        self._budgets = budgets
        self._sources = list(sources)
        self._outbox = outbox
        self._read = read or (lambda: read_all(kafka, timeout=READ_SECONDS))

    def take_over(self) -> None:
        """Raises:
        TransientError, OperatorError: the topic could not be read; the lease tries again before it polls.
        """
        state = self._read()
        for upstream, budget in self._budgets.items():
            if value := state.get(budget_key(upstream)):
                budget.merge(value)
        for source in self._sources:
            value = state.get(slot_key(source), b"")
            if value.isdigit():
                self._advance(source, int(value))
                log.info("%s was polled last for %s", source, iso(int(value)))

    def _advance(self, source: str, slot_ms: int) -> None:
        try:
            self._outbox.advance_last_slot(source, slot_ms)
        except OSError as error:
            raise OperatorError(
                f"the outbox {self._outbox.folder} cannot be written: {error}",
                remedy="Free its disk or mend its rights",
            ) from error

    def slot_state(self, source: str) -> bytes:
        """The last slot kept of ``source``, as it stands on the topic; empty before the first."""
        last = self._outbox.last_slot(source)
        return b"" if last is None else str(last).encode()
