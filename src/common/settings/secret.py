"""What others must not read: a value that is never printed, and addresses that would carry it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cryptoproxy.errors import OperatorError

MASK = "********"


@dataclass(frozen=True, slots=True)
class Secret:
    """A password, key or token, given as a value or as the path of a file that holds it.

    A file is read at each :meth:`get`, so that clients built again after a refusal use what it holds by then.
    """

    name: str
    _value: str = ""
    file: Path | None = None

    def get(self) -> str:
        """The secret itself; ``""`` where none is set.

        Raises:
            OperatorError: the file cannot be read, or is empty.
        """
        if self.file is None:
            return self._value
        try:
            value = self.file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise OperatorError(
                f"{self.name}_FILE={self.file} cannot be read: {error}",
                remedy="Make the file readable for this process",
            ) from error
        if not value:
            raise OperatorError(f"{self.name}_FILE={self.file} is empty", remedy="Write the secret into the file")
        return value

    def __bool__(self) -> bool:
        return bool(self._value) or self.file is not None

    def __repr__(self) -> str:
        return f"Secret({self.name}={MASK if self else ''})"

    __str__ = __repr__


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name or address alone: a resolver may say another thing tomorrow."""
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
