"""Where the lake is, and how to get in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptoproxy.common.settings import kinds
from cryptoproxy.common.settings.loading import secret, setting
from cryptoproxy.common.settings.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class S3:
    """Where the lake is."""

    bucket: str = setting(
        "AWS_S3_BUCKET",
        kinds.matching(
            r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
            "bucket name",
            "is not a bucket name (3 to 63 of a-z, 0-9, '.', '-', without two dots together)",
        ),
        "crypto-lake",
        "The lake's bucket.",
    )
    region: str = setting("AWS_S3_REGION", kinds.text(), "us-east-1", "Its region.", example="eu-central-1")
    access_key: Secret = secret("AWS_S3_ACCESS_KEY", "Access key. Without keys, boto3's own credential chain is used.")
    secret_key: Secret = secret("AWS_S3_SECRET_KEY", "Secret key.")
    prefix: str = setting(
        "AWS_S3_FILENAME_PREFIX",
        kinds.matching(
            r"(?!(.*/)?\.{1,2}(/|\Z))[A-Za-z0-9!_.*'()-]+(/[A-Za-z0-9!_.*'()-]+)*",
            "key prefix",
            "must be path parts joined by '/', without one at either end, and none of them '.' or '..'",
        ),
        "crypto",
        "First part of every object's name.",
        example="team-a/crypto",
    )
    endpoint_url: str | None = setting(
        "AWS_S3_ENDPOINT_URL",
        kinds.url(),
        "",
        "Address of another S3 than Amazon's.",
        example="https://minio.example:9000",
    )
    ca_file: Path | None = setting(
        "AWS_S3_CA_FILE",
        kinds.path(),
        "",
        "CA that signed its certificate, PEM; the system's own without.",
        example="/etc/ssl/s3-ca.pem",
    )
    object_seconds: int = setting(
        "AWS_S3_OBJECT_SECONDS",
        kinds.part_of_an_hour(),
        "60",
        "Time that one object holds where the interval is shorter. Longer intervals: one object per poll.",
    )
    compact_at: str | None = setting(
        "LAKE_COMPACT_AT",
        kinds.matching(r"([01]\d|2[0-3]):[0-5]\d", "time of day, UTC", "is not a time of day like 02:30"),
        "",
        "When the active poller puts what is over into the lake's table; never without.",
        example="02:30",
    )
