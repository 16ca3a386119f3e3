"""The bucket: put, list and get, with errors by kind. Secrets are read afresh after a refusal."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from cryptoproxy.common.clients import s3
from cryptoproxy.common.retry import Patiently, at_once
from cryptoproxy.common.settings.catalogue import S3
from cryptoproxy.errors import OperatorError, TransientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ListObjectsV2OutputTypeDef

log = logging.getLogger(__name__)

T = TypeVar("T")


class MissingObjectError(OperatorError):
    """An object that was listed, or that somebody named, is not in the bucket."""


class Store:
    """One bucket. Used by one thread at a time.

    Every method raises TransientError or OperatorError while the bucket cannot or may not be used.

    Args:
        patiently: :func:`at_once`, or one that waits while S3 is away; around each single request.
    """

    def __init__(
        self, settings: S3, connect: Callable[[], S3Client] | None = None, *, patiently: Patiently = at_once
    ) -> None:
        self.settings = settings
        self._connect = connect or (lambda: s3.client(settings))
        self.patiently = patiently
        self._client: S3Client | None = None

    def put(self, key: str, body: bytes) -> None:
        """Stores an object; the same key again is the same content again, so it does no harm."""

        def store(client: S3Client, at: Any) -> None:
            kind = "application/vnd.apache.parquet" if key.endswith(".parquet") else "application/gzip"
            # What is not S3 (a proxy's page) may answer 200, too, and keep nothing.
            if not client.put_object(**at, Body=body, ContentMD5=s3.md5(body), ContentType=kind).get("ETag"):
                place = f"s3://{self.settings.bucket}/{key}"
                raise TransientError(f"{place} was taken without an ETag, so it is not known to be stored: is that S3?")

        self._ask(store, key)

    def get(self, key: str) -> bytes:
        """Raises:
        MissingObjectError: there is none of that name (any more).
        """
        return self._ask(lambda client, at: client.get_object(**at)["Body"].read(), key, reads=True)

    def keys(self, prefix: str) -> Iterator[str]:
        """All keys below ``prefix``, in order, however many pages that takes."""
        return (key for key, _ in self.sizes(prefix))

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        """The same, with the bytes of each object."""
        for page in self._pages({"Prefix": prefix}):
            for item in page.get("Contents", []):
                yield item["Key"], item["Size"]

    def holds(self, prefix: str) -> bool:
        """Whether anything lies below ``prefix``."""
        return next(self.keys(prefix), None) is not None

    def folders(self, prefix: str) -> Iterator[str]:
        """The names directly below ``prefix`` that hold keys, in order, without the keys being listed."""
        for page in self._pages({"Prefix": prefix, "Delimiter": "/"}):
            for item in page.get("CommonPrefixes", []):
                yield item["Prefix"][len(prefix) :].removesuffix("/")

    def delete(self, key: str) -> None:
        """Removes an object; one that is not there does no harm."""
        self._ask(lambda client, at: client.delete_object(**at), key)

    def make_bucket(self) -> bool:
        """Makes the bucket; False if it is there already. For `cryptoproxy setup`."""

        def make(client: S3Client, at: Any) -> bool:
            if self.settings.bucket in {each["Name"] for each in client.list_buckets().get("Buckets", [])}:
                return False
            if self.settings.endpoint_url is None and self.settings.region != "us-east-1":
                place: Any = {"LocationConstraint": self.settings.region}
                client.create_bucket(**at, CreateBucketConfiguration=place)
            else:
                client.create_bucket(**at)
            return True

        return self._ask(make)

    def delta(self, folder: str) -> tuple[str, dict[str, str]]:
        """Where deltalake finds the table in ``folder``, and how it may ask: as our own client, whose keys it gets."""
        return f"s3://{self.settings.bucket}/{folder}", s3.delta_options(self.settings)

    def _pages(self, what: dict[str, str]) -> Iterator[ListObjectsV2OutputTypeDef]:
        while True:
            page = self._page(what)
            yield page
            if not page.get("IsTruncated"):
                return
            token = page.get("NextContinuationToken")
            if not token or token == what.get("ContinuationToken"):
                # Else the first page would be taken for all, or read for ever.
                raise OperatorError(
                    f"S3 bucket {self.settings.bucket} lists a part of {what['Prefix']} and not how it goes on",
                    remedy="This S3 server does not know ListObjectsV2: update it, or name another AWS_S3_ENDPOINT_URL",
                )
            what = what | {"ContinuationToken": token}

    def _page(self, what: dict[str, str]) -> ListObjectsV2OutputTypeDef:
        return self._ask(lambda client, at: client.list_objects_v2(**at, **what))  # type: ignore[arg-type]

    def _ask(self, request: Callable[[S3Client, Any], T], key: str | None = None, *, reads: bool = False) -> T:
        """``request`` is given the client, and bucket and key as its calls name them."""
        return self.patiently(lambda: self._once(request, key, reads=reads))

    def _once(self, request: Callable[[S3Client, Any], T], key: str | None, *, reads: bool = False) -> T:
        try:
            if self._client is None:
                self._client = self._connect()
            return request(self._client, {"Bucket": self.settings.bucket} | ({} if key is None else {"Key": key}))
        except s3.FAILURES as error:
            if reads and s3.is_missing_key(error):
                raise MissingObjectError(
                    f"s3://{self.settings.bucket}/{key} is not there",
                    remedy="Start again if somebody removed it meanwhile; else look at the bucket's lifecycle rules",
                ) from error
            meaning = s3.meaning(error, self.settings)
            if isinstance(meaning, OperatorError):
                self._client = None
            raise meaning from error
