"""The one road to Elasticsearch: a search, and the pages of one, with failures told by kind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import elastic_transport
import elasticsearch
from elasticsearch import Elasticsearch

from cryptoproxy.common.clients import elastic
from cryptoproxy.common.errors import OperatorError, TransientError
from cryptoproxy.queries.scope import Json

Bucket = Mapping[str, Any]


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
            raise OperatorError(
                f"there is no index or alias {self.index}", remedy="Run `cryptoproxy setup`, or mend ES_INDEX"
            ) from error
        except elasticsearch.UnsupportedProductError as error:
            raise OperatorError("what answers is not Elasticsearch", remedy="Mend ES_URL_ENDPOINT") from error
        except elasticsearch.ApiError as error:
            raise elastic.failure(error.status_code, error.error, _reason(error)) from error
        except elastic_transport.TlsError as error:
            raise OperatorError(
                f"Elasticsearch: TLS fails: {error.message}",
                remedy="Set ES_CA_FILE to the CA that signed its certificate",
            ) from error
        except elastic_transport.TransportError as error:
            raise TransientError(f"Elasticsearch does not answer: {type(error).__name__}: {error.message}") from error
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
