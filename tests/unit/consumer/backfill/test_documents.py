"""What Elasticsearch has, read while it is away now and then. The real server: tests/integration/backfill."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import elastic_transport
import elasticsearch
import pytest

from cryptoproxy.common.retry import Patience, Patiently, at_once
from cryptoproxy.common.settings import Settings
from cryptoproxy.consumer.backfill import documents as documents_module
from cryptoproxy.consumer.backfill.documents import Documents
from cryptoproxy.datasets import TICKER
from cryptoproxy.datasets.times import HOUR_MS, Span
from cryptoproxy.errors import OperatorError, TransientError

SPAN = Span(0, HOUR_MS)


class Server:
    """Ten documents, one each minute; ``fails`` are raised by the next requests, one each."""

    def __init__(self) -> None:
        self.fails: list[Exception] = []
        self.asked: list[dict[str, Any]] = []
        self.deleted: list[str] = []
        self.loses_the_answer = False
        self.indices = SimpleNamespace(refresh=self.refresh, delete=self.delete)

    def search(self, **what: Any) -> dict[str, Any]:
        self._fail()
        self.asked.append(what)
        after = what.get("search_after", [-1])[0]
        slots = [each for each in range(0, 600_000, 60_000) if each > after][: what["size"]]
        hits = [{"_id": f"id-{each}", "sort": [each, "a", "b", "i"]} for each in slots]
        return {"hits": {"hits": hits, "total": {"value": 10}}}

    def refresh(self, *, index: str) -> None:
        self._fail()

    def delete(self, *, index: str) -> None:
        self._fail()
        if index in self.deleted:
            raise elasticsearch.NotFoundError("no such index", SimpleNamespace(status=404, headers={}), {})  # type: ignore[arg-type]
        self.deleted.append(index)
        if self.loses_the_answer:
            self.loses_the_answer = False
            raise away()

    def _fail(self) -> None:
        if self.fails:
            raise self.fails.pop(0)


def documents(server: Server, patiently: Patiently = at_once) -> Documents:
    return Documents(Settings.from_texts({}).elasticsearch, TICKER, lambda: server, patiently=patiently)  # type: ignore[arg-type,return-value]


def away() -> Exception:
    return elastic_transport.ConnectionError("refused")


def refused(status: int) -> Exception:
    return elasticsearch.ApiError("refused", SimpleNamespace(status=status, headers={}), {})  # type: ignore[arg-type]


def test_a_page_that_failed_is_asked_for_again_and_no_id_comes_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents_module, "PAGE", 3)
    server, waits = Server(), list[float]()
    found = []
    for slot, _ in documents(server, Patience("Elasticsearch", waits.append)).ids("coingecko", SPAN):
        found.append(slot)
        if slot in (120_000, 300_000):
            server.fails += [away(), refused(503), refused(429)]
    assert found == list(range(0, 600_000, 60_000))
    assert len(waits) == 6


def test_every_request_has_its_kind_of_failure() -> None:
    server = Server()
    there = documents(server)
    for ask in (there.refresh, lambda: there.count("i"), lambda: there.delete("i"), lambda: there.counts(SPAN, None)):
        for error, kind in ((away(), TransientError), (refused(503), TransientError), (refused(403), OperatorError)):
            server.fails = [error]
            with pytest.raises(kind):
                ask()


def test_nothing_is_counted_while_a_shard_is_away() -> None:
    server = Server()
    assert documents(server).count("i") == 10
    list(documents(server).ids("coingecko", SPAN, "i"))
    assert all(what["allow_partial_search_results"] is False and what["index"] == "i" for what in server.asked)


def test_an_index_whose_removal_was_not_answered_is_removed() -> None:
    server = Server()
    server.loses_the_answer = True
    documents(server, Patience("Elasticsearch", lambda _: None)).delete("i")
    assert server.deleted == ["i"]
