"""What Elasticsearch has of a dataset: counts by source and hour, ids of a stretch of time, indices, their sizes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import elastic_transport
import elasticsearch
from elasticsearch import Elasticsearch

from cryptoproxy.common.clients.outcome import meaning
from cryptoproxy.common.retry import Patiently, at_once
from cryptoproxy.common.settings.catalogue import Elasticsearch as ElasticsearchSettings
from cryptoproxy.consumer.index.indices import span_of
from cryptoproxy.consumer.index.template import verify, verify_alias
from cryptoproxy.datasets import Dataset, iso
from cryptoproxy.datasets.times import Span

log = logging.getLogger(__name__)

T = TypeVar("T")
PAGE = 5_000
"""Below ``index.max_result_window``, 10,000."""

# By slot, as the lake is read. The rest makes the order of a page's end certain, or ids would be passed over there;
# the index too, since an id that is in two indices must be seen twice.
_SORT = [{"timestamp": "asc"}, {"asset_id": "asc"}, {"quote": "asc"}, {"_index": "asc"}]


class Documents:
    """Reads through the alias. Needs the rights ``read``, ``view_index_metadata`` and, for fresh counts,
    ``maintenance``; :meth:`delete` needs ``delete_index``.

    Every method raises TransientError or OperatorError while Elasticsearch cannot or may not answer.

    Args:
        patiently: :func:`at_once`, or one that waits while Elasticsearch is away; around each single request.
    """

    def __init__(
        self,
        settings: ElasticsearchSettings,
        dataset: Dataset[Any],
        connect: Callable[[], Elasticsearch],
        *,
        patiently: Patiently = at_once,
    ) -> None:
        self._settings = settings
        self._dataset = dataset
        self._alias = settings.alias_of(dataset)
        self.replaced = dataset.compacted
        """A newer record takes the place of a document."""
        self._patiently = patiently
        self._client = connect()

    def close(self) -> None:
        self._client.close()

    def require_all(self) -> None:
        """Raises:
        OperatorError: the alias hides documents or shows those of others. It would look like a fault of the data.
        """
        # Of a full disk a block against writing stays, and hides nothing.
        self._ask(lambda: verify_alias(self._client, self._alias, blocks=False))

    def refresh(self, index: str | None = None) -> None:
        """Makes visible what was written within the last second. Without the right to it that second is unseen."""

        def ask() -> None:
            try:
                self._client.indices.refresh(index=index or self._alias)
            except elasticsearch.AuthorizationException:
                log.info("no right to refresh %s: what was written a second ago may not be seen", self._alias)

        self._ask(ask)

    def counts(
        self, span: Span | None, sources: Sequence[str] | None, index: str | None = None
    ) -> dict[tuple[str, int], int]:
        """Documents by source and begin of the hour; of one index, or of all in the alias."""
        found: dict[tuple[str, int], int] = {}
        by = [
            {"source": {"terms": {"field": "source"}}},
            {"hour": {"date_histogram": {"field": "timestamp", "fixed_interval": "1h"}}},
        ]
        after: dict[str, Any] = {}
        while True:
            composite = {"size": PAGE, "sources": by} | ({"after": after} if after else {})
            answer = self._search(index, size=0, query=_query(span, sources), aggs={"hours": {"composite": composite}})
            hours = answer["aggregations"]["hours"]
            for bucket in hours["buckets"]:
                found[bucket["key"]["source"], bucket["key"]["hour"]] = bucket["doc_count"]
            after = hours.get("after_key") or {}
            if not hours["buckets"] or not after:
                return found

    def ids(self, source: str, span: Span | None, index: str | None = None) -> Iterator[tuple[int, str]]:
        """(slot, id) of every document, the oldest slot first; of one index, or of all in the alias."""
        after: list[Any] | None = None
        while True:
            answer = self._search(
                index,
                size=PAGE,
                query=_query(span, [source]),
                sort=_SORT,
                source=False,
                track_total_hits=False,
                **({"search_after": after} if after else {}),
            )
            hits = answer["hits"]["hits"]
            for hit in hits:
                yield hit["sort"][0], hit["_id"]
            if len(hits) < PAGE:
                return
            after = hits[-1]["sort"]

    def indices(self) -> dict[str, Span]:
        """The indices of the alias that are named as the indexer names them, and the slots that each holds.

        Raises:
            OperatorError: another period than the set one was chosen at set-up, so names mean something else.
        """
        self._ask(lambda: verify(self._client, self._settings, self._dataset))
        there = self._ask(lambda: self._client.indices.get(index=f"{self._alias}-*"))
        spans = {name: self._span(name) for name in there if self._alias in there[name]["aliases"]}
        return {name: span for name, span in sorted(spans.items()) if span is not None}

    def _span(self, index: str) -> Span | None:
        found = (span_of(index, self._settings, self._dataset, part) for part in self._dataset.parts.values())
        return next((span for span in found if span is not None), None)

    def count(self, index: str) -> int:
        """Documents in one index."""
        # Not the count API: where a shard is away it just counts less.
        return int(self._search(index, size=0, track_total_hits=True)["hits"]["total"]["value"])

    def delete(self, index: str) -> None:
        """Removes one index, with all that is in it."""

        def ask() -> None:
            try:
                self._client.indices.delete(index=index)
            except elasticsearch.NotFoundError:
                log.info(
                    "%s is gone already: the answer to an earlier try was lost, or somebody else removed it", index
                )

        self._ask(ask)

    def _search(self, index: str | None, **what: Any) -> Any:
        # Without this, shards that are away would simply not be counted.
        where = index or self._alias
        return self._ask(lambda: self._client.search(index=where, allow_partial_search_results=False, **what))

    def _ask(self, request: Callable[[], T]) -> T:
        def once() -> T:
            try:
                return request()
            except (elasticsearch.ApiError, elastic_transport.TransportError) as error:
                raise meaning(error, url=self._settings.url) from error

        return self._patiently(once)


def _query(span: Span | None, sources: Sequence[str] | None) -> dict[str, Any]:
    wanted: list[dict[str, Any]] = []
    if span is not None:
        wanted.append({"range": {"timestamp": {"gte": iso(span.begin_ms), "lt": iso(span.end_ms)}}})
    if sources is not None:
        wanted.append({"terms": {"source": list(sources)}})
    return {"bool": {"filter": wanted}}
