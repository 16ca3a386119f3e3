"""Whether an engine answers: None if so, else what is missing, in a few words. All on the loopback, past any proxy."""

from __future__ import annotations

import json
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path

PROBE_SECONDS = 3.0


def probe_brokers(endpoint: str, *, expected: int = 1, **security: object) -> str | None:
    """Asks for the cluster's brokers. ``security`` is what kafka-python's clients take."""
    host, _, port = endpoint.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()  # first, since the client is loud about it
    except OSError as error:
        return f"no connection to {endpoint} ({error.strerror or error})"
    from kafka import KafkaAdminClient
    from kafka.errors import KafkaError

    try:
        client = KafkaAdminClient(
            bootstrap_servers=endpoint, bootstrap_timeout_ms=5_000, request_timeout_ms=5_000, **security
        )
        try:
            found = len(client.describe_cluster()["brokers"])
        finally:
            client.close()
    except KafkaError as error:
        return f"{type(error).__name__}: {error}"
    return None if found >= expected else f"{found} of {expected} brokers"


def probe_health(
    endpoint: str, *, headers: Mapping[str, str] | None = None, context: ssl.SSLContext | None = None, nodes: int = 1
) -> str | None:
    """Cluster health of yellow or better: all primary shards serve. ``GET /`` would answer 405 here."""
    try:
        status, body = get(f"{endpoint}/_cluster/health", headers=headers, context=context)
        health = json.loads(body) if status == 200 else {}
    except (OSError, ValueError) as error:
        return f"no answer from {endpoint} ({error})"
    if health.get("status") in {"green", "yellow"} and health["number_of_nodes"] >= nodes:
        return None
    return (
        f"HTTP {status}, health {health.get('status', 'unknown')}, {health.get('number_of_nodes', 0)} of {nodes} nodes"
    )


def probe_s3(endpoint: str, access_key: str, secret_key: str, *, ca: Path | None = None) -> str | None:
    """Lists the buckets, signed: that the keys are accepted is part of the answer."""
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    request = AWSRequest(method="GET", url=f"{endpoint}/")
    S3SigV4Auth(Credentials(access_key, secret_key), "s3", "us-east-1").add_auth(request)
    context = ssl.create_default_context(cafile=ca) if ca else None
    try:
        status, body = get(str(request.url), headers=dict(request.headers.items()), context=context)
    except OSError as error:
        return f"no answer from {endpoint} ({error})"
    return None if status == 200 else f"HTTP {status} {body[:200].decode(errors='replace')}"


def get(
    url: str, *, headers: Mapping[str, str] | None = None, context: ssl.SSLContext | None = None
) -> tuple[int, bytes]:
    """Status and body of the answer, whatever the status.

    Raises:
        OSError: there was no answer.
    """
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if context:
        handlers.append(urllib.request.HTTPSHandler(context=context))
    opener = urllib.request.build_opener(*handlers)
    request = urllib.request.Request(url, headers=dict(headers or {}))  # noqa: S310 - our own http(s) URL
    try:
        with opener.open(request, timeout=PROBE_SECONDS) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except HTTPException as error:  # an answer cut in the middle
        raise ConnectionError(str(error) or type(error).__name__) from error
