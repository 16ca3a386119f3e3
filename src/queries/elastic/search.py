"""The one road to Elasticsearch: a search, the pages of one, the assets there are, and a question by steps of time in
portions that one answer holds. Failures are told by kind.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import elastic_transport
import elasticsearch
from elasticsearch import Elasticsearch

from cryptoproxy.common.clients.outcome import failure, meaning
from cryptoproxy.datasets.times import Span
from cryptoproxy.errors import OperatorError
from cryptoproxy.queries.periods import Interval
from cryptoproxy.queries.scope import MAX_BUCKETS, AssetRef, Json, Scope, by_asset

Bucket = Mapping[str, Any]


class NoIndexError(OperatorError):
    """There is no index or alias of that name."""


class Search:
    """Asks one alias. ``took`` is the time spent waiting for answers so far, in seconds.

    Every method raises TransientError or OperatorError while Elasticsearch cannot or may not answer.
    """

    def __init__(self, client: Elasticsearch, index: str, *, request_cache: bool | None = None) -> None:
        self._client = client
        self.index = index
        self._request_cache = request_cache
        self.took = 0.0
        self.requests = 0

    def __call__(self, body: Mapping[str, Any]) -> Json:
        began = time.monotonic()
        try:
            # Without the second word, shards that are away would simply not be counted.
            answer = self._client.search(
                index=self.index,
                allow_partial_search_results=False,
                request_cache=self._request_cache,
                **body,
            )
        except elasticsearch.NotFoundError as error:
            raise NoIndexError(
                f"there is no index or alias {self.index}", remedy="Run `cryptoproxy setup`, or mend ES_INDEX"
            ) from error
        except (elasticsearch.UnsupportedProductError, elastic_transport.TransportError) as error:
            raise meaning(error) from error
        except elasticsearch.ApiError as error:
            raise failure(error.status_code, error.error, _reason(error)) from error
        finally:
            self.took += time.monotonic() - began
            self.requests += 1
        return dict(answer.body)

    def pages(self, body_after: Callable[[Bucket | None], Json]) -> Iterator[Bucket]:
        """The buckets of a paged search, one page held at a time. ``body_after`` gets the last page's ``after_key``."""
        after: Bucket | None = None
        while True:
            rows = self(body_after(after))["aggregations"]["rows"]
            yield from rows["buckets"]
            after = rows.get("after_key")
            if not rows["buckets"] or after is None:
                return


def _reason(error: elasticsearch.ApiError) -> str:
    """The innermost cause, which is the one that a person can act on."""
    body = error.body if isinstance(error.body, dict) else {}
    found = body.get("error")
    while isinstance(found, dict):
        inner = found.get("caused_by") or next(iter(found.get("root_cause") or []), None)
        if inner is None or inner is found:
            return str(found.get("reason", ""))
        found = inner
    return str(found or error)[:500]


# ---- which assets there are

ASSETS_PAGE = 5_000


def assets_body(scope: Scope, after: Mapping[str, Any] | None = None) -> Json:
    volume: Mapping[str, Json] = {"volume": {"avg": {"field": "volume_24h"}}}
    return {
        "size": 0,
        "track_total_hits": False,
        "query": scope.query(),
        "aggs": by_asset(volume, size=ASSETS_PAGE, after=after),
    }


def pairs_body(scope: Scope, coins: Sequence[str]) -> Json:
    """Symbols that begin with one of these, with their quotes."""
    sources = [{name: {"terms": {"field": name}}} for name in ("symbol", "quote")]
    begins: list[Json] = [{"prefix": {"symbol": coin}} for coin in coins]
    return {
        "size": 0,
        "track_total_hits": False,
        "query": {"bool": {"filter": [scope.query(), {"bool": {"should": begins, "minimum_should_match": 1}}]}},
        "aggs": {"pairs": {"composite": {"size": MAX_BUCKETS, "sources": sources}}},
    }


# ---- by steps of time


class Portion(NamedTuple):
    """Assets that are asked for together, and the parts of the period to ask for one after the other."""

    assets: tuple[AssetRef, ...]
    periods: tuple[Span, ...]


def portions(
    assets: Sequence[AssetRef], period: Span, every: Interval, days: Collection[int] | None = None
) -> Iterator[Portion]:
    """A question by steps of time, cut between steps so that no answer has more than 10,000 of them.

    Assets come first, as Elasticsearch then reads only the records of those that are asked for: pages of one large
    search would each read all of them. Of a period in several parts, those that touch one of ``days`` (all, if None).
    """
    steps = period.length_ms // every.ms + 2  # it may begin and end within a step
    together = max(1, MAX_BUCKETS // steps)
    periods = (period,) if steps <= MAX_BUCKETS else tuple(every.parts(period, MAX_BUCKETS - 2, days))
    for begin in range(0, len(assets), together):
        yield Portion(tuple(assets[begin : begin + together]), periods)
