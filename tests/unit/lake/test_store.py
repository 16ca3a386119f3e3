from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import urllib3
from botocore import exceptions as boto_errors

from cryptoproxy.common.retry import Patience
from cryptoproxy.common.settings import Settings
from cryptoproxy.errors import OperatorError, TransientError
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
    name, options = bucket.calls[0]
    assert name == "put"
    assert options.items() >= {"Bucket": "crypto-lake", "Key": "a/1", "Body": b"one"}.items()
    assert (options["ContentType"], options["ContentMD5"]) == ("application/gzip", "+XxdKZQb+xsv2rCHSQargg==")


def test_keys_come_in_order_however_many_pages_there_are(store: Store) -> None:
    for number in (5, 3, 1, 4, 2):
        store.put(f"a/{number}", b"")
    assert list(store.keys("a/")) == [f"a/{number}" for number in range(1, 6)]
    assert list(store.keys("none/")) == []


@pytest.mark.parametrize("token", [None, "", "a/2"])
def test_the_first_page_of_a_list_is_never_taken_for_all_of_it(store: Store, bucket: Bucket, token: str | None) -> None:
    """A server that does not know the second version of listing ignores where to go on."""
    for number in range(5):
        store.put(f"a/{number}", b"")

    def list_objects_v2(**options: object) -> dict[str, object]:
        page: dict[str, object] = {
            "IsTruncated": True,
            "Contents": [{"Key": "a/1", "Size": 0}, {"Key": "a/2", "Size": 0}],
        }
        return page if token is None else page | {"NextContinuationToken": token}

    bucket.list_objects_v2 = list_objects_v2  # type: ignore[assignment,method-assign]
    with pytest.raises(OperatorError, match="not how it goes on"):
        list(store.keys("a/"))


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
        (boto_errors.IncompleteReadError(actual_bytes=1, expected_bytes=2), TransientError),
        (urllib3.exceptions.SSLError("bad record mac"), TransientError),
        (refusal(403, "AccessDenied"), OperatorError),
        (refusal(404, "NoSuchBucket"), OperatorError),
    ],
)
def test_a_failure_of_every_call_has_its_kind(
    store: Store, bucket: Bucket, tmp_path: Path, number: int, error: Exception, kind: type[Exception]
) -> None:
    bucket.objects["k"] = b"content"
    bucket.fails.append(error)
    with pytest.raises(kind, match="crypto-lake"):
        calls(store)[number]()
    assert [name for name, _ in bucket.calls].count("put") <= 1, "tried again below the loop that decides"
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("number", range(6))
def test_a_patient_store_waits_for_every_call(
    make_store: Callable[..., Store], bucket: Bucket, tmp_path: Path, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    bucket.objects["k"] = b"content"
    bucket.fails += [refusal(503, "SlowDown"), boto_errors.EndpointConnectionError(endpoint_url="x")]
    waits: list[float] = []
    calls(make_store(patiently=Patience("S3", waits.append)))[number]()
    assert len(waits) == 2
    assert "waits for S3: S3 bucket crypto-lake at us-east-1 answers 503 SlowDown" in caplog.text


def test_a_listing_goes_on_after_the_page_that_failed(make_store: Callable[..., Store], bucket: Bucket) -> None:
    store = make_store(patiently=Patience("S3", lambda _: None))
    for number in range(5):
        store.put(f"a/{number}", b"")
    found = []
    for key in store.keys("a/"):
        found.append(key)
        bucket.fails.append(refusal(500, "InternalError"))
    assert found == [f"a/{number}" for number in range(5)]


def test_an_answer_that_is_cut_off_is_no_object(store: Store, bucket: Bucket) -> None:
    bucket.objects["k"] = b"content"
    bucket.cut = 3
    with pytest.raises(TransientError, match="3 read, but total bytes expected is 7"):
        store.get("k")
    assert store.get("k") == b"content"


def test_what_takes_everything_and_keeps_nothing_is_no_s3(store: Store, bucket: Bucket) -> None:
    bucket.swallows = True
    with pytest.raises(TransientError, match="not known to be stored"):
        store.put("k", b"content")


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
