from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import urllib3
from botocore import exceptions as boto_errors
from botocore.parsers import ResponseParserError

from cryptoproxy.common.clients import outside, s3
from cryptoproxy.common.settings import Settings
from cryptoproxy.errors import OperatorError, TransientError

KEYS = {"AWS_S3_ACCESS_KEY": "access", "AWS_S3_SECRET_KEY": "secret"}


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the client is made with, instead of a client."""
    found: dict[str, Any] = {}

    def record(service: str, **options: Any) -> None:
        found.clear()
        found.update(options, service=service)

    monkeypatch.setattr(s3.boto3, "client", record)
    return found


def answer(status: int, code: str, words: str = "") -> boto_errors.ClientError:
    told: Any = {"Error": {"Code": code, "Message": words}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return boto_errors.ClientError(told, "Put")


def test_nothing_is_retried_below_the_loop_that_decides(options: dict[str, Any]) -> None:
    s3.client(Settings.from_texts(KEYS).s3, timeout=12)
    config = options["config"]
    assert config.retries["total_max_attempts"] == 1
    assert (config.connect_timeout, config.read_timeout) == (5, 12)
    assert config.request_checksum_calculation == "when_required"
    assert options["service"] == "s3"


def test_without_keys_boto3_finds_its_own(options: dict[str, Any]) -> None:
    s3.client(Settings.from_texts({}).s3)
    assert not {"aws_access_key_id", "aws_secret_access_key"} & set(options)
    assert options["endpoint_url"] is None
    assert options["config"].s3["addressing_style"] == "auto"


def test_keys_are_read_afresh_for_each_client(options: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "key").write_text("first")
    texts = {"AWS_S3_ACCESS_KEY": "access", "AWS_S3_SECRET_KEY_FILE": str(tmp_path / "key")}
    settings = Settings.from_texts(texts).s3
    s3.client(settings)
    assert (options["aws_access_key_id"], options["aws_secret_access_key"]) == ("access", "first")
    (tmp_path / "key").write_text("second")
    s3.client(settings)
    assert options["aws_secret_access_key"] == "second"


def test_another_s3_is_asked_by_path_and_trusted_by_its_own_ca(options: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    texts = {"AWS_S3_ENDPOINT_URL": "https://minio:9000", "AWS_S3_CA_FILE": str(tmp_path / "ca.pem")}
    s3.client(Settings.from_texts(texts).s3)
    assert options["endpoint_url"] == "https://minio:9000"
    assert options["verify"] == str(tmp_path / "ca.pem")
    assert options["config"].s3["addressing_style"] == "path"


def test_the_machine_s_authorities_count_or_those_that_aws_s_own_settings_name(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").touch()
    for name in ("AWS_CA_BUNDLE", *outside.BUNDLES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    s3.client(Settings.from_texts({}).s3)
    assert options["verify"] == outside.authorities()
    s3.client(Settings.from_texts({"AWS_S3_ENDPOINT_URL": "http://localhost:9000"}).s3)
    assert "verify" not in options
    (tmp_path / "config").write_text(f"[default]\nca_bundle = {tmp_path / 'ca.pem'}\n")
    s3.client(Settings.from_texts({}).s3)
    assert options["verify"] == str(tmp_path / "ca.pem")


def test_a_proxy_that_cannot_be_read_is_a_person_s_matter_and_its_password_is_not_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("https_proxy", "http://alice:s3cr3t[@proxy.example")
    with pytest.raises(OperatorError, match="HTTPS_PROXY") as caught:
        s3.client(Settings.from_texts(KEYS).s3)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (answer(500, "InternalError"), TransientError, "500 InternalError"),
        (answer(503, "SlowDown"), TransientError, "503 SlowDown"),
        (answer(429, "TooManyRequests"), TransientError, "429"),
        (answer(404, "NoSuchBucket"), OperatorError, "cryptoproxy setup"),
        (answer(403, "AccessDenied"), OperatorError, "AWS_S3_ACCESS_KEY"),
        (answer(403, ""), OperatorError, "AWS_S3_ACCESS_KEY"),
        (answer(401, "Whatever"), OperatorError, "AWS_S3_ACCESS_KEY"),
        (answer(403, "SignatureDoesNotMatch"), OperatorError, "AWS_S3_SECRET_KEY"),
        (answer(400, "ExpiredToken"), OperatorError, "AWS_S3_ACCESS_KEY"),
        (answer(301, "PermanentRedirect"), OperatorError, "AWS_S3_REGION"),
        (answer(403, "RequestTimeTooSkewed"), OperatorError, "NTP"),
        (answer(400, "RequestTimeout"), TransientError, "400 RequestTimeout"),
        (answer(400, "BadDigest"), TransientError, "400 BadDigest"),
        (answer(400, "ThrottlingException"), TransientError, "400"),
        (answer(409, "OperationAborted"), TransientError, "409"),
        (answer(507, "XMinioStorageFull"), TransientError, "507"),
        (answer(200, "InternalError"), TransientError, "InternalError"),
        (answer(400, "InvalidRequest"), OperatorError, "Object Lock"),
        (answer(403, "InvalidObjectState"), OperatorError, "restore it"),
        (answer(400, "KMS.DisabledException"), OperatorError, "KMS key"),
        (answer(403, "AccessDenied", "no right to kms:GenerateDataKey"), OperatorError, "KMS key"),
        (answer(400, "KMS.ThrottlingException"), TransientError, "400"),
        (answer(403, "AccountProblem"), OperatorError, "who owns the account"),
        (answer(501, "NotImplemented"), OperatorError, "lacks something"),
        (answer(405, "MethodNotAllowed"), OperatorError, "for what S3 names"),
        (answer(403, "UserSuspended"), OperatorError, "for what S3 names"),
        (answer(409, "InvalidBucketState"), OperatorError, "for what S3 names"),
        (answer(400, "EntityTooLarge"), OperatorError, "for what S3 names"),
        (boto_errors.SSOTokenLoadError(profile_name="x", error_msg="expired"), OperatorError, "no credentials"),
        (urllib3.exceptions.SSLError("bad record mac"), TransientError, "does not answer"),
        (ResponseParserError("<html>please log in"), TransientError, "does not answer as S3 does"),
        (boto_errors.NoCredentialsError(), OperatorError, "no credentials"),
        (boto_errors.PartialCredentialsError(provider="env", cred_var="x"), OperatorError, "no credentials"),
        (boto_errors.SSLError(endpoint_url="x", error="unknown CA"), OperatorError, "AWS_S3_CA_FILE"),
        (boto_errors.InvalidRegionError(region_name="eu central"), OperatorError, "AWS_S3_REGION"),
        (boto_errors.ProfileNotFound(profile="x"), OperatorError, "AWS_PROFILE"),
        (boto_errors.ParamValidationError(report="Invalid bucket name"), OperatorError, "AWS_S3_BUCKET"),
        (boto_errors.EndpointConnectionError(endpoint_url="x"), TransientError, "does not answer"),
        (boto_errors.ReadTimeoutError(endpoint_url="x"), TransientError, "does not answer"),
        (boto_errors.IncompleteReadError(actual_bytes=1, expected_bytes=2), TransientError, "does not answer"),
    ],
)
def test_a_failed_call_is_waited_out_or_a_person_s_matter(error: Exception, kind: type[Exception], said: str) -> None:
    assert isinstance(error, s3.FAILURES)
    meaning = s3.meaning(error, Settings.from_texts({}).s3)
    assert type(meaning) is kind
    assert said in str(meaning)
    assert "crypto-lake" in str(meaning)


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (400, "InvalidRequest", "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests"),
        (403, "InvalidObjectState", "The operation is not valid for the object's storage class"),
        (400, "KMS.DisabledException", "arn:aws:kms:eu-central-1:1:key/2 is disabled."),
        (503, "SlowDown", "Please reduce your request rate."),
        (403, "AccessDenied", "User: arn:aws:iam::1:user/poller is not authorized to perform: s3:PutObject"),
    ],
)
def test_s3_s_own_words_are_passed_on_and_the_keys_blamed_for_nothing_else(status: int, code: str, words: str) -> None:
    said = str(s3.meaning(answer(status, code, f"{words}\n"), Settings.from_texts({}).s3))
    assert f"answers {status} {code}: {words.removesuffix('.')}" in said
    assert ("AWS_S3_SECRET_KEY" in said) is (code == "AccessDenied")


def test_of_endless_words_the_begin_is_said() -> None:
    assert len(str(s3.meaning(answer(400, "InvalidRequest", "x" * 10_000), Settings.from_texts({}).s3))) < 1000


def test_a_region_that_boto3_cannot_use_is_a_person_s_matter_before_anything_is_sent() -> None:
    settings = Settings.from_texts({"AWS_S3_REGION": "eu central", **KEYS}).s3
    with pytest.raises(s3.FAILURES) as caught:
        s3.client(settings)
    assert type(s3.meaning(caught.value, settings)) is OperatorError
