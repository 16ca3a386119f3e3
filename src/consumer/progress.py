"""What the indexer has done since its last word about it: one line a second at the most, whatever the rate."""

from __future__ import annotations

import json
import logging
from collections import Counter

import msgspec

from cryptoproxy.common.metrics import DatasetMetrics
from cryptoproxy.common.settings.catalogue import SOURCE_NAMES
from cryptoproxy.consumer.batch import Batch
from cryptoproxy.consumer.index.delivery import Delivered
from cryptoproxy.datasets import from_iso
from cryptoproxy.datasets.codec import UNREADABLE

log = logging.getLogger(__name__)

OTHER = "other"
"""The metrics' name for every source that is none of ours: whoever may write to the topic may call it anything."""
NAMED = 5
"""Indices in a line of the log."""


class Progress:
    """Counts finished batches for metrics and log."""

    def __init__(self, metrics: DatasetMetrics) -> None:
        self._metrics = metrics
        self._documents: Counter[str] = Counter()
        self._duplicates = 0
        self._dead = 0
        self._newest: dict[str, str] = {}

    def add(self, batch: Batch, delivered: Delivered) -> None:
        """A batch is finished."""
        self._metrics.indexed.inc(delivered.indexed)
        self._metrics.duplicates.inc(delivered.duplicates)
        for source, timestamp in batch.newest.items():
            self._written(source, timestamp)
        self._documents.update(batch.indices)
        self._documents.subtract(delivered.refused)
        self._duplicates += delivered.duplicates
        self._dead += len(batch.dead) + len(delivered.dead)

    def note(self) -> str:
        """The newest slot written, by source, for whoever has this work next: it goes with each commit."""
        return json.dumps(self._newest)

    def recall(self, note: str) -> None:
        """What the one before has noted. Alarms on what is late must see it although nothing new comes; in what another
        program or version has committed there may be anything."""
        try:
            for source, timestamp in msgspec.json.decode(note, type=dict[str, str]).items():
                self._written(source, timestamp)
        except (*UNREADABLE, ValueError):
            return

    def _written(self, source: str, timestamp: str) -> None:
        label = source if source in SOURCE_NAMES else OTHER
        if timestamp > self._newest.get(label, ""):
            seconds = from_iso(timestamp) / 1000
            self._metrics.last_slot.labels(label).set(seconds)
            self._newest[label] = timestamp

    def report(self, lag: int) -> None:
        """The line a person follows; nothing where nothing was done."""
        self._metrics.lag.set(lag)
        if self._documents or self._dead:
            documents = sorted((index, count) for index, count in self._documents.items() if count)
            into = ", ".join(f"{count} documents into {index}" for index, count in documents[-NAMED:])
            if rest := documents[:-NAMED]:
                into += f", {sum(count for _, count in rest)} into {len(rest)} of older periods"
            known = f", {self._duplicates} of them there already" if self._duplicates else ""
            dead = f", {self._dead} dead letters" if self._dead else ""
            log.info("indexed %s%s%s (lag %d)", into or "nothing", known, dead, lag)
        self._documents.clear()
        self._duplicates = self._dead = 0
