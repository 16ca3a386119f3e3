"""What a real Elasticsearch makes of names that mean something to it, of old times, and of clocks that differ."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cryptoproxy.common.clock import SystemClock
from cryptoproxy.consumer import wiring
from cryptoproxy.consumer.index import template
from cryptoproxy.consumer.letters.reader import read_letters
from cryptoproxy.datasets import encode, iso, key, slot_of
from tests.conftest import PATIENCE
from tests.integration.consumer.conftest import MINUTE, Bench, header
from tests.integration.consumer.records import record

CONTENTS = (7, "x", None, [1, 2], {"a": 1})
REFUSED = (
    "_doc_count", "_id", "_source", "_routing", "_ignored", "_index", "_version", "_seq_no", "_field_names", "_nested_path",
    "_tier", "price.", "price.x", "x.price", "symbol.x", "symbol.keyword", ".price", "a..b", ".", "", " ",
    "last_price", "last_price.x", "high_price_24h", "low_price_24h",
)  # fmt: skip
KEPT = ("newer", "_newer", "Price", "price ", "@timestamp", "*", "a.b", "a.", "x.prices", "x" * 51_000, "\0")
NESTED = dict.fromkeys((*REFUSED, "price", "symbol"), 1)


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


def test_no_unknown_field_counts_whatever_its_name(bench: Bench) -> None:
    """It is kept, or the record is a dead letter, as the contract says."""
    kept: dict[str, dict[str, Any]] = {}
    for number, (name, content) in enumerate(
        (
            *((name, content) for name in KEPT for content in CONTENTS),
            *(
                ("newer", content)
                for content in (NESTED, [NESTED], deep(500), dict.fromkeys(map(str, range(4_000)), 1))
            ),
        )
    ):
        own = json.loads(encode(record(number, slot_ms=bench.slot_ms - MINUTE, symbol="BTC")))
        kept[own["asset_id"]] = own | {name: content}
    futures = [bench.producer.send(bench.topic, value=json.dumps(each).encode(), partition=0) for each in kept.values()]
    for future in futures:
        future.get(180)
    plain = json.loads(encode(record(999, slot_ms=bench.slot_ms, symbol="BTC")))
    refused = [json.dumps(plain | {name: content}).encode() for name in REFUSED for content in CONTENTS]
    for begin in range(0, len(refused), 90):  # a flood would blow the fuse
        bench.produce_bad(refused[begin : begin + 90])
        bench.produce(30, partition=0, symbol="ETH")
    bench.start()
    bench.wait_committed()
    letters = bench.dead_letters()
    assert sorted(letter.value for letter in letters) == sorted(refused)
    assert {header(letter, "dlq-reason") for letter in letters} <= {"contract", "document_parsing_exception"}
    documents = {each["asset_id"]: each for each in bench.documents().values() if each["symbol"] == "BTC"}
    assert documents == kept
    good = len(bench.good)
    asked = {
        "price": {"value_count": {"field": "price"}},
        "symbol": {"terms": {"field": "symbol"}},
        "sub": {"value_count": {"field": "symbol.keyword"}},
    }
    found = bench.es.search(index=bench.alias, size=0, aggs=asked)["aggregations"]
    everything = len(kept) + good
    assert (found["price"]["value"], found["sub"]["value"]) == (everything, everything)
    assert {each["key"]: each["doc_count"] for each in found["symbol"]["buckets"]} == {"BTC": len(kept), "ETH": good}


def test_old_times_get_so_many_indices_within_an_hour_and_the_rest_waits_aside(bench: Bench) -> None:
    """Today's index is one of them. What was set aside comes in by a replay, which a person asks for."""
    old = [record(number, slot_ms=bench.slot_ms - number * 40 * 24 * 60 * MINUTE) for number in range(1, 8)]
    now = record(0, slot_ms=slot_of(SystemClock().now_ms(), MINUTE))
    for each in (*old, now):
        bench.producer.send(bench.topic, key=key(each).encode(), value=encode(each), partition=0).get(PATIENCE)
    running = bench.start(ES_NEW_INDICES_PER_HOUR="4")
    bench.wait_committed()
    running.wait_ready()
    letters = bench.dead_letters()
    assert {header(letter, "dlq-reason") for letter in letters} == {"new_index"}
    assert "ES_NEW_INDICES_PER_HOUR" in header(letters[0], "dlq-error")
    assert (len(letters), bench.count()) == (4, 4)
    assert len(bench.es.indices.get(index=f"{bench.alias}-*")) == 4
    replayed = wiring.replay_dead_letters(bench.settings, read_letters(bench.settings.kafka))
    assert (replayed.indexed, replayed.still_poison) == (4, [])
    assert bench.count() == 8


def test_a_clock_that_is_slow_stops_the_indexer_and_makes_no_poison(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_ms = [11 * MINUTE]

    class Slow(SystemClock):
        def now_ms(self) -> int:
            return super().now_ms() - slow_ms[0]

    monkeypatch.setattr(wiring, "SystemClock", Slow)
    bench.slot_ms = slot_of(SystemClock().now_ms(), MINUTE)
    running = bench.start()
    bench.produce(100)
    said = running.wait_not_ready("Set the clock")
    assert "Elasticsearch's" in said
    assert running.lives()
    assert (bench.dead_letters(), bench.committed()) == ([], {})
    slow_ms[0] = 0
    bench.wait_committed()
    running.wait_ready()
    far = encode(record(0, slot_ms=bench.slot_ms + 36 * 24 * 60 * MINUTE))
    bench.produce_bad([far])
    bench.wait_committed()
    bench.account()


def test_an_index_whose_alias_has_a_filter_is_not_written_to_and_set_up_names_it(bench: Bench) -> None:
    settings = bench.settings.elasticsearch
    now = iso(SystemClock().now_ms())
    bench.es.indices.create(index=bench.index)
    bench.es.indices.update_aliases(
        actions=[{"add": {"index": bench.index, "alias": bench.alias, "filter": {"term": {"symbol": "BTC"}}}}]
    )
    bench.es.indices.create(index=f"somebodys-{bench.alias}", aliases={bench.alias: {}})
    bench.es.indices.create(index=f"{bench.alias}-2012.01.01")
    bench.es.indices.close(index=f"{bench.alias}-2012.01.01")
    try:
        said = "\n".join(template.set_up(bench.es, settings, now=now))
    finally:
        bench.es.indices.delete(index=f"somebodys-{bench.alias}")
    assert f"index {bench.index}: its alias has a filter" in said
    assert f"index somebodys-{bench.alias} is none of ours" in said
    assert f"index {bench.alias}-2012.01.01 is closed" in said
    bench.es.indices.delete(index=f"{bench.alias}-2012.01.01")
    running = bench.start()
    bench.produce(10)
    running.wait_not_ready(f"PUT {bench.index}/_alias/{bench.alias}")
    bench.es.indices.put_alias(index=bench.index, name=bench.alias)
    bench.wait_committed()
    bench.account()
    assert list(template.faults_of_alias(bench.es, bench.alias)) == []
