"""S3: an object put, read back and deleted."""

from __future__ import annotations

import uuid

from cryptoproxy.common.clients import s3
from cryptoproxy.common.errors import TransientError
from cryptoproxy.common.settings.catalogue import S3


def check_s3(settings: S3) -> str:
    """What was proven, in a line.

    Raises:
        CryptoProxyError: what failed, and what to do.
    """
    content = uuid.uuid4().hex.encode()
    key = f"{settings.prefix}/v1/check/{content.decode()}"
    try:
        client = s3.client(settings, timeout=10)
        client.put_object(Bucket=settings.bucket, Key=key, Body=content, ContentMD5=s3.md5(content))
        read = client.get_object(Bucket=settings.bucket, Key=key)["Body"].read()
        client.delete_object(Bucket=settings.bucket, Key=key)
    except s3.FAILURES as error:
        raise s3.meaning(error, settings) from error
    if read != content:
        raise TransientError(f"s3://{settings.bucket}/{key} was read back with another content than was put")
    return f"object put, read and deleted in s3://{settings.bucket}/{settings.prefix}"
