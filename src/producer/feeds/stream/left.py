"""What the holder before has left of a stream: its marks on the state topic, what was published after them, what waits
in our own outbox, and the gaps that are open.

Too little is never wrong, only dear: what is not found here is asked for once more, and has the same ids.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from kafka import errors as kafka_errors

from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.datasets import DATASETS, GAP, Feed, Gap
from cryptoproxy.datasets.dataset import AnyRecord, Dataset
from cryptoproxy.errors import PoisonError
from cryptoproxy.producer.feeds.stream.marks import StreamNote
from cryptoproxy.producer.outbox import Outbox
from cryptoproxy.producer.outbox.waiting import KAFKA
from cryptoproxy.upstreams.streaming.stream import Left

log = logging.getLogger(__name__)

READ_SECONDS = 15.0
BEFORE_MS = 15_000
"""The tail is read from so long before the last mark was told: acknowledgements do not come in order."""
UNTOLD_MS = 600_000
"""Without any mark it is read for so long back."""
MOST_BYTES = 64 * 1024 * 1024
"""Of what waits in the outbox, the newest."""


def left_of(
    feed: Feed, told: StreamNote, kafka: Kafka, outbox: Outbox, *, now_ms: int, wants_tail: bool = True
) -> Left:
    """All of it.

    Args:
        told: what the state topic says.
        wants_tail: whether the stream's own records matter.

    Raises:
        TransientError: Kafka does not answer; without knowing what lacks nothing may begin.
        OperatorError: a topic is missing, or rights are.
    """
    dataset = DATASETS[feed.dataset]
    begin_ms = told.told_ms - BEFORE_MS if told.marks else now_ms - UNTOLD_MS
    # The outbox before the topics: what leaves it meanwhile is found there, and what is found twice does no harm.
    gaps_waiting = [*_of_source(feed, GAP, _waiting(Feed(feed.source, GAP.name), outbox))]
    waiting = [*_of_source(feed, dataset, _waiting(feed, outbox))] if wants_tail else []
    records: list[AnyRecord] = []
    try:
        if wants_tail:
            topic = kafka.topic_of(dataset, feed.part)
            records += _of_source(feed, dataset, _read(kafka, topic, begin_ms))
        told_gaps = [*_of_source(feed, GAP, _read(kafka, kafka.topic_of(GAP), 0))]
    except kafka_errors.KafkaError as error:
        raise kafka_client.meaning(error, kafka) from error
    gaps = open_gaps(feed, [*told_gaps, *gaps_waiting])
    if wants_tail:
        records += waiting
        log.info(
            "%s goes on from %d symbols; %d records since then, %d gaps open",
            feed.name, len(told.marks), len(records), len(gaps),
        )  # fmt: skip
    return Left(told.marks, records, gaps)


def _read(kafka: Kafka, topic: str, begin_ms: int) -> Iterator[bytes]:
    """The values of ``topic`` from this time on to the end that it has now, as far as there is time for it."""
    with kafka_client.reading_since(kafka, topic, begin_ms, seconds=READ_SECONDS) as records:
        deadline = time.monotonic() + READ_SECONDS
        for record in records:
            if record.value is not None:
                yield record.value
            if time.monotonic() > deadline:
                log.warning("the tail of %s is not read to its end within %.0f s", topic, READ_SECONDS)
                return


def _waiting(feed: Feed, outbox: Outbox) -> Iterator[bytes]:
    size = 0
    for entry in reversed(outbox.oldest(KAFKA)):
        if entry.feed == feed and size < MOST_BYTES:
            content = outbox.read(KAFKA, entry) or b""
            size += len(content)
            yield from content.splitlines()


def _of_source(feed: Feed, dataset: Dataset[Any], values: Iterable[bytes]) -> Iterator[Any]:
    decode: Callable[[bytes], AnyRecord] = dataset.codec.decode
    for value in values:
        try:
            record = decode(value)
        except PoisonError:
            continue
        if record.source == feed.source:
            yield record


def open_gaps(feed: Feed, gaps: Iterable[Gap]) -> list[Gap]:
    """Those without a second record."""
    kind = DATASETS[feed.dataset].called(feed.part)
    states: dict[tuple[str, str, str], dict[str, Gap]] = {}
    for gap in gaps:
        if gap.kind == kind:
            states.setdefault((gap.asset_id, gap.quote, gap.timestamp), {})[gap.state] = gap
    return [each["open"] for each in states.values() if "mended" not in each and "open" in each]
