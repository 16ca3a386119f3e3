"""The Elasticsearch client: retries off (one loop decides), connection kept, and what its failures mean."""

from __future__ import annotations

from typing import Any

import elastic_transport
import msgspec

from cryptoproxy.common.clients.lean import Elasticsearch, JsonSerializer, NdjsonSerializer
from cryptoproxy.common.errors import CryptoProxyError, OperatorError, SizeError, TransientError
from cryptoproxy.common.settings.catalogue import Elasticsearch as ElasticsearchSettings

CREATED: dict[str, Any] = {"create": {"status": 201}}
"""What is said of a line that has become a document, and nothing else, under the indexer's filter."""
_CREATED = msgspec.json.encode(CREATED)
_BEFORE, _AFTER = b'{"errors":false,"items":[', b"]}"


class FastJson(JsonSerializer):
    """Reads answers in C. That to a bulk request has an entry for each line; where all are :data:`CREATED`, which is
    the ordinary case, one comparison tells, and all entries are that object: two thousand small ones a request would
    keep the garbage collector busy."""

    def json_loads(self, data: bytes) -> Any:
        if data.startswith(_BEFORE + _CREATED):
            lines = (len(data) - len(_BEFORE) - len(_AFTER) + 1) // (len(_CREATED) + 1)
            if data == _BEFORE + (lines - 1) * (_CREATED + b",") + _CREATED + _AFTER:
                return {"errors": False, "items": [CREATED] * lines}
        return msgspec.json.decode(data)


class AsWritten(NdjsonSerializer):
    """Lines that are bytes already go out as they are. The client would copy them twice, and add a newline at the end,
    which is no part of what is compressed."""

    def dumps(self, data: Any) -> bytes:
        return data if isinstance(data, bytes) else super().dumps(data)


def client(settings: ElasticsearchSettings, *, connections: int = 4, timeout: float = 30.0) -> Elasticsearch:
    """A client for ``settings``; secrets are read afresh, so build a new one after a refusal.

    Args:
        connections: kept open to the server; at least as many as requests in flight.
        timeout: longest wait for one answer, in seconds.
    """
    options: dict[str, Any] = {}
    if settings.url.startswith("https://"):
        options["verify_certs"] = True
        if settings.ca_file is not None:
            options["ca_certs"] = str(settings.ca_file)
    if settings.api_key:
        options["api_key"] = settings.api_key.get()
    elif settings.user:
        options["basic_auth"] = (settings.user, settings.password.get())
    return Elasticsearch(
        settings.url,
        max_retries=0,
        retry_on_timeout=False,
        request_timeout=timeout,
        connections_per_node=connections,
        # One node, so marking it dead would only add waits that nobody sees.
        dead_node_backoff_factor=0,
        serializers={each.mimetype: each for each in (FastJson(), AsWritten())},
        **options,
    )


def failure(status: int, error_type: str, reason: str) -> CryptoProxyError:
    """What a whole request's refusal means; told by status and type, as the same status means different things."""
    said = (
        f"Elasticsearch answers {status} {error_type}: {reason[:1024]}"
        if error_type
        else f"Elasticsearch answers {status}"
    )
    if status == 413:
        return SizeError(said)
    if status in (401, 403):
        return OperatorError(
            said, remedy="Check ES_USER and ES_PASSWORD (or ES_API_KEY) and that user's role (docs/security.md)"
        )
    if status in (408, 429) or status >= 500:  # as an item of a bulk: see consumer/outcome.py
        return TransientError(said)
    return OperatorError(
        said, remedy="Look at the index, the template and the alias (cryptoproxy setup says what is wrong)"
    )


def no_answer(error: elastic_transport.TransportError, settings: ElasticsearchSettings) -> CryptoProxyError:
    """What a request without an answer means: try again, unless the certificate is refused."""
    if isinstance(error, elastic_transport.TlsError):
        return OperatorError(
            f"Elasticsearch at {settings.url}: TLS fails: {error.message}",
            remedy="Set ES_CA_FILE to the CA that signed its certificate",
        )
    return TransientError(f"Elasticsearch at {settings.url} does not answer: {type(error).__name__}: {error.message}")
