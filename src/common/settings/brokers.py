"""Settings of `cryptoproxy brokers`."""

from __future__ import annotations

from dataclasses import dataclass

from cryptoproxy.common.settings import kinds
from cryptoproxy.common.settings.loading import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Brokers:
    """The process that tells Prometheus how Kafka itself is."""

    port: int = setting(
        "PYTHON_BROKERS_SERVER_PORT",
        kinds.whole(0, 65_535),
        "8005",
        "Port of `/livez`, `/readyz` and `/metrics`. 0: a free one.",
    )
