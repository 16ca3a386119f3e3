"""The Elasticsearch client: retries off (one loop decides), connection kept, and what its failures mean."""

from __future__ import annotations

from typing import Any

import elastic_transport
import elasticsearch
import msgspec
from elasticsearch import Elasticsearch, JsonSerializer
from elasticsearch.serializer import NdjsonSerializer

from cryptoproxy.common.clients.outside import authorities
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
        options |= {"verify_certs": True, "ca_certs": str(settings.ca_file or authorities())}
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


def meaning(
    error: elasticsearch.ApiError | elastic_transport.TransportError, settings: ElasticsearchSettings
) -> CryptoProxyError:
    """What an error of the client means where nothing is known of the request but that it failed."""
    if isinstance(error, elasticsearch.UnsupportedProductError):
        return not_elasticsearch(settings)
    if isinstance(error, elasticsearch.ApiError):
        return failure(error.status_code, *type_and_reason(error.body))
    return no_answer(error, settings)


def not_elasticsearch(settings: ElasticsearchSettings) -> OperatorError:
    """The client takes no answer without the header by which the server names itself."""
    return OperatorError(
        f"{settings.url} answers, but not as Elasticsearch does: the header X-Elastic-Product is missing",
        remedy="Mend ES_URL_ENDPOINT, or have the proxy before Elasticsearch pass that header on",
    )


def type_and_reason(body: object) -> tuple[str, str]:
    """Of the body of a refusal; a proxy's page has no type."""
    if isinstance(body, dict):
        error = body.get("error")
        if isinstance(error, dict):
            return str(error.get("type", "")), str(error.get("reason", ""))
        if error is not None:
            return "", str(error)
    return "", str(body)[:200] if body else ""


def now_ms(client: Elasticsearch) -> int:
    """Elasticsearch's own clock, to the second. Needs the right `monitor`."""
    return int(client.cat.health(format="json", h="epoch")[0]["epoch"]) * 1000  # type: ignore[index]


def require_a_place(client: Elasticsearch, index: str, *, patience: str) -> None:
    """Waits so long for the shards of ``index``. Needs the right `monitor`.

    Raises:
        OperatorError: no node may take one; with the cluster's own words.
    """
    health = client.options(ignore_status=408).cluster.health(index=index, wait_for_status="yellow", timeout=patience)
    if not health["timed_out"]:
        return
    told = client.cluster.allocation_explain(index=index, shard=0, primary=True)
    decisions = [
        decider["explanation"]
        for node in told.get("node_allocation_decisions", ())
        for decider in node.get("deciders", ())
        if decider["decision"] == "NO"
    ]
    raise OperatorError(
        f"index {index} is there, but no place for its shard, so nothing can be written: "
        f"{'; '.join(dict.fromkeys(decisions))[:500] or told.get('allocate_explanation', 'see the cluster')}",
        remedy="Give the cluster that place (disk, nodes, cluster.routing.allocation.enable); see `cryptoproxy check`",
    )


def failure(status: int, error_type: str, reason: str) -> CryptoProxyError:
    """What a whole request's refusal means; told by status and type, as the same status means different things."""
    said = f"Elasticsearch answers {status} {error_type}".rstrip()
    if reason:
        said = f"{said}: {reason[:1024]}"
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
