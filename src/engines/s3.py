"""An S3 API over files on disk: S3Proxy. Signatures are checked; the keys are the folder's own."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from cryptoproxy.engines.engine import Engine, Options, Probe
from cryptoproxy.engines.machine import java
from cryptoproxy.engines.machine.java import as_properties, java_environ
from cryptoproxy.engines.machine.process import Command
from cryptoproxy.engines.ports import HOST, get

LOGGING = """\
<configuration>
  <statusListener class="ch.qos.logback.core.status.NopStatusListener"/>
  <appender name="out" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>[%d{ISO8601}] %p %m \\(%c\\)%n</pattern></encoder>
  </appender>
  <root level="info"><appender-ref ref="out"/></root>
</configuration>
"""


class S3(Engine):
    """Extra ``properties`` win over the defaults; ``files`` are written beside s3proxy.conf, which may name them as
    ``config/<name>`` (the server runs in its folder)."""

    title: ClassVar[str] = "S3"
    bundle_name: ClassVar[str] = "s3"
    first_heap_mb: ClassVar[int] = 32

    def __init__(
        self,
        folder: Path,
        *,
        port: int,
        access_key: str,
        secret_key: str,
        name: str = "s3",
        heap_mb: int = 256,
        scheme: str = "http",
        properties: Mapping[str, str] | None = None,
        files: Mapping[str, str | bytes] | None = None,
        probe: Probe | None = None,
        options: Options | None = None,
    ) -> None:
        super().__init__(name, folder, heap_mb=heap_mb, options=options, probe=probe)
        self.port = port
        self.access_key = access_key
        self.secret_key = secret_key
        self.scheme = scheme
        self.properties = dict(properties or {})
        self.files = dict(files or {})
        self.data = self.folder / "data"
        self.config = self.folder / "config"

    @property
    def endpoint(self) -> str:
        return f"{self.scheme}://{HOST}:{self.port}"

    def ports(self) -> dict[str, int]:
        return {"s3": self.port}

    def prepare(self) -> Command:
        found = java.find()
        (jar,) = self.fetched()
        self.data.mkdir(exist_ok=True)
        self.write_config(
            self.config,
            {**self.files, "s3proxy.conf": as_properties(self.settings()), "logback.xml": LOGGING},
        )
        return Command(
            words=[
                *(str(found.program), *self.heap(), self.mark(), "-Dlogback.configurationFile=config/logback.xml"),
                *("-jar", str(jar), "--properties", "config/s3proxy.conf"),
            ],
            environ=java_environ(),
            folder=self.folder,
        )

    def settings(self) -> dict[str, str]:
        endpoint = "s3proxy.secure-endpoint" if self.scheme == "https" else "s3proxy.endpoint"
        return {
            endpoint: self.endpoint,
            "s3proxy.authorization": "aws-v2-or-v4",
            "s3proxy.identity": self.access_key,
            "s3proxy.credential": self.secret_key,
            "jclouds.provider": "filesystem-nio2",
            "jclouds.filesystem.basedir": str(self.data),
            **self.properties,
        }

    def answers(self) -> str | None:
        return probe_s3(self.endpoint, self.access_key, self.secret_key)


def probe_s3(endpoint: str, access_key: str, secret_key: str, *, ca: Path | None = None) -> str | None:
    """None if the buckets can be listed with these keys, else what is missing."""
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    request = AWSRequest(method="GET", url=f"{endpoint}/")
    S3SigV4Auth(Credentials(access_key, secret_key), "s3", "us-east-1").add_auth(request)
    context = ssl.create_default_context(cafile=ca) if ca else None
    try:
        status, body = get(str(request.url), headers=dict(request.headers.items()), context=context)
    except OSError as error:
        return f"no answer from {endpoint} ({error})"
    return None if status == 200 else f"HTTP {status} {body[:200].decode(errors='replace')}"
