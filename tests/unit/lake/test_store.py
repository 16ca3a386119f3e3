from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from botocore import exceptions as boto_errors

from cryptoproxy.common.errors import OperatorError, TransientError
from cryptoproxy.common.settings import Settings
from cryptoproxy.lake.store import MissingObjectError, Store
from tests.unit.lake.conftest import Bucket, refusal


def test_what_is_put_can_be_read_listed_and_deleted(store: Store, bucket: Bucket) -> None:
    store.put("a/1", b"one")
    store.put("a/1", b"one")
    store.put("b/1", b"two")
    assert store.get("a/1") == b"one"
    assert list(store.keys("a/")) == ["a/1"]
    store.delete("a/1")
    assert list(bucket.objects) == ["b/1"]
    assert bucket.calls[0] == (
        "put",
        {"Bucket": "crypto-lake", "Key": "a/1", "Body": b"one", "ContentType": "application/gzip"},
    )


def test_keys_come_in_order_however_many_pages_there_are(store: Store) -> None:
    for number in (5, 3, 1, 4, 2):
        store.put(f"a/{number}", b"")
    assert list(store.keys("a/")) == [f"a/{number}" for number in range(1, 6)]
    assert list(store.keys("none/")) == []


def test_folders_are_found_without_listing_their_keys(store: Store, bucket: Bucket) -> None:
    for key in ("p/b/1", "p/a/1", "p/a/2", "p/c/x/1", "q/d/1"):
        store.put(key, b"")
    assert list(store.folders("p/")) == ["a", "b", "c"]
    assert list(store.folders("none/")) == []
    assert bucket.calls[-1][1]["Delimiter"] == "/"


def calls(store: Store) -> list[Callable[[], object]]:
    return [
        lambda: store.put("k", b""),
        lambda: store.get("k"),
        lambda: list(store.keys("k")),
        lambda: list(store.folders("k")),
        lambda: store.delete("k"),
        store.make_bucket,
    ]


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (refusal(503, "SlowDown"), TransientError),
        (boto_errors.EndpointConnectionError(endpoint_url="x"), TransientError),
        (refusal(403, "AccessDenied"), OperatorError),
        (refusal(404, "NoSuchBucket"), OperatorError),
    ],
)
def test_a_failure_of_every_call_has_its_kind(
    store: Store, bucket: Bucket, number: int, error: Exception, kind: type[Exception]
) -> None:
    bucket.fails.append(error)
    with pytest.raises(kind, match="crypto-lake"):
        calls(store)[number]()


def test_an_object_that_is_gone_is_named_and_not_waited_for(store: Store, bucket: Bucket) -> None:
    bucket.fails.append(refusal(404, "NoSuchKey"))
    with pytest.raises(MissingObjectError, match=r"s3://crypto-lake/a/1 is not there\. Start again") as caught:
        store.get("a/1")
    assert isinstance(caught.value, OperatorError)


def test_after_a_refusal_a_new_client_is_built_with_the_secret_as_it_is_by_then(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("wrong")
    settings = Settings.from_texts({"AWS_S3_ACCESS_KEY": "a", "AWS_S3_SECRET_KEY_FILE": str(tmp_path / "key")}).s3
    bucket = Bucket()
    secrets: list[str] = []

    def connect() -> Bucket:
        secrets.append(settings.secret_key.get())
        return bucket

    store = Store(settings, connect=connect)  # type: ignore[arg-type]
    bucket.fails = [boto_errors.EndpointConnectionError(endpoint_url="x"), refusal(403, "SignatureDoesNotMatch")]
    with pytest.raises(TransientError):
        store.put("k", b"")
    with pytest.raises(OperatorError):
        store.put("k", b"")
    (tmp_path / "key").write_text("right")
    store.put("k", b"")
    store.put("k", b"")
    assert secrets == ["wrong", "right"]


def test_a_secret_that_cannot_be_read_is_a_person_s_matter_and_read_again(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("x")
    settings = Settings.from_texts({"AWS_S3_ACCESS_KEY": "a", "AWS_S3_SECRET_KEY_FILE": str(tmp_path / "key")}).s3
    bucket = Bucket()
    store = Store(settings, connect=lambda: settings.secret_key.get() and bucket)  # type: ignore[arg-type,return-value]
    (tmp_path / "key").unlink()
    with pytest.raises(OperatorError, match="AWS_S3_SECRET_KEY_FILE"):
        store.put("k", b"")
    (tmp_path / "key").write_text("x")
    store.put("k", b"")


def test_the_bucket_is_made_once(store: Store, bucket: Bucket) -> None:
    assert store.make_bucket() is True
    assert store.make_bucket() is False
    assert bucket.buckets == ["crypto-lake"]


@pytest.mark.parametrize(
    ("texts", "place"),
    [
        ({}, None),
        ({"AWS_S3_REGION": "eu-central-1"}, {"LocationConstraint": "eu-central-1"}),
        ({"AWS_S3_REGION": "eu-central-1", "AWS_S3_ENDPOINT_URL": "http://localhost:9000"}, None),
    ],
)
def test_amazon_is_told_where_the_bucket_lies(
    make_store: Callable[..., Store], bucket: Bucket, texts: dict[str, str], place: object
) -> None:
    make_store(**texts).make_bucket()
    assert bucket.calls[-1][1].get("CreateBucketConfiguration") == place
