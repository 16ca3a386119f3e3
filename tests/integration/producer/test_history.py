"""`cryptoproxy history` over the whole road: by the active poller, by itself, twice, killed, refused in the middle."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from cryptoproxy.common.clients import elastic
from cryptoproxy.common.settings.environment import child_environment
from cryptoproxy.datasets import CANDLE, TICKER, iso
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, MINUTE_MS, Span, written
from cryptoproxy.lake.objects import lines_of
from cryptoproxy.lake.store import Store
from cryptoproxy.sandbox import Sandbox
from cryptoproxy.sandbox.rules.request import Rule
from tests.conftest import wait_until
from tests.faults import evidence
from tests.faults.indexing.process import IndexerProcess
from tests.faults.process import ROOT, PollerProcess
from tests.integration.conftest import World

FEED = "binance.candle-1h"
KLINES = "/binance/api/v3/klines"
SYMBOLS = ("BTCUSDT", "ETHUSDT")


@pytest.fixture
def candles(world: World, upstream: Sandbox) -> World:
    """With the topics and the index of candles as well."""
    world.texts |= {
        "SOURCES": "binance",
        "BINANCE_SYMBOLS": ",".join(SYMBOLS),
        "BYBIT_BASE_URL": upstream.base_url("bybit"),
    }
    world.set_up(TICKER, CANDLE)
    return world


@contextmanager
def command(world: World, folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "cryptoproxy.cli.main", "history", *words],
        env=child_environment(world.texts, dict(os.environ)) | {"PYTHONPATH": str(ROOT)},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def walked(world: World, folder: Path, *words: str, code: int = 0) -> str:
    with command(world, folder, *words) as running:
        said, _ = running.communicate(timeout=180)
    assert running.returncode == code, said
    return said


def span_of(sandbox: Sandbox, days: int = 60) -> Span:
    """Whole days that are over."""
    end_ms = sandbox.clock.now_ms() // DAY_MS * DAY_MS
    return Span(end_ms - days * DAY_MS, end_ms)


def told(span: Span) -> tuple[str, ...]:
    return "--from", written(span.begin_ms), "--to", written(span.end_ms), "--symbols", ",".join(SYMBOLS)


def there(sandbox: Sandbox, span: Span, symbol: str, interval: str = "1h") -> dict[str, list[Any]]:
    """What the upstream has, by id; asked by hand, in pages."""
    found: dict[str, list[Any]] = {}
    at = span.begin_ms
    while True:
        rows = requests.get(
            f"{sandbox.base_url('binance')}/api/v3/klines",
            params={"symbol": symbol, "interval": interval, "startTime": at, "endTime": span.end_ms - 1, "limit": 1000},
            timeout=60,
        ).json()
        if not rows:
            return found
        found |= {f"binance:{symbol}:USDT:{interval}-{row[0]}": row for row in rows}
        at = rows[-1][0] + 1


def on_topic(world: World, part: str = "1h") -> list[bytes]:
    return [each.value for each in evidence.on_topic(world.settings, world.settings.kafka.topic_of(CANDLE, part))]


def in_lake(world: World) -> list[bytes]:
    store = Store(world.settings.s3)
    keys = [key for key in store.keys(f"{world.settings.s3.prefix}/v1/") if "candle" in key]
    return [line for key in keys for line in lines_of(key, store.get(key))]


def delivered(world: World) -> None:
    outbox = Path(world.texts["OUTBOX_DIR"])
    wait_until(lambda: not any(evidence.waiting(outbox).values()), what="an empty outbox")


def require_none_missed_but_by_the_machine(poller: PollerProcess) -> None:
    """What a busy machine is late with, is late with or without history; what history could take from live polls (room in
    the budget, in the outbox, an upstream that wants to be left alone) is never the reason."""
    missed = {labels["reason"] for labels, count in poller.samples("slots_missed") if count}
    assert missed <= {"busy", "late", "failed"}, poller.log[-3000:]
    assert not poller.said("no budget left")


def test_what_the_upstream_has_is_on_topic_and_lake_once_per_id_however_often_it_is_walked(
    candles: World, upstream: Sandbox, tmp_path: Path
) -> None:
    span = span_of(upstream)
    wanted = {key: row for symbol in SYMBOLS for key, row in there(upstream, span, symbol).items()}
    said = walked(candles, tmp_path, FEED, *told(span))
    assert f"{len(wanted)} records of 2 symbols" in said
    records = {evidence.identity_of_bar(line): json.loads(line) for line in on_topic(candles)}
    assert records.keys() == wanted.keys() == {evidence.identity_of_bar(line) for line in in_lake(candles)}
    for key, row in wanted.items():
        assert [records[key][name] for name in ("open", "high", "low", "close", "base_volume")] == [
            float(text) for text in row[1:6]
        ]
    walked(candles, tmp_path, FEED, *told(span))
    assert (
        {evidence.identity_of_bar(line) for line in on_topic(candles)}
        == wanted.keys()
        == {evidence.identity_of_bar(line) for line in in_lake(candles)}
    )


def test_the_active_poller_does_it_and_misses_no_slot(candles: World, upstream: Sandbox, tmp_path: Path) -> None:
    span = span_of(upstream)
    poller = PollerProcess("active", tmp_path, candles.texts)
    try:
        poller.wait_polls(2)
        said = walked(candles, tmp_path, FEED, *told(span))
        assert "this process takes the lease" not in said
        poller.wait_polls(2)
        require_none_missed_but_by_the_machine(poller)
        assert poller.running
        delivered(candles)
    finally:
        poller.kill()
        poller.close()
    wanted = {key for symbol in SYMBOLS for key in there(upstream, span, symbol)}
    assert (
        {evidence.identity_of_bar(line) for line in on_topic(candles)}
        == wanted
        == {evidence.identity_of_bar(line) for line in in_lake(candles)}
    )


def test_killed_in_the_middle_it_goes_on_from_its_cursor(candles: World, upstream: Sandbox, tmp_path: Path) -> None:
    span = span_of(upstream, days=200)
    upstream.script.add(Rule(path=KLINES, nth=4, hold=True, name="held"))
    first = PollerProcess("first", tmp_path, candles.texts)
    with command(candles, tmp_path, FEED, *told(span)) as running:
        try:
            assert upstream.script.wait_fired(1, "held", timeout=180)
        finally:
            first.kill()
            first.close()
        upstream.script.clear("held")
        before = len(asked(upstream))
        second = PollerProcess("second", tmp_path, candles.texts)
        try:
            said, _ = running.communicate(timeout=180)
            assert running.returncode == 0, said
            delivered(candles)
        finally:
            second.kill()
            second.close()
    wanted = {key for symbol in SYMBOLS for key in there(upstream, span, symbol)}
    assert (
        {evidence.identity_of_bar(line) for line in on_topic(candles)}
        == wanted
        == {evidence.identity_of_bar(line) for line in in_lake(candles)}
    )
    again = [call for call in asked(upstream)[before:] if "startTime=0&" in call]
    assert len(again) == 1, "it did not begin anew: only the second symbol's begin was still to be asked for"


def test_the_poller_on_another_machine_goes_on_from_the_cursor_of_the_topic(
    candles: World, upstream: Sandbox, tmp_path: Path
) -> None:
    span = span_of(upstream, days=200)
    upstream.script.add(Rule(path=KLINES, nth=4, hold=True, name="held"))
    first = PollerProcess("first", tmp_path, candles.texts)
    second = PollerProcess("second", tmp_path, candles.texts | {"OUTBOX_DIR": str(tmp_path / "another")})
    processes = [first, second]
    try:
        with command(candles, tmp_path, FEED, *told(span)) as running:
            assert upstream.script.wait_fired(1, "held", timeout=180)
            active, other = (first, second) if first.polls() else (second, first)
            upstream.script.clear("held")
            active.terminate()
            before = len(asked(upstream))
            said, _ = running.communicate(timeout=180)
            assert running.returncode == 0, said
            # What it could not send in its last seconds is sent by the next start.
            processes.append(PollerProcess("again", tmp_path, candles.texts | {"OUTBOX_DIR": str(active.outbox)}))
            for outbox in (active.outbox, other.outbox):
                wait_until(lambda each=outbox: not any(evidence.waiting(each).values()), what="an empty outbox")
        assert "history of binance.candle-1h ends" in other.log
    finally:
        for each in processes:
            each.close()
    wanted = {key for symbol in SYMBOLS for key in there(upstream, span, symbol)}
    assert (
        {evidence.identity_of_bar(line) for line in on_topic(candles)}
        == wanted
        == {evidence.identity_of_bar(line) for line in in_lake(candles)}
    )
    begun_anew = [call for call in asked(upstream)[before:] if "startTime=0&" in call]
    assert len(begun_anew) <= 1, "of the first symbol it knew how far it was"


def test_walked_again_and_beside_live_candles_the_index_stays_as_it_is(
    candles: World, upstream: Sandbox, tmp_path: Path
) -> None:
    candles.texts |= {
        "SOURCES": "binance,binance.candle-1m",
        "BINANCE_CANDLE_SYMBOLS": ",".join(SYMBOLS),
    }
    end_ms = upstream.clock.now_ms() // MINUTE_MS * MINUTE_MS
    span = Span(end_ms - 3 * HOUR_MS, end_ms)
    words = ("binance.candle-1m", "--from", written(span.begin_ms), "--symbols", ",".join(SYMBOLS))
    rows = {key: row for symbol in SYMBOLS for key, row in there(upstream, span, symbol, "1m").items()}
    key, row = next(iter(rows.items()))

    def corrected(body: bytes) -> bytes:
        return json.dumps(
            [[*each[:5], "7777", *each[6:]] if each[0] == row[0] else each for each in json.loads(body)]
        ).encode()

    poller = PollerProcess("active", tmp_path, candles.texts)
    indexer = IndexerProcess("indexer", tmp_path, candles.texts)
    try:
        poller.wait_polls(1, source="binance.candle-1m")
        walked(candles, tmp_path, *words)
        delivered(candles)
        wait_until(lambda: rows.keys() <= in_index(candles).keys(), what="its documents")
        before = in_index(candles)
        known = indexer.metric("duplicates")
        upstream.script.add(Rule(path=KLINES, rewrite=corrected))
        walked(candles, tmp_path, *words)
        delivered(candles)
        indexer.wait_metric("duplicates", known + len(rows))
        after = in_index(candles)
    finally:
        for each in (poller, indexer):
            each.close()
    assert {each: after[each] for each in before} == before, "the first copy stays"
    assert all(each["timestamp"] >= iso(end_ms) for each in (after[new] for new in after.keys() - rows.keys()))
    assert float(after[key]["base_volume"]) == float(row[5]) != 7777
    told_again = [json.loads(line) for line in on_topic(candles, "1m") if evidence.identity_of_bar(line) == key]
    assert {each["base_volume"] for each in told_again} == {float(row[5]), 7777.0}, "the topic has both"


def in_index(world: World) -> dict[str, dict[str, Any]]:
    settings = world.settings.elasticsearch
    client = elastic.client(settings)
    try:
        client.indices.refresh(index=settings.alias_of(CANDLE))
        hits = client.search(index=settings.alias_of(CANDLE), size=10_000)["hits"]["hits"]
        assert len(hits) == client.count(index=settings.alias_of(CANDLE))["count"]
        return {hit["_id"]: hit["_source"] for hit in hits}
    finally:
        client.close()


def asked(sandbox: Sandbox) -> list[str]:
    return [each.target for each in sandbox.ledger.entries() if "/klines?" in each.target]


@pytest.mark.parametrize("refusal", ["429", "418"])
def test_refused_in_the_middle_it_waits_and_others_are_polled_on(
    candles: World, upstream: Sandbox, tmp_path: Path, refusal: str
) -> None:
    span = span_of(upstream, days=30)
    candles.texts |= {"SOURCES": "bybit-linear", "BYBIT_INTERVAL": "1"}
    upstream.script.add(Rule(path=KLINES, nth=2, status=int(refusal), retry_after=2))
    poller = PollerProcess("active", tmp_path, candles.texts)
    try:
        poller.wait_polls(2)
        walked(candles, tmp_path, FEED, *told(span))
        assert poller.said("nothing is sent to binance")
        require_none_missed_but_by_the_machine(poller)
        delivered(candles)
    finally:
        poller.kill()
        poller.close()
    wanted = {key for symbol in SYMBOLS for key in there(upstream, span, symbol)}
    assert {evidence.identity_of_bar(line) for line in on_topic(candles)} == wanted


def test_an_answer_cut_short_is_a_hole_of_ours_and_one_that_is_there_twice_is_told(
    candles: World, upstream: Sandbox, tmp_path: Path
) -> None:
    span = span_of(upstream, days=10)
    lost = [span.begin_ms + each * HOUR_MS for each in range(50, 60)]

    def without(body: bytes) -> bytes:
        return json.dumps([row for row in json.loads(body) if row[0] not in lost]).encode()

    upstream.script.add(Rule(path=KLINES, nth=2, rewrite=without))
    said = walked(candles, tmp_path, FEED, *told(span))
    wanted = {key for symbol in SYMBOLS for key in there(upstream, span, symbol)}
    assert {evidence.identity_of_bar(line) for line in on_topic(candles)} == wanted
    assert "not there, asked twice" not in said
    upstream.script.add(Rule(path=KLINES, rewrite=without))
    said = walked(candles, tmp_path, FEED, *told(span))
    assert f"not there, asked twice: {Span(lost[0], lost[-1] + HOUR_MS)}" in said


def test_all_that_is_listed_with_a_quote(candles: World, upstream: Sandbox, tmp_path: Path) -> None:
    listed = requests.get(f"{upstream.base_url('binance')}/api/v3/exchangeInfo", timeout=60).json()["symbols"]
    wanted = {each["symbol"] for each in listed if each["quoteAsset"] == "TRY"}
    walked(candles, tmp_path, "binance.candle-1w", "--quote", "TRY", "--days", "400")
    topic = candles.settings.kafka.topic_of(CANDLE, "1w")
    found = [json.loads(each.value) for each in evidence.on_topic(candles.settings, topic)]
    assert {each["asset_id"] for each in found} <= wanted
    assert {each["quote"] for each in found} == {"TRY"}
    said = walked(candles, tmp_path, "binance.candle-1w", "--quote", "TRY", "--days", "400", "--dry-run")
    assert f"{len(wanted)} symbols" in said


def test_a_dry_run_asks_nothing_and_a_wrong_feed_names_the_right_ones(
    candles: World, upstream: Sandbox, tmp_path: Path
) -> None:
    said = walked(candles, tmp_path, FEED, *told(span_of(upstream, days=60)), "--dry-run")
    assert "at most 6 calls (12 weight) and 2880 records" in said
    assert asked(upstream) == []
    said = walked(candles, tmp_path, "binance.candle", "--days", "1", code=2)
    assert "binance.candle-1s|1m|3m|5m|15m|30m|1h|2h|" in said
