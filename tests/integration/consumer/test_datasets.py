"""Several datasets in one process: what stops one of them stops no other, and nothing of it is special to candles."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from cryptoproxy.common.announcement import announced
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.consumer.letters.fuse import accept, parse_place
from cryptoproxy.consumer.letters.reader import read_letters
from cryptoproxy.consumer.wiring import replay_dead_letters
from cryptoproxy.datasets import CANDLE, DATASETS, TICKER, Dataset, Part, iso, key
from cryptoproxy.datasets.times import DAY_MS, MINUTE_MS, Span
from tests.conftest import wait_until
from tests.integration.conftest import remove_indices
from tests.integration.consumer.conftest import Bench, Running

BEGIN_MS = 1_793_491_200_000
"""2026-11-01."""


def candle(number: int, interval: str = "1m", *, opens_ms: int | None = None) -> Any:
    opens_ms = BEGIN_MS + number * MINUTE_MS if opens_ms is None else opens_ms
    return msgspec.structs.replace(
        CANDLE.example, interval=interval, timestamp=iso(opens_ms), fetched_at=iso(SystemClock().now_ms())
    )


def send(bench: Bench, dataset: Dataset[Any], *records: Any, value: bytes | None = None) -> list[Any]:
    kafka = bench.settings.kafka
    futures = [
        bench.producer.send(
            kafka.topic_of(dataset, dataset.part(each)),
            key=key(each).encode(),
            value=dataset.codec.encode(each) if value is None else value,
            headers=dataset.headers,
        )
        for each in records
    ]
    return [future.get(180) for future in futures]


def wait_documents(bench: Bench, dataset: Dataset[Any], ids: set[str]) -> dict[str, Any]:
    alias = bench.settings.elasticsearch.alias_of(dataset)
    found: dict[str, Any] = {}

    def are_there() -> bool:
        bench.es.indices.refresh(index=alias)
        hits = bench.es.search(index=alias, size=10_000)["hits"]["hits"]
        found.clear()
        found.update({hit["_id"]: hit["_source"] for hit in hits})
        return found.keys() == ids

    wait_until(are_there, what=f"{len(ids)} documents of {dataset.name}")
    return found


def set_up(bench: Bench, dataset: Dataset[Any]) -> None:
    bench.world.set_up(dataset)
    bench.renew_producer()  # which would look for its topics for a while


@pytest.fixture
def both(bench: Bench) -> Running:
    """Tickers and candles are read."""
    running = bench.start()
    set_up(bench, CANDLE)  # while it runs: it stands by until then
    return running


def test_candles_go_to_the_indices_of_their_shelves(bench: Bench, both: Running) -> None:
    bench.produce(20)
    made = [candle(at, interval) for interval in ("1m", "15m", "1d") for at in range(10)]
    send(bench, CANDLE, *made)
    found = wait_documents(bench, CANDLE, {CANDLE.id_of(each) for each in made})
    for each in made:
        assert CANDLE.codec.encode(each) == msgspec.json.encode(found[CANDLE.id_of(each)])
    bench.wait_committed()
    bench.account()
    alias = bench.settings.elasticsearch.alias_of(CANDLE)
    assert {name.removeprefix(alias) for name in bench.es.indices.get(index=f"{alias}-*")} == {
        "-minutes-2026.11.01",
        "-hours-2026.01.01",
    }
    assert both.metric("documents_indexed_total", dataset="candle") == 30
    assert both.metric("documents_indexed_total") == 20


def test_poison_of_candles_stops_neither_tickers_nor_candles_of_another_interval(bench: Bench, both: Running) -> None:
    flood = send(bench, CANDLE, *([candle(0, "1d")] * 120), value=b"bug")
    both.wait_not_ready("cryptoproxy consume --accept-poison candle-1d:0:")
    bench.produce(50)
    send(bench, CANDLE, candle(1))
    bench.wait_committed()
    assert bench.documents().keys() == bench.good.keys()
    assert len(bench.dead_letters()) < 120, "what came before the fuse had blown"
    wait_documents(bench, CANDLE, {CANDLE.id_of(candle(1))})
    assert "candle-1d fuse" in both.why_not_ready()
    accept(bench.settings.kafka, [parse_place(f"candle-1d:0:{flood[-1].offset}")], now_ms=SystemClock().now_ms())
    both.wait_ready()
    wait_until(lambda: len(bench.dead_letters()) == 120, what="the flood is set aside")
    letter = next(read_letters(bench.settings.kafka))
    assert letter.place == f"candle-1d:0:{flood[0].offset}"


def test_a_wrong_mapping_of_candles_does_not_hold_up_tickers(bench: Bench, both: Running) -> None:
    alias = bench.settings.elasticsearch.alias_of(CANDLE)
    bench.es.indices.delete_index_template(name=alias)
    bench.es.indices.create(
        index=f"{alias}-minutes-2026.11.01",
        mappings={"properties": {"close": {"type": "keyword"}}},
        aliases={alias: {}},
    )
    bench.world.set_up(CANDLE)
    send(bench, CANDLE, candle(0), candle(0, "1d"))
    both.wait_not_ready("has another mapping than the template")
    bench.produce(50)
    bench.wait_committed()
    bench.account()
    wait_documents(bench, CANDLE, {CANDLE.id_of(candle(0, "1d"))})
    assert both.why_not_ready().startswith("{'candle-1m elasticsearch'")
    bench.es.indices.delete(index=f"{alias}-minutes-2026.11.01")
    both.wait_ready()
    wait_documents(bench, CANDLE, {CANDLE.id_of(candle(0)), CANDLE.id_of(candle(0, "1d"))})


def test_a_history_that_was_announced_makes_its_indices_at_once_and_no_other_does(bench: Bench) -> None:
    set_up(bench, CANDLE)
    bench.world.texts["ES_NEW_INDICES_PER_HOUR"] = "1"
    bench.start()
    years = [candle(0, "1d", opens_ms=BEGIN_MS - back * 365 * DAY_MS) for back in range(1, 8)]
    span = Span(BEGIN_MS - 8 * 365 * DAY_MS, BEGIN_MS)
    word = announced("binance.candle-1d", "candle", "1d", span, now_ms=SystemClock().now_ms())
    bench.producer.send(bench.settings.kafka.state_topic, key=word.key, value=word.value).get(180)
    send(bench, CANDLE, *years)
    wait_documents(bench, CANDLE, {CANDLE.id_of(each) for each in years})
    send(bench, CANDLE, candle(0, "1m", opens_ms=BEGIN_MS - 365 * DAY_MS))
    (letter,) = wait_until(bench.dead_letters, what="a minute of an old month was not announced")
    assert dict(letter.headers)["dlq-reason"] == b"new_index"
    replayed = replay_dead_letters(bench.settings, read_letters(bench.settings.kafka))
    assert (replayed.indexed, replayed.still_poison) == (1, [])


# --- a dataset that nobody has thought of


@pytest.fixture(params=[False, True], ids=["kept", "compacted"])
def toy(bench: Bench, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dataset[Any]]:
    name = "toy"
    made = dataclasses.replace(
        TICKER,
        name=name,
        topic=f"{bench.topic}.toy",
        alias=f"{bench.alias[:11]}-toy",
        parts={"": Part()},
        compacted=request.param,
        old_names={},
    )
    monkeypatch.setitem(DATASETS, name, made)  # type: ignore[arg-type]
    set_up(bench, made)
    yield made
    remove_indices(bench.settings.elasticsearch)


def test_a_dataset_of_the_table_goes_from_its_topic_to_its_index(bench: Bench, toy: Dataset[Any]) -> None:
    running = bench.start()
    times = [BEGIN_MS + at * MINUTE_MS for at in range(5)]
    made = [msgspec.structs.replace(toy.example, timestamp=iso(at), fetched_at=iso(at + 310)) for at in times]
    send(bench, toy, *made[1:], made[0])  # the oldest comes last
    newest = made[-1] if toy.compacted else made[0]

    def documents() -> Any:
        found = wait_documents(bench, toy, {toy.id_of(each) for each in made})
        return found if found[toy.id_of(made[0])]["timestamp"] == newest.timestamp else None

    found = wait_until(documents, what="the newest of each id")
    wait_until(lambda: running.metric("lag_records", dataset="toy") == 0)
    count = 1 if toy.compacted else 5
    assert running.metric("duplicates_total", dataset="toy") == (1 if toy.compacted else 0)
    assert len(found) == count
    assert running.why_not_ready() == ""
