"""An Elasticsearch of the benchmark's own, and a year in it: by bulk, with the indexer's template, ids and `create`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elasticsearch import Elasticsearch as Client

from benchmarks.queries.synthetic import Year
from benchmarks.queries.timing import cpu_of
from cryptoproxy.common.clients import elastic
from cryptoproxy.common.settings import Settings
from cryptoproxy.common.settings.catalogue import Elasticsearch as ElasticsearchSettings
from cryptoproxy.consumer.index import template
from cryptoproxy.datasets import index_name, iso
from cryptoproxy.engines.cluster import bring_up, take_down
from cryptoproxy.engines.elasticsearch import Elasticsearch
from cryptoproxy.engines.engine import Options
from cryptoproxy.engines.ports import free_ports

BULK = 5_000
SENDERS = 2
SORTED: Mapping[str, Any] = {
    "index.sort.field": ["source", "asset_id", "quote", "timestamp"],
    "index.sort.order": ["asc", "asc", "asc", "asc"],
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """What loading cost. ``cpu`` is Elasticsearch's own, in seconds."""

    documents: int
    seconds: float
    cpu: float
    bytes: int
    segments: int

    @property
    def bytes_per_document(self) -> float:
        return self.bytes / max(1, self.documents)


@contextmanager
def server(folder: Path, *, heap_mb: int = 1024) -> Iterator[Elasticsearch]:
    """One node in ``folder``, whose data stays there; ended at the end."""
    port, transport = free_ports(2)
    engine = Elasticsearch(
        folder, port=port, transport_port=transport, heap_mb=heap_mb, options=Options(die_with_parent=True)
    )
    bring_up((engine,))
    try:
        yield engine
    finally:
        take_down((engine,))


def settings_for(engine: Elasticsearch, alias: str) -> ElasticsearchSettings:
    return Settings.from_texts({"ES_URL_ENDPOINT": engine.endpoint, "ES_INDEX": alias}).elasticsearch


def prepare(client: Client, settings: ElasticsearchSettings, year: Year, extra: Mapping[str, Any]) -> None:
    """The template, with ``extra`` index settings, and the indices of ``year``."""
    body = template.template_body(settings)
    body["template"]["settings"] |= extra
    client.indices.put_index_template(
        name=settings.alias, **{("meta" if name == "_meta" else name): value for name, value in body.items()}
    )
    for slot in range(year.begin_ms, year.end_ms, 86_400_000):
        name = index_name(settings.alias, iso(slot))
        if not client.indices.exists(index=name):
            client.indices.create(index=name)


def load(client: Client, settings: ElasticsearchSettings, year: Year, engine: Elasticsearch) -> Loaded:
    """``year`` into the alias; returns when merges have come to rest."""
    assert engine.pid is not None
    began, cpu = time.monotonic(), cpu_of(engine.pid)
    with ThreadPoolExecutor(SENDERS, "bulk") as pool:
        waiting: list[Future[None]] = []
        for body in _bodies(settings.alias, year):
            waiting.append(pool.submit(_send, client, body))
            if len(waiting) > 2 * SENDERS:
                waiting.pop(0).result()
        for each in waiting:
            each.result()
    seconds = time.monotonic() - began
    spent = cpu_of(engine.pid) - cpu
    settle(client, settings.alias)
    return measured(client, settings.alias, seconds=seconds, cpu=spent)


def measured(client: Client, alias: str, *, seconds: float = 0, cpu: float = 0) -> Loaded:
    total = client.indices.stats(index=alias, metric="docs,segments")["_all"]["primaries"]
    docs = total["docs"]  # its size is that of the segments now; that of the store comes from a cache
    return Loaded(int(docs["count"]), seconds, cpu, int(docs["total_size_in_bytes"]), int(total["segments"]["count"]))


def settle(client: Client, alias: str, *, seconds: float = 1800) -> None:
    """Refreshes, and waits until no merge is under way."""
    client.indices.refresh(index=alias)
    deadline = time.monotonic() + seconds
    while client.indices.stats(index=alias, metric="merge")["_all"]["primaries"]["merges"]["current"]:
        if time.monotonic() > deadline:
            raise TimeoutError(f"merges have not come to rest within {seconds:g} s")
        time.sleep(1)
    client.indices.flush(index=alias, force=True)


def _bodies(alias: str, year: Year) -> Iterator[tuple[str, bytes]]:
    parts: list[bytes] = []
    count, index = 0, ""
    for slot, poll in year.polls():
        name = index_name(alias, iso(slot))
        if parts and (count >= BULK or name != index):
            yield index, b"".join(parts)
            parts, count = [], 0
        index = name
        for identity, line in poll:
            parts.append(b'{"create":{"_id":"%b"}}\n%b\n' % (identity.encode(), line))
        count += len(poll)
    if parts:
        yield index, b"".join(parts)


def _send(client: Client, request: tuple[str, bytes]) -> None:
    index, body = request
    answer = client.perform_request(
        "POST",
        f"/{index}/_bulk?filter_path=errors,items.*.error.type",
        headers={"content-type": "application/x-ndjson", "accept": "application/json"},
        body=body,
    )
    if answer.body.get("errors"):
        kinds = {next(iter(item.values())).get("error", {}).get("type") for item in answer.body["items"] if item}
        if kinds - {"version_conflict_engine_exception"}:
            raise RuntimeError(f"bulk to {index}: {kinds}")


def client_for(settings: ElasticsearchSettings) -> Client:
    return elastic.client(settings, connections=SENDERS + 1, timeout=600)
