"""Sends every recorded kline, OHLC, chart, market-wide and coin answer below a folder down the whole road, and compares
what arrives field by field.

    python scripts/check_road_datasets.py FOLDER      (with engines that are up)

Each answer is read by the reader of its upstream, kept in an outbox and sent on by the poller's own drains to topic and
lake, from the topic by the indexer to the index; then it is read back from all three. What is expected is worked out by
``check_recorded_bars.py``, ``_market`` and ``_assets`` from plain JSON. Topics, aliases and prefix are its own. Exits 1
on any difference.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import check_recorded_assets
import check_recorded_bars
import check_recorded_market
from check_recorded_bars import Expected, Reading, differing
from check_road import in_the_index, in_the_lake, on_the_topic, own_world, set_up

from cryptoproxy.common import announcement
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.service import Loop
from cryptoproxy.common.settings import Settings
from cryptoproxy.consumer.wiring import service
from cryptoproxy.datasets import ASSET, CANDLE, MARKET, TICKER, Dataset
from cryptoproxy.datasets.times import Span
from cryptoproxy.producer.feeds.history.runs import RunsTopic
from cryptoproxy.producer.feeds.lines import lines_of
from cryptoproxy.producer.wiring import Poller

CHECKED = (TICKER, CANDLE, MARKET, ASSET)
DELIVER_SECONDS = 120.0


def own_settings(outbox: Path) -> Settings:
    name = f"road-{uuid.uuid4().hex[:8]}"
    named = ",".join(f"{each.name}={name}-{each.name}" for each in CHECKED if each is not TICKER)
    return Settings.from_texts(own_world(outbox) | {"KAFKA_TOPICS": named, "ES_INDICES": named, "SOURCES": "coingecko"})


class Sending:
    """Keeps what was read in the outbox of a poller that polls nothing, and waits until its drains have sent it on."""

    def __init__(self, settings: Settings, readings: Iterable[Reading]) -> None:
        self._poller = Poller(settings, alone=True, lease=False)
        self._readings = readings
        self._runs = RunsTopic(settings.kafka)
        self.sent: list[Reading] = []
        self.faults: list[str] = []

    def run(self) -> int:
        service = self._poller.service
        service.add("publish", self._poller.publisher.run)
        service.add("archive", self._poller.archiver.run)
        service.add("keep", self._keep)
        try:
            return service.run()
        finally:
            self._poller.outbox.close()
            self._runs.close()

    def _keep(self, loop: Loop) -> None:
        for reading in self._readings:
            lines, refused = lines_of(reading.feed, reading.records)
            self.faults += [*reading.faults, *(f"{reading.name}: {row}" for row in refused)]
            for each in lines:
                self._announce(reading, each.begin_ms)
                self._poller.outbox.keep(reading.feed, each.content, begin_ms=each.begin_ms)
            self.sent.append(reading)
            print(f"{reading.name:60} {reading.feed.whole_name:24} records {len(reading.records):5}", flush=True)
        if not self._poller.deliver(loop, seconds=DELIVER_SECONDS):
            self.faults.append("not all was delivered")

    def _announce(self, reading: Reading, begin_ms: int) -> None:
        """As a history run: its records ask for the indices of many years."""
        feed, now_ms = reading.feed, SystemClock().now_ms()
        span = Span(0, now_ms) if begin_ms < now_ms else Span(begin_ms, begin_ms + 1)
        word = announcement.announced(feed.name, feed.dataset, feed.part, span, now_ms=now_ms)
        self._runs.send({word.key.decode(): word.value})


def wanted(readings: Iterable[Reading], dataset: Dataset[Any]) -> tuple[dict[str, Expected], int]:
    """What the index is to have of a dataset, by id, and how many records were sent. Of an id that came twice the first
    copy stays; of a compacted dataset the newest."""
    found: dict[str, Expected] = {}
    count = 0
    for reading in readings:
        if reading.feed.dataset == dataset.name:
            for record, expected in zip(reading.records, reading.expected, strict=True):
                count += 1
                identity = dataset.id_of(record)
                if dataset.compacted:
                    found[identity] = max(found.get(identity, expected), expected, key=lambda each: each["timestamp"])
                else:
                    found.setdefault(identity, expected)
    return found, count


def differences(settings: Settings, dataset: Dataset[Any], readings: Iterable[Reading]) -> Iterator[str]:
    """What of one dataset is not everywhere, or elsewhere another."""
    expected, count = wanted(readings, dataset)
    documents = in_the_index(settings, len(expected), dataset)
    for identity in sorted(expected.keys() | documents.keys()):
        yield from differing(identity, expected.get(identity, {}), documents.get(identity, {}))
    values, lines = on_the_topic(settings, dataset), in_the_lake(settings, dataset)
    if set(values) != set(lines):  # the same records twice make the same object
        yield f"{dataset.name}: topic and lake are not byte for byte equal"
    if len(values) != count:
        yield f"{dataset.name}: {count} records sent, {len(values)} on the topic"
    parsed = {json.dumps(json.loads(value), sort_keys=True) for value in values}
    stored = {json.dumps(document, sort_keys=True) for document in documents.values()}
    if not stored <= parsed:
        yield f"{dataset.name}: the index has what the topic has not"
    print(
        f"{dataset.name}: {count} records, {len(expected)} ids; on the topic {len(values)}, in the lake {len(lines)}, "
        f"in the index {len(documents)}"
    )


def main(folder: Path, outbox: Path) -> int:
    logging.disable(logging.INFO)
    checkers = (check_recorded_bars, check_recorded_market, check_recorded_assets)
    readings = [reading for checker in checkers for reading in checker.readings(folder)]
    settings = own_settings(outbox)
    set_up(settings, CHECKED)
    indexer = service(settings, CHECKED)
    running = threading.Thread(target=indexer.run)
    running.start()
    sending = Sending(settings, readings)
    try:
        code = sending.run()
        faults = sending.faults
        for dataset in CHECKED:
            faults += differences(settings, dataset, sending.sent)
    finally:
        indexer.stop()
        running.join()
    total = sum(len(each.records) for each in sending.sent)
    print(f"answers {len(sending.sent)}, records {total}, differences {len(faults)}")
    for fault in faults[:50]:
        print(fault, file=sys.stderr)
    return 1 if code or faults or not total else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as own:
        sys.exit(main(Path(sys.argv[1]), Path(own)))
