"""Who tells people: the one process that has the last partition of the watch topic."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec
from kafka import TopicPartition
from kafka import errors as kafka_errors

from cryptoproxy.common.clients.turns import take_turns
from cryptoproxy.common.metrics import WatchMetrics
from cryptoproxy.common.service import Health
from cryptoproxy.common.service.process import Loop
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.datasets import ALERT, Alert
from cryptoproxy.datasets.codec import UNREADABLE
from cryptoproxy.errors import OperatorError, PoisonError
from cryptoproxy.watch.rulebook.rules import Channel, Rules
from cryptoproxy.watch.sharing.ledger import Ledger
from cryptoproxy.watch.sharing.places import Listed, Places, listed, placed
from cryptoproxy.watch.sharing.shares import Shares
from cryptoproxy.watch.telling.channels import send
from cryptoproxy.watch.telling.desk import Desk, Waiting
from cryptoproxy.watch.telling.links import Links
from cryptoproxy.watch.telling.silences import Silences

log = logging.getLogger(__name__)

FRESH_MS = 3_600_000
"""The first channels there ever were are told what was found within so long; one that comes later, what comes then."""
TOO_MANY = 50_000
"""With so many waiting for one channel no more are read."""
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(tuple[Listed, Listed | None]).decode


class Teller:
    """
    Args:
        make_ledger: of a partition.
        connect: makes a consumer without a group.
        rules: those in force.
        picture: of an alert, None without one.
    """

    def __init__(
        self,
        *,
        kafka: Kafka,
        shares: Shares,
        make_ledger: Callable[[int], Ledger],
        connect: Callable[..., Any],
        rules: Callable[[], Rules],
        now_ms: Callable[[], int],
        health: Health,
        metrics: WatchMetrics,
        links: Links,
        picture: Callable[[Alert], bytes | None],
    ) -> None:
        self._kafka = kafka
        self._shares = shares
        self._make_ledger = make_ledger
        self._connect = connect
        self._rules = rules
        self._now_ms = now_ms
        self._health = health
        self._metrics = metrics
        self._links = links
        self._picture = picture
        self._lock = threading.Lock()
        """The ledger is one, the desks are several."""
        self._ledger: Ledger | None = None
        self._consumer: Any = None
        self._silences: Silences | None = None
        self._silent: dict[str, int] = {}
        self._known: dict[str, bytes] = {}
        self._desks: dict[str, Desk] = {}
        self._arranged: dict[str, Channel] | None = None

    def run(self, loop: Loop) -> None:
        """Until a stop."""
        take_turns(
            loop,
            partial(self._turn, loop),
            part="telling",
            health=self._health,
            kafka=self._kafka,
            failed=self._close,
            cap=10.0,
        )
        self._close()

    def _turn(self, loop: Loop) -> None:
        if not self._shares.count or self._shares.count not in self._shares.mine:
            self._close()
            loop.wait(0.2)
            return
        if self._ledger is None:
            self._open()
        channels = dict(self._rules().channels)
        if channels != self._arranged:
            self._arrange(channels)
        assert self._silences is not None  # noqa: S101 - opened above
        for desk in self._desks.values():
            if desk.error is not None:
                raise desk.error
        if max((desk.waits for desk in self._desks.values()), default=0) > TOO_MANY:
            loop.wait(1.0)
            return
        polled = self._consumer.poll(timeout_ms=200)
        # After the alerts: a silence that was said before one was found counts for it.
        self._silent = self._silences.read(afresh=bool(polled))
        for partition, records in polled.items():
            for record in records:
                try:
                    alert = ALERT.codec.decode(record.value)
                except PoisonError:
                    continue  # the indexer's to say
                for desk in self._desks.values():
                    desk.put(Waiting(partition, record.offset, alert))
        places = {each: self._consumer.position_now(each) or 0 for each in self._consumer.assignment()}
        for desk in self._desks.values():
            desk.reached(places)

    def _open(self) -> None:
        ledger = self._make_ledger(self._shares.count)
        self._known = ledger.open()
        self._ledger = ledger
        self._consumer = self._connect()
        self._silences = Silences(self._kafka, self._connect, self._now_ms)
        topic = self._kafka.topic_of(ALERT)
        found = self._consumer.partitions_for_topic(topic)
        if not found:
            raise OperatorError(f"topic {topic} is missing", remedy="Run `cryptoproxy setup`")
        self._consumer.assign([TopicPartition(topic, each) for each in sorted(found)])
        log.info("this process tells people")

    def _arrange(self, channels: dict[str, Channel]) -> None:
        """A desk for each channel that there is now."""
        before = self._arranged or {}
        for name in [each for each in self._desks if channels.get(each) != before.get(each)]:
            self._desks.pop(name).stop(5.0)
        for name, channel in channels.items():
            if name not in self._desks:
                self._desks[name] = self._desk(channel)
        self._arranged = channels
        for partition in self._consumer.assignment():
            begin = [desk.done[partition] for desk in self._desks.values()]
            if begin:
                self._consumer.seek(partition, min(begin))
            else:
                self._consumer.seek_to_end(partition)
        for desk in self._desks.values():
            desk.start()

    def _desk(self, channel: Channel) -> Desk:
        partitions = sorted(self._consumer.assignment())
        ends = self._consumer.end_offsets(partitions)
        stored = self._known.get(f"channel:{channel.name}")
        noted = None
        if stored is not None:
            try:
                noted = _unpack(stored)
            except UNREADABLE as error:  # another's: what is new is told, perhaps once more
                log.warning("how far channel %s was told cannot be read: %s", channel.name, error)
        if noted is not None:
            done, trying = placed(noted[0]), None if noted[1] is None else placed(noted[1])
            begin = {each: min(done.get(each, 0), ends[each]) for each in partitions}
            # A topic that was made again may never reach so far, and the channel would wait for that.
            trying = trying and {each: min(offset, ends.get(each, 0)) for each, offset in trying.items()}
        elif stored is None and any(each.startswith("channel:") for each in self._known):
            begin, trying = ends, None
        else:
            since = self._consumer.offsets_for_times(dict.fromkeys(partitions, self._now_ms() - FRESH_MS))
            begin, trying = {each: since[each].offset if since.get(each) else ends[each] for each in partitions}, None
        if noted is None:
            self._note(channel.name, begin, None)
        return Desk(
            channel, done=begin, trying=trying, note=self._note,
            send=lambda where, message, plain: send(where, message, plain=plain), silences=lambda: self._silent,
            rules=self._rules, now_ms=self._now_ms, health=self._health, metrics=self._metrics, links=self._links,
            picture=self._picture,
        )  # fmt: skip

    def _note(self, name: str, done: Places, trying: Places | None) -> None:
        value = _pack([listed(done), None if trying is None else listed(trying)])
        with self._lock:
            if self._ledger is None:
                raise OperatorError("another process tells people by now", remedy="It goes on there")
            self._ledger.commit({f"channel:{name}": value})
            self._known[f"channel:{name}"] = value

    def _close(self) -> None:
        for desk in self._desks.values():
            desk.stop(3.0)
        self._desks, self._arranged = {}, None
        with self._lock:
            ledger, self._ledger = self._ledger, None
        if ledger is not None:
            ledger.discard()
        consumer, self._consumer = self._consumer, None
        silences, self._silences = self._silences, None
        with suppress(kafka_errors.KafkaError):
            if silences is not None:
                silences.close()
        with suppress(kafka_errors.KafkaError):
            if consumer is not None:
                consumer.close(timeout_ms=1_000)
