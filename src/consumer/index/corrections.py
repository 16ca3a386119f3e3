"""What an upstream tells anew with other values: the first copy stays, and what differs is counted and named.

Only where a dataset says that its upstreams do so, and only of records whose ids are there already: no record on its
usual way is looked at.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from cryptoproxy.common.metrics import DatasetMetrics
from cryptoproxy.consumer.batch import Batch
from cryptoproxy.datasets import Dataset
from cryptoproxy.errors import OperatorError

log = logging.getLogger(__name__)

AT_ONCE = 1000
"""Documents asked for in one request, about 400 bytes each."""
MOST_NAMED = 50
"""Lines of the log for one batch; of more only the number is said."""
_OF_THE_COPY = frozenset({"fetched_at", "fetch_delay_ms"})


class Corrections:
    """Thread-safe."""

    def __init__(self, dataset: Dataset[Any], metrics: DatasetMetrics) -> None:
        self._dataset = dataset
        self._metrics = metrics

    def look(self, client: Any, batch: Batch, known: Sequence[int]) -> None:
        """Holds the records ``known`` of a batch against the documents that have their ids.

        Raises:
            OperatorError: the documents may not be read.
            elasticsearch.ApiError, elastic_transport.TransportError: as the client has it.
        """
        found = [
            words
            for at in range(0, len(known), AT_ONCE)
            for words in self._differing(client, batch, known[at : at + AT_ONCE])
        ]
        for words in found[:MOST_NAMED]:
            log.warning("%s; what came first stays", words)
        if len(found) > MOST_NAMED:
            log.warning("%d more %ss were told anew with other values", len(found) - MOST_NAMED, self._dataset.name)
        self._metrics.corrections.inc(len(found))

    def _differing(self, client: Any, batch: Batch, known: Sequence[int]) -> Iterator[str]:
        records = [self._dataset.codec.decode(batch.records[at].value) for at in known]
        docs = [
            {"_index": batch.indices[at], "_id": self._dataset.id_of(record)}
            for at, record in zip(known, records, strict=True)
        ]
        for at, record, doc in zip(known, records, client.mget(docs=docs)["docs"], strict=True):
            if "error" in doc:
                raise OperatorError(
                    f"Elasticsearch does not show {doc['_index']}: {doc['error'].get('reason', doc['error'])}",
                    remedy="Give the indexer its role of docs/security.md",
                )
            if not doc.get("found"):
                continue  # deleted meanwhile
            if changes := _changes(doc["_source"], msgspec.json.decode(batch.records[at].value)):
                yield f"{self._dataset.name} {doc['_id']} of {record.timestamp} is told anew with {', '.join(changes)}"


def _changes(first: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """``close 1.5 instead of 1.4``."""
    names = [name for name in {**first, **now} if name not in _OF_THE_COPY]
    return [
        f"{name} {now.get(name)} instead of {first.get(name)}" for name in names if now.get(name) != first.get(name)
    ]
