"""One bad record is set aside, a flood of them stops the line, and a person's word lets it go on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import TopicPartition
from kafka import errors as kafka_errors

from cryptoproxy.common.settings import Settings
from cryptoproxy.consumer.letters.fuse import Acceptances, Fuse, parse_place
from cryptoproxy.consumer.letters.state_topic import StateTopic
from cryptoproxy.datasets import CANDLE, TICKER
from cryptoproxy.errors import OperatorError, TransientError
from tests.unit.consumer.support import consumed


def test_99_in_a_row_pass_and_100_do_not() -> None:
    assert not Fuse().judge([True] * 99)
    assert Fuse().judge([True] * 100)


def test_100_of_the_last_110_blow_it() -> None:
    assert Fuse().judge([True] * 50 + [False] * 10 + [True] * 50)
    assert not Fuse().judge([True] * 50 + [False] * 11 + [True] * 50)


def test_it_counts_across_batches() -> None:
    fuse = Fuse()
    assert not fuse.judge([True] * 60)
    fuse.remember()
    assert fuse.judge([True] * 40)


def test_a_batch_that_was_not_finished_does_not_count() -> None:
    """Its partitions went to another member, or came back: the records are judged when they are read again."""
    fuse = Fuse()
    for _ in range(5):
        assert not fuse.judge([True] * 60)
    fuse.remember()
    assert not fuse.judge([True] * 39)


def test_a_blown_batch_is_judged_again_as_if_for_the_first_time() -> None:
    fuse = Fuse()
    assert fuse.judge([True] * 200)
    assert fuse.judge([True] * 200)
    assert not fuse.judge([])


def test_good_batches_count_as_good() -> None:
    fuse = Fuse()
    fuse.judge([True] * 90)
    fuse.remember()
    fuse.judge_good(1000)
    fuse.remember()
    assert not fuse.judge([True] * 99)


@given(st.lists(st.lists(st.booleans(), max_size=150), max_size=6))
def test_it_blows_exactly_when_100_of_some_110_in_a_row_are_bad(batches: list[list[bool]]) -> None:
    fuse = Fuse()
    before: list[bool] = []
    for batch in batches:
        blows = fuse.judge(batch)
        everything = [False] * 110 + before + batch
        first = len(everything) - len(batch)
        assert blows == any(sum(everything[end - 110 : end]) >= 100 for end in range(first + 1, len(everything) + 1))
        if blows:
            return
        fuse.remember()
        before += batch


KAFKA = Settings.from_texts({}).kafka
STATE = TopicPartition("crypto-data.state", 0)


def word(key: bytes | None, value: bytes | None) -> Any:
    return consumed(0, value, key=key)._replace(topic=STATE.topic)


class Topic:
    """A consumer of the state topic: each poll gives one of ``records``."""

    def __init__(self, *records: Any, partitions: tuple[int, ...] = (0,), error: Exception | None = None) -> None:
        self.records = list(records)
        self.read = 0
        self.closed = False
        self._partitions = partitions
        self._error = error
        self._assigned: set[TopicPartition] = set()

    def partitions_for_topic(self, topic: str) -> set[int]:
        return set(self._partitions)

    def assign(self, partitions: Any) -> None:
        self._assigned = set(partitions)

    def assignment(self) -> set[TopicPartition]:
        return self._assigned

    def end_offsets(self, partitions: Any, timeout_ms: int) -> dict[TopicPartition, int]:
        if self._error is not None:
            raise self._error
        return {STATE: len(self.records)}

    def position(self, partition: TopicPartition, timeout_ms: int) -> int:
        return self.read

    def poll(self, timeout_ms: int) -> dict[TopicPartition, list[Any]]:
        self.read += 1
        return {STATE: [self.records[self.read - 1]._replace(offset=self.read - 1)]}

    def close(self, timeout_ms: int) -> None:
        self.closed = True


def accepted_on(topic: Topic, name: str = "crypto-data") -> Acceptances:
    return Acceptances(StateTopic(KAFKA, lambda: topic), name)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("0:1234", (TICKER, "", 0, 1234)),
        (" 12:0 ", (TICKER, "", 12, 0)),
        ("ticker:0:17", (TICKER, "", 0, 17)),
        ("candle-1m:0:17", (CANDLE, "1m", 0, 17)),
    ],
)
def test_a_place_is_topic_partition_and_offset(text: str, place: tuple[Any, ...]) -> None:
    assert parse_place(text) == place


@pytest.mark.parametrize(
    ("text", "said"),
    [("candel:0:1", "no dataset 'candel'; there are ticker, candle-…"), ("candle:0:1", "candle has 1s, 1m")],
)
def test_a_name_that_is_no_topic_s_is_refused_with_those_that_are(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_place(text)


@pytest.mark.parametrize("text", ["", "0", "0:", ":1", "a:1", "0:1:2:3", "-1:5", "0:1.5"])
def test_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="PARTITION:OFFSET"):
        parse_place(text)


def test_the_newest_word_for_each_partition_holds() -> None:
    topic = Topic(
        word(b"accept-poison:crypto-data:0", b'{"offset": 10, "topic_id": "id", "time": "then"}'),
        word(b"accept-poison:crypto-data:2", b'{"offset": 7, "topic_id": "id"}'),
        word(b"accept-poison:crypto-data:0", b'{"offset": 5, "topic_id": "id"}'),
    )
    assert accepted_on(topic).read("id") == {0: 5, 2: 7}


def test_a_word_about_another_topic_of_that_name_is_void() -> None:
    topic = Topic(
        word(b"accept-poison:crypto-data:0", b'{"offset": 10, "topic_id": "id"}'),
        word(b"accept-poison:crypto-data:1", b'{"offset": 11, "topic_id": "another"}'),
        word(b"accept-poison:crypto-data:2", b'{"offset": 12}'),
    )
    acceptances = accepted_on(topic)
    assert acceptances.read("id") == {0: 10}
    assert acceptances.read("another") == {1: 11}
    assert acceptances.read("") == {}


def test_what_others_keep_there_is_nobodys_word() -> None:
    topic = Topic(
        word(b"budget:coingecko", b'{"used": 3}'),
        word(None, b"x"),
        word(b"\xff", b"x"),
        word(b"accept-poison:another-topic:0", b'{"offset": 10, "topic_id": "id"}'),
        word(b"accept-poison:crypto-data.more:0", b'{"offset": 10, "topic_id": "id"}'),
        word(b"accept-poison:crypto-data:zero", b'{"offset": 10, "topic_id": "id"}'),
        word(b"accept-poison:crypto-data:1", b"not JSON"),
        word(b"accept-poison:crypto-data:1", b"[]"),
        word(b"accept-poison:crypto-data:1", b'{"offset": null, "topic_id": "id"}'),
    )
    assert accepted_on(topic).read("id") == {}


def test_a_word_can_be_taken_back() -> None:
    topic = Topic(
        word(b"accept-poison:crypto-data:0", b'{"offset": 10, "topic_id": "id"}'),
        word(b"accept-poison:crypto-data:0", None),
    )
    assert accepted_on(topic).read("id") == {}


def test_the_next_look_reads_only_what_is_new() -> None:
    topic = Topic(word(b"accept-poison:crypto-data:0", b'{"offset": 10, "topic_id": "id"}'))
    acceptances = accepted_on(topic)
    assert acceptances.read("id") == {0: 10}
    topic.records.append(word(b"accept-poison:crypto-data:1", b'{"offset": 3, "topic_id": "id"}'))
    assert acceptances.read("id") == {0: 10, 1: 3}
    assert topic.read == 2
    assert not topic.closed
    acceptances.close()
    assert topic.closed


def test_after_trouble_the_next_look_begins_anew() -> None:
    away = Topic(error=kafka_errors.KafkaTimeoutError())
    back = Topic(word(b"accept-poison:crypto-data:0", b'{"offset": 10, "topic_id": "id"}'))
    topics = [away, back]
    acceptances = Acceptances(StateTopic(KAFKA, lambda: topics.pop(0)), "crypto-data")
    with pytest.raises(TransientError):
        acceptances.read("id")
    assert away.closed
    assert acceptances.read("id") == {0: 10}


def test_without_the_state_topic_it_says_what_to_do() -> None:
    topic = Topic(partitions=())
    with pytest.raises(OperatorError, match="cryptoproxy setup"):
        accepted_on(topic).read("id")
    assert topic.closed
