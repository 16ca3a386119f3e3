"""The S3 client: retries off (one loop decides), and what its failures mean."""

from __future__ import annotations

import base64
import hashlib
import os
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
import urllib3
from botocore import exceptions as boto_errors
from botocore.config import Config
from botocore.parsers import ResponseParserError

from cryptoproxy.common.clients import outside
from cryptoproxy.common.settings.catalogue import S3
from cryptoproxy.errors import CryptoProxyError, OperatorError, TransientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FAILURES = (boto_errors.BotoCoreError, boto_errors.ClientError, ResponseParserError, urllib3.exceptions.HTTPError)
"""What any call of the client may raise, or the reading of an answer's body."""

# A refusal (4xx) that does pass by itself: a slow or cut request, too many of them, bytes that were changed on the way.
_PASSING = {
    "RequestTimeout", "RequestTimeoutException", "SlowDown", "TooManyRequests", "Throttling", "ThrottlingException",
    "ThrottledException", "RequestThrottled", "RequestThrottledException", "RequestLimitExceeded",
    "BandwidthLimitExceeded", "KMS.ThrottlingException", "IncompleteBody", "BadDigest", "XAmzContentSHA256Mismatch",
    "OperationAborted", "ConditionalRequestConflict", "PriorRequestNotComplete",
}  # fmt: skip
_LOGIN = {
    "", "401", "403", "AccessDenied", "Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken",
    "InvalidToken", "AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException",
}  # fmt: skip
_SAID_BYTES = 500
# Raised before anything is sent: what was set cannot be used at all.
_UNUSABLE = (
    boto_errors.InvalidRegionError,
    boto_errors.ParamValidationError,
    boto_errors.ProfileNotFound,
    boto_errors.ConfigParseError,
    boto_errors.InvalidConfigError,
)
_NO_LOGIN = (
    boto_errors.NoCredentialsError,
    boto_errors.PartialCredentialsError,
    boto_errors.SSOError,
    boto_errors.TokenRetrievalError,
)


def client(settings: S3, *, timeout: float = 30.0) -> S3Client:
    """A client for ``settings``; secrets are read afresh, so build a new one after a refusal.

    Without explicit keys boto3's own credential chain is used.
    """
    options: dict[str, Any] = {}
    if settings.access_key:
        options["aws_access_key_id"] = settings.access_key.get()
        options["aws_secret_access_key"] = settings.secret_key.get()
    url = settings.endpoint_url or f"https://s3.{settings.region}.amazonaws.com"
    outside.proxy_for(url)  # boto3 asks the same environment; of a proxy that cannot be read it tells the password
    if settings.ca_file is not None:
        options["verify"] = str(settings.ca_file)
    elif url.startswith("https://"):
        options["verify"] = outside.authorities(botocore.session.Session().get_config_variable("ca_bundle"))
    made: S3Client = boto3.client(
        "s3",
        region_name=settings.region,
        endpoint_url=settings.endpoint_url,
        config=Config(
            retries={"total_max_attempts": 1, "mode": "standard"},
            connect_timeout=min(5.0, timeout),
            read_timeout=timeout,
            # Own S3 servers answer by path; a host name per bucket is Amazon's way.
            s3={"addressing_style": "path" if settings.endpoint_url else "auto"},
            # Checksum trailers are younger than many S3 servers; what is put carries its MD5 (:func:`md5`).
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
        **options,
    )
    return made


def delta_options(settings: S3) -> dict[str, str]:
    """What the S3 client in deltalake is told, so that it asks the same server with the same keys, read afresh.

    It takes a CA from ``SSL_CERT_FILE`` alone, and retries by itself for a short while.
    """
    options = {
        "aws_region": settings.region,
        "aws_conditional_put": "etag",
        "aws_checksum_algorithm": "sha256",  # a bucket with Object Lock takes nothing without one
        "retry_timeout": "10s",
    }
    if settings.endpoint_url:
        options |= {"aws_endpoint_url": settings.endpoint_url}
        options |= {"aws_allow_http": "true"} if settings.endpoint_url.startswith("http://") else {}
    if settings.ca_file is not None:
        os.environ["SSL_CERT_FILE"] = str(settings.ca_file)
    if settings.access_key:
        return options | {
            "aws_access_key_id": settings.access_key.get(),
            "aws_secret_access_key": settings.secret_key.get(),
        }
    if found := boto3.Session().get_credentials():
        frozen = found.get_frozen_credentials()
        options |= {"aws_access_key_id": str(frozen.access_key), "aws_secret_access_key": str(frozen.secret_key)}
        options |= {"aws_session_token": frozen.token} if frozen.token else {}
    return options


def md5(body: bytes) -> str:
    """``Content-MD5`` of a PUT: every S3 server checks it, and a bucket with Object Lock takes nothing without."""
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def meaning(error: Exception, settings: S3) -> CryptoProxyError:
    """What a failed call means to the loop that decides."""
    place = f"S3 bucket {settings.bucket} at {settings.endpoint_url or settings.region}"
    if isinstance(error, boto_errors.ClientError):
        return _refusal(error, place)
    if isinstance(error, _NO_LOGIN):
        return OperatorError(
            f"{place}: no credentials ({error})",
            remedy="Set AWS_S3_ACCESS_KEY and AWS_S3_SECRET_KEY, or give boto3 a role",
        )
    if isinstance(error, _UNUSABLE):
        return OperatorError(
            f"{place} cannot be asked: {error}",
            remedy="Check AWS_S3_REGION, AWS_S3_BUCKET, and boto3's own configuration (AWS_PROFILE, ~/.aws/config)",
        )
    if isinstance(error, boto_errors.SSLError):
        return OperatorError(f"{place}: TLS fails: {error}", remedy="Set AWS_S3_CA_FILE to the CA of its certificate")
    if isinstance(error, ResponseParserError):
        return TransientError(f"{place} does not answer as S3 does: {' '.join(str(error).split())[:_SAID_BYTES]}")
    return TransientError(f"{place} does not answer: {type(error).__name__}: {error}")


def is_missing_key(error: Exception) -> bool:
    """Whether there is no object of that name."""
    # An answer to HEAD has no body, so there is only its status.
    return isinstance(error, boto_errors.ClientError) and error.response.get("Error", {}).get("Code") in (
        "NoSuchKey",
        "404",
    )


def _refusal(error: boto_errors.ClientError, place: str) -> CryptoProxyError:
    """Only what passes by itself is tried again; all else is for a person, in S3's own words: they name the rule, the
    storage class or the key that is meant."""
    told = error.response.get("Error", {})
    code = str(told.get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    words = " ".join(str(told.get("Message", "")).split())[:_SAID_BYTES].removesuffix(".")
    said = f"{place} answers {status} {code}{f': {words}' if words else ''}"
    passing = status < 300 or status in (307, 408, 425, 429) or (status >= 500 and status != 501)
    if code in _PASSING or (passing and code not in _REMEDIES):
        return TransientError(said)
    if code in _REMEDIES:
        return OperatorError(said, remedy=_REMEDIES[code])
    if code.startswith("KMS") or "kms" in words.lower():
        return OperatorError(said, remedy="Enable the bucket's KMS key, and allow this user to use it")
    if code in _LOGIN or status == 401:
        return OperatorError(said, remedy="Check AWS_S3_ACCESS_KEY, AWS_S3_SECRET_KEY, AWS_S3_REGION and their rights")
    return OperatorError(
        said, remedy="Look at the bucket's settings (policy, encryption, Object Lock, lifecycle) for what S3 names here"
    )


_REMEDIES = {
    "NoSuchBucket": "Make the bucket (cryptoproxy setup does) or mend AWS_S3_BUCKET",
    "InvalidBucketName": "Mend AWS_S3_BUCKET",
    "RequestTimeTooSkewed": "Set the clock (NTP): S3 refuses what is signed more than 15 minutes off",
    "InvalidObjectState": (
        "The object is archived: restore it, and take the lake out of the lifecycle rule that moves objects to such a "
        "storage class"
    ),
    "AccountProblem": "Ask who owns the account",
    "AllAccessDisabled": "Ask who owns the account",
    "NotSignedUp": "Ask who owns the account",
    "NotImplemented": "This S3 server lacks something that is needed; name another AWS_S3_ENDPOINT_URL or update it",
}
