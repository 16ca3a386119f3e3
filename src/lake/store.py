"""The bucket: put, list and get, with errors by kind. Secrets are read afresh after a refusal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from boto3.s3.transfer import TransferConfig

from cryptoproxy.common.clients import s3
from cryptoproxy.common.errors import OperatorError
from cryptoproxy.common.settings.catalogue import S3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


_IN_PARTS = TransferConfig(multipart_threshold=64 << 20, multipart_chunksize=32 << 20, use_threads=False)


class MissingObjectError(OperatorError):
    """An object that was listed, or that somebody named, is not in the bucket."""


class Store:
    """One bucket. Used by one thread at a time."""

    def __init__(self, settings: S3, connect: Callable[[], S3Client] | None = None) -> None:
        self.settings = settings
        self._connect = connect or (lambda: s3.client(settings))
        self._client: S3Client | None = None

    def put(self, key: str, body: bytes) -> None:
        """Stores an object; the same key again is the same content again, so it does no harm.

        Raises:
            TransientError, OperatorError: it is not known to be stored.
        """
        with self._translated() as client:
            client.put_object(Bucket=self.settings.bucket, Key=key, Body=body, ContentType="application/gzip")

    def get(self, key: str) -> bytes:
        """Raises:
        MissingObjectError: there is none of that name (any more).
        TransientError, OperatorError: it could not be read.
        """
        with self._translated() as client, self._there(key):
            return client.get_object(Bucket=self.settings.bucket, Key=key)["Body"].read()

    def upload(self, path: Path, key: str, metadata: dict[str, str]) -> None:
        """Stores a file of any size, in parts if it is large; it is there whole or not at all.

        Raises:
            TransientError, OperatorError: it is not known to be stored.
        """
        with self._translated() as client, path.open("rb") as file:
            client.upload_fileobj(file, self.settings.bucket, key, {"Metadata": metadata}, Config=_IN_PARTS)

    def download(self, key: str, path: Path) -> None:
        """An object of any size into a file. Raises as :meth:`get`."""
        with self._translated() as client, path.open("wb") as file, self._there(key):
            client.download_fileobj(self.settings.bucket, key, file, Config=_IN_PARTS)

    def metadata(self, key: str) -> dict[str, str]:
        """What was said with :meth:`upload`. Raises as :meth:`get`."""
        with self._translated() as client, self._there(key):
            return client.head_object(Bucket=self.settings.bucket, Key=key)["Metadata"]

    def keys(self, prefix: str) -> Iterator[str]:
        """All keys below ``prefix``, in order, however many pages that takes."""
        with self._translated() as client:
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=self.settings.bucket, Prefix=prefix):
                for item in page.get("Contents", []):
                    yield item["Key"]

    def folders(self, prefix: str) -> Iterator[str]:
        """The names directly below ``prefix`` that hold keys, in order, without the keys being listed."""
        with self._translated() as client:
            pages = client.get_paginator("list_objects_v2").paginate(
                Bucket=self.settings.bucket, Prefix=prefix, Delimiter="/"
            )
            for page in pages:
                for item in page.get("CommonPrefixes", []):
                    yield item["Prefix"][len(prefix) :].removesuffix("/")

    def delete(self, key: str) -> None:
        with self._translated() as client:
            client.delete_object(Bucket=self.settings.bucket, Key=key)

    def make_bucket(self) -> bool:
        """Makes the bucket; False if it is there already. For `cryptoproxy setup`."""
        with self._translated() as client:
            if self.settings.bucket in {each["Name"] for each in client.list_buckets().get("Buckets", [])}:
                return False
            if self.settings.endpoint_url is None and self.settings.region != "us-east-1":
                client.create_bucket(
                    Bucket=self.settings.bucket,
                    CreateBucketConfiguration={"LocationConstraint": self.settings.region},  # type: ignore[typeddict-item]
                )
            else:
                client.create_bucket(Bucket=self.settings.bucket)
            return True

    @contextmanager
    def _there(self, key: str) -> Iterator[None]:
        try:
            yield
        except s3.FAILURES as error:
            if not s3.is_missing_key(error):
                raise
            raise MissingObjectError(
                f"s3://{self.settings.bucket}/{key} is not there",
                remedy="Start again if somebody removed it meanwhile; else look at the bucket's lifecycle rules",
            ) from error

    @contextmanager
    def _translated(self) -> Iterator[S3Client]:
        try:
            if self._client is None:
                self._client = self._connect()
            yield self._client
        except s3.FAILURES as error:
            meaning = s3.meaning(error, self.settings)
            if isinstance(meaning, OperatorError):
                self._client = None
            raise meaning from error
