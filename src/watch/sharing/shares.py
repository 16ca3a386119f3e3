"""Which partitions of the watch topic this process has: its shares of the assets, and the telling.

All processes are members of one group on that topic, which has its name. A share is the assets whose id falls to it, of
whatever source and kind of record, so that rules may join them; the last partition is who tells people. Every process
reads all topics and passes over what is not its own, which costs a look-up for a record.
"""

from __future__ import annotations

import logging
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from kafka import errors as kafka_errors
from kafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from kafka.structs import MemberState

from cryptoproxy.common.clients.kafka import see_a_rejoin_through
from cryptoproxy.common.clients.turns import take_turns
from cryptoproxy.common.service import Health
from cryptoproxy.common.service.process import Loop
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.errors import CryptoProxyError, OperatorError

log = logging.getLogger(__name__)

KEEP_SECONDS = 3.0
"""Longest wait, at a stop, for what is being kept."""
SESSION_MS = 10_000
"""After so long without a sign of life a process's shares are another's."""


def share_of(key: bytes, shares: int) -> int:
    """The share of the record with this key: by the asset's id alone, so that all sources' records of it meet."""
    return zlib.crc32(key.split(b":")[1]) % shares


class Shares:
    """The loop that keeps this process's place in the group. ``mine`` may be read by any thread.

    Args:
        connect: makes a consumer with the options that it is given.
    """

    def __init__(self, kafka: Kafka, connect: Callable[..., Any], health: Health) -> None:
        self._kafka = kafka
        self._connect = connect
        self._health = health
        self._member: Any = None
        self.mine: frozenset[int] = frozenset()
        self.kept = threading.Event()
        """At a stop, when what this process knows of its shares is on the topic: a successor's first word ends ours."""
        self.count = 0
        """Shares there are in all; 0 until it is known. The telling has the partition behind them."""

    def run(self, loop: Loop) -> None:
        """Until a stop; then it leaves, so that others take over at once."""
        take_turns(loop, self._turn, part="group", health=self._health, kafka=self._kafka, failed=self._close, cap=5.0)
        deadline = time.monotonic() + KEEP_SECONDS
        with suppress(CryptoProxyError, kafka_errors.KafkaError):
            while self._member is not None and time.monotonic() < deadline and not self.kept.wait(0.05):
                self._turn()
        self.mine = frozenset()
        self._close()

    def _turn(self) -> None:
        if self._member is None:
            self._open()
        member = self._member
        see_a_rejoin_through(member)
        member.poll(timeout_ms=200)
        member.pause(*member.assignment())  # nothing is read by this client
        if member.group_metadata().state != MemberState.STABLE:
            return  # what was ours is ours until the group has decided; commits of others' shares are refused anyway
        mine = frozenset(each.partition for each in member.assignment())
        if mine != self.mine:
            told = sorted(each for each in mine if each < self.count)
            log.info("shares %s of %d%s", told or "none", self.count, "; tells people" if self.count in mine else "")
            self.mine = mine

    def _open(self) -> None:
        topic = self._kafka.watch_topic
        member = self._connect(
            group_id=topic,
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=2_000,
            partition_assignment_strategy=[StickyPartitionAssignor],
        )
        self._member = member
        partitions = member.partitions_for_topic(topic)
        if not partitions or len(partitions) < 2:
            raise OperatorError(
                f"topic {topic} is missing at {','.join(self._kafka.brokers)}, or this user may not see it",
                remedy="Run `cryptoproxy setup`",
            )
        if self.count not in (0, len(partitions) - 1):
            raise OperatorError(
                f"topic {topic} had {self.count + 1} partitions and now has {len(partitions)}",
                remedy="Its partitions are fixed: stop all `cryptoproxy watch`, delete the topic, run `cryptoproxy "
                "setup`; windows fill again from what the topics still have",
            )
        self.count = len(partitions) - 1
        member.subscribe([topic])

    def _close(self) -> None:
        member, self._member = self._member, None
        if member is not None:
            with suppress(kafka_errors.KafkaError):
                member.close(autocommit=False, timeout_ms=2_000)
