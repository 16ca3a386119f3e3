"""A history run that is killed at each step, and goes on: nothing lacks, nothing is doubled but on the topic, and live
polls stay as they are."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import requests

from cryptoproxy.datasets import CANDLE
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, from_iso, written
from cryptoproxy.lake.objects import lines_of
from cryptoproxy.lake.store import Store
from cryptoproxy.sandbox.rules.request import Rule
from tests.conftest import wait_until
from tests.faults import evidence
from tests.faults.conftest import Report
from tests.faults.launch import HISTORY_POINTS
from tests.faults.rig import Rig
from tests.faults.test_upstream import GATE_SECONDS, WAITS, Fault, silence_after_fault

ALONE = {"TEST_ALONE": "1"}
SYMBOLS = ("BTCUSDT", "ETHUSDT")
DAYS = 250
CLOSED_MS = 3_000
"""So long after its end a bar is closed."""


def wants_history(rig: Rig, days: int = DAYS) -> set[str]:
    """The settings for it; the ids that it is to bring."""
    now_ms = rig.sandbox.clock.now_ms()
    begin_ms, end_ms = now_ms // DAY_MS * DAY_MS - days * DAY_MS, now_ms // DAY_MS * DAY_MS
    rig.texts |= {
        "KAFKA_PRODUCER_BATCH_INTERVAL": "0.5",
        "KAFKA_TOPICS": f"candle={rig.name}.ohlcv",
        "BINANCE_CANDLE_SYMBOLS": ",".join(SYMBOLS),
        "HISTORY": f"binance.candle-1h={written(begin_ms)}",
    }
    rig.make_topics(CANDLE)
    return {each for symbol in SYMBOLS for each in ids_of(rig, symbol, begin_ms, end_ms)}


def ids_of(rig: Rig, symbol: str, begin_ms: int, end_ms: int) -> Iterable[str]:
    while begin_ms < end_ms:
        rows = requests.get(
            f"{rig.sandbox.base_url('binance')}/api/v3/klines",
            params={"symbol": symbol, "interval": "1h", "startTime": begin_ms, "endTime": end_ms - 1, "limit": 1000},
            timeout=60,
        ).json()
        if not rows:
            return
        yield from (f"binance:{symbol}:USDT:1h-{row[0]}" for row in rows)
        begin_ms = rows[-1][0] + 1


def runs(outbox: Path) -> list[dict[str, Any]]:
    """As they stand on disk."""
    file = outbox / "history" / "runs.json"
    return list(json.loads(file.read_bytes())) if file.exists() else []


def rows(outbox: Path) -> int:
    """So many records have the runs brought."""
    return sum(walk.get("rows", 0) for run in runs(outbox) for walk in run["walks"].values())


def wait_ended(outbox: Path, count: int = 1) -> None:
    """So many runs are walked and delivered."""
    wait_until(lambda: sum("ended_ms" in run for run in runs(outbox)) >= count, what="the end of the history run")
    wait_delivered(outbox)


def wait_delivered(outbox: Path) -> None:
    def waits() -> bool:
        return any("candle" in name for names in evidence.waiting(outbox).values() for name in names)

    wait_until(lambda: not waits(), what="its pages delivered")


def require_all(rig: Rig, wanted: set[str]) -> None:
    """Up to the day's begin each bar is there, in topic and lake, each is closed, and each id has one value."""
    topic = rig.settings.kafka.topic_of(CANDLE, "1h")
    found = {evidence.identity_of_bar(each.value): each.value for each in evidence.on_topic(rig.settings, topic)}
    assert wanted <= found.keys()
    store = Store(rig.settings.s3)
    keys = [key for key in store.keys(f"{rig.settings.s3.prefix}/v1/") if "candle" in key]
    lines = [line for key in keys for line in lines_of(key, store.get(key))]
    assert found.keys() == {evidence.identity_of_bar(line) for line in lines}
    values: dict[str, set[str]] = {}
    for line in lines:
        record = json.loads(line)
        assert from_iso(record.pop("fetched_at")) >= from_iso(record["timestamp"]) + HOUR_MS + CLOSED_MS, line
        values.setdefault(evidence.identity_of_bar(line), set()).add(json.dumps(record))
    assert {len(each) for each in values.values()} == {1}


def test_killed_at_each_step_of_a_history_run_one_after_the_other(rig: Rig, report: Report) -> None:
    wanted = wants_history(rig)
    for point in HISTORY_POINTS:
        poller = rig.start(point, test=ALONE | {"TEST_DIE": f"{point}:2"})
        assert poller.wait_end() == -9, point
        rig.died(poller)
        poller.close()
    began = time.monotonic()
    last = rig.start("last", test=ALONE)
    last.wait_polls(1)
    wait_ended(rig.outbox)
    require_all(rig, wanted)
    report(rig.judge().require(), time.monotonic() - began)


def with_open_bar(body: bytes) -> bytes:
    """The bar of this hour comes last, as Binance has it, whatever was asked for."""
    rows = json.loads(body)
    if not rows or not isinstance(rows[-1], list):
        return body
    begin = round(time.time() * 1000) // HOUR_MS * HOUR_MS
    return json.dumps([*rows, [begin, *rows[-1][1:6], begin + HOUR_MS - 1, *rows[-1][7:]]]).encode()


WRONG: dict[str, dict[str, Any]] = {
    **{name: {"rewrite": name} for name in ("hole", "twice", "out_of_order", "no_rows", "half", "html")},
    "overlapping": {"earlier": 36_000.0},
    "open_bar_last": {"rewrite": with_open_bar},
}


@pytest.mark.long
@pytest.mark.parametrize("wrong", WRONG)
def test_pages_gone_wrong_in_the_middle_of_a_history_run(rig: Rig, report: Report, wrong: str) -> None:
    wanted = wants_history(rig)
    times = 1 if wrong == "html" else 3  # for a page of a firewall it waits a minute
    rig.sandbox.script.add(Rule(path="/klines", first=3, every=3, times=times, **WRONG[wrong]))
    began = time.monotonic()
    poller = rig.start(test=ALONE)
    poller.wait_polls(1)
    wait_ended(rig.outbox)
    assert [count.fired for count in rig.sandbox.script.counts()] == [times]
    require_all(rig, wanted)
    report(rig.judge().require(), time.monotonic() - began)


@pytest.mark.long
@pytest.mark.parametrize("status", [429, 418])
def test_refused_in_the_middle_of_a_history_run_live_polls_of_the_same_upstream_miss_no_slot(
    rig: Rig, report: Report, status: int
) -> None:
    wanted = wants_history(rig)
    rig.texts |= {"SOURCES": "binance", "BINANCE_INTERVAL": "15"}  # a slot has room for what it wants to be left alone
    refusal = Fault(
        "refused",
        Rule(path="/klines", first=3, every=4, times=2, status=status, retry_after=3),
        (WAITS,),
        source="binance",
    )
    rig.sandbox.script.add(refusal.rule)
    poller = rig.start(test=ALONE | {"TEST_PATCH": json.dumps(GATE_SECONDS)})
    poller.wait_polls(1)
    assert rig.sandbox.script.wait_fired(2, timeout=180)
    began = time.monotonic()
    wait_ended(rig.outbox)
    seconds = time.monotonic() - began
    poller.wait_polls(1)
    assert poller.missed()["binance"] == 0, "it cost live polls"
    require_all(rig, wanted)
    report(rig.judge().require(), seconds)
    assert silence_after_fault(rig, refusal) >= 2_900
