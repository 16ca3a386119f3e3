"""The bucket: put, list and get, with errors by kind. Secrets are read afresh after a refusal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from common.clients import s3
from common.errors import OperatorError
from common.settings.catalogue import S3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


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
        TransientError, OperatorError: it could not be read.
        """
        with self._translated() as client:
            return client.get_object(Bucket=self.settings.bucket, Key=key)["Body"].read()

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
