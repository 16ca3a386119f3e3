"""One bulk request: lines in, one answer per line out. A reply that does not fit the request is no success."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

import elastic_transport
import elasticsearch
from elasticsearch import Elasticsearch

from cryptoproxy.common.clients import elastic
from cryptoproxy.common.clients.outcome import meaning
from cryptoproxy.common.settings.catalogue import Elasticsearch as ElasticsearchSettings
from cryptoproxy.errors import CryptoProxyError, TransientError

# One small entry per item: filtering good items away would shift the others' positions.
FILTER = "errors,items.*.status,items.*.error.type,items.*.error.reason"
_HEADERS = {"content-type": "application/x-ndjson", "accept": "application/json"}
_COMPRESSED = _HEADERS | {"content-encoding": "gzip"}
_LEVEL = 1
"""Higher ones take several times as long for the last few percent (docs/performance.md)."""
_PATH = f"/_bulk?filter_path={FILTER}"


class Item(NamedTuple):
    """Elasticsearch's answer to one line. ``error_type`` is ``""`` where there is no error."""

    status: int
    error_type: str = ""
    reason: str = ""


_CREATED = Item(201)


class BulkSender:
    """Sends bulk requests over kept connections; thread-safe. Secrets are read afresh after a refusal."""

    def __init__(
        self, settings: ElasticsearchSettings, connect: Callable[[], Elasticsearch], *, compress: bool = False
    ) -> None:
        self._settings = settings
        self._connect = connect
        self._compress = compress
        self._lock = threading.Lock()
        self._client: Elasticsearch | None = None

    def client(self) -> Elasticsearch:
        """The client in use."""
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def send(self, lines: Sequence[bytes]) -> list[Item]:
        """One answer per line, in their order.

        Raises:
            TransientError, SizeError, OperatorError: for the request as a whole; nothing is known of its lines,
                so all of them must be sent again (their ids make that harmless).
        """
        headers, body = _HEADERS, b"".join(lines)
        if self._compress:
            headers, body = _COMPRESSED, gzip.compress(body, _LEVEL, mtime=0)
        with self.translated():
            response = self.client().perform_request("POST", _PATH, headers=headers, body=body)
            return _items(response.body, len(lines))

    def meaning(self, error: elasticsearch.ApiError | elastic_transport.TransportError) -> CryptoProxyError:
        """What an error of the client means. After a refusal the next request gets a new one, with secrets as they are
        by then."""
        if isinstance(error, elasticsearch.ApiError) and error.status_code in (401, 403):
            with self._lock:
                self._client = None
        return meaning(error, url=self._settings.url)

    def translated(self) -> _Translated:
        """A context in which the client's errors become ours, by kind."""
        return _Translated(self)


class _Translated:
    """See :meth:`BulkSender.translated`; a class, since a generator's context costs more than the request's parse."""

    def __init__(self, sender: BulkSender) -> None:
        self._sender = sender

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (elasticsearch.ApiError, elastic_transport.TransportError)):
            raise self._sender.meaning(error) from error


def _items(body: object, count: int) -> list[Item]:
    try:
        items = body["items"]  # type: ignore[index]
        found = [
            _CREATED if item is elastic.CREATED or item == elastic.CREATED else _item(next(iter(item.values())))
            for item in items
        ]
    except (TypeError, ValueError, KeyError, AttributeError, StopIteration) as error:
        raise TransientError(f"Elasticsearch's answer to a bulk request is unreadable: {str(body)[:200]}") from error
    if len(found) != count:
        raise TransientError(f"Elasticsearch answered {len(found)} items to a bulk request of {count}")
    return found


def _item(item: dict[str, object]) -> Item:
    error = item.get("error")
    if error is None:
        return Item(int(item["status"]))  # type: ignore[call-overload]
    if not isinstance(error, dict):
        return Item(int(item["status"]), "unknown", str(error)[:1024])  # type: ignore[call-overload]
    return Item(int(item["status"]), str(error.get("type", "")) or "unknown", str(error.get("reason", ""))[:1024])  # type: ignore[call-overload]
