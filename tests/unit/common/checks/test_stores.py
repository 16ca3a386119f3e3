"""Elasticsearch and S3 are tried by a real write; each failure is named. The servers' answers stand in here."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import elastic_transport
import elasticsearch
import pytest
from botocore import exceptions as boto_errors

from cryptoproxy.common.checks import check_elasticsearch, check_s3
from cryptoproxy.common.clients import elastic, s3
from cryptoproxy.common.settings import Settings
from cryptoproxy.errors import OperatorError, TransientError

NOW = "2026-11-20T10:00:00.000Z"
SETTINGS = Settings.from_texts({})
POISON = {"status": 400, "error": {"type": "document_parsing_exception", "reason": "not a number"}}


class Elasticsearch:
    """Answers the bulk with ``item``, or raises it."""

    def __init__(self, item: dict[str, Any] | Exception, *, index: bool = True) -> None:
        self.item = item
        self.index = index
        self.sent = b""
        self.closed = False
        self.readable = True
        self.indices = SimpleNamespace(get=self.get)
        self.cluster = SimpleNamespace(health=lambda **_: {"timed_out": False})

    def options(self, *, ignore_status: int) -> Elasticsearch:
        return self

    def get(self, *, index: str) -> object:
        if not self.index or index != "crypto-prices-2026.11.01":
            raise elasticsearch.NotFoundError("no such index", SimpleNamespace(status=404, headers={}), {})  # type: ignore[arg-type]
        return {index: {}}

    def perform_request(self, method: str, path: str, *, headers: dict[str, str], body: bytes) -> Any:
        self.sent = body
        if isinstance(self.item, Exception):
            raise self.item
        return SimpleNamespace(body={"items": [{"create": self.item}]})

    def count(self, *, index: str) -> dict[str, int]:
        assert index == "crypto-prices"
        if not self.readable:
            raise elasticsearch.AuthorizationException("no", SimpleNamespace(status=403, headers={}), {})  # type: ignore[arg-type]
        return {"count": 7}

    def close(self) -> None:
        self.closed = True


def check(monkeypatch: pytest.MonkeyPatch, server: Elasticsearch) -> str:
    monkeypatch.setattr(elastic, "client", lambda settings, **options: server)
    try:
        return check_elasticsearch(SETTINGS.elasticsearch, now=NOW)
    finally:
        assert server.closed


def api_error(status: int, body: Any) -> elasticsearch.ApiError:
    meta: Any = SimpleNamespace(status=status, headers={})
    return elasticsearch.ApiError("refused", meta, body)


def test_a_write_that_is_refused_for_its_content_proves_the_right_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Elasticsearch(POISON)
    assert check(monkeypatch, server) == (
        "may write to crypto-prices-2026.11.01; alias crypto-prices is readable with 7 documents"
    )
    assert b'"_index":"crypto-prices-2026.11.01"' in server.sent
    server.readable = False
    assert "right for an indexer, too little for reconcile" in check(monkeypatch, server)


@pytest.mark.parametrize(
    ("server", "kind", "said"),
    [
        (Elasticsearch(POISON, index=False), OperatorError, "cryptoproxy setup"),
        (Elasticsearch({"status": 201}), OperatorError, "its mapping is not ours"),
        (Elasticsearch({"status": 403, "error": {"type": "security_exception", "reason": "no"}}), OperatorError, "403"),
        (Elasticsearch({"status": 429, "error": {"type": "es_rejected"}}), TransientError, "429"),
        (Elasticsearch(api_error(401, {"error": {"type": "security_exception"}})), OperatorError, "ES_PASSWORD"),
        (Elasticsearch(api_error(503, "a page of a proxy")), TransientError, "503"),
        (Elasticsearch(elastic_transport.ConnectionError("refused")), TransientError, "does not answer"),
        (Elasticsearch(elastic_transport.TlsError("unknown CA")), OperatorError, "ES_CA_FILE"),
    ],
)
def test_what_fails_at_elasticsearch_is_said(
    monkeypatch: pytest.MonkeyPatch, server: Elasticsearch, kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said):
        check(monkeypatch, server)


class Bucket:
    def __init__(
        self, *, error: Exception | None = None, changes: bool = False, second: tuple[int, str] | None = (412, "x")
    ) -> None:
        self.error = error
        self.second = second
        self.changes = changes
        self.objects: dict[str, bytes] = {}
        self.put: list[str] = []

    def put_object(self, **options: Any) -> None:
        if self.error is not None:
            raise self.error
        if "IfNoneMatch" in options and self.second is not None:
            status, code = self.second
            told: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
            raise boto_errors.ClientError(told, "PutObject")
        self.put.append(options["Key"])
        self.objects[options["Key"]] = b"another" if self.changes else options["Body"]

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, io.BytesIO]:  # noqa: N803
        return {"Body": io.BytesIO(self.objects[Key])}

    def delete_object(self, *, Bucket: str, Key: str) -> None:  # noqa: N803
        del self.objects[Key]


def test_an_object_is_put_read_and_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = Bucket()
    monkeypatch.setattr(s3, "client", lambda settings, **options: bucket)
    assert check_s3(SETTINGS.s3) == "object put, read and deleted in s3://crypto-lake/crypto"
    assert bucket.put[0].startswith("crypto/v1/check/")
    assert bucket.objects == {}


@pytest.mark.parametrize("second", [None, (501, "NotImplemented"), (400, "InvalidArgument")])
def test_an_s3_that_cannot_carry_a_compacted_lake_is_told(
    monkeypatch: pytest.MonkeyPatch, second: tuple[int, str] | None
) -> None:
    bucket = Bucket(second=second)
    monkeypatch.setattr(s3, "client", lambda settings, **options: bucket)
    assert check_s3(SETTINGS.s3).endswith("no lake compact with it: it does not keep If-None-Match")
    assert bucket.objects == {}
    with pytest.raises(OperatorError, match="cannot carry a compacted lake"):
        check_s3(Settings.from_texts({"LAKE_COMPACT_AT": "02:30"}).s3)


@pytest.mark.parametrize(
    ("bucket", "kind", "said"),
    [
        (Bucket(error=boto_errors.NoCredentialsError()), OperatorError, "no credentials"),
        (Bucket(error=boto_errors.EndpointConnectionError(endpoint_url="x")), TransientError, "does not answer"),
        (Bucket(changes=True), TransientError, "another content"),
    ],
)
def test_what_fails_at_s3_is_said(
    monkeypatch: pytest.MonkeyPatch, bucket: Bucket, kind: type[Exception], said: str
) -> None:
    monkeypatch.setattr(s3, "client", lambda settings, **options: bucket)
    with pytest.raises(kind, match=said):
        check_s3(SETTINGS.s3)
