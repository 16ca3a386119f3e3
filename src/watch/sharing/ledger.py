"""What must outlive a process: one partition of the watch topic, which only one process at a time can write.

The topic is compacted: the newest value of each key counts. Everything is written in transactions, together with the
alerts that come of it. Whoever opens a partition puts out the one that had it before (the transactional id is the
partition's), with whatever that had not committed; from then on each of its commits is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from kafka import TopicPartition
from kafka import errors as kafka_errors

from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clients.kafka_python.sender import discard
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.errors import CryptoProxyError

COMMIT_SECONDS = 20.0
READ_SECONDS = 30.0


class Sent(NamedTuple):
    """A record for another topic."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


class Ledger:
    """Not thread-safe.

    Args:
        connect: makes a producer with the transactional id that it is given.
        stamp_ms: the time that what is written bears; without, the machine's. Brokers refuse what is an hour ahead.
    """

    def __init__(
        self, kafka: Kafka, partition: int, connect: Callable[[str], Any], stamp_ms: Callable[[], int] | None = None
    ) -> None:
        self._kafka = kafka
        self._partition = partition
        self._id = f"{kafka.watch_topic}-{partition}"
        self._connect = connect
        self._stamp_ms: Callable[[], int | None] = stamp_ms or (lambda: None)
        self._producer: Any = None

    def open(self) -> dict[str, bytes]:
        """Takes the partition over; all that it knows.

        Raises:
            CryptoProxyError: Kafka refuses, or is away.
        """
        self.discard()
        try:
            producer = self._connect(self._id)
            self._producer = producer
            producer.init_transactions()
            return self._read()
        except kafka_errors.KafkaError as error:
            self.discard()
            raise kafka_client.meaning(error, self._kafka) from error
        except CryptoProxyError:
            self.discard()
            raise

    def _read(self) -> dict[str, bytes]:
        newest: dict[str, bytes] = {}
        reader = kafka_client.consumer(self._kafka, group_id=None, max_poll_records=5_000)
        try:
            reader.assign([TopicPartition(self._kafka.watch_topic, self._partition)])
            for record in kafka_client.read_to_end(reader, self._kafka.watch_topic, seconds=READ_SECONDS, renewed=True):
                key = (record.key or b"").decode(errors="replace")
                if record.value is None:
                    newest.pop(key, None)
                else:
                    newest[key] = record.value
        finally:
            reader.close(timeout_ms=1_000)
        return newest

    def commit(self, changes: Mapping[str, bytes | None], sent: Sequence[Sent] = ()) -> None:
        """All of it, or nothing. After an error it is not known which: :meth:`open` tells.

        Raises:
            CryptoProxyError: Kafka refuses (another process has this partition by now), or is away.
        """
        producer, topic, at = self._producer, self._kafka.watch_topic, self._stamp_ms()
        try:
            producer.begin_transaction()
            futures = [
                producer.send(topic, key=key.encode(), value=value, partition=self._partition, timestamp_ms=at)
                for key, value in changes.items()
            ]
            futures += [
                producer.send(each.topic, key=each.key, value=each.value, headers=each.headers, timestamp_ms=at)
                for each in sent
            ]
            # The client's own `commit_transaction` waits for ever.
            result = producer._transaction_manager.begin_commit()
            producer._sender.wakeup()
            if not result.wait(timeout_ms=int(COMMIT_SECONDS * 1000)):
                raise kafka_errors.KafkaTimeoutError("a transaction was not decided on in time")
            for future in futures:
                future.get(timeout=0)
        except kafka_errors.KafkaError as error:
            self.discard()
            raise kafka_client.meaning(error, self._kafka) from error

    def discard(self) -> None:
        """What is under way is not committed by this process any more."""
        producer, self._producer = self._producer, None
        if producer is not None:
            discard(producer, seconds=1.0)
