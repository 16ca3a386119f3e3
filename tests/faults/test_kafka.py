"""Kafka is absent, gone, hung, without the topic, too strict: polling goes on, the lake goes on, nothing is lost."""

from __future__ import annotations

import json
import re
import time

import psutil
import pytest
from click.testing import CliRunner
from kafka.admin import ConfigResource, ConfigResourceType

from cryptoproxy.cli.reading.dead_letters import dead_letters
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.engines.kafka import Kafka
from cryptoproxy.sandbox import Rule
from tests.conftest import PATIENCE, wait_until
from tests.faults import evidence
from tests.faults.conftest import Report
from tests.faults.process import PollerProcess
from tests.faults.rig import Rig

ALONE = {"TEST_ALONE": "1"}
SOON = {"TEST_PATCH": json.dumps({"cryptoproxy.producer.drains.to_kafka.ACK_SECONDS": 3.0})}


def wait_stored(rig: Rig, poller: PollerProcess, more: int) -> None:
    """The lake goes on."""
    before = poller.metric("objects_archived")
    wait_until(lambda: poller.metric("objects_archived") >= before + more, what=f"{more} more objects in the lake")


def wait_published(poller: PollerProcess, *, seconds: float = 180) -> float:
    """Until Kafka has all; the seconds that it took."""
    began = time.monotonic()
    wait_until(lambda: not evidence.waiting(poller.outbox)["kafka"], seconds=seconds, what="nothing waits for Kafka")
    return time.monotonic() - began


def test_without_kafka_at_the_start_a_poller_waits_and_says_why(rig: Rig, kafka: Kafka, report: Report) -> None:
    kafka.stop()
    poller = rig.start()
    poller.wait_reason("waiting for Kafka")
    poller.wait_reason("Unable to bootstrap")
    assert poller.polls() == 0
    assert not rig.sandbox.ledger.entries(), "it cannot know whether another one polls"
    kafka.start()
    kafka.wait_ready()
    seconds = poller.wait_polls(1)
    poller.wait_ready()
    report(rig.judge().require(), seconds)


@pytest.mark.parametrize("how", ["frozen", "stopped", pytest.param("killed", marks=pytest.mark.long)])
def test_while_kafka_is_gone_polls_go_to_disk_and_lake_and_then_to_the_topic(
    rig: Rig, kafka: Kafka, report: Report, how: str
) -> None:
    poller = rig.start(test=SOON)
    poller.wait_polls(2)
    {"frozen": kafka.suspend, "stopped": kafka.stop, "killed": kafka.kill}[how]()
    began, missed = time.monotonic(), poller.missed()["coingecko"]
    poller.wait_reason("polls wait on disk; polling goes on")
    poller.wait_polls(3)
    wait_stored(rig, poller, 2)
    if how == "frozen":
        # What hangs is thrown away: kafka-python's producer may never come back.
        wait_until(lambda: poller.metric("producer_replaced") >= 1, what="a new producer")
        kafka.resume()
    else:
        kafka.start()
        kafka.wait_ready()
    away = time.monotonic() - began
    seconds = wait_published(poller)
    poller.wait_polls(1)
    poller.wait_ready()
    assert poller.missed()["coingecko"] == missed, "polling stopped"
    verdict = rig.judge().require()
    assert verdict.polls >= away - 1
    report(verdict, seconds)


def test_a_missing_topic_is_told_with_its_remedy_and_holds_nothing_up(rig: Rig, report: Report) -> None:
    admin = kafka_client.admin(rig.settings.kafka)
    try:
        admin.delete_topics([rig.settings.kafka.topic])
        poller = rig.start()
        reason = poller.wait_reason(rig.settings.kafka.topic, "Run `cryptoproxy setup`")
        assert "is missing" in reason
        poller.wait_polls(2)
        wait_stored(rig, poller, 1)
        rig.make_topics()
    finally:
        admin.close()
    seconds = wait_published(poller)
    poller.wait_ready()
    report(rig.judge().require(), seconds)


def limit(rig: Rig, topic: str, size: int) -> None:
    admin = kafka_client.admin(rig.settings.kafka)
    try:
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, {"max.message.bytes": str(size)})
        admin.alter_configs([resource], incremental=True)
    finally:
        admin.close()


def with_a_long_name(body: bytes) -> bytes:
    rows = json.loads(body)
    rows[3]["name"] = "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(1200))
    return json.dumps(rows).encode()


def test_one_record_that_the_topic_refuses_as_too_large_is_a_dead_letter_and_the_rest_goes_on(
    rig: Rig, report: Report
) -> None:
    limit(rig, rig.settings.kafka.topic, 2_500)
    poller = rig.start()
    poller.wait_polls(1)
    rig.sandbox.script.add(Rule(path="/coins/markets", rewrite=with_a_long_name, times=2))
    line = poller.wait_said("1 of 10 records", "too large for", rig.settings.kafka.topic)
    assert "max.message.bytes" in line
    wait_until(lambda: rig.sandbox.script.fired() == 2, what="both long names served")
    seconds = poller.wait_polls(2)
    verdict = rig.judge().require()
    letters = evidence.on_topic(rig.settings, rig.settings.kafka.dead_letter_topic)
    assert len({letter.value for letter in letters}) == 2
    assert all(dict(letter.headers)["dlq-reason"] == b"too_large" for letter in letters)
    listed = cryptoproxy(rig, "list")
    assert listed.count("too_large") == len(letters)
    (place, *_) = re.findall(r"letter:\d+:\d+", listed)
    shown = cryptoproxy(rig, "show", place)
    assert f"record     {rig.settings.kafka.topic} {place}" in shown
    assert re.search(r"^key        b'coingecko:[^:]+:USD'$", shown, re.MULTILINE)
    report(verdict, seconds)


def cryptoproxy(rig: Rig, *arguments: str) -> str:
    """What `cryptoproxy dead-letters` says."""
    env_file = rig.folder / "env"
    env_file.write_text("".join(f"{name}={value}\n" for name, value in rig.texts.items()))
    result = CliRunner().invoke(dead_letters, arguments, obj=env_file)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_limit_below_every_record_is_an_operators_mistake_and_costs_no_record(rig: Rig, report: Report) -> None:
    limit(rig, rig.settings.kafka.topic, 150)
    poller = rig.start()
    poller.wait_reason("refuses all 10 records of a poll as too large", "max.message.bytes")
    poller.wait_polls(3)
    wait_stored(rig, poller, 1)
    assert not evidence.on_topic(rig.settings, rig.settings.kafka.dead_letter_topic)
    limit(rig, rig.settings.kafka.topic, 1_048_588)
    seconds = wait_published(poller)
    poller.wait_ready()
    report(rig.judge().require(), seconds)


@pytest.mark.parametrize("how", ["frozen", pytest.param("stopped", marks=pytest.mark.long)])
def test_a_stop_while_kafka_is_away_ends_by_itself(rig: Rig, kafka: Kafka, report: Report, how: str) -> None:
    poller = rig.start()
    poller.wait_polls(2)
    (kafka.suspend if how == "frozen" else kafka.stop)()
    poller.wait_polls(2)
    poller.terminate()
    if how == "frozen":
        kafka.resume()
    else:
        kafka.start()
        kafka.wait_ready()
    seconds = rig.start("again", test=ALONE).wait_polls(1)
    report(rig.judge().require(), seconds)


def in_use(poller: PollerProcess) -> tuple[int, int]:
    """Threads and file descriptors."""
    process = psutil.Process(poller.pid)
    return process.num_threads(), process.num_fds()


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("how", ["frozen", "stopped"])
def test_kafka_is_gone_for_two_minutes(rig: Rig, kafka: Kafka, report: Report, how: str) -> None:
    poller = rig.start()
    poller.wait_polls(2)
    (kafka.suspend if how == "frozen" else kafka.stop)()
    time.sleep(30)
    before = in_use(poller)
    time.sleep(90)  # the fault is a duration
    assert all(now <= then + 4 for now, then in zip(in_use(poller), before, strict=True)), "each try leaves something"
    assert poller.running
    assert poller.missed()["coingecko"] == 0
    if how == "frozen":
        kafka.resume()
    else:
        kafka.start()
        kafka.wait_ready()
    seconds = wait_published(poller)
    poller.wait_polls(2)
    poller.wait_ready()
    verdict = rig.judge().require()
    assert verdict.polls >= 120
    report(verdict, seconds)


@pytest.mark.timeout(500)
@pytest.mark.parametrize(
    "delivery_timeout", [4, pytest.param(120, marks=pytest.mark.long)], ids=lambda seconds: f"{seconds}_s"
)
def test_kafka_is_gone_for_longer_than_the_delivery_timeout_and_the_client_hangs(
    rig: Rig, kafka: Kafka, report: Report, delivery_timeout: int
) -> None:
    """The own watch on acknowledgements is put out of action, so that the client's batches expire in it."""
    patch = {
        "cryptoproxy.producer.drains.to_kafka.ACK_SECONDS": 100_000.0,
        "cryptoproxy.producer.drains.to_kafka.DELIVERY_TIMEOUT_MS": delivery_timeout * 1000,
    }
    poller = rig.start(test={"TEST_PATCH": json.dumps(patch)})
    poller.wait_polls(2)
    kafka.suspend()
    wait_until(lambda: poller.metric("producer_replaced") >= 1, what="batches that expire", seconds=2 * PATIENCE)
    kafka.resume()
    seconds = wait_published(poller)
    poller.wait_polls(2)
    poller.wait_ready()
    report(rig.judge().require(), seconds)
