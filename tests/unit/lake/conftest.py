"""A bucket in memory, with as much of boto3's client as the lake uses."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore import exceptions as boto_errors
from botocore.response import StreamingBody

from cryptoproxy.common.retry import Patiently, at_once
from cryptoproxy.common.settings import Settings
from cryptoproxy.lake.store import Store

PAGE = 2


class Bucket:
    """What boto3's S3 client does, two keys a page."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.buckets: list[str] = []
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.fails: list[Exception] = []
        """Raised by the next calls, one each."""
        self.cut: int | None = None
        """So many bytes of the next object that is read come, then the connection ends."""
        self.swallows = False
        """Answers 200 to a PUT and keeps nothing, as what is no S3 does."""

    def _called(self, name: str, options: dict[str, Any]) -> None:
        self.calls.append((name, options))
        if self.fails:
            raise self.fails.pop(0)

    def put_object(self, **options: Any) -> dict[str, Any]:
        self._called("put", options)
        if self.swallows:
            return {}
        self._checked(options)
        self.objects[options["Key"]] = options["Body"]
        return {"ETag": "etag"}

    def _checked(self, options: dict[str, Any]) -> None:
        """As a bucket with Object Lock, which takes nothing without a checksum."""
        wanted = base64.b64encode(hashlib.md5(options["Body"], usedforsecurity=False).digest()).decode()
        assert options["ContentMD5"] == wanted

    def get_object(self, **options: Any) -> dict[str, Any]:
        self._called("get", options)
        if options["Key"] not in self.objects:
            raise refusal(404, "NoSuchKey")
        body = self.objects[options["Key"]]
        sent = body if self.cut is None else body[: self.cut]
        self.cut = None
        return {"Body": StreamingBody(io.BytesIO(sent), len(body))}  # type: ignore[arg-type]

    def delete_object(self, **options: Any) -> None:
        self._called("delete", options)
        self.objects.pop(options["Key"], None)

    def list_buckets(self) -> dict[str, Any]:
        self._called("list_buckets", {})
        return {"Buckets": [{"Name": name} for name in self.buckets]}

    def create_bucket(self, **options: Any) -> None:
        self._called("create_bucket", options)
        self.buckets.append(options["Bucket"])

    def list_objects_v2(self, **options: Any) -> dict[str, Any]:
        self._called("list", options)
        prefix, delimiter = options["Prefix"], options.get("Delimiter")
        names = sorted(key for key in self.objects if key.startswith(prefix))
        if delimiter is not None:
            names = list(dict.fromkeys(prefix + key[len(prefix) :].split(delimiter)[0] + delimiter for key in names))
        rest = [name for name in names if name > options.get("ContinuationToken", "")]
        page, more = rest[:PAGE], rest[PAGE:]
        answer: dict[str, Any] = {"IsTruncated": bool(more)} | ({"NextContinuationToken": page[-1]} if more else {})
        if page and delimiter is None:
            answer["Contents"] = [{"Key": key, "Size": len(self.objects[key])} for key in page]
        elif page:
            answer["CommonPrefixes"] = [{"Prefix": each} for each in page]
        return answer


def refusal(status: int, code: str, words: str = "") -> boto_errors.ClientError:
    told: Any = {"Error": {"Code": code, "Message": words}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return boto_errors.ClientError(told, "Put")


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


class LogOnDisk(Store):
    """Of the tables only the log lies in a folder: deltalake cannot be told of a bucket in memory."""

    logs: Path

    def holds(self, prefix: str) -> bool:
        return super().holds(prefix) or (self.logs / prefix).exists()

    def delta(self, folder: str) -> tuple[str, dict[str, str]]:
        return str(self.logs / folder), {}


@pytest.fixture
def make_store(bucket: Bucket, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Store]:
    logs = tmp_path_factory.mktemp("logs")

    def make(*, patiently: Patiently = at_once, **texts: str) -> Store:
        store = LogOnDisk(Settings.from_texts(texts).s3, lambda: bucket, patiently=patiently)  # type: ignore[arg-type,return-value]
        store.logs = logs
        return store

    return make


@pytest.fixture
def store(make_store: Callable[..., Store]) -> Store:
    return make_store()
