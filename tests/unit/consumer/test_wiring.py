"""Which datasets an indexer reads."""

from __future__ import annotations

from typing import Any

import pytest
from kafka import errors as kafka_errors

from cryptoproxy.common.settings import Settings
from cryptoproxy.consumer import wiring
from cryptoproxy.consumer.indexer import LOOK_SECONDS
from cryptoproxy.datasets import CANDLE, DATASETS, TICKER, Dataset

KAFKA = Settings.from_texts({}).kafka


class Brokers:
    def __init__(self) -> None:
        self.topics_now: set[str] = set()
        self.away = False
        self.asked = 0

    def consumer(self, *_: Any, **__: Any) -> Brokers:
        self.asked += 1
        if self.away:
            raise kafka_errors.KafkaTimeoutError
        return self

    def topics(self) -> set[str]:
        return self.topics_now

    def close(self) -> None: ...


def test_the_brokers_are_asked_now_and_then_for_all_that_stand_by(monkeypatch: pytest.MonkeyPatch) -> None:
    brokers, now = Brokers(), [0.0]
    monkeypatch.setattr(wiring.kafka_client, "consumer", brokers.consumer)
    known = wiring.KnownTopics(KAFKA, monotonic=lambda: now[0])
    assert not known.holds_any_of(CANDLE)
    brokers.topics_now = {"crypto.ohlcv.1m"}
    assert not known.holds_any_of(CANDLE)
    assert brokers.asked == 1
    now[0] += LOOK_SECONDS
    assert (known.holds_any_of(CANDLE), known.holds_any_of(TICKER)) == (True, False)
    brokers.away = True
    now[0] += LOOK_SECONDS
    assert known.holds_any_of(CANDLE), "what was known counts while the brokers are away"


@pytest.mark.parametrize(
    ("named", "read"),
    [([], [each for each in DATASETS.values() if each.alias]), ([CANDLE], [CANDLE])],
    ids=["all that are indexed", "the one that was named"],
)
def test_each_dataset_has_a_loop_of_its_own(named: list[Dataset[Any]], read: list[Dataset[Any]]) -> None:
    made = wiring.service(Settings.from_texts({"PYTHON_CONSUMER_SERVER_PORT": "0"}), named)
    made._server.start()
    made._server.close()
    assert [loop.name for loop, _ in made._loops] == [*(f"indexer of {each.name}s" for each in read), "alias"]
