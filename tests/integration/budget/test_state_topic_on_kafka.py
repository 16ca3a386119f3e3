"""The compacted topic on a real broker: handover, a broker that goes and comes, a topic that is missing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cryptoproxy.common import topics
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.service import Loop
from cryptoproxy.common.settings import Settings
from cryptoproxy.common.settings.catalogue import Kafka as KafkaSettings
from cryptoproxy.engines.kafka import Kafka
from cryptoproxy.errors import OperatorError, TransientError
from cryptoproxy.producer.budget import Budget
from cryptoproxy.producer.handover import StatePublisher, budget_key, read_all, slot_key
from cryptoproxy.upstreams.base import Limit, Limits
from tests.conftest import wait_until
from tests.engines import Shared

LIMITS = Limits(
    upstream="binance",
    unit="weight",
    interval_setting="BINANCE_INTERVAL",
    limits=(
        Limit(window="minute", amount=6000, setting="BINANCE_WEIGHT_PER_MINUTE", slow_above=0.9),
        Limit(window="month", amount=1_000_000, setting="MONTH"),
    ),
)


@pytest.fixture
def broker(shared: Shared) -> Iterator[Kafka]:
    """Runs again afterwards."""
    yield shared.kafka
    shared.whole()


def settings_of(broker: Kafka, topic: str) -> KafkaSettings:
    return Settings.from_texts({"KAFKA_BROKERS_HOST_PORT": broker.endpoint, "KAFKA_TOPIC": topic}).kafka


@pytest.fixture
def settings(broker: Kafka, request: pytest.FixtureRequest) -> KafkaSettings:
    """Topics of its own for each test."""
    settings = settings_of(broker, request.node.name[:80])
    admin = kafka_client.admin(settings)
    try:
        list(topics.set_up(admin, settings))
    finally:
        admin.close()
    return settings


@contextmanager
def running(publisher: StatePublisher) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=publisher.run, args=(Loop("state", stop),))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(180)
        assert not thread.is_alive()


def test_a_successor_knows_counts_ban_and_slots(settings: KafkaSettings, tmp_path: Path) -> None:
    assert read_all(settings, timeout=180) == {}

    urgent = threading.Event()
    budget = Budget(LIMITS, tmp_path / "first", clock=SystemClock(), urgent=urgent)
    slots = {"binance": b""}
    publisher = StatePublisher(
        settings,
        {budget_key("binance"): budget.state, slot_key("binance"): lambda: slots["binance"]},
        active=lambda: True,
        urgent=urgent,
    )
    with running(publisher):
        assert budget.take(80) == 0.0
        wait_until(lambda: budget_key("binance") in read_all(settings, timeout=180))
        assert budget.take(80) == 0.0
        slots["binance"] = b"1795262400000"
        budget.ban(600, "418")
        wait_until(lambda: b"418" in read_all(settings, timeout=180)[budget_key("binance")])
    # The stop has published the rest.
    read = read_all(settings, timeout=180)
    assert set(read) == {"budget:binance", "slot:binance"}
    assert read["slot:binance"] == b"1795262400000"

    successor = Budget(LIMITS, tmp_path / "second", clock=SystemClock(), boot="another machine")
    successor.merge(read["budget:binance"])
    assert successor.left() == {"minute": 5840, "month": 999_840}
    assert 500 < successor.take(80) <= 600


def test_a_deleted_key_is_not_read(settings: KafkaSettings) -> None:
    producer = kafka_client.producer(settings)
    try:
        for value in (b"old", b"new", None):
            producer.send(settings.state_topic, key=b"gone", value=value).get(timeout=180)
        producer.send(settings.state_topic, key=b"kept", value=b"1").get(timeout=180)
    finally:
        producer.close(timeout=5)
    assert read_all(settings, timeout=180) == {"kept": b"1"}


def test_a_topic_that_is_missing_is_a_persons_to_mend(broker: Kafka) -> None:
    settings = settings_of(broker, "never-made")
    with pytest.raises(OperatorError, match="cryptoproxy setup"):
        read_all(settings, timeout=180)


def test_a_broker_that_goes_away_holds_nothing_up_and_gets_the_latest_when_it_is_back(
    broker: Kafka, settings: KafkaSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    urgent = threading.Event()
    budget = Budget(LIMITS, tmp_path, clock=SystemClock(), urgent=urgent)
    publisher = StatePublisher(settings, {budget_key("binance"): budget.state}, active=lambda: True, urgent=urgent)
    with running(publisher):
        budget.take(1)
        wait_until(lambda: budget_key("binance") in read_all(settings, timeout=180))
        broker.kill()
        wait_until(lambda: not broker.running)
        with pytest.raises(TransientError):
            read_all(settings, timeout=1)
        budget.ban(600, "while the broker is away")
        assert b"while the broker is away" in budget.state()
        assert not broker.running, "neither of the two has waited for it"
        wait_until(lambda: "the state is not published" in caplog.text)
        broker.start()
        broker.wait_ready()
        wait_until(lambda: b"while the broker is away" in read_all(settings, timeout=180)[budget_key("binance")])
