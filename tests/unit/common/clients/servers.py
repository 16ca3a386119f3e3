"""Servers that take connections and then behave badly, and certificates."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from cryptoproxy.common.clients.outside import Address


@contextmanager
def silent() -> Iterator[int]:
    """The port of a server that takes connections (its backlog does) and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server.getsockname()[1]


@contextmanager
def tls(context: ssl.SSLContext) -> Iterator[int]:
    """The port of a server that shakes hands and hangs up."""
    server = socket.create_server(("127.0.0.1", 0), backlog=64)

    def shake(connection: socket.socket) -> None:
        with suppress(OSError), connection, context.wrap_socket(connection, server_side=True) as wrapped:
            wrapped.recv(1)

    def serve() -> None:
        with suppress(OSError):  # closed
            while True:
                connection, _ = server.accept()
                connection.settimeout(10)
                threading.Thread(target=shake, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(180)


def refusing() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def hole() -> Iterator[Address]:
    """An address that swallows what is sent to it, as a broken IPv6 does: its queue is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        fill = [socket.socket() for _ in range(4)]
        for each in fill:
            each.setblocking(False)
            with suppress(BlockingIOError):
                each.connect(listener.getsockname())
        yield listener.getsockname()
        for each in fill:
            each.close()


def resolves_to(monkeypatch: pytest.MonkeyPatch, *addresses: Address) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)
