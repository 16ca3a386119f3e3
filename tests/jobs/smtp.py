"""A server for mail that keeps what it is given, for tests: no TLS, no passwords, every address is right."""

from __future__ import annotations

import email
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.policy import default
from typing import cast


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    kept: list[EmailMessage]


class _Talk(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        self._say("220 here")
        for line in self.rfile:
            word = line[:4].upper()
            if word == b"DATA":
                self._say("354 go on")
                body = b"".join(iter(self.rfile.readline, b".\r\n"))
                self.server.kept.append(cast(EmailMessage, email.message_from_bytes(body, policy=default)))
            self._say("221 bye" if word == b"QUIT" else "250 yes")
            if word == b"QUIT":
                return

    def _say(self, words: str) -> None:
        self.wfile.write(f"{words}\r\n".encode())


@contextmanager
def mail_server() -> Iterator[tuple[int, list[EmailMessage]]]:
    """Its port, and what it has got."""
    with _Server(("127.0.0.1", 0), _Talk) as server:
        server.kept = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], server.kept
        server.shutdown()
