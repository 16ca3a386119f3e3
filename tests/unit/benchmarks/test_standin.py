"""The stand-in answers as Elasticsearch does to what the indexer asks."""

from __future__ import annotations

from benchmarks.records import records
from benchmarks.standin import StandIn, bulk_answer
from cryptoproxy.common.settings import Settings
from cryptoproxy.consumer.index.bulk import Item, _items
from cryptoproxy.datasets import decode, document_id

SETTINGS = Settings.from_texts({})


def test_an_answer_has_an_item_for_each_line_as_the_indexer_reads_it() -> None:
    import json

    assert _items(json.loads(bulk_answer(3)), 3) == [Item(201)] * 3


def test_it_counts_the_items_of_a_bulk_request() -> None:
    standin = StandIn(SETTINGS)
    status, _ = standin.answer("POST", "/_bulk?filter_path=errors", b'{"create":{}}\n{"a":1}\n' * 5)
    assert (status, standin.items) == (200, 5)
    assert standin.answer("GET", "/count", b"") == (200, b"5")


def test_records_are_of_the_contract_always_the_same_and_all_different() -> None:
    made = list(records(600))
    assert made == list(records(600))
    assert len({document_id(decode(each.value, now_ms=2**42)) for each in made}) == 600
