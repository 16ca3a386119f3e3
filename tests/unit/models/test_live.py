"""The loop that asks the model: a start that fails is made anew, and what is far ahead makes nothing else late."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from kafka import TopicPartition
from kafka import errors as kafka_errors
from prometheus_client import CollectorRegistry

from cryptoproxy.common.metrics import ModelsMetrics
from cryptoproxy.common.service import Health
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import CANDLE, iso
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS
from cryptoproxy.models.live import Predictor

NOW = 1_788_220_800_000


class Reader:
    """A consumer of one partition; ``values`` are on it."""

    def __init__(self, values: list[bytes], *, begins: bool = True) -> None:
        self.values, self.begins, self.closed = values, begins, False
        self.partitions = {0}

    def partitions_for_topic(self, topic: str) -> set[int]:
        return set(self.partitions)

    def assign(self, partitions: list[TopicPartition]) -> None: ...

    def offsets_for_times(self, times: dict[TopicPartition, int]) -> dict[TopicPartition, Any]:
        if not self.begins:
            raise kafka_errors.KafkaTimeoutError("no answer")
        return dict.fromkeys(times)

    def seek_to_end(self, partition: TopicPartition) -> None: ...

    def poll(self, timeout_ms: int) -> dict[TopicPartition, list[Any]]:
        record = type("Record", (), {})
        found = []
        for value in self.values:
            found.append(record())
            found[-1].value = value
        self.values = []
        return {TopicPartition("t", 0): found} if found else {}

    def close(self, **_: Any) -> None:
        self.closed = True


class Scorer:
    step_ms = HOUR_MS

    def __init__(self) -> None:
        self.seen: list[str] = []

    def see(self, candle: Any) -> None:
        self.seen.append(candle.timestamp)


def predictor(readers: list[Reader], scorer: Scorer) -> Predictor:
    left = iter(readers)
    made = Predictor(
        kafka=Settings.from_texts({}).kafka, registry=None, name="direction-1h", scorer=scorer, interval="1h",  # type: ignore[arg-type]
        connect=lambda **_: next(left), sender=None, now_ms=lambda: NOW, health=Health(),
        metrics=ModelsMetrics(CollectorRegistry()),  # type: ignore[arg-type]
    )  # fmt: skip
    made._model = object()  # type: ignore[assignment]
    return made


def bar(begin_ms: int) -> bytes:
    return CANDLE.codec.encode(
        msgspec.structs.replace(
            CANDLE.example, interval="1h", timestamp=iso(begin_ms), fetched_at=iso(begin_ms + HOUR_MS + 3_000)
        )
    )


def test_a_reader_that_has_begun_by_half_is_not_gone_on_with() -> None:
    half, whole = Reader([bar(NOW - HOUR_MS)], begins=False), Reader([bar(NOW - HOUR_MS)])
    scorer = Scorer()
    made = predictor([half, whole], scorer)
    with pytest.raises(kafka_errors.KafkaError):
        made._turn()
    assert half.closed
    made._turn()
    assert scorer.seen == [iso(NOW - HOUR_MS)]


def test_a_topic_that_has_got_partitions_is_begun_anew() -> None:
    first, second = Reader([bar(NOW - 2 * HOUR_MS)]), Reader([bar(NOW - HOUR_MS)])
    second.partitions = {0, 1}
    scorer = Scorer()
    made = predictor([first, second], scorer)
    made._turn()
    first.partitions = {0, 1}
    for _ in range(2):
        made._turn()
    assert first.closed
    assert not second.closed
    assert scorer.seen == [iso(NOW - 2 * HOUR_MS), iso(NOW - HOUR_MS)]


def test_a_bar_far_in_the_future_is_passed_over_and_told() -> None:
    scorer = Scorer()
    reader = Reader([bar(NOW + 400 * DAY_MS), bar(NOW - HOUR_MS)])
    made = predictor([reader], scorer)
    made._turn()
    assert scorer.seen == [iso(NOW - HOUR_MS)]
    assert "ahead of this machine's clock" in made._health.reasons()["clock"], "it may be that clock which is wrong"
    reader.values = [bar(NOW)]
    made._turn()
    assert not made._health.reasons()
