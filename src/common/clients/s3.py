"""The S3 client: retries off (one loop decides), and what its failures mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore import exceptions as boto_errors
from botocore.config import Config

from cryptoproxy.common.clients import outside
from cryptoproxy.common.errors import CryptoProxyError, OperatorError, TransientError
from cryptoproxy.common.settings.catalogue import S3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FAILURES = (boto_errors.BotoCoreError, boto_errors.ClientError)
"""What any call of the client may raise."""

_OPERATOR_CODES = {
    "AccessDenied", "AllAccessDisabled", "InvalidAccessKeyId", "NoSuchBucket", "SignatureDoesNotMatch",
    "AuthorizationHeaderMalformed", "PermanentRedirect", "InvalidBucketName", "ExpiredToken", "InvalidToken",
}  # fmt: skip
# Raised before anything is sent: what was set cannot be used at all.
_UNUSABLE = (
    boto_errors.InvalidRegionError,
    boto_errors.ParamValidationError,
    boto_errors.ProfileNotFound,
    boto_errors.ConfigParseError,
    boto_errors.InvalidConfigError,
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
            # Checksum trailers are younger than many S3 servers.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
        **options,
    )
    return made


def meaning(error: Exception, settings: S3) -> CryptoProxyError:
    """What a failed call means to the loop that decides."""
    place = f"S3 bucket {settings.bucket} at {settings.endpoint_url or settings.region}"
    if isinstance(error, boto_errors.ClientError):
        return _refusal(error, place)
    if isinstance(error, boto_errors.NoCredentialsError | boto_errors.PartialCredentialsError):
        return OperatorError(
            f"{place}: no credentials", remedy="Set AWS_S3_ACCESS_KEY and AWS_S3_SECRET_KEY, or give boto3 a role"
        )
    if isinstance(error, _UNUSABLE):
        return OperatorError(
            f"{place} cannot be asked: {error}",
            remedy="Check AWS_S3_REGION, AWS_S3_BUCKET, and boto3's own configuration (AWS_PROFILE, ~/.aws/config)",
        )
    if isinstance(error, boto_errors.SSLError):
        return OperatorError(f"{place}: TLS fails: {error}", remedy="Set AWS_S3_CA_FILE to the CA of its certificate")
    return TransientError(f"{place} does not answer: {type(error).__name__}: {error}")


def is_missing_key(error: Exception) -> bool:
    """Whether there is no object of that name."""
    # An answer to HEAD has no body, so there is only its status.
    return isinstance(error, boto_errors.ClientError) and error.response.get("Error", {}).get("Code") in (
        "NoSuchKey",
        "404",
    )


def _refusal(error: boto_errors.ClientError, place: str) -> CryptoProxyError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    said = f"{place} answers {status} {code}"
    if code == "NoSuchBucket":
        return OperatorError(said, remedy="Make the bucket (cryptoproxy setup does) or mend AWS_S3_BUCKET")
    if code == "RequestTimeTooSkewed":
        return OperatorError(said, remedy="Set the clock (NTP): S3 refuses what is signed more than 15 minutes off")
    if code in _OPERATOR_CODES or status in (401, 403):
        return OperatorError(said, remedy="Check AWS_S3_ACCESS_KEY, AWS_S3_SECRET_KEY, AWS_S3_REGION and their rights")
    return TransientError(said)
