"""History to the index: another machine goes on with a run, its outbox is full, the upstream corrects what it has told."""

from __future__ import annotations

import json
import time
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

from cryptoproxy.datasets import CANDLE
from cryptoproxy.datasets.times import Span
from cryptoproxy.lake.form import refuse
from cryptoproxy.lake.store import Store
from cryptoproxy.lake.whole import whole_lake
from cryptoproxy.producer.feeds.history.runs import Run, RunsTopic, new_id
from cryptoproxy.sandbox.rules.request import Rule
from tests.conftest import wait_until
from tests.faults import evidence, test_history
from tests.faults.conftest import Report
from tests.faults.indexing.rig import IndexerRig
from tests.faults.judge import Verdict
from tests.faults.test_history import SYMBOLS, require_all, rows, runs, wait_delivered, wait_ended
from tests.faults.test_pollers import start, wait_standing_by

ALONE = {"TEST_ALONE": "1"}
KLINES = "/api/v3/klines"
SLOW = Rule(path="/klines", delay=0.3)


@dataclass
class Found:
    """What the judge's table takes: bars, and what it says of the live polls beside them."""

    live: Verdict
    records: int
    lost: int
    doubled: int
    again: int

    def __post_init__(self) -> None:
        self.records += self.live.records
        self.again += self.live.again


def wants_history(rig: IndexerRig, days: int = test_history.DAYS) -> set[str]:
    wanted = test_history.wants_history(rig, days)
    rig.texts["ES_INDICES"] = f"candle={rig.name}-candles"
    rig.set_up_index(CANDLE)
    return wanted


def judged(rig: IndexerRig, wanted: set[str], *, two_holders: bool = False) -> Found:
    """Each bar is on the topic, in the lake and in the index; no id is in the index twice. Live polls are judged as ever."""
    require_all(rig, wanted)
    on_topic = [evidence.identity_of_bar(each.value) for each in evidence.on_topic(rig.settings, topic(rig))]
    rig.wait_committed(CANDLE, "1h")
    documents = [name for name, _ in rig.documents(CANDLE)]
    assert set(documents) == set(on_topic)
    live = rig.judged(two_holders=two_holders)
    lost, doubled = len(wanted - set(documents)), len(documents) - len(set(documents))
    assert (lost, doubled) == (0, 0)
    return Found(live, len(set(on_topic)), lost, doubled, len(on_topic) - len(set(on_topic)))


def topic(rig: IndexerRig) -> str:
    return rig.settings.kafka.topic_of(CANDLE, "1h")


def calls(rig: IndexerRig) -> int:
    return sum(KLINES in entry.target for entry in rig.sandbox.ledger.entries())


def test_another_machine_goes_on_with_a_run_whose_poller_is_killed(rig: IndexerRig, report: Report) -> None:
    wanted = wants_history(rig)
    rig.sandbox.script.add(SLOW)
    rig.start_indexer()
    first = start(rig, "first")
    first.wait_polls(1)
    second = start(rig, "second")
    wait_standing_by(second)
    wait_until(lambda: rows(first.outbox) >= len(wanted) // 4, what="a quarter of the run")
    rig.kill(first)
    assert 0 < rows(first.outbox) < len(wanted), "not in the middle"
    began = time.monotonic()
    wait_until(lambda: rows(second.outbox) > 0, what="the successor's first page")
    seconds = time.monotonic() - began
    wait_ended(second.outbox)
    start(rig, "first")  # delivers what it had kept
    wait_delivered(first.outbox)
    report(judged(rig, wanted, two_holders=True), seconds)


def test_a_full_outbox_holds_history_up_and_live_polls_go_on(rig: IndexerRig, report: Report) -> None:
    rig.texts["OUTBOX_MAX_SIZE"] = "4MiB"
    wanted = wants_history(rig)
    rig.texts["KAFKA_PRODUCER_BATCH_INTERVAL"] = "2"
    rig.start_indexer()
    rig.s3.pause()
    poller = rig.start(test=ALONE)

    def held() -> str:
        return " ".join(run.held for run in told(rig))

    wait_until(lambda: "more than a quarter full" in held(), what="history waits")
    before = calls(rig)
    poller.wait_polls(3)
    assert calls(rig) == before, "it asks for what cannot be kept"
    assert "ended_ms" not in runs(poller.outbox)[0]
    began = time.monotonic()
    rig.s3.resume()
    wait_until(lambda: calls(rig) > before, what="history goes on")
    seconds = time.monotonic() - began
    wait_ended(poller.outbox)
    assert poller.missed()["coingecko"] == 0, "it cost live polls"
    report(judged(rig, wanted), seconds)


def told(rig: IndexerRig) -> list[Run]:
    with closing(RunsTopic(rig.settings.kafka)) as state:
        return state.read()[0]


@pytest.mark.timeout(600)
def test_what_the_upstream_corrects_between_two_runs_is_counted_and_named(rig: IndexerRig, report: Report) -> None:
    wanted = wants_history(rig, 30)
    indexer = rig.start_indexer()
    poller = rig.start(test=ALONE)
    wait_ended(poller.outbox)
    rig.wait_committed(CANDLE, "1h")
    first = dict(rig.documents(CANDLE))
    corrections = indexer.metric("corrections", dataset="candle")
    rig.sandbox.script.add(Rule(path="/klines", rewrite="corrected"))
    (run,) = told(rig)
    began = time.monotonic()
    with closing(RunsTopic(rig.settings.kafka)) as state:
        state.ask(
            Run(
                id=new_id(),
                feed=run.feed,
                begin_ms=run.begin_ms,
                end_ms=run.end_ms,
                said_ms=run.end_ms,
                symbols=[*SYMBOLS],
            )
        )
    wait_ended(poller.outbox, 2)
    rig.wait_committed(CANDLE, "1h")
    seconds = time.monotonic() - began
    assert dict(rig.documents(CANDLE)) == first, "what came first stays"
    again = corrected(rig, first)
    assert again, "nothing was corrected"
    assert indexer.metric("corrections", dataset="candle") - corrections == len(again)
    for name, (was, now) in again.items():
        assert indexer.said(f"candle {name} of {was['timestamp']}", f"close {now['close']} instead of {was['close']}")
    lake = whole_lake(Store(rig.settings.s3), CANDLE, "1h")
    span = Span(run.begin_ms, run.end_ms)
    for each in lake.records("binance", span, refuse):
        assert json.loads(each.line) == first[each.id]
    report(found(rig, wanted), seconds)


def corrected(rig: IndexerRig, first: dict[str, dict[str, Any]]) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """By id, a bar as it came first and as it came later, where these differ."""
    differing: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
    for each in evidence.on_topic(rig.settings, topic(rig)):
        now, was = json.loads(each.value), first[evidence.identity_of_bar(each.value)]
        if {**now, "fetched_at": ""} != {**was, "fetched_at": ""}:
            differing[evidence.identity_of_bar(each.value)] = was, now
    return differing


def found(rig: IndexerRig, wanted: set[str]) -> Found:
    ids = [evidence.identity_of_bar(each.value) for each in evidence.on_topic(rig.settings, topic(rig))]
    documents = [name for name, _ in rig.documents(CANDLE)]
    assert wanted <= set(ids) == set(documents)
    return Found(
        rig.judged(),
        len(set(ids)),
        len(wanted - set(documents)),
        len(documents) - len(set(documents)),
        len(ids) - len(set(ids)),
    )
