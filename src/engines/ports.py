"""Ports on the loopback: the usual ones, free ones, who holds one that is taken, and what answers there by HTTP."""

from __future__ import annotations

import random
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from http.client import HTTPException

from cryptoproxy.common.service.http import holder
from cryptoproxy.errors import OperatorError

HOST = "127.0.0.1"
GET_SECONDS = 10.0
"""On a busy machine the first answer over TLS with a password takes long; given up and asked anew it takes as long
again."""
RANGE = range(15_000, 32_000)
"""Where free ports are looked for: below the kernel's own range (32768 up), or an outgoing connection could take a
port in the seconds between its choice and its use."""


@dataclass(frozen=True)
class Ports:
    """A port of 0 stands for the one that the stack's folder remembers, and in a new folder for a free one."""

    kafka: int
    kafka_controller: int
    elasticsearch: int
    elasticsearch_transport: int
    s3: int

    @classmethod
    def usual(cls) -> Ports:
        return cls(kafka=9092, kafka_controller=9093, elasticsearch=9200, elasticsearch_transport=9300, s3=9000)

    @classmethod
    def free(cls) -> Ports:
        return cls(*free_ports(len(fields(cls))))

    def settled(self, remembered: Ports | None) -> Ports:
        """With a port in the place of each 0."""
        others = astuple(remembered or Ports.free())
        return Ports(*(mine or other for mine, other in zip(astuple(self), others, strict=True)))


def free_ports(count: int) -> list[int]:
    """Different ports that nobody listens on now, chosen at random so that two who ask at once rarely meet."""
    found: list[int] = []
    for port in random.sample(RANGE, len(RANGE)):
        if len(found) == count:
            break
        if is_free(port):
            found.append(port)
    return found


def is_free(port: int) -> bool:
    """Whether a server could listen here. A connection that lingers from an earlier one is no hindrance."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
            listener.listen(1)
        except OSError:
            return False
    return True


def require_free(port: int, *, what: str, setting: str) -> None:
    """Raises an OperatorError that names the holder of a taken port and what to change."""
    if is_free(port):
        return
    by = holder(port)
    raise OperatorError(
        f"port {port}, wanted for {what}, is taken{f' by {by}' if by else ''}",
        remedy=f"End that process, or choose another port ({setting}).",
    )


def get(
    url: str, *, headers: Mapping[str, str] | None = None, context: ssl.SSLContext | None = None
) -> tuple[int, bytes]:
    """Status and body of the answer, whatever the status; past any proxy.

    Raises:
        OSError: there was no answer.
    """
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if context:
        handlers.append(urllib.request.HTTPSHandler(context=context))
    opener = urllib.request.build_opener(*handlers)
    request = urllib.request.Request(url, headers=dict(headers or {}))  # noqa: S310 - our own http(s) URL
    try:
        with opener.open(request, timeout=GET_SECONDS) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except HTTPException as error:  # an answer cut in the middle
        raise ConnectionError(str(error) or type(error).__name__) from error
