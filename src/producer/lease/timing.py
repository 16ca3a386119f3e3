"""The durations of the lease, and how they hang together.

A holder that is killed is followed after at most ``session_timeout`` (its last heartbeat was just before) plus
``heartbeat`` (the others hear of the rebalance with their next one) plus ``turn`` and two round trips: about 9.5 s.
``silence`` is over by then, since the holder's last note is older than that.

A process may be paused for ``pause`` without asking anybody: its last heartbeat was at most one ``heartbeat`` before,
so Kafka has not given the lease away yet.

After Kafka was away, its clients are back within 2.4 s (their longest wait between two tries), and a rebalance that
one of them asks for reaches the others within one ``heartbeat``: before ``silence`` is over, the former holder has
long said that it lives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """All in seconds."""

    session_timeout: float = 8.0
    """Kafka's own term: without a heartbeat for so long, a member is put out of the group. Brokers want 6 s or more."""
    heartbeat: float = 1.0
    rebalance: float = 10.0
    """How long a rebalance waits for a member that lives but does not join (``max_poll_interval_ms``)."""
    confirm: float = 2.0
    """Between two confirmations of the holder, and between two looks of the others at its note."""
    answer: float = 2.0
    """Longest wait for an answer of Kafka. Short, since the lease's thread waits."""
    pause: float = 6.0
    silence: float = 6.0
    stuck: float = 60.0
    """Without any answer for so long, a new client is tried: the brokers may have moved, or the client hangs."""
    turn: float = 0.25
    calm: float = 0.5
    """A turn of the one that polls: each wakes two threads a dozen times, which is most of an idle poller's CPU."""

    def member_options(self) -> dict[str, Any]:
        """For the consumer that is a member of the group."""
        return {
            "session_timeout_ms": int(self.session_timeout * 1000),
            "heartbeat_interval_ms": int(self.heartbeat * 1000),
            "max_poll_interval_ms": int(self.rebalance * 1000),
            # A connection that is silent for so long is dropped and made anew. One that takes part in a rebalance is
            # silent while others wait for a dead leader.
            "request_timeout_ms": int((self.session_timeout + self.heartbeat) * 1000),
            # Also the client's own pace while it has nothing to read: at its 100 ms it is most of an idle poller's CPU.
            "retry_backoff_ms": int(self.calm * 1000),
        }

    def reader_options(self) -> dict[str, Any]:
        """For the consumer that only reads the note."""
        return {"request_timeout_ms": int(1.5 * self.answer * 1000)}
