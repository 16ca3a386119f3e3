"""What the local Elasticsearch cannot make: API keys. A door before it that lets in whoever shows one, by TLS."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import requests

from cryptoproxy.engines import secure

_REFUSED = (
    b'{"error":{"type":"security_exception","reason":"unable to authenticate with provided credentials '
    b'and anonymous access is not allowed for this request"},"status":401}'
)
_PASSED_ON = ("content-type", "accept")


class ApiKeyDoor:
    """Takes `Authorization: ApiKey …` alone, and asks Elasticsearch with the login that this key stands for."""

    def __init__(self, endpoint: str, pem: secure.Pem, key: str, login: Mapping[str, str]) -> None:
        self.key = key
        self.refused = 0
        session = requests.Session()
        ca = str(pem.ca)
        door = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                if self.headers.get("authorization") != f"ApiKey {door.key}":
                    door.refused += 1
                    self._answer(401, {"content-type": "application/json"}, _REFUSED)
                    return
                headers = {name: self.headers[name] for name in _PASSED_ON if name in self.headers} | dict(login)
                answer = session.request(
                    self.command, endpoint + self.path, data=body, headers=headers, timeout=60, verify=ca
                )
                self._answer(answer.status_code, answer.headers, answer.content)

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _any  # noqa: N815 - the base class's names

            def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
                self.send_response(status)
                self.send_header("X-Elastic-Product", "Elasticsearch")
                self.send_header("Content-Type", headers.get("content-type", "text/plain"))
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                pass  # a client that hung up

        self._server = Server(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem.certificate, pem.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)
        self._session = session

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(180)
        self._session.close()
