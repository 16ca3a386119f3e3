"""What hides records from readers, or shows them others, makes the indexer not ready, also while nothing comes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cryptoproxy.common.clock import SystemClock
from cryptoproxy.consumer.index import template
from cryptoproxy.datasets import iso
from tests.integration.consumer.conftest import Bench

OLD = "2012.01.01"


@pytest.fixture(autouse=True)
def _set_up(bench: Bench) -> None:
    list(template.set_up(bench.es, bench.settings.elasticsearch, now=iso(SystemClock().now_ms())))
    bench.es.indices.create(index=f"{bench.alias}-{OLD}")


def closed(bench: Bench, old: str) -> Callable[[], object]:
    bench.es.indices.close(index=old)
    return lambda: bench.es.indices.open(index=old)


def foreign(bench: Bench, old: str) -> Callable[[], object]:
    bench.es.indices.create(index=f"somebodys-{bench.alias}", aliases={bench.alias: {}})
    return lambda: bench.es.indices.delete(index=f"somebodys-{bench.alias}")


def filtered(bench: Bench, old: str) -> Callable[[], object]:
    add = {"index": old, "alias": bench.alias, "filter": {"term": {"symbol": "BTC"}}}
    bench.es.indices.update_aliases(actions=[{"add": add}])
    return lambda: bench.es.indices.put_alias(index=old, name=bench.alias)


def without(bench: Bench, old: str) -> Callable[[], object]:
    bench.es.indices.delete_alias(index=old, name=bench.alias)
    return lambda: bench.es.indices.put_alias(index=old, name=bench.alias)


def full_disk(bench: Bench, old: str) -> Callable[[], object]:
    """As Elasticsearch sets it at the flood stage. The local server has much room, and may lift it by itself."""
    block = "index.blocks.read_only_allow_delete"
    bench.es.cluster.put_settings(persistent={"cluster.routing.allocation.disk.threshold_enabled": False})
    bench.es.indices.put_settings(index=old, settings={block: True})

    def mend() -> None:
        bench.es.indices.put_settings(index=old, settings={block: None})
        bench.es.cluster.put_settings(persistent={"cluster.routing.allocation.disk.threshold_enabled": None})

    return mend


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (closed, "is closed"),
        (foreign, "none of ours"),
        (filtered, "has a filter"),
        (without, "lacks the alias"),
        (full_disk, "Free that disk"),
    ],
)
def test_an_idle_indexer_is_not_ready_until_it_is_mended(
    bench: Bench, harm: Callable[[Bench, str], Callable[[], object]], said: str
) -> None:
    mend = harm(bench, f"{bench.alias}-{OLD}")
    try:
        running = bench.start()
        running.wait_not_ready(said)
        assert running.metric("held_up", part="ticker alias") == 1
        bench.produce(10)
        bench.wait_committed()  # what can be written is
    finally:
        mend()
    running.wait_ready()
    assert running.metric("held_up", part="ticker alias") == 0
    bench.account()
