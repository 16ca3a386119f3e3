"""One share of the assets: what it knows, brought back after whatever happened, and what it finds, sent exactly once.

In the ledger stand two places in the topics. **told**: every record before it was judged, and what was found was sent
in the same transaction. **kept**: what was known of all assets at that place. To come back means: load what was kept,
go silently through the records from there to **told**, then believe what the ledger says of each case (open, since
when), and judge on. So an alert is on its topic once, whatever order the topics are read in; and most records cost the
ledger nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, TypedDict, TypeVar

import msgspec
from kafka import TopicPartition
from kafka import errors as kafka_errors

from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.datasets import ALERT, CANDLE, MAX_AHEAD_MS, STATS, Candle, Dataset, iso, key
from cryptoproxy.datasets.codec import ODD_NOTE, UNREADABLE
from cryptoproxy.datasets.times import MINUTE_MS
from cryptoproxy.errors import OperatorError, TransientError
from cryptoproxy.watch.assets import Followed
from cryptoproxy.watch.judge import Judge
from cryptoproxy.watch.rulebook.rules import Rules
from cryptoproxy.watch.sharing.ledger import Ledger, Sent
from cryptoproxy.watch.sharing.places import Inputs, Listed, Places, begin_of, listed, placed
from cryptoproxy.watch.sharing.shares import share_of

log = logging.getLogger(__name__)

KEEP_SECONDS = 600.0
KEEP_RECORDS = 300_000
"""What is known is kept again after so long, or so many records: as many must be gone through after a kill."""
REPLAY_SECONDS = 60.0
"""For an answer of the brokers while these are gone through."""
T = TypeVar("T")


class Share:
    """Not thread-safe: one thread brings it back, then another goes on with it.

    Args:
        now_ms: a clock that does not step.
        catch_up: asked where records are far ahead of that clock; it may be right afterwards.
    """

    def __init__(
        self,
        kafka: Kafka,
        number: int,
        *,
        count: int,
        ledger: Ledger,
        rules: Rules,
        now_ms: Callable[[], int],
        catch_up: Callable[[], None],
    ) -> None:
        self.number = number
        self.judge = Judge(rules)
        self.places: Places = {}
        self.begun = time.monotonic()
        self._kafka = kafka
        self._count = count
        self._ledger = ledger
        self._now_ms = now_ms
        self._catch_up = catch_up
        self._kept_at = time.monotonic()
        self._since_kept = 0
        self._keep_all = False

    def is_ours(self, record_key: bytes) -> bool:
        """Whether records with this key are of this share."""
        return record_key.count(b":") == 2 and share_of(record_key, self._count) == self.number

    def follow(self, called: str, record: Any) -> Followed | None:
        """Of a record whose key was not met yet; None where no rule is for it.

        Raises:
            msgspec.DecodeError: it is no record.
            ValueError: its key is not its own, so it says nothing of that key.
        """
        said = _identity.decode(record.value)
        text: str = record.key.decode(errors="replace")
        if f"{said.source}:{said.asset_id}:{said.quote}" != text:
            raise ValueError(f"the key {text} is not its own")
        return self.judge.follow(called, text, said.symbol)

    # --- coming back
    def bring_back(self, connect: Callable[..., Any], going_on: Callable[[], bool]) -> None:
        """See above. Takes the ledger over first.

        Args:
            connect: makes a consumer without a group.
            going_on: asked now and then; with False it ends early and is of no use.

        Raises:
            CryptoProxyError: Kafka refuses, or is away.
        """
        known = self._ledger.open()
        consumer = None
        try:
            consumer = connect()
            self._bring_back(known, consumer, going_on)
        except kafka_errors.KafkaError as error:
            raise kafka_client.meaning(error, self._kafka) from error
        finally:
            if consumer is not None:
                consumer.close(timeout_ms=1_000)

    def _bring_back(self, known: Mapping[str, bytes], consumer: Any, going_on: Callable[[], bool]) -> None:
        inputs = Inputs(self._kafka, self.judge.rules, consumer)
        if self._is_slow(inputs, consumer):
            self._catch_up()
            if self._is_slow(inputs, consumer):
                raise OperatorError(
                    f"this machine's clock, {iso(self._now_ms())}, is slow: the newest records are more than "
                    f"{MAX_AHEAD_MS // MINUTE_MS} minutes ahead of it, and would be passed over",
                    remedy="Set it (NTP); what has come meanwhile is judged then",
                )
        places = self._read(known, "told", _decode_places) | self._read(known, "kept", _decode_places)
        told, kept = placed(places.get("told", ())), placed(places.get("kept", ()))
        self.places, begin, new = self._from_where(inputs, told, kept, consumer)
        for name, found in self._read(known, "asset:", _decode_asset).items():
            self._load(name.removeprefix("asset:"), found)
        self.judge.silent = True
        self.judge.begin(self._now_ms())
        count = self._go_through(inputs, begin, consumer, going_on)
        if not going_on():
            raise TransientError(f"share {self.number} is another process's by now")
        self.judge.silent = False
        self.judge.begin(self._now_ms())
        truths = self._read(known, "case:", _decode_truth)
        self.judge.believe({name: each for name, each in truths.items() if name.count(":") == 4})
        self._since_kept = count
        if new:
            self.keep()
        log.info(
            "share %d is back after %.1f s: %d assets, %d records gone through",
            self.number, time.monotonic() - self.begun, len(self.judge.assets), count,
        )  # fmt: skip

    def _read(self, known: Mapping[str, bytes], begin: str, decode: Callable[[bytes], T]) -> dict[str, T]:
        """What the ledger says under names that begin so. What another program or version has written is passed over:
        one entry of it shall not keep a share from coming back."""
        found: dict[str, T] = {}
        for name, value in known.items():
            if name.startswith(begin):
                try:
                    found[name] = decode(value)
                except UNREADABLE as error:
                    log.warning("share %d: %s cannot be read and is passed over: %s", self.number, name, error)
        return found

    def _load(self, key: str, known: _Asset) -> None:
        """An asset whose figures are another version's is followed anew."""
        try:
            self.judge.load(key, known)
        except (*ODD_NOTE, AttributeError, IndexError) as error:
            self.judge.assets.pop(key, None)
            log.warning("share %d: what was known of %s cannot be read and is passed over: %r", self.number, key, error)

    def _is_slow(self, inputs: Inputs, consumer: Any) -> bool:
        """Whether most of what is as new as our clock says was sent at a time that it has not come to by far."""
        now_ms = self._now_ms()

        def since(moment: int) -> int:
            found = consumer.offsets_for_times(dict.fromkeys(inputs.partitions, moment)) if inputs.partitions else {}
            return sum(each is not None for each in found.values())

        return bool(ahead := since(now_ms + MAX_AHEAD_MS)) and 2 * ahead >= since(now_ms - MAX_AHEAD_MS)

    def _from_where(
        self, inputs: Inputs, told: Places, kept: Places, consumer: Any
    ) -> tuple[Places, Places, list[TopicPartition]]:
        """Where to judge on, where to begin to go through, and which partitions are new: of these the past fills the
        windows and nothing is alerted on."""
        ends = inputs.ends(consumer)
        new = [each for each in inputs.partitions if each not in told]
        back = self.judge.rules.back_ms
        since = consumer.offsets_for_times({each: self._now_ms() - back for each in new}) if new and back else {}
        places = {
            each: begin_of(each, told, ends) if each in new or told[each] > ends[each] else told[each]
            for each in inputs.partitions
        }
        begin = {
            each: min(places[each], (since[each].offset if since.get(each) else ends[each]) if each in new
                      else kept.get(each, told[each]))
            for each in inputs.partitions
        }  # fmt: skip
        return places, begin, new

    def _go_through(self, inputs: Inputs, begin: Places, consumer: Any, going_on: Callable[[], bool]) -> int:
        left = {each for each, offset in begin.items() if offset < self.places[each]}
        if not left:
            return 0
        consumer.assign(sorted(left))
        for each in left:
            consumer.seek(each, begin[each])
        count, deadline = 0, time.monotonic() + REPLAY_SECONDS
        met: dict[tuple[str, bytes], Followed | None] = {}
        while left and going_on():
            polled = consumer.poll(timeout_ms=500)
            for partition, records in polled.items():
                called, end = inputs.called[partition.topic], self.places[partition]
                for record in records:
                    if record.offset < end:
                        self._pass(called, record, met)
                        count += 1
                deadline = time.monotonic() + REPLAY_SECONDS
            done = {each for each in left if (consumer.position_now(each) or 0) >= self.places[each]}
            if done:
                left -= done
                consumer.pause(*done)
            if time.monotonic() > deadline:
                raise TransientError(f"share {self.number} cannot go through {', '.join(map(str, left))}: no answer")
        return count

    def _pass(self, called: str, record: Any, met: dict[tuple[str, bytes], Followed | None]) -> None:
        try:
            place = (called, record.key)
            if place not in met:
                met[place] = self.follow(called, record) if record.key and self.is_ours(record.key) else None
            if (followed := met[place]) is not None:
                self.judge.take(followed, self.judge.decoders[called].decode(record.value))
        except (*UNREADABLE, ValueError, TypeError):  # what is no record is a dead letter elsewhere
            return

    # --- going on
    def judged(self, count: int) -> None:
        """So many records more, up to ``places``."""
        self._since_kept += count

    @property
    def has_found(self) -> bool:
        return bool(self.judge.found or self.judge.told or self.judge.derived)

    @property
    def keeps_soon(self) -> bool:
        """Whether it is time to keep again."""
        late = self._since_kept >= KEEP_RECORDS or time.monotonic() - self._kept_at >= KEEP_SECONDS
        return self._keep_all or (late and bool(self.judge.dirty))

    def send(self) -> int:
        """What was found, with the place up to which it was; how many alerts.

        Raises:
            CryptoProxyError: see Ledger.commit.
        """
        return self._commit({})

    def keep(self) -> int:
        """The same, and what is known of each asset that has changed."""
        chosen = self.judge.assets.values() if self._keep_all else self.judge.dirty
        changes = {f"asset:{each.key}": _pack(self.judge.dump(each)) for each in chosen}
        sent = self._commit({**changes, "kept": _pack(listed(self.places))})
        self.judge.dirty.clear()
        self._since_kept, self._kept_at, self._keep_all = 0, time.monotonic(), False
        return sent

    def _commit(self, changes: Mapping[str, bytes]) -> int:
        found, told = self.judge.take_found()
        derived, self.judge.derived = self.judge.derived, []
        self._ledger.commit(
            {
                **changes,
                **{name: None if truth is None else _pack(truth) for name, truth in told.items()},
                "told": _pack(listed(self.places)),
            },
            [
                *(self._sent(ALERT, each) for each in found),
                *(self._sent(CANDLE if isinstance(each, Candle) else STATS, each) for each in derived),
            ],
        )
        return len(found)

    def _sent(self, dataset: Dataset[Any], record: Any) -> Sent:
        topic = self._kafka.topic_of(dataset, dataset.part(record))
        return Sent(topic, key(record).encode(), dataset.codec.encode(record), dataset.headers)

    def renew(self, rules: Rules, inputs: Inputs, ends: Places) -> None:
        """Other rules from now on. What is known of the past serves those that ask for the same."""
        old, self.judge = self.judge, Judge(rules)
        self.judge.begin(self._now_ms())
        for name, asset in old.assets.items():
            self.judge.load(name, old.dump(asset))
        truths = {
            f"case:{case.rule.name}:{asset.key}": truth
            for asset in old.assets.values()
            for case in asset.cases
            if (truth := case.truth()) is not None
        }
        self.judge.found, self.judge.told, self.judge.derived = old.found, old.told, old.derived
        self.judge.believe(truths)
        self.places = {each: self.places.get(each, ends.get(each, 0)) for each in inputs.partitions}
        self._keep_all = True

    def close(self) -> None:
        """Another process may have it."""
        self._ledger.discard()


class _Identity(msgspec.Struct, gc=False):
    source: str
    asset_id: str
    quote: str
    symbol: str | None = None


_identity = msgspec.json.Decoder(_Identity)


class _Asset(TypedDict):
    """As :meth:`Judge.dump` gives it."""

    symbol: str
    rank: float | None
    followed: dict[str, list[Any]]
    cases: dict[str, list[Any]]
    latest: list[list[Any]]


class _Truth(TypedDict):
    """What was told of a case."""

    mark: str
    open: bool
    since: int
    last_open: int | None


_pack = msgspec.msgpack.Encoder().encode
_decode_asset = msgspec.msgpack.Decoder(_Asset).decode
_decode_truth = msgspec.msgpack.Decoder(_Truth).decode
_decode_places = msgspec.msgpack.Decoder(Listed).decode
