"""The yardstick: Kafka to Elasticsearch with nothing between.

`python -m benchmarks.passthrough CONNECTIONS RECORDS BEGIN IDS`, with so many records in a request. Unparsed bytes, an
id made of the record's place on the topic (or of another shape, where it is the shape that is measured), no check of
the record, none of the single answers (only whether any item failed), no commit, no retry. librdkafka reads, one plain
HTTP connection per request in flight sends.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import queue
import sys
import threading
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from confluent_kafka import Consumer, Message

from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import Period, from_iso, index_name, iso

Identity = Callable[[Message, int], bytes]
"""Of a message and a count, as it stands in the line before the document."""


def _place(message: Message, begin_ms: int) -> bytes:
    return b',"_id":"%b-%d-%d"' % (message.topic().encode(), message.partition(), message.offset())


def _counted(message: Message, begin_ms: int) -> bytes:
    return b',"_id":"%b:%d"' % (message.key(), begin_ms + message.offset())


def _key_first(message: Message, begin_ms: int) -> bytes:
    return b',"_id":"%b:%d"' % (message.key(), _slot_ms(message))


def _slot_first(message: Message, begin_ms: int) -> bytes:
    return b',"_id":"%d:%b"' % (_slot_ms(message), message.key())


def _hashed(message: Message, begin_ms: int) -> bytes:
    digest = hashlib.blake2b(b"%b:%d" % (message.key(), _slot_ms(message)), digest_size=15).digest()
    return b',"_id":"%b"' % base64.urlsafe_b64encode(digest)


def _none(message: Message, begin_ms: int) -> bytes:
    """Elasticsearch makes one."""
    return b""


def _slot_ms(message: Message) -> int:
    value = message.value()
    at = value.index(_TIMESTAMP) + len(_TIMESTAMP)
    return from_iso(value[at : at + 24].decode())


_TIMESTAMP = b'"timestamp":"'
PLACE = "topic, partition, offset"
"""The cheapest that is to be had, for the program and for Elasticsearch: no look into the record, and in order."""
COUNTED = "key, offset"
"""As long as the record's own, and as little in order."""
IDS: Mapping[str, Identity] = {
    PLACE: _place,
    COUNTED: _counted,
    "key, slot (the record's own)": _key_first,
    "slot, key": _slot_first,
    "hash of key and slot": _hashed,
    "Elasticsearch's own": _none,
}


def main(connections: int, records: int, begin_ms: int, identity: Identity) -> None:
    """Until it is killed."""
    settings = Settings.from_texts(dict(os.environ))
    index = index_name(settings.elasticsearch.alias, iso(begin_ms), Period.MONTH)
    consumer = Consumer(
        {
            "bootstrap.servers": ",".join(settings.kafka.brokers),
            "group.id": settings.kafka.group_id,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "queued.max.messages.kbytes": 16 * 1024,
        }
    )
    consumer.subscribe([settings.kafka.topic])
    bodies: queue.Queue[bytes] = queue.Queue(maxsize=1)
    if connections > 1:
        for _ in range(connections):
            threading.Thread(target=_send_all, args=(settings.elasticsearch.url, bodies), daemon=True).start()
    else:
        send = _sender(settings.elasticsearch.url)
    while True:
        messages = consumer.consume(records, timeout=0.1)
        if not messages:
            continue
        body = b"".join(_lines(each, index.encode(), begin_ms, identity) for each in messages)
        if connections > 1:
            bodies.put(body)
        else:
            send(body)


def _lines(message: Message, index: bytes, begin_ms: int, identity: Identity) -> bytes:
    if message.error() is not None:
        print(f"refused: {message.error()}", flush=True)
        os._exit(1)
    return b'{"create":{"_index":"%b"%b}}\n%b\n' % (index, identity(message, begin_ms), message.value())


def _send_all(url: str, bodies: queue.Queue[bytes]) -> None:
    send = _sender(url)
    while True:
        send(bodies.get())


def _sender(url: str):  # type: ignore[no-untyped-def]
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)

    def send(body: bytes) -> None:
        connection.request(
            "POST", "/_bulk?filter_path=errors", body=body, headers={"content-type": "application/x-ndjson"}
        )
        answer = connection.getresponse().read()
        if answer != b'{"errors":false}':
            print(f"refused: {answer[:500]!r}", flush=True)
            os._exit(1)

    return send


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), IDS[sys.argv[4]])
