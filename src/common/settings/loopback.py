"""Whether an address is this machine's own, so that nobody on the way could read what is sent there."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """By its name or address alone: what a resolver says may be another thing tomorrow."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_of(host_port: str) -> str:
    """``[::1]:9092`` → ``::1``."""
    return host_port.rsplit(":", 1)[0].strip("[]")


def in_the_clear(url: str | None) -> bool:
    """Whether others on the way could read what is sent there."""
    if url is None:
        return False
    address = urlsplit(url)
    return address.scheme == "http" and not is_loopback(address.hostname or "")
