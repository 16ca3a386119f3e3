"""What nobody wants to hear of for a while. It is found and recorded all the same; only nobody is told.

A silence is a key of the state topic, ``watch-silence:<rule or asset>``, with the time until which it counts.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

from kafka import errors as kafka_errors

from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.datasets import Alert
from cryptoproxy.datasets.codec import ODD_NOTE

PREFIX = "watch-silence:"
LOOK_SECONDS = 2.0
_READ_SECONDS = 10.0


class Silences:
    """Those in force. Not thread-safe.

    Args:
        connect: makes a consumer without a group.
    """

    def __init__(self, kafka: Kafka, connect: Callable[[], Any], now_ms: Callable[[], int]) -> None:
        self._kafka = kafka
        self._connect = connect
        self._now_ms = now_ms
        self._reader: Any = None
        self._until: dict[str, int] = {}
        self._looked_at = float("-inf")

    def read(self, *, afresh: bool = False) -> dict[str, int]:
        """Until when (ms), by rule or asset.

        Args:
            afresh: all that was said before this call counts.

        Raises:
            CryptoProxyError: the topic cannot be read now.
        """
        if afresh or time.monotonic() - self._looked_at >= LOOK_SECONDS:
            try:
                if self._reader is None:
                    self._reader, self._until = self._connect(), {}
                for record in kafka_client.read_to_end(self._reader, self._kafka.state_topic, seconds=_READ_SECONDS):
                    self._note((record.key or b"").decode(errors="replace"), record.value)
            except kafka_errors.KafkaError as error:
                self.close()
                raise kafka_client.meaning(error, self._kafka) from error
            self._looked_at = time.monotonic()
        now_ms = self._now_ms()
        return {what: until for what, until in self._until.items() if until > now_ms}

    def _note(self, key: str, value: bytes | None) -> None:
        if not key.startswith(PREFIX):
            return
        what = key.removeprefix(PREFIX)
        try:
            self._until[what] = int(json.loads(value or b"{}")["until"])
        except ODD_NOTE:
            self._until.pop(what, None)

    def close(self) -> None:
        """The next look begins anew."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close(timeout_ms=1_000)


def silenced(alert: Alert, by: dict[str, int]) -> bool:
    """Whether a rule's name, or an asset as rules name it, is among those silenced."""
    asset = alert.asset
    return any(what == alert.rule or fnmatchcase(asset, what) or fnmatchcase(asset, f"{what}:*") for what in by)


def silence(kafka: Kafka, what: str, until_ms: int) -> None:
    """From now on; a time that is over ends it.

    Raises:
        CryptoProxyError: Kafka refuses, or is away.
    """
    try:
        producer = kafka_client.producer(kafka, client_id="cryptoproxy-watch-silence", delivery_timeout_ms=20_000)
        try:
            value = json.dumps({"until": until_ms}).encode()
            producer.send(kafka.state_topic, key=f"{PREFIX}{what}".encode(), value=value).get(timeout=20)
        finally:
            producer.close(timeout=5)
    except kafka_errors.KafkaError as error:
        raise kafka_client.meaning(error, kafka) from error
