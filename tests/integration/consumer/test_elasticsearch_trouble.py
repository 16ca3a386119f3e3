"""Elasticsearch in trouble: it waits, says why and what to do, and goes on when that is mended. Nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from consumer import template
from sandbox.faults import Rule, Script
from sandbox.ledger import Ledger
from sandbox.proxy import FaultProxy
from tests.conftest import wait_until
from tests.integration.consumer.conftest import Bench, Running


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def proxy(bench: Bench, script: Script) -> Iterator[FaultProxy]:
    """Stands before Elasticsearch."""
    with FaultProxy(bench.settings.elasticsearch.url, script, ledger=Ledger()) as made:
        bench.world.texts["ES_URL_ENDPOINT"] = made.url
        yield made
        bench.stop_all()


def bulks(proxy: FaultProxy) -> list[list[int]]:
    """The statuses of each bulk request's items, as Elasticsearch (or the rule) answered."""
    assert proxy.ledger is not None
    found = []
    for entry in proxy.ledger.entries():
        if entry.target.startswith("/_bulk") and entry.status == 200 and entry.body:
            items = json.loads(entry.body)["items"]
            found.append([next(iter(item.values()))["status"] for item in items])
    return found


def stays_put(bench: Bench, running: Running, words: str) -> None:
    """Not ready for that reason, alive, and nothing committed or set aside meanwhile."""
    before = bench.committed()
    running.wait_not_ready(words)
    assert running.lives()
    assert bench.committed() == before
    assert bench.dead_letters() == []


def make_again(bench: Bench) -> None:
    list(template.set_up(bench.es, bench.settings.elasticsearch, now="2026-11-01T00:00:00.000Z"))


def test_a_closed_index_is_not_poison(bench: Bench) -> None:
    running = bench.start(BULK_MAX_RECORDS="10")
    bench.produce(50)
    bench.wait_committed()
    bench.es.indices.close(index=bench.index)
    bench.produce(50)
    stays_put(bench, running, "Open the index")
    wait_until(lambda: running.metric("indexer_paused") == 1, what="as many batches as may be under way, then paused")
    bench.es.indices.open(index=bench.index)
    running.wait_ready()
    bench.wait_committed()
    bench.account()


def test_a_write_block_is_waited_out(bench: Bench) -> None:
    running = bench.start()
    bench.produce(50)
    bench.wait_committed()
    bench.es.indices.put_settings(index=bench.index, settings={"index.blocks.write": True})
    bench.produce(50)
    stays_put(bench, running, "Take the write block from the index")
    bench.es.indices.put_settings(index=bench.index, settings={"index.blocks.write": None})
    running.wait_ready()
    bench.wait_committed()
    bench.account()


def test_without_the_template_no_index_is_made_with_guessed_mappings(bench: Bench) -> None:
    bench.es.indices.delete_index_template(name=bench.alias)
    bench.produce(50)
    running = bench.start()
    stays_put(bench, running, "cryptoproxy setup")
    assert not bench.es.indices.exists(index=bench.index)
    make_again(bench)
    running.wait_ready()
    bench.wait_committed()
    bench.account()


def test_under_a_wrong_mapping_good_records_do_not_become_dead_letters(bench: Bench) -> None:
    bench.es.indices.create(index=bench.index)
    bench.es.indices.delete(index=bench.index)
    wrong = template.template_body(bench.settings.elasticsearch)
    wrong["template"]["mappings"]["properties"]["name"] = {"type": "long"}
    bench.es.indices.put_index_template(
        name=bench.alias, **{("meta" if name == "_meta" else name): body for name, body in wrong.items()}
    )
    bench.es.indices.create(index=bench.index)
    make_again(bench)
    bench.produce(50)
    running = bench.start()
    stays_put(bench, running, "field name has type 'long' instead of 'keyword'")
    bench.es.indices.delete(index=bench.index)
    running.wait_ready()
    bench.wait_committed()
    bench.account()


def test_a_field_that_somebody_else_mapped_makes_no_dead_letters(bench: Bench) -> None:
    """The record is good: an unknown field is allowed. It is the index that cannot take it."""
    running = bench.start()
    bench.produce(10)
    bench.wait_committed()
    bench.es.indices.put_mapping(index=bench.index, properties={"extra": {"type": "long"}})
    value = next(iter(bench.good.values())).replace(b"coin-0", b"coin-extra")[:-1] + b',"extra":"text"}'
    bench.producer.send(bench.topic, value=value, partition=0).get(10)
    bench.good[next(iter(bench.good)).replace("coin-0", "coin-extra")] = value
    stays_put(bench, running, "maps extra, which the template does not")
    bench.es.indices.delete(index=bench.index)
    running.wait_ready()
    bench.wait_committed()
    assert bench.documents() == {id_: json.loads(value) for id_, value in list(bench.good.items())[-1:]}
    assert bench.dead_letters() == []


def test_an_index_deleted_while_running_is_made_again_by_the_template(bench: Bench) -> None:
    bench.start()
    bench.produce(50)
    bench.wait_committed()
    bench.es.indices.delete(index=bench.index)
    bench.good.clear()
    bench.slot_ms += 1000
    bench.produce(50)
    bench.wait_committed()
    bench.account()
    mapping = bench.es.indices.get_mapping(index=bench.index)[bench.index]["mappings"]
    assert template.wrong_mapping(mapping) is None


def test_an_index_named_like_the_alias_is_in_the_way_and_is_said(bench: Bench) -> None:
    for index in bench.es.indices.get_alias(name=bench.alias):
        bench.es.indices.delete(index=index)
    bench.es.indices.create(index=bench.alias)
    bench.produce(50)
    running = bench.start()
    stays_put(bench, running, f"'{bench.alias}' is an index of its own")
    assert "docs/migration.md" in running.why_not_ready()
    bench.es.indices.delete(index=bench.alias)
    running.wait_ready()
    bench.wait_committed()
    bench.account()


def test_a_refused_request_is_sent_again_whole(bench: Bench, proxy: FaultProxy, script: Script) -> None:
    script.add(Rule(name="busy", path="/_bulk", last=3, status=429))
    running = bench.start()
    bench.produce(100, partition=0)
    bench.wait_committed()
    bench.account()
    assert script.fired("busy") == 3
    assert running.metric("bulk_retries_total", kind="transient") == 3
    assert running.why_not_ready() == ""


def test_one_refused_item_of_500_is_sent_again_alone(bench: Bench, proxy: FaultProxy, script: Script) -> None:
    def refuse_the_seventh(body: bytes) -> bytes:
        answer: dict[str, Any] = json.loads(body)
        error = {"type": "es_rejected_execution_exception", "reason": "rejected execution"}
        answer["items"][6]["create"] = {"status": 429, "error": error}
        return json.dumps(answer).encode()

    script.add(Rule(name="busy", path="/_bulk", nth=1, rewrite=refuse_the_seventh))
    bench.produce(500, partition=0)
    running = bench.start()
    bench.wait_committed()
    bench.account()
    first, second = bulks(proxy)
    assert (len(first), first.count(429)) == (500, 1)
    assert second == [409], "it had been written after all"
    assert running.metric("duplicates_total") == 1
    assert running.metric("documents_indexed_total") == 499


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda body: json.dumps(json.loads(body) | {"items": json.loads(body)["items"][:-1]}).encode(),
        lambda body: b'{"errors":false,"items":[]}',
        "half",
        "empty",
        "html",
    ],
    ids=["one item less", "no items", "half", "empty", "html"],
)
def test_a_reply_that_does_not_fit_is_never_taken_for_success(
    bench: Bench, proxy: FaultProxy, script: Script, rewrite: Any
) -> None:
    script.add(Rule(name="odd", path="/_bulk", nth=1, rewrite=rewrite))
    bench.produce(20, partition=0)
    running = bench.start()
    bench.wait_committed()
    bench.account()
    assert running.metric("bulk_retries_total", kind="transient") == 1
    assert running.metric("duplicates_total") == 20


def test_an_answer_lost_after_the_write_doubles_nothing(bench: Bench, proxy: FaultProxy, script: Script) -> None:
    script.add(Rule(name="lost", path="/_bulk", last=2, lose_answer=True))
    bench.produce(200, partition=0)
    running = bench.start()
    bench.wait_committed()
    bench.account()
    assert script.fired("lost") == 2
    assert running.metric("duplicates_total") == 200
    assert running.metric("documents_indexed_total") == 0


def test_a_request_that_is_too_large_is_halved_until_it_passes(bench: Bench, proxy: FaultProxy, script: Script) -> None:
    script.add(Rule(name="too large", path="/_bulk", body_over=10_000, status=413))
    bench.produce(300, partition=0)
    running = bench.start()
    bench.wait_committed()
    bench.account()
    assert running.metric("bulk_retries_total", kind="size") >= 3
    assert running.why_not_ready() == ""


def test_elasticsearch_absent_at_the_start_is_waited_for(bench: Bench, proxy: FaultProxy) -> None:
    proxy.pause()
    bench.produce(100)
    running = bench.start()
    running.wait_not_ready("does not answer")
    wait_until(lambda: running.metric("lag_records") == 100, what="the lag is known")
    assert bench.committed() == {}
    proxy.resume()
    running.wait_ready()
    bench.wait_committed()
    bench.account()


def test_before_the_first_record_it_is_not_ready_while_elasticsearch_is_away(bench: Bench, proxy: FaultProxy) -> None:
    proxy.pause()
    running = bench.start()
    running.wait_not_ready("does not answer")
    proxy.resume()
    running.wait_ready()


def set_up_words(bench: Bench) -> list[str]:
    return list(template.set_up(bench.es, bench.settings.elasticsearch, now="2026-11-01T00:00:00.000Z"))


def test_setting_up_again_changes_nothing(bench: Bench) -> None:
    make_again(bench)
    before = bench.es.indices.get(index=f"{bench.alias}-*").raw
    words = set_up_words(bench)
    assert words[0] == f"index template {bench.alias}: there already"
    assert not any("mapping" in word for word in words)
    assert bench.es.indices.get(index=f"{bench.alias}-*").raw == before


def test_setting_up_adds_a_field_that_an_older_index_lacks(bench: Bench) -> None:
    """As after an update of the program, whose template has a field more: the current index goes on."""
    body = template.template_body(bench.settings.elasticsearch)["template"]["mappings"]
    del body["properties"]["funding_rate"]
    bench.es.indices.delete_index_template(name=bench.alias)
    bench.es.indices.create(index=bench.index, mappings=body, aliases={bench.alias: {}})
    make_again(bench)
    assert template.wrong_mapping(bench.es.indices.get_mapping(index=bench.index)[bench.index]["mappings"]) is None
    bench.produce(10)
    bench.start()
    bench.wait_committed()
    bench.account()


def test_setting_up_says_which_index_cannot_be_written_to(bench: Bench) -> None:
    bench.es.indices.delete_index_template(name=bench.alias)
    bench.es.indices.create(index=bench.index, mappings={"properties": {"price": {"type": "long"}}})
    words = set_up_words(bench)
    assert any(f"index {bench.index}: has another mapping" in word and "migration" in word for word in words)
