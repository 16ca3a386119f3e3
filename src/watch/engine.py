"""The loop that judges: reads all topics that the rules need, and sends what its shares find."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from kafka import TopicPartition
from kafka import errors as kafka_errors

from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.metrics import WatchMetrics
from cryptoproxy.common.retry import Backoff
from cryptoproxy.common.service import Health
from cryptoproxy.common.service.health import tell_slow_clock
from cryptoproxy.common.service.process import Loop
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.datasets.codec import UNREADABLE
from cryptoproxy.errors import CryptoProxyError, SettingsError, TransientError
from cryptoproxy.watch.assets import Followed
from cryptoproxy.watch.rulebook.reading import read
from cryptoproxy.watch.rulebook.rules import Rules
from cryptoproxy.watch.sharing.places import Inputs, Places, begin_of
from cryptoproxy.watch.sharing.share import Share
from cryptoproxy.watch.sharing.shares import Shares, share_of

log = logging.getLogger(__name__)

POLL_RECORDS = 4_000
TOGETHER_SECONDS = 0.2
"""What is found within so long is sent as one, while there is more to read."""
LOOK_SECONDS = 1.0
"""Between two looks at the file of rules, and for what is stale."""
HEARD_SECONDS = 2.5
"""By then the group has told a process that was put out."""
AGAIN_SECONDS = 10.0
"""Between two looks for topics that are missing, and for new partitions."""
_UNMET: Any = object()


class Engine:
    """
    Args:
        path: the file of rules, looked at each second.
        make: a new share, not brought back yet, by its number, with these rules.
        connect: makes a consumer without a group.
        prepare: asked before other rules are in force; with an error they are not.
        now_ms: a clock that does not step.
        catch_up: asked where records are far ahead of that clock; it may be right afterwards.
    """

    def __init__(
        self,
        *,
        kafka: Kafka,
        path: Path,
        rules: Rules,
        shares: Shares,
        make: Callable[[int, Rules], Share],
        connect: Callable[..., Any],
        prepare: Callable[[Rules], None],
        health: Health,
        metrics: WatchMetrics,
        now_ms: Callable[[], int],
        catch_up: Callable[[], None],
    ) -> None:
        self._kafka = kafka
        self._path = path
        self.rules = rules
        self._shares = shares
        self._make = make
        self._connect = connect
        self._prepare = prepare
        self._health = health
        self._metrics = metrics
        self._now_ms = now_ms
        self._catch_up = catch_up
        self._live: dict[int, Share] = {}
        self._coming: dict[int, _Coming] = {}
        self._consumer: Any = None
        self._inputs: Inputs | None = None
        self._decode: dict[str, Callable[[bytes], Any]] = {}
        self._met: dict[str, dict[bytes | None, tuple[Share, Followed] | None]] = {}
        self._sent_at = self._looked_at = self._asked_at = self._topics_at = 0.0
        self._seen = _stamp(path)

    def run(self, loop: Loop) -> None:
        """Until a stop. What is not sent then is found again by whoever goes on."""
        try:
            self._judge(loop)
            for number in list(self._live):
                self._give_up(number)
        finally:
            self._shares.kept.set()
            self._close_consumer()

    def _judge(self, loop: Loop) -> None:
        backoff = Backoff(cap=10.0)
        while loop.running:
            try:
                self._turn(loop)
            except kafka_errors.KafkaError as error:
                self._health.hold("topics", str(kafka_client.meaning(error, self._kafka)))
                self._close_consumer()
                loop.wait(backoff.next())
            else:
                backoff.reset()

    def _turn(self, loop: Loop) -> None:
        self._tend_shares()
        if time.monotonic() - self._looked_at >= LOOK_SECONDS:
            self._looked_at = time.monotonic()
            self._look_at_rules()
        if self._consumer is not None and time.monotonic() - self._topics_at >= AGAIN_SECONDS:
            self._topics_at = time.monotonic()
            self._look_at_topics()
        if not self._live:
            loop.wait(0.1)
            return
        if self._consumer is None:
            self._begin()
        polled = self._consumer.poll(timeout_ms=100, max_records=POLL_RECORDS)
        self._health.release("topics")
        now_ms, count = self._now_ms(), 0
        for share in self._live.values():
            share.judge.begin(now_ms)
        for partition, records in polled.items():
            self._take(partition, records)
            count += len(records)
        if count:
            self._look_at_clock(count)
        if count < POLL_RECORDS and time.monotonic() - self._asked_at >= LOOK_SECONDS:
            self._asked_at = time.monotonic()
            if self._all_is_read():
                for share in self._live.values():
                    share.judge.sweep(now_ms)
        self._send(at_once=count < POLL_RECORDS)

    def _look_at_clock(self, records: int) -> None:
        ahead = 0
        for share in self._live.values():
            ahead, share.judge.ahead = ahead + share.judge.ahead, 0
        tell_slow_clock(self._health, ahead, records, self._now_ms())
        if ahead:
            self._catch_up()

    # --- shares
    def _tend_shares(self) -> None:
        """As the group has decided; those that are back by now take part."""
        wanted = {each for each in self._shares.mine if each < self._shares.count}
        for number in [each for each in self._live if each not in wanted]:
            self._give_up(number)
        for number in [each for each in self._coming if each not in wanted]:
            self._coming.pop(number).cancel()
            self._health.release(f"share {number}")
        for number in wanted - self._live.keys() - self._coming.keys():
            self._come(number, Backoff(cap=10.0))
        for number, coming in list(self._coming.items()):
            if coming.thread.is_alive():
                continue
            if coming.error is not None:
                self._health.hold(f"share {number}", f"cannot go on: {coming.error}")
                if time.monotonic() >= coming.again_at:
                    self._come(number, coming.backoff)
                continue
            del self._coming[number]
            share = coming.share
            if share.judge.rules is not self.rules:  # they have changed meanwhile
                share.close()
                self._come(number, coming.backoff)
                continue
            self._live[number] = share
            self._met.clear()
            self._close_consumer()
            self._health.release(f"share {number}")
        self._metrics.shares.set(len(self._live))

    def _come(self, number: int, backoff: Backoff, *, after: float = 0.0) -> None:
        self._coming[number] = _Coming(self._make(number, self.rules), self._connect, backoff, after)
        self._health.hold(f"share {number}", "goes through what was told already", expected=True)

    def _give_up(self, number: int) -> None:
        try:
            self._live[number].keep()  # the next one has less to go through
        except CryptoProxyError as error:
            log.warning("share %d is not kept: %s; whoever goes on with it reads more again", number, error)
        self._drop(number)

    def _drop(self, number: int) -> None:
        share = self._live.pop(number)
        share.close()
        self._met.clear()

    # --- records
    def _begin(self) -> None:
        self._consumer = self._connect(max_poll_records=POLL_RECORDS)
        self._inputs = inputs = Inputs(self._kafka, self.rules, self._consumer)
        if inputs.missing:
            self._health.hold("missing", f"topics that rules need are missing: {', '.join(inputs.missing)}; "
                              "run `cryptoproxy setup`")  # fmt: skip
        else:
            self._health.release("missing")
        judge = next(iter(self._live.values())).judge
        self._decode = {topic: judge.decoders[called].decode for topic, called in inputs.called.items()}
        self._met = {topic: {} for topic in inputs.called}
        ends = inputs.ends(self._consumer)
        self._consumer.assign(inputs.partitions)
        for partition in inputs.partitions:
            for share in self._live.values():
                if partition not in share.places or share.places[partition] > ends[partition]:
                    share.places[partition] = begin_of(partition, share.places, ends)
            self._consumer.seek(partition, min(share.places[partition] for share in self._live.values()))

    def _take(self, partition: TopicPartition, records: list[Any]) -> None:
        topic = partition.topic
        met, decode = self._met.setdefault(topic, {}), self._decode[topic]
        bad = 0
        for record in records:
            found = met.get(record.key, _UNMET)
            if found is _UNMET:
                try:
                    found = met[record.key] = self._meet(topic, record)
                except (*UNREADABLE, ValueError, TypeError):
                    bad += 1
                    continue
            if found is None:
                continue
            share, followed = found
            if record.offset < share.places[partition]:
                continue
            try:
                share.judge.take(followed, decode(record.value))
            except (*UNREADABLE, ValueError, TypeError):
                bad += 1
        after = records[-1].offset + 1
        for share in self._live.values():
            if after > share.places[partition]:
                share.judged(len(records))
                share.places[partition] = after
        self._metrics.judged.inc(len(records))
        if bad:
            self._metrics.unreadable.inc(bad)

    def _meet(self, topic: str, record: Any) -> tuple[Share, Followed] | None:
        key = record.key
        if not key or key.count(b":") != 2:
            return None
        share = self._live.get(share_of(key, self._shares.count))
        if share is None or self._inputs is None:
            return None
        followed = share.follow(self._inputs.called[topic], record)
        return None if followed is None else (share, followed)

    def _all_is_read(self) -> bool:
        """Only then a record that is not there has not come; the brokers are asked, since they may be away."""
        if self._inputs is None or not self._inputs.partitions:
            return False
        try:
            ends: Places = self._consumer.end_offsets(self._inputs.partitions, timeout_ms=2_000)
        except kafka_errors.KafkaError:
            return False
        if any(share.places[each] > end for share in self._live.values() for each, end in ends.items()):
            self._close_consumer()  # a topic was made again
            return False
        return all((self._consumer.position_now(each) or 0) >= end for each, end in ends.items())

    # --- alerts
    def _send(self, *, at_once: bool) -> None:
        if not at_once and time.monotonic() - self._sent_at < TOGETHER_SECONDS:
            return
        for number, share in list(self._live.items()):
            try:
                if share.keeps_soon:
                    sent = share.keep()
                elif share.has_found:
                    sent = share.send()
                else:
                    continue
            except CryptoProxyError as error:
                # Not known whether it was committed: the ledger tells.
                log.warning("share %d is brought back from its ledger: %s", number, error)
                self._drop(number)
                self._come(number, Backoff(cap=10.0), after=HEARD_SECONDS)
                continue
            self._metrics.alerts.inc(sent)
            self._sent_at = time.monotonic()

    # --- rules
    def _look_at_rules(self) -> None:
        stamp = _stamp(self._path)
        if stamp == self._seen:
            return
        try:
            rules = read(self._path)
        except SettingsError as error:
            self._seen = stamp
            faults = f"{len(error.faults)} mistake(s), the first: {error.faults[0]}"
            self._health.hold("rules", f"the rules before it stay in force: {faults} (cryptoproxy watch check)")
            return
        try:
            self._prepare(rules)
        except CryptoProxyError as error:  # the file is looked at again
            self._health.hold("rules", f"the rules before it stay in force: {error}")
            self._looked_at += AGAIN_SECONDS
            return
        if self._consumer is None:
            self._consumer = self._connect()
        inputs = Inputs(self._kafka, rules, self._consumer)
        ends = inputs.ends(self._consumer)
        # Nothing fails from here on: all shares have the same rules.
        self.rules, self._seen = rules, stamp
        for share in self._live.values():
            share.renew(rules, inputs, ends)
        self._close_consumer()
        self._health.release("rules")
        log.info("%d rules are in force now", len(rules.rules))

    def _look_at_topics(self) -> None:
        """One that was missing may be there by now, or have more partitions."""
        before = self._inputs
        if before is not None:
            now = Inputs(self._kafka, self.rules, self._consumer)
            if (now.partitions, now.missing) != (before.partitions, before.missing):
                self._close_consumer()

    def _close_consumer(self) -> None:
        consumer, self._consumer, self._inputs = self._consumer, None, None
        self._met.clear()
        if consumer is not None:
            with suppress(kafka_errors.KafkaError):
                consumer.close(timeout_ms=1_000)


class _Coming:
    """A share that is brought back beside the loop, which goes on with the others."""

    def __init__(self, share: Share, connect: Callable[..., Any], backoff: Backoff, after: float) -> None:
        self.share = share
        self._after = after
        self.backoff = backoff
        self.error: CryptoProxyError | None = None
        self.again_at = 0.0
        self._unwanted = threading.Event()
        self._connect = connect
        self.thread = threading.Thread(target=self._run, name=f"share {share.number}", daemon=True)
        self.thread.start()

    def cancel(self) -> None:
        """It is another's by now."""
        self._unwanted.set()

    def _run(self) -> None:
        if self._unwanted.wait(self._after):
            return
        try:
            self.share.bring_back(self._connect, lambda: not self._unwanted.is_set())
        except CryptoProxyError as error:
            self._failed(error)
            return
        except Exception as error:  # half of a share is none: it would find nothing, and nobody would know
            log.exception("share %d did not come back, in a way that nobody foresaw", self.share.number)
            self._failed(TransientError(f"{type(error).__name__}: {error}"))
            return
        if self._unwanted.is_set():
            self.share.close()

    def _failed(self, error: CryptoProxyError) -> None:
        self.again_at = time.monotonic() + self.backoff.next()
        self.error = error
        self.share.close()


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
