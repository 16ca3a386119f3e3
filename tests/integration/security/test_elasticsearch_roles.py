"""Each part does its work with the role of docs/security, over TLS, and nothing beyond."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import elasticsearch
import pytest
import trustme
from elasticsearch import Elasticsearch

from cryptoproxy.common.checks import check_elasticsearch
from cryptoproxy.common.clients import elastic
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.consumer.backfill.documents import Documents
from cryptoproxy.consumer.index.indices import Indices
from cryptoproxy.consumer.index.template import faults_of_alias
from cryptoproxy.datasets import TICKER, iso
from cryptoproxy.datasets.times import Span
from cryptoproxy.errors import OperatorError
from tests.integration.security.conftest import Doors

ALIAS = "crypto-prices"
OLD = f"{ALIAS}-2025.01.01"
NOW = iso(SystemClock().now_ms())
THIS_MONTH = f"{ALIAS}-{NOW[:7].replace('-', '.')}.01"
SECONDS = 60


@pytest.fixture
def clients(doors: Doors) -> Iterator[Callable[[str], Elasticsearch]]:
    made: list[Elasticsearch] = []

    def make(role: str) -> Elasticsearch:
        made.append(elastic.client(doors.settings(elastic=role).elasticsearch))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def root(doors: Doors) -> Iterator[Elasticsearch]:
    with closing(elastic.client(doors.root().elasticsearch)) as client:
        yield client


@pytest.fixture
def a_document(root: Elasticsearch) -> Iterator[str]:
    """The id of one in this month's index, which must be there afterwards as it was."""
    name, document = "door:1", {"source": "door", "price": 1.5, "timestamp": NOW}
    root.index(index=THIS_MONTH, id=name, document=document, refresh=True)
    yield name
    assert root.get(index=THIS_MONTH, id=name)["_source"] == document
    root.delete(index=THIS_MONTH, id=name, refresh=True)


Act = Callable[[Elasticsearch], Any]
DESTRUCTIVE: dict[str, Act] = {
    "delete an index": lambda es: es.indices.delete(index=THIS_MONTH),
    "delete a document": lambda es: es.delete(index=THIS_MONTH, id="door:1"),
    "delete in a bulk": lambda es: _bulk(es, {"delete": {"_index": THIS_MONTH, "_id": "door:1"}}),
    "delete by query": lambda es: es.delete_by_query(index=ALIAS, query={"match_all": {}}),
    "overwrite": lambda es: es.index(index=THIS_MONTH, id="door:1", document={"price": 2}),
    "overwrite in a bulk": lambda es: _bulk(es, {"index": {"_index": THIS_MONTH, "_id": "door:1"}}, {"price": 2}),
    "update": lambda es: es.update(index=THIS_MONTH, id="door:1", doc={"price": 2}),
    "update in a bulk": lambda es: _bulk(
        es, {"update": {"_index": THIS_MONTH, "_id": "door:1"}}, {"doc": {"price": 2}}
    ),
    "close": lambda es: es.indices.close(index=THIS_MONTH),
    "block": lambda es: es.indices.put_settings(index=THIS_MONTH, settings={"index.blocks.write": True}),
    "take the alias": lambda es: es.indices.delete_alias(index=THIS_MONTH, name=ALIAS),
    "delete the template": lambda es: es.indices.delete_index_template(name=ALIAS),
}


def _bulk(es: Elasticsearch, *lines: dict[str, Any]) -> None:
    answer = es.bulk(operations=lines)
    (item,) = next(iter(answer["items"])).values()
    if item["status"] == 403:
        raise elasticsearch.AuthorizationException(json.dumps(item), meta=answer.meta, body=item)
    assert item["status"] in (200, 201), item


@pytest.mark.parametrize("role", ["crypto_indexer", "crypto_reader"])
@pytest.mark.parametrize("what", DESTRUCTIVE)
@pytest.mark.usefixtures("a_document")
def test_indexer_and_readers_can_delete_and_change_nothing(
    clients: Callable[[str], Elasticsearch], role: str, what: str
) -> None:
    with pytest.raises((elasticsearch.AuthorizationException, elasticsearch.BadRequestError)) as caught:
        DESTRUCTIVE[what](clients(role))
    if isinstance(caught.value, elasticsearch.BadRequestError):
        # The local server lacks delete-by-query altogether; the role is judged below.
        assert (what, "no handler found" in str(caught.value.body)) == ("delete by query", True)


def test_the_indexer_may_ask_all_that_it_asks(
    clients: Callable[[str], Elasticsearch], root: Elasticsearch, doors: Doors
) -> None:
    """The clock, what was made within the hour, and what the alias shows; and a new period begins by its documents."""
    indexer, settings = clients("crypto_indexer"), doors.settings(elastic="crypto_indexer").elasticsearch
    ancient = f"{ALIAS}-2011.01.01"
    try:
        indices = Indices(settings, TICKER, clock=SystemClock())
        assert indices.ensure(indexer, {ancient}) == {}
        _bulk(indexer, {"create": {"_index": ancient, "_id": "door:3"}}, {"source": "door", "timestamp": NOW})
        assert indices.ensure(indexer, {ancient}) == {}
        assert ALIAS in root.indices.get_alias(index=ancient)[ancient]["aliases"]
        refused = Indices(replace(settings, new_per_hour=1), TICKER, clock=SystemClock()).ensure(
            indexer, {f"{ALIAS}-2012.01.01"}
        )
        assert "ES_NEW_INDICES_PER_HOUR" in refused[f"{ALIAS}-2012.01.01"]
        assert list(faults_of_alias(indexer, ALIAS)) == []
    finally:
        root.indices.delete(index=ancient, ignore_unavailable=True)


@pytest.mark.parametrize("role", ["crypto_indexer", "crypto_reader"])
def test_nor_by_query_as_elasticsearch_itself_judges_the_role(root: Elasticsearch, doors: Doors, role: str) -> None:
    with closing(elastic.client(doors.settings(elastic=role).elasticsearch)) as client:
        answer = client.security.has_privileges(
            index=[
                {
                    "names": [ALIAS, THIS_MONTH],
                    "privileges": ["delete", "delete_index", "index", "write", "manage", "all"],
                }
            ]
        )
    assert answer["username"] == role
    granted = {name for index in answer["index"].values() for name, given in index.items() if given}
    assert granted == set()


def test_the_reader_reads_and_writes_nothing(clients: Callable[[str], Elasticsearch], a_document: str) -> None:
    client = clients("crypto_reader")
    assert client.search(index=ALIAS, query={"term": {"source": "door"}})["hits"]["hits"][0]["_id"] == a_document
    assert client.indices.get_mapping(index=ALIAS)[THIS_MONTH]
    with pytest.raises(elasticsearch.AuthorizationException):
        client.create(index=THIS_MONTH, id="door:2", document={"price": 1})
    with pytest.raises(elasticsearch.AuthorizationException):
        client.indices.create(index=f"{ALIAS}-2031.01.01")
    with pytest.raises(elasticsearch.AuthorizationException):
        client.search(index="somebody-else-s")


def test_the_indexer_cannot_read_what_it_has_written(clients: Callable[[str], Elasticsearch], a_document: str) -> None:
    with pytest.raises(elasticsearch.AuthorizationException):
        clients("crypto_indexer").get(index=THIS_MONTH, id=a_document)


def test_of_candles_alone_the_indexer_sees_what_is_there(
    clients: Callable[[str], Elasticsearch], a_document: str
) -> None:
    """To say what an upstream has corrected."""
    asked = [{"_index": "crypto-candles-hours-2011.01.01", "_id": "door:1"}, {"_index": THIS_MONTH, "_id": a_document}]
    told = clients("crypto_indexer").mget(docs=asked)["docs"]
    assert [each["error"]["type"] for each in told] == ["index_not_found_exception", "security_exception"]


def test_retention_removes_indices_and_cannot_write_or_remove_single_documents(
    doors: Doors, clients: Callable[[str], Elasticsearch], a_document: str
) -> None:
    clients("crypto_setup").indices.create(index=OLD)
    settings = doors.settings(elastic="crypto_retention").elasticsearch
    with closing(Documents(settings, TICKER, lambda: elastic.client(settings))) as documents:
        assert set(documents.indices()) >= {OLD, THIS_MONTH}
        documents.refresh(THIS_MONTH)
        assert sum(documents.counts(None, None, THIS_MONTH).values()) == documents.count(THIS_MONTH) > 0
        now_ms = SystemClock().now_ms()
        span = Span(now_ms - 86_400_000, now_ms + 86_400_000)
        assert [name for _, name in documents.ids("door", span, THIS_MONTH)] == [a_document]
        assert documents.count(OLD) == 0
        documents.delete(OLD)
        assert OLD not in documents.indices()
    client = clients("crypto_retention")
    for act in ("delete a document", "overwrite", "close", "delete the template"):
        with pytest.raises(elasticsearch.AuthorizationException):
            DESTRUCTIVE[act](client)


def test_reconcile_reads_with_the_reader_s_role(doors: Doors, a_document: str) -> None:
    settings = doors.settings().elasticsearch
    now_ms = SystemClock().now_ms()
    with closing(Documents(settings, TICKER, lambda: elastic.client(settings))) as documents:
        documents.refresh()  # without the right to: said, and gone on
        span = Span(now_ms - 86_400_000, now_ms + 86_400_000)
        assert {source for source, _ in documents.counts(span, None)} >= {"door"}
        assert [name for _, name in documents.ids("door", span)] == [a_document]


def test_setup_can_delete_nothing(clients: Callable[[str], Elasticsearch], a_document: str) -> None:
    for act in ("delete an index", "delete a document", "overwrite", "close"):
        with pytest.raises(elasticsearch.AuthorizationException):
            DESTRUCTIVE[act](clients("crypto_setup"))


def test_the_check_passes_with_the_indexer_s_role(doors: Doors) -> None:
    proven = check_elasticsearch(doors.settings(elastic="crypto_indexer").elasticsearch, now=NOW)
    assert f"may write to {THIS_MONTH}" in proven
    assert "right for an indexer" in proven


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ({"ES_PASSWORD_FILE": "", "ES_PASSWORD": "wrong"}, "answers 401 security_exception"),
        ({"ES_USER": "nobody"}, "answers 401 security_exception"),
        ({"ES_CA_FILE": ""}, "TLS fails"),
    ],
)
def test_a_wrong_key_is_told(doors: Doors, texts: dict[str, str], said: str) -> None:
    with pytest.raises(OperatorError, match=said) as caught:
        check_elasticsearch(doors.settings(elastic="crypto_indexer", **texts).elasticsearch, now=NOW)
    assert ("ES_CA_FILE" if "TLS" in said else "ES_PASSWORD") in caught.value.remedy
    assert doors.elastic_passwords["crypto_indexer"] not in str(caught.value)


def test_a_foreign_authority_is_a_matter_of_tls(doors: Doors, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    settings = doors.settings(ES_CA_FILE=str(tmp_path / "other.pem")).elasticsearch
    with pytest.raises(OperatorError, match=r"TLS fails: .*certificate verify failed"):
        check_elasticsearch(settings, now=NOW)
