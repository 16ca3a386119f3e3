"""A stand-in for Discord's webhooks: it counts, refuses, delays and loses answers as it is told."""

from __future__ import annotations

import csv
import io
import json
import re
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Post:
    """One message that has come in, whatever was answered."""

    payload: dict[str, Any]
    ids: list[str]
    repeat: bool
    status: int
    """0: the answer was lost."""
    way: tuple[str, str] = ("", "")
    """Path, and what stood in the header `Authorization`."""


@dataclass
class StandIn:
    """``script`` is used up answer by answer: a status, or a pair of status and body; 0 loses the answer after the
    message was taken. Without any it is 204."""

    script: list[int | tuple[int, dict[str, Any]]] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)
    hold: threading.Event | None = None
    """No answer before it is set."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                stand_in._answer(self, body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/api/webhooks/1/very-secret"

    def _answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        if self.hold is not None:
            self.hold.wait(60)
        payload, rows = _opened(handler.headers["Content-Type"], body)
        embed = payload.get("embeds", [{}])[0]
        ids = rows or re.findall(r"watch:\S+-(?:open|resolved)", json.dumps(embed.get("footer", "")))
        way = (handler.path, handler.headers.get("Authorization", ""))
        title = embed.get("title", "") + payload.get("content", "")
        with self._lock:
            told = self.script.pop(0) if self.script else 204
            status, answer = told if isinstance(told, tuple) else (told, {})
            self.posts.append(
                Post(payload, [each.rstrip('"}') for each in ids], "perhaps once more" in title, status, way)
            )
        if not status:
            handler.close_connection = True
            return
        content = json.dumps(answer).encode() if answer else b""
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def taken(self) -> Counter[str]:
        """How often each id was taken: by a message that was answered with success, or whose answer was lost."""
        return Counter(each for post in list(self.posts) if post.status in (0, 204) for each in post.ids)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _opened(kind: str, body: bytes) -> tuple[dict[str, Any], list[str]]:
    if not kind.startswith("multipart/"):
        return json.loads(body), []
    boundary = kind.split("boundary=")[1].encode()
    payload: dict[str, Any] = {}
    ids: list[str] = []
    for part in body.split(b"--" + boundary):
        head, _, content = part.partition(b"\r\n\r\n")
        if b'name="payload_json"' in head:
            payload = json.loads(content.strip())
        elif b"alerts.csv" in head:
            ids = [row[0] for row in csv.reader(io.StringIO(content.strip().decode()))][1:]
    return payload, ids
