"""The yardstick: Kafka to Elasticsearch with nothing between. `python -m benchmarks.passthrough [connections]`.

Unparsed bytes, an id made of key and offset, as many records in a request as the indexer has, no check of the record,
none of the single answers (only whether any item failed), no commit, no retry. librdkafka reads, one plain HTTP
connection per request in flight sends. What is faster than this is not to be had on the same engines without giving up
ids.
"""

from __future__ import annotations

import http.client
import os
import queue
import sys
import threading
from urllib.parse import urlsplit

from confluent_kafka import Consumer, Message

from common.record import Period, index_name, iso
from common.settings import Settings


def main(connections: int, begin_ms: int) -> None:
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
        messages = consumer.consume(settings.indexer.bulk_records, timeout=0.1)
        if not messages:
            continue
        body = b"".join(_lines(each, index.encode(), begin_ms) for each in messages)
        if connections > 1:
            bodies.put(body)
        else:
            send(body)


def _lines(message: Message, index: bytes, begin_ms: int) -> bytes:
    if message.error() is not None:
        print(f"refused: {message.error()}", flush=True)
        os._exit(1)
    identity = b"%b:%d" % (message.key() or b"", begin_ms + (message.offset() or 0))
    return b'{"create":{"_index":"%b","_id":"%b"}}\n%b\n' % (index, identity, message.value() or b"")


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
    main(int(sys.argv[1]), int(sys.argv[2]))
