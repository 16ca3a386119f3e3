"""The Elasticsearch client: retries off (one loop decides), connection kept. ``outcome``: what its failures mean."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import msgspec
from elasticsearch import Elasticsearch, JsonSerializer
from elasticsearch.serializer import NdjsonSerializer

from cryptoproxy.common.clients.outside import authorities
from cryptoproxy.common.settings.catalogue import Elasticsearch as ElasticsearchSettings
from cryptoproxy.errors import OperatorError

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
        # Encoded here: the client takes a user and password of ASCII alone.
        options["basic_auth"] = b64encode(f"{settings.user}:{settings.password.get()}".encode()).decode()
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
