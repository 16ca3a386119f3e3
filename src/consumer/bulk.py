"""One bulk request: lines in, one answer per line out. A reply that does not fit the request is no success."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import elastic_transport
import elasticsearch
from elasticsearch import Elasticsearch

from cryptoproxy.common.clients import elastic
from cryptoproxy.common.errors import TransientError
from cryptoproxy.common.retry import CAP_SECONDS
from cryptoproxy.common.settings.catalogue import Elasticsearch as ElasticsearchSettings
from cryptoproxy.consumer.outcome import error_of, outcome_of

# One small entry per item: filtering good items away would shift the others' positions.
FILTER = "errors,items.*.status,items.*.error.type,items.*.error.reason"
_HEADERS = {"content-type": "application/x-ndjson", "accept": "application/json"}
_COMPRESSED = _HEADERS | {"content-encoding": "gzip"}
_LEVEL = 1
"""Higher ones take several times as long for the last few percent (docs/performance.md)."""
_PATH = f"/_bulk?filter_path={FILTER}"


class Answer(NamedTuple):
    """Elasticsearch's answer to one line. ``error_type`` is ``""`` where there is no error."""

    status: int
    error_type: str = ""
    reason: str = ""


_CREATED = Answer(201)


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

    def send(self, lines: Sequence[bytes]) -> list[Answer]:
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
            return _answers(response.body, len(lines))

    def translated(self) -> _Translated:
        """A context in which the client's errors become ours, by kind."""
        return _Translated(self)

    def forget_client(self) -> None:
        """The next request gets a new client, with secrets as they are by then."""
        with self._lock:
            self._client = None

    def meaning(self, error: Exception) -> Exception | None:
        """What an error of the client means; None for one that is not the client's."""
        if isinstance(error, elasticsearch.UnsupportedProductError):
            return elastic.not_elasticsearch(self._settings)
        if isinstance(error, elasticsearch.ApiError):
            if error.status_code in (401, 403):
                self.forget_client()
            error_type, reason = elastic.type_and_reason(error.body)
            said = f"Elasticsearch answers {error.status_code} {error_type}".rstrip()
            if reason:
                said = f"{said}: {reason[:1024]}"
            if (asked := _seconds(error.meta.headers)) is not None:
                said = (
                    f"Elasticsearch asks to wait {asked:.0f} s ({said}); it is asked again within {CAP_SECONDS:.0f} s"
                )
            return error_of(outcome_of(error.status_code, error_type), said, retry_after=asked)
        if isinstance(error, elasticsearch.SerializationError):
            return TransientError(f"Elasticsearch's answer is unreadable: {error.message[:200]}")
        if isinstance(error, elastic_transport.TransportError):
            return elastic.no_answer(error, self._settings)
        return None


class _Translated:
    """See :meth:`BulkSender.translated`; a class, since a generator's context costs more than the request's parse."""

    def __init__(self, sender: BulkSender) -> None:
        self._sender = sender

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception):
            meaning = self._sender.meaning(error)
            if meaning is not None:
                raise meaning from error


def _answers(body: object, count: int) -> list[Answer]:
    try:
        items = body["items"]  # type: ignore[index]
        answers = [
            _CREATED if item is elastic.CREATED or item == elastic.CREATED else _answer(next(iter(item.values())))
            for item in items
        ]
    except (TypeError, ValueError, KeyError, AttributeError, StopIteration) as error:
        raise TransientError(f"Elasticsearch's answer to a bulk request is unreadable: {str(body)[:200]}") from error
    if len(answers) != count:
        raise TransientError(f"Elasticsearch answered {len(answers)} items to a bulk request of {count}")
    return answers


def _answer(item: dict[str, object]) -> Answer:
    error = item.get("error")
    if error is None:
        return Answer(int(item["status"]))  # type: ignore[call-overload]
    if not isinstance(error, dict):
        return Answer(int(item["status"]), "unknown", str(error)[:1024])  # type: ignore[call-overload]
    return Answer(int(item["status"]), str(error.get("type", "")) or "unknown", str(error.get("reason", ""))[:1024])  # type: ignore[call-overload]


def _seconds(headers: Mapping[str, str]) -> float | None:
    """What a proxy before Elasticsearch asks for; Elasticsearch itself never does. Of a date nothing is taken: waits
    grow by themselves."""
    text = headers.get("retry-after", "").strip()
    return float(text) if text.isascii() and text.isdigit() else None
