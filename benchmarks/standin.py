"""An Elasticsearch that answers at once, so that only the indexer's own cost counts.

`python -m benchmarks.standin PORT`. It says that every item of a bulk request was created, knows template, alias and
index as `cryptoproxy setup` makes them, and counts: ``GET /count`` says how many items it has taken.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from functools import lru_cache
from typing import Any

from cryptoproxy.common.settings import Settings
from cryptoproxy.consumer.index.template import template_body

_ITEM = b'{"create":{"status":201}}'


@lru_cache(maxsize=4096)
def bulk_answer(items: int) -> bytes:
    """As Elasticsearch answers with the indexer's filter on it."""
    return b'{"errors":false,"items":[%b]}' % b",".join([_ITEM] * items)


class StandIn:
    """What is asked and answered. ``alias`` and mapping are those of ``settings``."""

    def __init__(self, settings: Settings) -> None:
        self._alias = settings.elasticsearch.alias
        self._template = template_body(settings.elasticsearch)
        self.items = 0

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and JSON."""
        if method == "POST":
            count = body.count(b"\n") // 2
            self.items += count
            return 200, bulk_answer(count)
        name = path.partition("?")[0].strip("/")
        if name == "count":
            return 200, str(self.items).encode()
        if name.startswith("_index_template"):
            template = {"name": self._alias, "index_template": self._template}
            return 200, json.dumps({"index_templates": [template]}).encode()
        newest = f"{self._alias}-2025.10.01"
        if name.startswith("_resolve/index/"):
            found = [{"name": newest, "aliases": [self._alias], "attributes": ["open"]}]
            aliases = [{"name": self._alias, "indices": [newest]}]
            return 200, json.dumps({"indices": found, "aliases": aliases, "data_streams": []}).encode()
        if "/_settings/" in name:
            return 200, json.dumps({newest: {"settings": {}}}).encode()
        if name.startswith("_alias/"):
            return 200, json.dumps({newest: {"aliases": {self._alias: {}}}}).encode()
        if name == self._alias:
            return 404, b'{"error":{"type":"index_not_found_exception","reason":"no such index"},"status":404}'
        index = {"aliases": {self._alias: {}}, "mappings": self._template["template"]["mappings"]}
        return 200, json.dumps({name: index}).encode()


class Connection(asyncio.Protocol):
    """HTTP/1.1 with Content-Length, kept open."""

    def __init__(self, standin: StandIn) -> None:
        self._standin = standin
        self._head: tuple[str, str, int] | None = None
        self._parts: list[bytes] = []
        self._have = 0
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parts.append(data)
        self._have += len(data)
        while True:
            if self._head is None:
                whole = b"".join(self._parts)
                head, found, rest = whole.partition(b"\r\n\r\n")
                if not found:
                    self._parts = [whole]
                    return
                self._head = _parse(head)
                self._parts, self._have = [rest], len(rest)
            method, path, length = self._head
            if self._have < length:
                return
            whole = b"".join(self._parts)
            body, rest = whole[:length], whole[length:]
            self._head, self._parts, self._have = None, [rest], len(rest)
            status, answer = self._standin.answer(method, path, body)
            self._transport.write(
                b"HTTP/1.1 %d X\r\nX-Elastic-Product: Elasticsearch\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%b" % (status, len(answer), answer)
            )
            if not rest:
                return


def _parse(head: bytes) -> tuple[str, str, int]:
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return method, path, int(headers.get("content-length", 0))


async def serve(port: int) -> None:
    standin = StandIn(Settings.from_texts(dict(os.environ)))
    server = await asyncio.get_running_loop().create_server(lambda: Connection(standin), "127.0.0.1", port)
    print(f"stand-in listens at http://127.0.0.1:{port}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
