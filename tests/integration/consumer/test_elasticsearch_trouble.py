"""Set-up again, and Elasticsearch away at the start. All its other troubles: tests/faults/indexing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cryptoproxy.consumer.index import template
from cryptoproxy.datasets import TICKER
from cryptoproxy.datasets.documents.mapping import properties
from cryptoproxy.sandbox.proxy import FaultProxy
from tests.conftest import wait_until
from tests.integration.consumer.conftest import Bench


@pytest.fixture
def proxy(bench: Bench) -> Iterator[FaultProxy]:
    """Stands before Elasticsearch."""
    with FaultProxy(bench.settings.elasticsearch.url) as made:
        bench.world.texts["ES_URL_ENDPOINT"] = made.url
        yield made
        bench.stop_all()


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
    set_up_words(bench)
    before = bench.es.indices.get(index=f"{bench.alias}-*").raw
    words = set_up_words(bench)
    assert words[0] == f"index template {bench.alias}: there already"
    assert not any("mapping" in word for word in words)
    assert bench.es.indices.get(index=f"{bench.alias}-*").raw == before


def test_setting_up_adds_a_field_that_an_older_index_lacks(bench: Bench) -> None:
    """As after an update of the program, whose template has a field more and others cheaper: the index goes on."""
    body = template.template_body(bench.settings.elasticsearch)["template"]["mappings"]
    del body["properties"]["funding_rate"]
    assert body["properties"]["market_cap"].pop("index") is False
    body["properties"]["name"]["ignore_above"] = 64
    del body["properties"]["symbol"]["fields"]
    bench.es.indices.delete_index_template(name=bench.alias)
    bench.es.indices.create(index=bench.index, mappings=body, aliases={bench.alias: {}})
    set_up_words(bench)
    assert (
        template.wrong_mapping(
            bench.es.indices.get_mapping(index=bench.index)[bench.index]["mappings"], properties(TICKER)
        )
        is None
    )
    bench.produce(10)
    bench.start()
    bench.wait_committed()
    bench.account()


def test_setting_up_says_which_index_cannot_be_written_to(bench: Bench) -> None:
    bench.es.indices.delete_index_template(name=bench.alias)
    bench.es.indices.create(index=bench.index, mappings={"properties": {"price": {"type": "long"}}})
    words = set_up_words(bench)
    assert any(f"index {bench.index}: has another mapping" in word and "migration" in word for word in words)
