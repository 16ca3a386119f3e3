"""Elasticsearch: a real write that must be refused for its content, so that nothing is left to delete, and a search.
S3: an object put, read back and deleted, and a second one refused in its place."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import elastic_transport
import elasticsearch
from botocore.exceptions import ClientError
from elasticsearch import Elasticsearch

from cryptoproxy.common.clients import elastic, outcome, s3
from cryptoproxy.common.settings.catalogue import S3
from cryptoproxy.common.settings.catalogue import Elasticsearch as ElasticsearchSettings
from cryptoproxy.datasets import TICKER, Dataset
from cryptoproxy.errors import OperatorError, TransientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# It passes every door that a good document passes (network, login, role, index, blocks), then is refused as
# unreadable: the indexer's role may create documents, and nobody's may delete them.
_UNREADABLE = b'{"source":"check","timestamp":"no time"}\n'


def check_elasticsearch(settings: ElasticsearchSettings, dataset: Dataset[Any] = TICKER, *, now: str) -> str:
    """What was proven of one dataset, in a line.

    Raises:
        CryptoProxyError: what failed, and what to do.
    """
    index = settings.first_index(dataset, now)
    action = b"index" if dataset.compacted else b"create"
    client = elastic.client(settings, connections=1, timeout=10)
    try:
        _require(client, index)
        elastic.require_a_place(client, index, patience="1s")
        answer = client.perform_request(
            "POST",
            "/_bulk",
            headers={"content-type": "application/x-ndjson", "accept": "application/json"},
            body=b'{"%b":{"_index":"%b"}}\n%b' % (action, index.encode(), _UNREADABLE),
        )
        item = answer.body["items"][0][action.decode()]
        error = item.get("error", {})
        if item["status"] == 201:
            raise OperatorError(
                f"index {index} took a document whose timestamp is no time: its mapping is not ours",
                remedy="See docs/migration.md",
            )
        if error.get("type") not in ("document_parsing_exception", "mapper_parsing_exception"):
            raise outcome.failure(item["status"], str(error.get("type")), str(error.get("reason")))
        seen = _seen(client, settings.alias_of(dataset))
    except (elasticsearch.ApiError, elastic_transport.TransportError) as failure:
        raise outcome.meaning(failure, url=settings.url) from failure
    finally:
        client.close()
    return f"may write to {index}; {seen}"


def _require(client: Elasticsearch, index: str) -> None:
    try:
        client.indices.get(index=index)  # not by HEAD, whose refusal has no words
    except elasticsearch.NotFoundError as failure:
        raise OperatorError(f"index {index} is missing", remedy="Run `cryptoproxy setup`") from failure


def _seen(client: Elasticsearch, alias: str) -> str:
    """The indexer's role may not read, and need not."""
    try:
        count = client.count(index=alias)["count"]
    except elasticsearch.AuthorizationException:
        return f"alias {alias} is not readable for this user: right for an indexer, too little for reconcile"
    return f"alias {alias} is readable with {count} documents"


def check_s3(settings: S3) -> str:
    """What was proven, in a line.

    Raises:
        CryptoProxyError: what failed, and what to do.
    """
    content = uuid.uuid4().hex.encode()
    key = f"{settings.prefix}/v1/check/{content.decode()}"
    try:
        client = s3.client(settings, timeout=10)
        client.put_object(Bucket=settings.bucket, Key=key, Body=content, ContentMD5=s3.md5(content))
        read = client.get_object(Bucket=settings.bucket, Key=key)["Body"].read()
        conditional = _refuses_a_second(client, settings.bucket, key)
        client.delete_object(Bucket=settings.bucket, Key=key)
    except s3.FAILURES as error:
        raise s3.meaning(error, settings) from error
    if read != content:
        raise TransientError(f"s3://{settings.bucket}/{key} was read back with another content than was put")
    said = f"object put, read and deleted in s3://{settings.bucket}/{settings.prefix}"
    if conditional:
        return said
    if settings.compact_at is not None:
        raise OperatorError(
            "this S3 does not keep If-None-Match: two compactions at once would lose records, so it cannot carry a "
            "compacted lake",
            remedy="Unset LAKE_COMPACT_AT (polls' objects need nothing of it), or update the S3 server",
        )
    return f"{said}; no lake compact with it: it does not keep If-None-Match"


def _refuses_a_second(client: S3Client, bucket: str, key: str) -> bool:
    """Whether a conditional PUT is refused where an object is; a commit of the lake's table rests on that."""
    content = b"second"
    try:
        client.put_object(Bucket=bucket, Key=key, Body=content, ContentMD5=s3.md5(content), IfNoneMatch="*")
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if status == 412:
            return True
        if status not in (400, 501):
            raise
    return False
