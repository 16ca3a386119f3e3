"""What is away for a moment is waited for by each command, said, and nothing of the answer is lost or doubled."""

from __future__ import annotations

import io
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from cryptoproxy.common.settings import Settings
from cryptoproxy.consumer.backfill import wiring
from cryptoproxy.datasets import TICKER
from cryptoproxy.datasets.times import HOUR_MS, Span
from cryptoproxy.errors import OperatorError, TransientError
from cryptoproxy.lake.compact import Compaction
from cryptoproxy.lake.store import Store
from tests.unit.consumer.backfill import test_documents
from tests.unit.consumer.backfill.test_documents import away, refused
from tests.unit.lake.conftest import Bucket, LogOnDisk, refusal
from tests.unit.lake.lakes import DAY, NOW_MS, fill, read

TEN = DAY + 10 * HOUR_MS
SETTINGS = Settings.from_texts({})


class Server(test_documents.Server):
    """Has no documents, and lets itself be closed. ``entry`` is its one index's entry of the alias."""

    def __init__(self) -> None:
        super().__init__()
        self.entry: dict[str, Any] = {}
        index, alias = "crypto-prices-2026.11.20", "crypto-prices"
        there = {
            "indices": [{"name": index, "aliases": [alias], "attributes": ["open"]}],
            "aliases": [{"name": alias, "indices": [index]}],
        }
        self.indices.resolve_index = lambda **_: there
        self.indices.get_alias = lambda **_: {index: {"aliases": {alias: self.entry}}}

    def search(self, **what: Any) -> dict[str, Any]:
        super().search(**{"size": 0} | what)
        return {"hits": {"hits": [], "total": {"value": 0}}, "aggregations": {"hours": {"buckets": []}}}

    def close(self) -> None: ...


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr(wiring.threading, "Event", lambda: SimpleNamespace(wait=found.append))
    return found


def test_reconcile_waits_for_each_of_its_three_sides(
    monkeypatch: pytest.MonkeyPatch, waits: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    bucket, server = Bucket(), Server()
    fill(Store(SETTINGS.s3, lambda: bucket), hours=(10,))  # type: ignore[arg-type,return-value]
    letters_fail = [TransientError("no broker answers")]

    def read_letters(kafka: object) -> Iterator[Any]:
        if letters_fail:
            raise letters_fail.pop()
        yield from ()

    monkeypatch.setattr(wiring.reader, "read_letters", read_letters)
    monkeypatch.setattr(wiring.elastic, "client", lambda *_, **__: server)
    monkeypatch.setattr(wiring, "Store", lambda settings, **options: Store(settings, lambda: bucket, **options))  # type: ignore[arg-type,return-value]
    server.fails = [away(), refused(429)]
    bucket.fails = [refusal(503, "SlowDown")] * 3
    outcome = wiring.reconciled(
        SETTINGS, TICKER, Span(TEN, TEN + HOUR_MS), sources=None, quick=False, console=Console(file=io.StringIO())
    )
    assert outcome.hours["coingecko", TEN].missing.count == 15
    assert len(waits) == 6
    said = "\n".join(caplog.messages)
    assert all(f"waits for {what}: " in said for what in ("Kafka", "Elasticsearch", "S3"))


def test_an_alias_that_hides_documents_is_named_and_not_taken_for_a_difference(
    monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    bucket, server = Bucket(), Server()
    fill(Store(SETTINGS.s3, lambda: bucket), hours=(10,))  # type: ignore[arg-type,return-value]
    server.entry = {"filter": {"term": {"symbol": "BTC"}}}
    monkeypatch.setattr(wiring.reader, "read_letters", lambda kafka: iter(()))
    monkeypatch.setattr(wiring.elastic, "client", lambda *_, **__: server)
    monkeypatch.setattr(wiring, "Store", lambda settings, **options: Store(settings, lambda: bucket, **options))  # type: ignore[arg-type,return-value]
    with pytest.raises(OperatorError, match="crypto-prices does not show just what is there") as told:
        wiring.reconciled(
            SETTINGS, TICKER, Span(TEN, TEN + HOUR_MS), sources=None, quick=False, console=Console(file=io.StringIO())
        )
    assert 'its alias has a filter ({"term": {"symbol": "BTC"}})' in str(told.value)


def test_a_compaction_goes_on_where_s3_was_away(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, waits: list[float]
) -> None:
    bucket = Bucket()
    store = LogOnDisk(SETTINGS.s3, lambda: bucket, patiently=wiring.Patience("S3", waits.append))  # type: ignore[arg-type,return-value]
    store.logs = tmp_path
    fill(store)
    before, _ = read(store)
    called, calls = bucket._called, 0

    def every_other(name: str, options: dict[str, Any]) -> None:
        nonlocal calls
        calls += 1
        if calls % 2:
            bucket.fails.append(refusal(500, "InternalError"))
        called(name, options)

    monkeypatch.setattr(bucket, "_called", every_other)
    done = Compaction(store, now_ms=lambda: NOW_MS).period("coingecko", DAY, delete_raw=True)
    assert (done.records, done.removed, done.faults) == (len(before), 9, [])
    assert len(waits) > 20
    monkeypatch.setattr(bucket, "_called", called)
    assert read(store) == (before, [])
