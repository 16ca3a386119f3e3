"""The model at work on real Kafka and S3, and the report of the day that it spoke of."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from cryptoproxy.cli.reading import report as report_command
from cryptoproxy.cli.services.models import process
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.service import Service
from cryptoproxy.datasets import CANDLE, PREDICTION, TICKER, Candle, Prediction, from_iso, iso, key
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, Span
from cryptoproxy.lake.form import refuse
from cryptoproxy.lake.objects import pack
from cryptoproxy.lake.store import Store
from cryptoproxy.lake.whole import whole_lake
from cryptoproxy.models.features import FEATURES
from cryptoproxy.models.registry import Registry
from tests.conftest import wait_until
from tests.integration.conftest import World
from tests.unit.models.test_predictions import model, walk

PAIRS = ("BTCUSDT", "ETHUSDT")
NAME = "direction-1h"


def candles(begin_ms: int, count: int) -> list[Candle]:
    return [
        msgspec.structs.replace(
            each, asset_id=pair, symbol=pair, timestamp=iso(begin_ms + at * HOUR_MS),
            fetched_at=iso(begin_ms + (at + 1) * HOUR_MS + 3_000),
        )
        for at, each in enumerate(walk(count))
        for pair in PAIRS
    ]  # fmt: skip


class Predicting:
    def __init__(self, world: World, now_ms: int) -> None:
        self.world, self.now_ms = world, now_ms
        self.registry = Registry(Store(world.settings.s3))

    @contextmanager
    def running(self) -> Iterator[Service]:
        made = process(self.world.settings, now_ms=lambda: self.now_ms)
        thread = threading.Thread(target=made.run)
        thread.start()
        try:
            yield made
        finally:
            made.stop()
            thread.join()

    def send(self, some: list[Candle]) -> None:
        kafka = self.world.settings.kafka
        producer = kafka_client.producer(kafka)
        try:
            topic = kafka.topic_of(CANDLE, "1h")
            sent = [producer.send(topic, key=key(each).encode(), value=CANDLE.codec.encode(each)) for each in some]
            for each in sent:
                each.get(60)
        finally:
            producer.close()

    def said(self) -> list[Prediction]:
        kafka = self.world.settings.kafka
        reader = kafka_client.consumer(kafka, group_id=None)
        try:
            found = kafka_client.read_to_end(reader, kafka.topic_of(PREDICTION), seconds=60)
            return [PREDICTION.codec.decode(each.value) for each in found]
        finally:
            reader.close()

    def wait_for(self, count: int) -> list[Prediction]:
        return wait_until(lambda: found if len(found := self.said()) >= count else None, what=f"{count} predictions")

    def promote(self, leaf: float) -> str:
        made = self.registry.add(
            NAME, model(leaf).forest, features=list(FEATURES), begin_ms=0, end_ms=0, rows=1, metrics={},
            now_ms=self.now_ms,
        )  # fmt: skip
        self.registry.promote(NAME, made.version, why="a test", now_ms=self.now_ms)
        return made.version


def test_each_bar_that_is_over_is_spoken_of_once_by_the_version_that_is_live(world: World) -> None:
    world.texts |= {"PYTHON_MODELS_SERVER_PORT": "0", "AWS_S3_OBJECT_SECONDS": "1"}
    world.set_up(TICKER, CANDLE, PREDICTION)
    now_ms = SystemClock().now_ms()
    last = now_ms - now_ms % HOUR_MS - HOUR_MS  # room for one bar more
    predicting = Predicting(world, last + 5_000)
    bars = candles(last - 50 * HOUR_MS, 51)
    predicting.send(bars[: -len(PAIRS)])
    with predicting.running() as service:
        wait_until(lambda: "no version of direction-1h is live" in str(service.health.reasons()), what="it says so")
        version = predicting.promote(0.4)
        first = predicting.wait_for(2)
        wait_until(lambda: not service.health.reasons(), what="it is ready")
        predicting.now_ms = last + HOUR_MS + 5_000
        predicting.send(bars[-len(PAIRS) :])
        both = predicting.wait_for(4)
    assert {(each.asset_id, each.timestamp) for each in first} == {(pair, iso(last)) for pair in PAIRS}
    assert {each.version for each in both} == {version}
    assert {from_iso(each.timestamp) - last for each in both} == {0, HOUR_MS}

    # Once more: of the last bar again, under the same id; of what is long over nothing.
    with predicting.running():
        again = predicting.wait_for(6)
        lake = whole_lake(Store(world.settings.s3), PREDICTION)

        def stored() -> list[Any]:
            return [each.id for each in lake.records("binance", Span(last, last + DAY_MS), refuse)]

        ids = {PREDICTION.id_of(each) for each in again}
        wait_until(lambda: set(stored()) == ids, what="the lake has all of them")
    assert len(ids) == 4
    assert sorted(stored()) == sorted(ids)


def test_a_day_s_report_has_prices_risk_and_how_its_predictions_came(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ms = SystemClock().now_ms()
    day = now_ms - now_ms % DAY_MS - DAY_MS
    store = Store(world.settings.s3)

    def archive(dataset: Any, part: str, at_ms: int, records: list[Any]) -> None:
        lines = [dataset.codec.encode(each) + b"\n" for each in records]
        made = pack(world.settings.s3.prefix, dataset.name, "binance", at_ms, lines, part=part)
        store.put(made.key, made.body)

    bars = candles(day - 29 * DAY_MS, 30 * 24)
    archive(CANDLE, "1h", day - 29 * DAY_MS, bars)
    said = [
        msgspec.structs.replace(
            PREDICTION.example, timestamp=iso(day + hour * HOUR_MS), fetched_at=iso(day + hour * HOUR_MS + 4_000)
        )
        for hour in range(24)
    ]
    archive(PREDICTION, "", day, said)
    positions = tmp_path / "positions.yaml"
    positions.write_text("positions:\n  binance:BTCUSDT: 0.5\n  binance:ETHUSDT: {amount: 10, paid: 90}\n")
    monkeypatch.setattr(report_command, "load_settings", lambda _: world.settings)
    monkeypatch.setattr("cryptoproxy.cli.reading.asking.load_settings", lambda _: world.settings)
    words = f"--date yesterday --to {tmp_path / 'out'} --positions {positions} --engine lake"
    done = CliRunner().invoke(report_command.report, words.split(), obj=tmp_path, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert f"{iso(day)[:10]}: 2 assets, 0 alerts, portfolio " in done.output
    page = (tmp_path / "out" / "report.html").read_text()
    assert (tmp_path / "out" / "report.pdf").read_bytes().startswith(b"%PDF-")
    for words in (
        "As if what is held now had been held on all of 30 days",
        '<td class="n">24</td><td class="n">24</td>',
    ):
        assert words in page
