"""A bucket in memory, with as much of boto3's client as the lake uses."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable
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
        self.metadata: dict[str, dict[str, str]] = {}
        self.buckets: list[str] = []
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.fails: list[Exception] = []
        """Raised by the next calls, one each."""
        self.cut: int | None = None
        """So many bytes of the next object that is read come, then the connection ends."""
        self.uploads: dict[str, tuple[dict[str, str], dict[int, bytes]]] = {}
        """Not complete yet."""
        self.swallows = False
        """Answers 200 to a PUT and keeps nothing, as what is no S3 does."""
        self.loses_the_answer = False
        """Of the next upload that is completed."""

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
        self.metadata[options["Key"]] = options.get("Metadata", {})
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

    def create_multipart_upload(self, **options: Any) -> dict[str, Any]:
        self._called("create", options)
        self.uploads[options["Key"]] = (options["Metadata"], {})
        return {"UploadId": options["Key"]}

    def upload_part(self, **options: Any) -> dict[str, Any]:
        self._called("part", options)
        self._checked(options)
        self.uploads[options["UploadId"]][1][options["PartNumber"]] = options["Body"]
        return {"ETag": f"etag-{options['PartNumber']}"}

    def complete_multipart_upload(self, **options: Any) -> None:
        self._called("complete", options)
        if options["UploadId"] not in self.uploads:
            raise refusal(404, "NoSuchUpload")
        metadata, parts = self.uploads.pop(options["UploadId"])
        assert [each["PartNumber"] for each in options["MultipartUpload"]["Parts"]] == list(parts)
        self.objects[options["Key"]] = b"".join(parts.values())
        self.metadata[options["Key"]] = metadata
        if self.loses_the_answer:
            self.loses_the_answer = False
            raise boto_errors.ReadTimeoutError(endpoint_url="x")

    def abort_multipart_upload(self, **options: Any) -> None:
        self._called("abort", options)
        if self.uploads.pop(options["UploadId"], None) is None:
            raise refusal(404, "NoSuchUpload")

    def head_object(self, **options: Any) -> dict[str, Any]:
        self._called("head", options)
        if options["Key"] not in self.objects:
            raise refusal(404, "404")
        return {"Metadata": self.metadata.get(options["Key"], {})}

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


@pytest.fixture
def make_store(bucket: Bucket) -> Callable[..., Store]:
    def make(*, patiently: Patiently = at_once, **texts: str) -> Store:
        return Store(Settings.from_texts(texts).s3, lambda: bucket, patiently=patiently)  # type: ignore[arg-type,return-value]

    return make


@pytest.fixture
def store(make_store: Callable[..., Store]) -> Store:
    return make_store()
