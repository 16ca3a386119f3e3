"""How a Kafka client begins: within a time, and without leaving anything where it cannot.

kafka-python 3.0 leaves a thread and several file descriptors of each client that finds no broker, and one descriptor
of each refused connection until the garbage is collected; a TLS handshake may take for ever. A Kafka that is away for
an hour would so use up the process's descriptors, the outbox's among them. To be looked at again with each newer one.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from typing import Any

from kafka.net.compat import KafkaNetClient
from kafka.net.inet import KafkaNetSocket
from kafka.net.transport import KafkaSSLTransport

TLS_SECONDS = 3.0
"""How long a broker may take for a handshake. One that is frozen takes the connection and then says nothing."""


def made(client: Callable[..., Any], *topics: str, **options: Any) -> Any:
    """What the constructor makes; what it had begun is closed if it raises."""
    begun: list[Any] = []

    def begin(**config: Any) -> Any:
        begun.append(KafkaNetClient(**config))
        return begun[-1]

    try:
        return client(*topics, **options, kafka_client=begin)
    except Exception:
        for each in begun:
            each.close()
        raise


async def _handshake(transport: Any) -> None:
    """kafka-python's own, but its waits have an end."""
    sock, net, ends = transport._sock, transport._net, time.monotonic() + TLS_SECONDS
    try:
        while True:
            try:
                sock.do_handshake()
            except ssl.SSLWantReadError:
                await net.wait_read(sock, timeout_at=ends)
            except ssl.SSLWantWriteError:
                await net.wait_write(sock, timeout_at=ends)
            else:
                return
    except Exception:
        sock.close()
        raise


_connect = KafkaNetSocket.sock_connect


async def _connected(self: Any, net: Any, sock: Any, *args: Any, **options: Any) -> Any:
    try:
        return await _connect(self, net, sock, *args, **options)
    except Exception:
        sock.close()
        raise


KafkaSSLTransport.handshake = _handshake
KafkaNetSocket.sock_connect = _connected
