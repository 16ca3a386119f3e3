"""A Kibana over HTTP, as far as an import sees it: the same answers, refusals included, and a store of objects."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePath
from typing import Any
from urllib.parse import parse_qs, urlsplit

Body = dict[str, Any] | list[Any] | str
NOT_READY = (503, "Kibana server is not ready yet")
CHECKED_TYPES = ("index-pattern", "search")  # a reference to another missing type is let through


@dataclass
class Kibana:
    """What it knows and how it behaves. ``next_answers`` are given first, one per request, whatever is asked."""

    version: str = "8.19.4"
    base_path: str = ""
    users: dict[str, str] = field(default_factory=dict)
    api_keys: set[str] = field(default_factory=set)
    spaces: set[str] = field(default_factory=lambda: {"default"})
    next_answers: deque[tuple[int, Body]] = field(default_factory=deque)
    next_imports: deque[tuple[int, Body]] = field(default_factory=deque)
    extra_headers: dict[str, str] = field(default_factory=lambda: {"kbn-name": "stand-in"})
    warnings: list[dict[str, str]] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    """Ids that are taken in another space, and what they become here."""
    stored: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    """Space, type, id: the object."""
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    """Method, path and headers of each request."""
    url: str = ""

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, Body]:
        parts = urlsplit(target)
        self.seen.append((method, target, headers))
        if self.next_answers:
            return self.next_answers.popleft()
        if not parts.path.startswith(f"{self.base_path}/"):
            return _error(404, "Not Found", "Not Found")
        path = parts.path.removeprefix(self.base_path)
        if (method, path) == ("GET", "/api/status"):
            return 200, self._status(headers)
        if not self._known(headers):
            return _error(401, "Unauthorized", "[security_exception]: unable to authenticate")
        if method == "POST" and "kbn-xsrf" not in headers:
            return _error(400, "Bad Request", "Request must contain a kbn-xsrf header.")
        space, path = _space_of(path)
        if method == "GET" and path.startswith("/api/spaces/space/"):
            name = path.removeprefix("/api/spaces/space/")
            return (200, {"id": name}) if name in self.spaces else _error(404, "Not Found", "Not Found")
        if (method, path) == ("POST", "/api/saved_objects/_import"):
            return self._import(space, parse_qs(parts.query), headers, body)
        return _error(404, "Not Found", "Not Found")

    def _status(self, headers: dict[str, str]) -> dict[str, Any]:
        overall = {"level": "available", "summary": "All services are available"}
        if not self._known(headers):  # the credentials are optional here: wrong ones get the short answer
            return {"status": {"overall": {"level": overall["level"]}}}
        return {"name": "stand-in", "version": {"number": self.version}, "status": {"overall": overall}}

    def _known(self, headers: dict[str, str]) -> bool:
        if not self.users and not self.api_keys:
            return True
        kind, _, value = headers.get("authorization", "").partition(" ")
        if kind == "ApiKey":
            return value in self.api_keys
        user, _, password = base64.b64decode(value).decode().partition(":") if kind == "Basic" else ("", "", "")
        return user in self.users and self.users[user] == password

    def _import(
        self, space: str, query: dict[str, list[str]], headers: dict[str, str], body: bytes
    ) -> tuple[int, Body]:
        if self.next_imports:
            return self.next_imports.popleft()
        name, content = _file_of(headers, body)
        if (extension := PurePath(name).suffix.lower()) != ".ndjson":
            return _error(400, "Bad Request", f"Invalid file extension {extension}")
        objects = [json.loads(line) for line in content.decode().split("\n") if line.strip()]
        keys = [(one["type"], one["id"]) for one in objects]
        if doubled := sorted({f"{kind}:{name}" for kind, name in keys if keys.count((kind, name)) > 1}):
            return _error(400, "Bad Request", f"Non-unique import objects detected: [{','.join(doubled)}]")
        overwrite = query.get("overwrite") == ["true"]
        errors = [error for one in objects for error in self._errors(space, one, keys, overwrite=overwrite)]
        if any(error["error"]["type"] == "missing_references" for error in errors):
            objects = []
        refused = {(error["type"], error["id"]) for error in errors}
        results = []
        for one in objects:
            if (one["type"], one["id"]) in refused:
                continue
            stored_as = self.moved.get(one["id"], one["id"])
            result = {"type": one["type"], "id": one["id"], "meta": {"title": one["attributes"]["title"], "icon": "x"}}
            if (space, one["type"], stored_as) in self.stored:
                result["overwrite"] = True
            if stored_as != one["id"]:
                result["destinationId"] = stored_as
            self.stored[space, one["type"], stored_as] = one
            results.append(result)
        answer: dict[str, Any] = {"successCount": len(results), "success": not errors, "warnings": self.warnings}
        return 200, answer | ({"successResults": results} if results else {}) | ({"errors": errors} if errors else {})

    def _errors(
        self, space: str, one: dict[str, Any], keys: list[tuple[str, str]], *, overwrite: bool
    ) -> Iterator[dict[str, Any]]:
        named = {"type": one["type"], "id": one["id"], "meta": {"title": one["attributes"].get("title")}}
        if not overwrite and (space, one["type"], one["id"]) in self.stored:
            yield {**named, "error": {"type": "conflict"}}
        missing = [
            {"type": reference["type"], "id": reference["id"]}
            for reference in one["references"]
            if reference["type"] in CHECKED_TYPES
            and (reference["type"], reference["id"]) not in keys
            and (space, reference["type"], reference["id"]) not in self.stored
        ]
        if missing:
            yield {**named, "error": {"type": "missing_references", "references": missing}}


def _error(status: int, name: str, message: str) -> tuple[int, Body]:
    return status, {"statusCode": status, "error": name, "message": message}


def _space_of(path: str) -> tuple[str, str]:
    if path.startswith("/s/"):
        _, _, space, rest = path.split("/", 3)
        return space, f"/{rest}"
    return "default", path


def _file_of(headers: dict[str, str], body: bytes) -> tuple[str, bytes]:
    head = f"Content-Type: {headers['content-type']}\r\n\r\n".encode()
    parts = BytesParser(policy=HTTP).parsebytes(head + body).get_payload()
    assert isinstance(parts, list)
    (part,) = parts
    assert isinstance(part, Message)
    assert part.get_param("name", header="content-disposition") == "file"
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return part.get_filename() or "", content


@contextmanager
def running(kibana: Kibana, tls: ssl.SSLContext | None = None) -> Iterator[Kibana]:
    """Serves on a port of the loopback; ``kibana.url`` is its address, base path included."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, answer = kibana.answer(self.command, self.path, headers, body)
            text = answer if isinstance(answer, str) else json.dumps(answer)
            self.send_response(status)
            for name, value in kibana.extra_headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        kibana.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}{kibana.base_path}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield kibana
        finally:
            server.shutdown()
            thread.join()
