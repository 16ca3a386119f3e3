"""One active poller among real processes on a real broker: whatever dies, stands still or is cut off."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

from cryptoproxy.engines.machine.process import until
from tests.conftest import PATIENCE
from tests.integration.lease.conftest import Broker
from tests.integration.lease.poller import SLOT
from tests.integration.lease.pollers import Pollers, slot_now

JOINED = "Successfully joined group"
SESSION_TIMEOUT = 8.0


def slots(seconds: float) -> int:
    return round(seconds / SLOT)


def assert_none_doubled(pollers: Pollers, *, since: int = 0) -> None:
    doubled = [slot for slot, count in Counter(slot for slot, _ in pollers.polls()).items() if count > 1]
    assert not [slot for slot in doubled if slot >= since]


def test_a_newcomer_does_not_take_over_and_a_stop_lets_it_in_at_once(pollers: Pollers) -> None:
    pollers.start("first")
    pollers.wait_active()
    begun = slot_now()
    pollers.start("newcomer")
    pollers.wait_standing_by("newcomer", behind="first")
    pollers.wait_polls("first", 10)
    assert pollers.pollers_since(begun) == {"first"}
    assert not pollers.all["first"].refused, "polling went on through the rebalance"
    assert pollers.all["first"].state == {"reason": None, "active": 1, "unconfirmed": 0}

    pollers.all["first"].terminate()
    assert "another one may begin" in pollers.all["first"].log, "it need not be noticed that it is gone"
    pollers.wait_active("newcomer")
    assert_none_doubled(pollers)


def test_of_ten_one_polls_and_another_goes_on_after_its_death(pollers: Pollers) -> None:
    names = [f"poller-{number}" for number in range(10)]
    for name in names:
        pollers.start(name)
    holder = pollers.wait_active()
    others = [name for name in names if name != holder]
    pollers.wait_standing_by(*others, behind=holder)
    assert_none_doubled(pollers)

    pollers.all[holder].kill()
    killed = time.monotonic()
    successor = pollers.wait_active(*others)
    print(f"followed after {time.monotonic() - killed:.1f} s")
    pollers.wait_standing_by(*(name for name in others if name != successor), behind=successor)
    assert_none_doubled(pollers)


def test_a_paused_holder_does_not_poll_before_kafka_has_confirmed_its_lease(pollers: Pollers) -> None:
    pollers.start("paused")
    pollers.wait_active()
    pollers.start("other")
    pollers.wait_standing_by("other", behind="paused")

    stopped = slot_now()
    pollers.all["paused"].signal(signal.SIGSTOP)
    began = time.monotonic()
    pollers.wait_active("other")
    print(f"followed after {time.monotonic() - began:.1f} s")
    assert time.monotonic() - began > SESSION_TIMEOUT - 2
    pollers.all["paused"].signal(signal.SIGCONT)

    pollers.wait_standing_by("paused", behind="other")
    pollers.wait_polls("other", 10)
    assert pollers.pollers_since(stopped + 1) == {"other"}
    assert_none_doubled(pollers, since=stopped + 1)


def test_while_kafka_stands_still_the_holder_polls_on_and_keeps_its_lease(broker: Broker, pollers: Pollers) -> None:
    pollers.start("holder")
    pollers.wait_active()
    pollers.start("other")
    pollers.wait_standing_by("other", behind="holder")

    begun = slot_now()
    broker.kafka.suspend()
    try:
        assert until(lambda: pollers.all["holder"].state["unconfirmed"] == 1, PATIENCE)
        # Longer than the session timeout: when it goes on, the broker puts everybody out of the group.
        assert until(lambda: pollers.polls()[-1][0] >= begun + slots(1.25 * SESSION_TIMEOUT), PATIENCE)
        assert not pollers.all["holder"].refused
        assert "Kafka does not answer" in pollers.all["other"].state["reason"]
    finally:
        broker.kafka.resume()
    assert until(lambda: pollers.all["holder"].state == {"reason": None, "active": 1, "unconfirmed": 0}, PATIENCE)
    pollers.wait_standing_by("other", behind="holder")
    pollers.wait_polls("holder", 10)
    assert pollers.pollers_since(begun) == {"holder"}


def test_without_kafka_the_holder_polls_on_and_nobody_else_begins(broker: Broker, pollers: Pollers) -> None:
    pollers.start("holder")
    pollers.wait_active()
    pollers.start("other")
    pollers.wait_standing_by("other", behind="holder")

    begun = slot_now()
    broker.kafka.kill()
    pollers.start("fresh")
    assert until(lambda: pollers.all["holder"].state["unconfirmed"] == 1, PATIENCE)
    pollers.wait_polls("holder", 10)

    # A pause now: it cannot confirm its lease, so it does not poll until Kafka is back.
    stopped = slot_now()
    pollers.all["holder"].signal(signal.SIGSTOP)
    assert until(lambda: slot_now() >= stopped + slots(SESSION_TIMEOUT), PATIENCE)  # the fault is a duration
    resumed = slot_now()
    pollers.all["holder"].signal(signal.SIGCONT)
    assert until(lambda: "stood still" in (pollers.all["holder"].state["reason"] or ""), PATIENCE)
    assert pollers.all["holder"].state["active"] == 0
    assert "waiting for Kafka (" in pollers.all["fresh"].state["reason"]
    assert "Kafka does not answer" in pollers.all["other"].state["reason"]
    assert not pollers.pollers_since(stopped + 1)

    broker.kafka.start()
    broker.kafka.wait_ready()
    pollers.wait_active("holder")
    pollers.wait_standing_by("other", "fresh", behind="holder")
    assert pollers.pollers_since(begun) == {"holder"}
    assert min(slot for slot, _ in pollers.polls() if slot > stopped) > resumed


def test_a_holder_that_is_cut_off_polls_beside_its_successor_until_it_is_back(broker: Broker, pollers: Pollers) -> None:
    pollers.start("cut-off", broker=broker.wired)
    pollers.wait_active()
    pollers.start("other")
    pollers.wait_standing_by("other", behind="cut-off")

    broker.wire.cut()
    try:
        pollers.wait_active("other")
        pollers.wait_polls("cut-off", 10)
        assert pollers.all["cut-off"].state == {"reason": None, "active": 1, "unconfirmed": 1}
        assert pollers.all["other"].state == {"reason": None, "active": 1, "unconfirmed": 0}
    finally:
        broker.wire.mend()
    pollers.wait_standing_by("cut-off", behind="other")
    single = slot_now()
    pollers.wait_polls("other", 10)
    assert pollers.pollers_since(single + 1) == {"other"}


def test_a_rebalance_because_the_topic_has_changed_is_seen_through(broker: Broker, pollers: Pollers) -> None:
    """kafka-python may forget such a join between two polls; the holder could then never confirm its lease again."""
    pollers.start("holder")
    pollers.wait_active()
    for name in ("second", "third"):
        pollers.start(name)
        pollers.wait_standing_by(name, behind="holder")
    begun = slot_now()
    group = pollers.lease_topic
    partition = TopicPartition(group, 0)
    admin = KafkaAdminClient(bootstrap_servers=broker.kafka.endpoint)
    reader = KafkaConsumer(bootstrap_servers=broker.kafka.endpoint, group_id=group, enable_auto_commit=False)
    try:

        def beat() -> int:
            return int(json.loads(reader.committed(partition, metadata=True).metadata)["beat"])

        for partitions in (2, 3, 4):
            joined = pollers.all["holder"].log.count(JOINED)
            admin.create_partitions({group: partitions})
            assert until(lambda joined=joined: pollers.all["holder"].log.count(JOINED) > joined, PATIENCE)
            last = beat()
            assert until(lambda last=last: beat() >= last + 2, PATIENCE), "the holder confirms its lease no more"
    finally:
        reader.close()
        admin.close()
    pollers.wait_standing_by("second", "third", behind="holder")
    assert pollers.pollers_since(begun) == {"holder"}


def test_a_missing_topic_is_said_and_waited_for(
    broker: Broker, make_topic: Callable[[str], None], tmp_path: Path
) -> None:
    with Pollers(tmp_path, broker.kafka.endpoint, "not-set-up") as pollers:
        early = pollers.start("early")
        assert until(lambda: "Run `cryptoproxy setup`" in (early.state["reason"] or ""), PATIENCE)
        assert not pollers.polls()
        make_topic("not-set-up.lease")
        pollers.wait_active("early")
