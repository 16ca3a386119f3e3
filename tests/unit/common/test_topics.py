"""Topics are made once, mended where that is harmless, and left to a person where it is not."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from kafka import errors as kafka_errors

from cryptoproxy.common import topics
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import CANDLE, DATASETS, TICKER
from cryptoproxy.errors import OperatorError, TransientError

KAFKA = Settings.from_texts(
    {"KAFKA_TOPIC": "t", "KAFKA_ANSWERS_TOPIC": "t.answers", "KAFKA_TOPIC_RETENTION": "1d"}
).kafka
THREE = Settings.from_texts(
    {
        "KAFKA_TOPIC": "t",
        "KAFKA_ANSWERS_TOPIC": "t.answers",
        "KAFKA_TOPIC_REPLICATION": "3",
        "KAFKA_TOPIC_MIN_INSYNC": "2",
        "KAFKA_TOPIC_PARTITIONS": "6",
    }
).kafka


class Admin:
    """What `cryptoproxy setup` uses of kafka-python's admin client."""

    def __init__(self) -> None:
        self.plans: dict[str, dict[str, Any]] = {}
        self.configured: dict[str, dict[str, str]] = {}
        self.raced: set[str] = set()
        self.requests: list[int] = []
        """How many topics each asked to make."""
        self.policy: dict[str, str] = {}
        self.hidden = False

    def describe_topics(self, names: list[str] | None = None) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "partitions": [
                    {"replica_nodes": list(range(plan["replication_factor"]))} for _ in range(plan["num_partitions"])
                ],
            }
            for name, plan in self.plans.items()
            if names is None or name in names
        ]

    def create_topics(self, plans: dict[str, dict[str, Any]], *, wait_for_metadata: bool) -> None:
        assert wait_for_metadata
        self.requests.append(len(plans))
        for name, plan in plans.items():
            self.plans.setdefault(name, plan)
        if self.raced & set(plans):
            raise kafka_errors.TopicAlreadyExistsError

    def describe_configs(self, resources: list[Any], *, config_filter: str) -> dict[str, Any]:
        assert config_filter == "all"
        if self.hidden:  # kafka-python passes over what the broker does not tell
            return {"topic": {each.name: {} for each in resources}}
        usual = {"cleanup.policy": "delete", "min.insync.replicas": "1", "retention.ms": "604800000"}
        return {
            "topic": {
                each.name: {
                    key: {"value": value}
                    for key, value in (
                        usual | self.plans[each.name]["configs"] | self.configured.get(each.name, {}) | self.policy
                    ).items()
                }
                for each in resources
            }
        }

    def alter_configs(self, resources: list[Any], *, incremental: bool) -> None:
        assert incremental
        self.configured |= {resource.name: resource.configs for resource in resources}


def set_up(admin: Admin, kafka: Any = KAFKA) -> list[str]:
    return list(topics.set_up(admin, kafka))


def test_five_topics_are_wanted() -> None:
    wanted = topics.wanted(THREE)
    assert {name: (plan["num_partitions"], plan["replication_factor"]) for name, plan in wanted.items()} == {
        "t": (6, 3),
        "t.dlq": (1, 3),
        "t.lease": (1, 3),
        "t.state": (1, 3),
        "t.answers": (1, 3),
    }
    assert all(wanted[name]["configs"]["min.insync.replicas"] == "2" for name in ("t", "t.dlq", "t.state"))


def test_records_go_after_their_time_and_dead_letters_never() -> None:
    wanted = topics.wanted(KAFKA)
    assert wanted["t"]["configs"]["retention.ms"] == "86400000"
    assert wanted["t.dlq"]["configs"]["retention.ms"] == "-1"
    assert wanted["t.dlq"]["configs"]["retention.bytes"] == "-1"
    assert int(wanted["t.dlq"]["configs"]["max.message.bytes"]) > 2**20
    assert wanted["t.state"]["configs"]["cleanup.policy"] == "compact"


def test_a_topic_of_answers_takes_large_ones_and_need_not_be() -> None:
    assert int(topics.wanted(KAFKA)["t.answers"]["configs"]["max.message.bytes"]) == 8 * 2**20
    off = Settings.from_texts({"KAFKA_TOPIC": "t", "KAFKA_ANSWERS_TOPIC": "off"}).kafka
    assert topics.wanted(off).keys() == {"t", "t.dlq", "t.lease", "t.state"}


def test_what_is_live_has_a_topic_where_symbols_are_named_and_is_kept_for_minutes() -> None:
    live = Settings.from_texts({"KAFKA_TOPIC": "t", "LIVE_SYMBOLS": "BTCUSDT"}).kafka
    assert topics.wanted(live)["crypto.live"]["configs"] == {"retention.ms": "600000"}


def test_what_is_missing_is_made_and_the_second_time_nothing() -> None:
    admin = Admin()
    assert set_up(admin) == [
        "topic t: made with 3 partition(s)",
        "topic t.dlq: made with 1 partition(s)",
        "topic t.lease: made with 1 partition(s)",
        "topic t.state: made with 1 partition(s)",
        "topic t.answers: made with 1 partition(s)",
    ]
    before = dict(admin.plans)
    assert all("there already" in line for line in set_up(admin))
    assert admin.plans == before


def test_a_topic_that_somebody_else_has_just_made_is_looked_at() -> None:
    admin = Admin()
    admin.raced = {"t", "t.dlq"}
    said = set_up(admin)
    assert said[0] == "topic t: there already with 3 partition(s)"
    assert said[2] == "topic t.lease: made with 1 partition(s)"


@pytest.mark.parametrize("looks", [1, 2])
def test_a_topic_that_somebody_else_is_making_is_waited_for(looks: int) -> None:
    """The broker that answers may know its name before its partitions."""

    class Making(Admin):
        left = 0

        def describe_topics(self, names: list[str] | None = None) -> list[dict[str, Any]]:
            found = super().describe_topics(names)
            if self.left:
                self.left -= 1
                found[0]["partitions"] = []
            return found

    admin = Making()
    set_up(admin)
    admin.left = looks
    if looks == 2:
        with pytest.raises(TransientError, match="is being made by somebody else"):
            set_up(admin)
    assert all("there already" in each for each in set_up(admin))


def test_settings_of_a_topic_that_is_there_are_mended() -> None:
    admin = Admin()
    set_up(admin)
    set_up(admin)
    assert admin.configured["t"]["retention.ms"] == "86400000"
    assert all(isinstance(value, str) for configs in admin.configured.values() for value in configs.values())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"num_partitions": 1}, "KAFKA_TOPIC_PARTITIONS is 6"),
        ({"replication_factor": 1}, "KAFKA_TOPIC_REPLICATION is 3"),
    ],
)
def test_fewer_partitions_or_copies_than_wanted_are_a_person_s_choice(change: dict[str, int], said: str) -> None:
    admin = Admin()
    set_up(admin, THREE)
    admin.plans["t"] = {**admin.plans["t"], **change}
    with pytest.raises(OperatorError, match=said):
        set_up(admin, THREE)


def test_more_partitions_than_wanted_do_no_harm() -> None:
    admin = Admin()
    set_up(admin, THREE)
    assert "6 partition(s)" in set_up(admin)[0]


def test_what_the_brokers_have_is_read_back() -> None:
    admin = Admin()
    set_up(admin, THREE)
    assert list(topics.found(admin, THREE)) == [
        "topic t: partitions 6, copies 3, in-sync copies needed 2, keeps 7 days",
        "topic t.dlq: partitions 1, copies 3, in-sync copies needed 2, keeps for ever",
        "topic t.lease: partitions 1, copies 3, in-sync copies needed 1, keeps 7 days",
        "topic t.state: partitions 1, copies 3, in-sync copies needed 2, keeps last of each key",
        "topic t.answers: partitions 1, copies 3, in-sync copies needed 2, keeps last of each key",
    ]


def test_a_setting_that_did_not_come_to_be_in_force_is_said() -> None:
    admin = Admin()
    set_up(admin)
    admin.policy = {"retention.ms": "3600000"}
    waited: list[float] = []
    with pytest.raises(OperatorError, match=r"t has retention\.ms=3600000 although 86400000 was set"):
        list(topics.found(admin, KAFKA, sleep=waited.append))
    assert sum(waited) == topics.SETTLED_SECONDS


def test_a_broker_that_has_not_heard_of_a_change_yet_is_asked_again() -> None:
    admin = Admin()
    set_up(admin)
    admin.policy = {"retention.ms": "3600000"}
    assert "keeps 1 days" in next(topics.found(admin, KAFKA, sleep=lambda _: admin.policy.clear()))


def test_a_topic_is_made_so_that_the_brokers_defaults_do_not_count() -> None:
    admin = Admin()
    set_up(admin)
    assert {plan["configs"]["compression.type"] for plan in admin.plans.values()} == {"producer"}
    assert {name: plan["configs"]["cleanup.policy"] for name, plan in admin.plans.items()} == {
        "t": "delete", "t.dlq": "delete", "t.lease": "delete", "t.state": "compact", "t.answers": "compact",
    }  # fmt: skip
    assert topics.packed(admin, KAFKA) == "as sent (producer)"


def test_how_somebody_else_has_the_topics_compressed_is_left_so_and_said() -> None:
    admin = Admin()
    set_up(admin)
    admin.plans["t"]["configs"]["compression.type"] = "zstd"
    set_up(admin)
    assert topics.packed(admin, KAFKA) == "zstd on t; as sent (producer) on t.dlq, t.lease, t.state, t.answers"


def test_a_user_who_is_not_told_how_topics_are_set_up_is_refused_nothing() -> None:
    admin = Admin()
    set_up(admin)
    admin.hidden = True
    assert topics.packed(admin, KAFKA) == ""


@pytest.mark.parametrize("name", ["t", "t.dlq"])
@pytest.mark.parametrize("policy", ["compact", "compact,delete", "delete,compact"])
def test_a_compacted_topic_is_refused_and_left_as_it_is(name: str, policy: str) -> None:
    """It loses records without a word."""
    admin = Admin()
    set_up(admin)
    admin.plans[name]["configs"]["cleanup.policy"] = policy
    for look in (lambda: set_up(admin), lambda: topics.packed(admin, KAFKA)):
        with pytest.raises(OperatorError, match=f"topic {name} has cleanup.policy={policy}") as caught:
            look()
        assert f"--topic {name} --add-config cleanup.policy=delete" in caught.value.remedy
    assert admin.plans[name]["configs"]["cleanup.policy"] == policy


def test_that_others_of_the_topics_are_compacted_does_no_harm() -> None:
    admin = Admin()
    set_up(admin)
    admin.plans["t.lease"]["configs"]["cleanup.policy"] = "compact"
    assert "there already" in set_up(admin)[2]


# --- other datasets


def with_policy(compacted: bool) -> Any:
    return dataclasses.replace(CANDLE, compacted=compacted)


def test_parts_have_a_topic_of_one_partition_each_and_all_are_made_in_one_request() -> None:
    admin = Admin()
    said = list(topics.set_up(admin, THREE, DATASETS.values()))
    assert {admin.plans[each]["num_partitions"] for each in THREE.topics_of(CANDLE)} == {1}
    assert said[1] == "17 topics crypto.ohlcv.1s to crypto.ohlcv.1mo: made with 1 partition(s)"
    assert len(said) == len(DATASETS) + 5
    assert admin.requests == [sum(len(dataset.parts) for dataset in DATASETS.values()) + 5]


def test_a_dataset_of_which_a_topic_is_there_is_set_up() -> None:
    assert topics.there({"t", "t.dlq", "x"}, KAFKA) == [TICKER]
    assert topics.there({"t", "crypto.ohlcv.1m"}, KAFKA) == [TICKER, CANDLE]
    assert topics.there(set(), KAFKA) == []


@pytest.mark.parametrize(("compacted", "policy"), [(True, "delete"), (True, "compact,delete"), (False, "compact")])
def test_the_policy_that_a_dataset_needs_is_required(
    compacted: bool, policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = with_policy(compacted)
    monkeypatch.setitem(DATASETS, "candle", dataset)  # type: ignore[arg-type]
    admin = Admin()
    list(topics.set_up(admin, KAFKA, [dataset]))
    assert admin.plans["crypto.ohlcv.1m"]["configs"]["cleanup.policy"] == ("compact" if compacted else "delete")
    list(topics.set_up(admin, KAFKA, [dataset]))
    admin.configured.clear()
    admin.plans["crypto.ohlcv.1d"]["configs"]["cleanup.policy"] = policy
    with pytest.raises(OperatorError, match=f"topic crypto.ohlcv.1d has cleanup.policy={policy}"):
        list(topics.set_up(admin, KAFKA, [dataset]))
