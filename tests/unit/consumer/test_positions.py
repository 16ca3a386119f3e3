"""Where reading begins and goes on: said aloud, counted, and never silently to the end."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import OffsetAndMetadata, TopicPartition
from kafka import errors as kafka_errors

from cryptoproxy.common.settings import Settings
from cryptoproxy.consumer.positions import Positions
from cryptoproxy.errors import OperatorError
from tests.unit.consumer.support import TOPIC, good, metrics, partition


class Consumer:
    """Brokers with a topic of three partitions, and our positions in it."""

    def __init__(self) -> None:
        self.topics: dict[str, set[int]] = {TOPIC: {0, 1, 2}, f"{TOPIC}.dlq": {0}}
        self.earliest = dict.fromkeys((partition(number) for number in range(3)), 0)
        self.ends = dict.fromkeys((partition(number) for number in range(3)), 100)
        self.commits: dict[TopicPartition, int] = {}
        self.notes: dict[TopicPartition, str] = {}
        self.assigned = {partition(0), partition(1)}
        self.positions: dict[TopicPartition, int] = {}
        self.highwaters: dict[TopicPartition, int] = {}
        self.away: Exception | None = None
        self._cluster = SimpleNamespace(topic_id=lambda topic: self.topic_id)
        self.topic_id: str | None = None
        self.holes: dict[TopicPartition, tuple[int, int]] = {}

    def _answer(self) -> None:
        if self.away is not None:
            raise self.away

    def partitions_for_topic(self, topic: str) -> set[int]:
        return self.topics.get(topic, set())

    def assignment(self) -> set[TopicPartition]:
        return set(self.assigned)

    def committed(self, each: TopicPartition, timeout_ms: int, metadata: bool = False) -> Any:
        self._answer()
        offset = self.commits.get(each)
        return OffsetAndMetadata(offset, self.notes.get(each, ""), -1) if metadata and offset is not None else offset

    def beginning_offsets(self, partitions: list[TopicPartition], timeout_ms: int) -> dict[TopicPartition, int]:
        self._answer()
        return {each: self.earliest[each] for each in partitions}

    def end_offsets(self, partitions: list[TopicPartition], timeout_ms: int) -> dict[TopicPartition, int]:
        self._answer()
        return {each: self.ends[each] for each in partitions}

    def seek(self, each: TopicPartition, offset: int) -> None:
        if each not in self.assigned:
            raise ValueError("Unassigned partition")
        self.positions[each] = offset

    def highwater(self, each: TopicPartition) -> int | None:
        return self.highwaters.get(each)

    def position_now(self, each: TopicPartition) -> int | None:
        return self.positions.get(each)

    def take_holes(self) -> dict[TopicPartition, tuple[int, int]]:
        found, self.holes = self.holes, {}
        return found


@pytest.fixture
def consumer() -> Consumer:
    return Consumer()


def positions_of(consumer: Consumer, **texts: str) -> Positions:
    return Positions(consumer, Settings.from_texts(texts).kafka, metrics())


def nothing_committed(*numbers: int) -> kafka_errors.NoOffsetForPartitionError:
    return kafka_errors.NoOffsetForPartitionError({partition(number) for number in numbers})


def out_of_range(number: int, position: int) -> kafka_errors.OffsetOutOfRangeError:
    return kafka_errors.OffsetOutOfRangeError({partition(number): position})


def gap(positions: Positions) -> float:
    return float(positions._metrics.gap._value.get())


def test_a_new_group_begins_at_the_earliest(consumer: Consumer) -> None:
    consumer.earliest[partition(1)] = 30
    assert positions_of(consumer).begin(nothing_committed(0, 1)) == {}
    assert consumer.positions == {partition(0): 0, partition(1): 30}


def test_set_to_latest_a_new_group_begins_at_the_end_of_all_partitions_and_commits_that(consumer: Consumer) -> None:
    """Or a crash before the first commit would skip what came meanwhile."""
    positions = positions_of(consumer, KAFKA_OFFSET_RESET="latest")
    commit = positions.begin(nothing_committed(0, 1))
    assert commit == {partition(0): 100, partition(1): 100, partition(2): 100}
    assert consumer.positions == {partition(0): 100, partition(1): 100}


def test_what_latest_passes_over_is_said_and_counted(consumer: Consumer, caplog: pytest.LogCaptureFixture) -> None:
    """The commits of a group that was away for a week are forgotten: to it this is as a first start."""
    consumer.earliest[partition(2)] = 40
    positions = positions_of(consumer, KAFKA_OFFSET_RESET="latest")
    positions.begin(nothing_committed(0, 1))
    assert positions._metrics.passed_over._value.get() == 260
    assert "260 records that are on crypto-data are passed over" in caplog.text
    consumer.earliest = dict(consumer.ends)
    caplog.clear()
    positions_of(consumer, KAFKA_OFFSET_RESET="latest").begin(nothing_committed(0, 1))
    assert "passed over" not in caplog.text


def test_set_to_latest_a_partition_added_later_begins_at_its_earliest(consumer: Consumer) -> None:
    consumer.commits = {partition(0): 40, partition(2): 50}
    assert positions_of(consumer, KAFKA_OFFSET_RESET="latest").begin(nothing_committed(1)) == {}
    assert consumer.positions == {partition(1): 0}


def test_set_to_latest_a_commit_that_another_member_made_meanwhile_is_taken(consumer: Consumer) -> None:
    consumer.commits = {partition(0): 40, partition(1): 41, partition(2): 50}
    positions_of(consumer, KAFKA_OFFSET_RESET="latest").begin(nothing_committed(0, 1))
    assert consumer.positions == {partition(0): 40, partition(1): 41}


def test_what_retention_took_is_counted_and_said_loudly(consumer: Consumer, caplog: pytest.LogCaptureFixture) -> None:
    consumer.earliest[partition(1)] = 75
    positions = positions_of(consumer)
    assert positions.go_on_from_earliest(out_of_range(1, 20)) == []
    assert consumer.positions == {partition(1): 75}
    assert gap(positions) == 55
    (line,) = caplog.records
    assert line.levelno == logging.ERROR
    assert "55 records of crypto-data partition 1 are gone before they were read" in line.getMessage()
    assert "replay" in line.getMessage()


def test_a_log_shorter_than_what_was_read_is_read_from_its_earliest(
    consumer: Consumer, caplog: pytest.LogCaptureFixture
) -> None:
    positions = positions_of(consumer)
    positions.go_on_from_earliest(out_of_range(0, 5000))
    assert consumer.positions == {partition(0): 0}
    assert gap(positions) == 0
    assert "ends before what was read of it" in caplog.text


def test_after_a_truncation_reading_goes_on_from_the_earliest(consumer: Consumer) -> None:
    """Not from the end of the new log: it may be a new topic, of which nothing was read yet."""
    error = kafka_errors.LogTruncationError({partition(0): None, partition(2): None})
    assert positions_of(consumer).go_on_after_truncation(error) == [partition(0)]
    assert consumer.positions == {partition(0): 0}


def test_a_topic_made_again_is_read_from_its_beginning(consumer: Consumer) -> None:
    positions = positions_of(consumer)
    assert not positions.topics_made_again()
    consumer.topic_id = "first"
    assert not positions.topics_made_again()
    assert not positions.topics_made_again()
    consumer.topic_id = None
    assert not positions.topics_made_again()
    consumer.topic_id = "second"
    assert positions.topics_made_again()
    positions.go_on_with_the_new("crypto-data")
    assert consumer.positions == {partition(0): 0, partition(1): 0}
    assert not positions.topics_made_again()


def test_what_the_old_topic_held_unread_is_counted_as_a_gap(
    consumer: Consumer, caplog: pytest.LogCaptureFixture
) -> None:
    """Also when the new one was asked for its end before it was known to be new."""
    positions = positions_of(consumer)
    consumer.topic_id = "first"
    positions.topics_made_again()
    consumer.commits = {partition(0): 30, partition(1): 100}
    positions.look()
    positions.finished({partition(0): 60})
    consumer.topic_id, consumer.ends = "second", dict.fromkeys(consumer.ends, 3)
    positions.look()
    positions.go_on_with_the_new("crypto-data")
    assert gap(positions) == 40
    assert "held unread (40 records that are known of)" in caplog.text
    positions.look()
    assert positions.lag() == 6


def test_what_a_shorter_log_lost_unread_is_counted_as_a_gap(consumer: Consumer) -> None:
    consumer.commits = {partition(0): 30, partition(1): 70}
    positions = positions_of(consumer)
    positions.look()
    assert positions.go_on_from_earliest(out_of_range(0, 5000)) == [partition(0)]
    assert gap(positions) == 70
    positions.go_on_after_truncation(kafka_errors.LogTruncationError({partition(1): None}))
    assert gap(positions) == 100


def test_set_to_latest_a_topic_made_again_is_read_from_its_beginning_all_the_same(consumer: Consumer) -> None:
    positions = positions_of(consumer, KAFKA_OFFSET_RESET="latest")
    consumer.topic_id = "first"
    positions.topics_made_again()
    consumer.topic_id, consumer.assigned = "second", set()
    positions.go_on_with_the_new("crypto-data")
    consumer.assigned = {partition(0)}
    assert positions.begin(nothing_committed(0)) == {}
    assert consumer.positions == {partition(0): 0}


@pytest.mark.parametrize(
    "move",
    [
        lambda positions: positions.begin(nothing_committed(0)),
        lambda positions: positions.go_on_from_earliest(out_of_range(0, 5)),
        lambda positions: positions.go_on_after_truncation(kafka_errors.LogTruncationError({partition(0): None})),
        lambda positions: positions.look(),
    ],
)
def test_while_the_brokers_are_away_nothing_moves_and_the_loop_hears_of_it(consumer: Consumer, move: Any) -> None:
    consumer.away = kafka_errors.KafkaTimeoutError()
    with pytest.raises(kafka_errors.KafkaTimeoutError):
        move(positions_of(consumer))
    assert consumer.positions == {}


def test_a_topic_made_again_while_the_brokers_are_away_is_not_forgotten(consumer: Consumer) -> None:
    positions = positions_of(consumer)
    consumer.topic_id = "first"
    positions.topics_made_again()
    consumer.topic_id, consumer.away = "second", kafka_errors.KafkaTimeoutError()
    with pytest.raises(kafka_errors.KafkaTimeoutError):
        positions.go_on_with_the_new("crypto-data")
    consumer.away = None
    assert positions.topics_made_again()


@pytest.mark.parametrize("missing", [TOPIC, f"{TOPIC}.dlq"])
def test_a_missing_topic_is_named(consumer: Consumer, missing: str) -> None:
    del consumer.topics[missing]
    with pytest.raises(OperatorError, match=rf"topic {missing} is missing .*cryptoproxy setup"):
        positions_of(consumer).require_topics()


def test_the_lag_is_what_is_not_finished_from_the_first_record_on(consumer: Consumer) -> None:
    positions = positions_of(consumer)
    assert positions.lag() == 0
    consumer.highwaters = {partition(0): 100, partition(1): 50}
    positions.read({partition(0): [good(20)]})
    assert positions.lag() == 80
    positions.read({partition(0): [good(60)]})
    assert positions.lag() == 80
    positions.finished({partition(0): 60, partition(1): 50})
    assert positions.lag() == 40


def test_the_lag_grows_while_nothing_is_fetched(consumer: Consumer) -> None:
    positions = positions_of(consumer)
    consumer.highwaters = {partition(0): 50}
    positions.finished({partition(0): 50})
    consumer.ends[partition(0)] = 400
    assert positions.lag() == 0
    positions.look()
    assert positions.lag() == 350


def test_the_lag_of_a_partition_that_was_not_read_yet_counts_from_its_commit(consumer: Consumer) -> None:
    consumer.commits = {partition(0): 30}
    positions = positions_of(consumer)
    positions.look()
    assert positions.lag() == 70


def test_partitions_that_went_count_no_more(consumer: Consumer) -> None:
    positions = positions_of(consumer)
    positions.read({partition(0): [good(0)], partition(1): [good(0)]})
    consumer.highwaters = {partition(0): 10, partition(1): 10}
    positions.keep_only({partition(1)})
    consumer.assigned = {partition(1)}
    assert positions.lag() == 10


def test_a_member_without_partitions_still_hears_whether_the_brokers_answer(consumer: Consumer) -> None:
    consumer.assigned = set()
    positions_of(consumer).look()


def test_what_is_no_record_behind_all_that_is_finished_is_to_be_committed(consumer: Consumer) -> None:
    positions = positions_of(consumer)
    assert positions.passed_over() == {}
    positions.read({partition(0): [good(20), good(21)]})
    consumer.positions = {partition(0): 24, partition(1): 9}
    assert positions.passed_over() == {}, "20 and 21 are under way"
    positions.finished({partition(0): 21})
    assert positions.passed_over() == {}, "21 is under way"
    positions.finished({partition(0): 22})
    assert positions.passed_over() == {partition(0): 24}
    positions.finished({partition(0): 24})
    consumer.ends[partition(0)] = 24
    positions.look()
    assert positions.passed_over() == {}
    assert positions.lag() == 0


def test_before_the_first_record_marks_alone_are_passed_over_from_the_commit_on(consumer: Consumer) -> None:
    consumer.commits = {partition(0): 30}
    positions = positions_of(consumer)
    positions.look()
    consumer.positions = {partition(0): 33}
    assert positions.passed_over() == {partition(0): 33}


def test_what_was_passed_over_in_an_old_topic_is_not_committed_to_the_new_one(consumer: Consumer) -> None:
    positions = positions_of(consumer)
    consumer.topic_id = "first"
    positions.topics_made_again()
    positions.read({partition(0): [good(20)]})
    positions.finished({partition(0): 21})
    consumer.topic_id = "second"
    positions.go_on_with_the_new("crypto-data")
    assert positions.passed_over() == {}


def test_what_is_missing_among_the_records_is_counted_and_said(
    consumer: Consumer, caplog: pytest.LogCaptureFixture
) -> None:
    positions = positions_of(consumer)
    assert positions.missing() == ""
    consumer.holes = {partition(1): (74, 99)}
    said = positions.missing()
    assert "74 records of crypto-data partition 1 up to offset 99 are missing" in said
    assert "cleanup.policy" in said
    assert said in caplog.text
    assert gap(positions) == 74
    assert positions.missing() == ""


def test_the_note_of_each_partition_s_last_commit_is_recalled_once_though_its_records_come_first(
    consumer: Consumer,
) -> None:
    recalled: list[str] = []
    positions = Positions(consumer, Settings.from_texts({}).kafka, metrics(), recalled.append)
    consumer.commits = {partition(0): 30, partition(1): 40}
    consumer.notes = {partition(0): "zero", partition(1): "one"}
    positions.read({partition(0): [good(30)]})
    positions.look()
    positions.look()
    assert sorted(recalled) == ["one", "zero"]
    positions.keep_only([partition(0)])
    positions.look()
    assert sorted(recalled) == ["one", "one", "zero"]


def test_a_commit_of_another_program_has_no_note(consumer: Consumer) -> None:
    recalled: list[str] = []
    positions = Positions(consumer, Settings.from_texts({}).kafka, metrics(), recalled.append)
    consumer.commits = {partition(0): 30}
    consumer.notes = {partition(0): None}  # type: ignore[dict-item]
    positions.look()
    assert recalled == [""]
