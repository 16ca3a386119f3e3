"""A bucket in memory, with as much of boto3's client as the lake uses."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore import exceptions as boto_errors

from cryptoproxy.common.settings import Settings
from cryptoproxy.lake.store import Store

PAGE = 2


class Bucket:
    """What boto3's S3 client does, two keys a page."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.metadata: dict[str, dict[str, str]] = {}
        self.buckets: list[str] = []
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.fails: list[Exception] = []
        """Raised by the next calls, one each."""

    def _called(self, name: str, options: dict[str, Any]) -> None:
        self.calls.append((name, options))
        if self.fails:
            raise self.fails.pop(0)

    def put_object(self, **options: Any) -> None:
        self._called("put", options)
        self.objects[options["Key"]] = options["Body"]

    def get_object(self, **options: Any) -> dict[str, Any]:
        self._called("get", options)
        if options["Key"] not in self.objects:
            raise refusal(404, "NoSuchKey")
        return {"Body": io.BytesIO(self.objects[options["Key"]])}

    def head_object(self, **options: Any) -> dict[str, Any]:
        self._called("head", options)
        if options["Key"] not in self.objects:
            raise refusal(404, "404")
        return {"Metadata": self.metadata.get(options["Key"], {})}

    def upload_fileobj(self, file: Any, bucket: str, key: str, extra: dict[str, Any], *, Config: Any) -> None:  # noqa: N803
        self._called("upload", {"Key": key})
        self.objects[key] = file.read()
        self.metadata[key] = extra["Metadata"]

    def download_fileobj(self, bucket: str, key: str, file: Any, *, Config: Any) -> None:  # noqa: N803
        self.head_object(Key=key)
        file.write(self.objects[key])

    def delete_object(self, **options: Any) -> None:
        self._called("delete", options)
        self.objects.pop(options["Key"], None)

    def list_buckets(self) -> dict[str, Any]:
        self._called("list_buckets", {})
        return {"Buckets": [{"Name": name} for name in self.buckets]}

    def create_bucket(self, **options: Any) -> None:
        self._called("create_bucket", options)
        self.buckets.append(options["Bucket"])

    def get_paginator(self, name: str) -> Bucket:
        assert name == "list_objects_v2"
        return self

    def paginate(self, **options: Any) -> Iterator[dict[str, Any]]:
        self._called("list", options)
        prefix, delimiter = options["Prefix"], options.get("Delimiter")
        keys = sorted(key for key in self.objects if key.startswith(prefix))
        if delimiter is None:
            for at in range(0, max(1, len(keys)), PAGE):
                page = [{"Key": key} for key in keys[at : at + PAGE]]
                yield {"Contents": page} if page else {}
            return
        folders = list(dict.fromkeys(prefix + key[len(prefix) :].split(delimiter)[0] + delimiter for key in keys))
        for at in range(0, max(1, len(folders)), PAGE):
            page = [{"Prefix": folder} for folder in folders[at : at + PAGE]]
            yield {"CommonPrefixes": page} if page else {}


def refusal(status: int, code: str) -> boto_errors.ClientError:
    return boto_errors.ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Put")  # type: ignore[typeddict-item]


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.fixture
def make_store(bucket: Bucket) -> Callable[..., Store]:
    def make(**texts: str) -> Store:
        return Store(Settings.from_texts(texts).s3, connect=lambda: bucket)  # type: ignore[arg-type,return-value]

    return make


@pytest.fixture
def store(make_store: Callable[..., Store]) -> Store:
    return make_store()
