"""What is under way ends in the order in which it was read; the fuse holds it until a person speaks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from cryptoproxy.common.metrics import IndexerMetrics
from cryptoproxy.common.service import Health
from cryptoproxy.consumer.batch import Batch, DeadLetter
from cryptoproxy.consumer.index.delivery import Delivered
from cryptoproxy.consumer.pipeline import PART, PART_ANSWER, PART_WORD, UNANSWERED_SECONDS, Pipeline
from cryptoproxy.errors import OperatorError, TransientError
from tests.conftest import wait_until
from tests.unit.consumer.support import Deliveries, Letters, Words, bad, batch_of, good, metrics, partition


class Bench:
    def __init__(self, in_flight: int = 3) -> None:
        self.deliveries, self.letters, self.words = Deliveries(), Letters(), Words()
        self.health, self.metrics = Health(), metrics()
        self.now = 0.0
        self.pipeline = Pipeline(
            in_flight=in_flight,
            delivery=self.deliveries,  # type: ignore[arg-type]
            dead_letters=self.letters,  # type: ignore[arg-type]
            acceptances=self.words,  # type: ignore[arg-type]
            health=self.health,
            metrics=self.metrics,
            monotonic=lambda: self.now,
        )

    def begin(self, *records: Any) -> None:
        self.pipeline.begin(batch_of(*records))

    def until(self, condition: Callable[[], object]) -> None:
        """Turns like the loop."""

        def turn() -> object:
            self.now += 1.0
            self.pipeline.held_up(0.0)
            return condition()

        wait_until(turn)

    def finished(self) -> dict[Any, int]:
        self.until(lambda: not self.pipeline.busy)
        return dict(self.pipeline.take_finished())


@pytest.fixture
def bench() -> Bench:
    return Bench()


def flood(first: int, count: int, *, number: int = 0) -> list[Any]:
    return [bad(offset, number=number) for offset in range(first, first + count)]


def test_offsets_follow_the_oldest_batch_whatever_ends_first(bench: Bench) -> None:
    for first in (0, 10, 20):
        bench.begin(good(first))
    bench.until(lambda: len(bench.deliveries.begun) == 3)
    bench.deliveries.end(20)
    bench.deliveries.end(10)
    bench.begin(good(30))  # the fourth, for which there is room only ahead
    assert bench.pipeline.held_up(0.0)
    assert bench.pipeline.take_finished() == {}
    bench.deliveries.end(30)
    bench.deliveries.end(0)
    assert bench.finished() == {partition(): 31}


def test_an_offset_is_finished_only_when_its_dead_letter_is_acknowledged(bench: Bench) -> None:
    bench.deliveries.open.set()
    bench.begin(good(0), bad(1), good(2))
    bench.until(lambda: bench.letters.taken)
    assert bench.pipeline.take_finished() == {}
    assert bench.pipeline.busy
    bench.letters.acknowledge.set()
    assert bench.finished() == {partition(): 3}
    assert [each.record.offset for each in bench.letters.taken] == [1]


def test_poison_that_elasticsearch_found_goes_the_same_way(bench: Bench) -> None:
    bench.deliveries.open.set()
    bench.letters.acknowledge.set()
    bench.deliveries.poison[0] = [DeadLetter(good(0), "document_parsing_exception", "400")]
    bench.begin(good(0), good(1))
    assert bench.finished() == {partition(): 2}
    assert [each.reason for each in bench.letters.taken] == ["document_parsing_exception"]


def test_dead_letters_do_not_wait_behind_an_elasticsearch_that_does_not_answer() -> None:
    bench = Bench(in_flight=1)
    bench.begin(good(0), bad(1))
    bench.begin(good(10))
    bench.deliveries.end(0)
    bench.until(lambda: bench.letters.taken)
    assert len(bench.deliveries.begun) == 2  # the one thread waits for Elasticsearch
    bench.letters.acknowledge.set()
    bench.until(lambda: bench.pipeline.take_finished() == {partition(): 2})
    bench.deliveries.open.set()
    bench.finished()


def test_there_is_room_for_as_many_batches_as_set_and_one_that_is_read_ahead() -> None:
    bench = Bench(in_flight=2)
    bench.begin(good(0))
    bench.begin(good(1))
    assert not bench.pipeline.held_up(0.0)
    bench.begin(good(2))
    assert bench.pipeline.held_up(0.01)
    wait_until(lambda: len(bench.deliveries.begun) == 2)
    bench.deliveries.end(0)
    bench.until(lambda: not bench.pipeline.held_up(0.0))
    bench.deliveries.open.set()
    bench.finished()


def test_a_batch_that_is_never_answered_is_said_before_its_request_times_out(bench: Bench) -> None:
    bench.begin(good(0))
    bench.until(lambda: bench.now > UNANSWERED_SECONDS - 2)
    assert bench.health.reasons() == {}
    bench.until(lambda: "does not answer" in bench.health.reasons().get(PART_ANSWER, ""))
    bench.begin(good(1))
    bench.deliveries.end(0)
    bench.until(lambda: not bench.health.reasons())
    bench.deliveries.open.set()
    bench.finished()
    bench.until(lambda: bench.now > 3 * UNANSWERED_SECONDS)
    assert bench.health.reasons() == {}, "with nothing under way nothing is waited for"


def test_who_knows_better_why_a_batch_takes_long_says_it_alone(bench: Bench) -> None:
    bench.begin(good(0))
    bench.health.hold("elasticsearch", "429")
    bench.until(lambda: bench.now > 2 * UNANSWERED_SECONDS)
    assert bench.health.reasons() == {"elasticsearch": "429"}
    bench.deliveries.open.set()
    bench.finished()


# --- the fuse


def test_a_flood_of_poison_is_held_and_nothing_of_it_is_sent_or_finished(bench: Bench) -> None:
    bench.deliveries.open.set()
    bench.letters.acknowledge.set()
    bench.begin(good(0))
    bench.begin(*flood(1, 150))
    bench.begin(good(151))
    bench.until(lambda: PART in bench.health.reasons())
    for _ in range(10):
        assert bench.pipeline.held_up(0.0)
    assert bench.letters.taken == []
    assert bench.pipeline.take_finished() == {partition(): 1}
    reason = bench.health.reasons()[PART]
    assert "cryptoproxy consume --accept-poison 0:150 " in reason
    assert "not_json" in reason


def test_the_command_names_the_last_poison_of_every_partition(bench: Bench) -> None:
    bench.deliveries.open.set()
    bench.begin(*flood(0, 90, number=2), *flood(500, 40, number=0))
    bench.until(lambda: PART in bench.health.reasons())
    assert "--accept-poison 0:539 --accept-poison 2:89 " in bench.health.reasons()[PART]


def test_a_persons_word_lets_it_go_on(bench: Bench) -> None:
    bench.deliveries.open.set()
    bench.letters.acknowledge.set()
    bench.begin(*flood(0, 150))
    bench.begin(good(150))
    bench.until(lambda: PART in bench.health.reasons() and bench.words.looks > 1)
    bench.words.accepted = {0: 149}
    assert bench.finished() == {partition(): 151}
    assert len(bench.letters.taken) == 150
    assert bench.health.reasons() == {}
    bench.until(bench.words.closed.is_set)


def test_a_word_that_leaves_some_of_the_poison_out_is_not_enough(bench: Bench) -> None:
    bench.deliveries.open.set()
    bench.letters.acknowledge.set()
    bench.begin(*flood(0, 150))
    bench.until(lambda: PART in bench.health.reasons())
    bench.words.accepted = {0: 148}
    looks = bench.words.looks
    bench.until(lambda: bench.words.looks > looks + 3)
    assert "--accept-poison 0:149 " in bench.health.reasons()[PART]
    assert bench.letters.taken == []
    bench.words.accepted = {0: 149}
    assert bench.finished() == {partition(): 150}


def test_a_word_for_one_partition_is_none_for_another(bench: Bench) -> None:
    bench.deliveries.open.set()
    bench.letters.acknowledge.set()
    bench.begin(*flood(0, 70, number=0), *flood(0, 70, number=1))
    bench.until(lambda: PART in bench.health.reasons())
    bench.words.accepted = {0: 1_000_000}
    bench.until(lambda: "--accept-poison 0:" not in bench.health.reasons()[PART])
    assert "--accept-poison 1:69 " in bench.health.reasons()[PART]
    bench.words.accepted = {0: 1_000_000, 1: 69}
    assert bench.finished() == {partition(0): 70, partition(1): 70}


def test_what_is_accepted_does_not_count_and_what_comes_after_it_does(bench: Bench) -> None:
    bench.deliveries.open.set()
    bench.letters.acknowledge.set()
    bench.begin(*flood(0, 150))
    bench.until(lambda: PART in bench.health.reasons())
    bench.words.accepted = {0: 249}
    bench.finished()
    bench.begin(*flood(150, 199))  # 100 of them accepted, 99 not
    assert bench.finished() == {partition(): 349}
    bench.begin(*flood(349, 1))
    bench.until(lambda: PART in bench.health.reasons())


def test_a_word_does_not_hold_for_the_topic_that_was_made_anew(bench: Bench) -> None:
    bench.deliveries.open.set()
    bench.letters.acknowledge.set()
    bench.pipeline.read_topic("first")
    bench.begin(*flood(0, 150))
    bench.until(lambda: PART in bench.health.reasons())
    bench.words.accepted = {0: 1_000}
    assert bench.finished() == {partition(): 150}
    bench.words.accepted = {}
    bench.pipeline.read_topic("first")
    bench.begin(*flood(150, 150))
    assert bench.finished() == {partition(): 300}
    bench.pipeline.read_topic("second")
    bench.begin(*flood(0, 150))
    bench.until(lambda: PART in bench.health.reasons() and bench.words.topics[-1] == "second")
    assert len(bench.letters.taken) == 300


@pytest.mark.parametrize(
    "trouble", [TransientError("Kafka is away"), OperatorError("no right to read", remedy="Give it")]
)
def test_while_nobodys_word_can_be_read_it_says_so(bench: Bench, trouble: Exception) -> None:
    bench.deliveries.open.set()
    bench.letters.acknowledge.set()
    bench.words.accepted = trouble
    bench.begin(*flood(0, 100))
    bench.until(lambda: PART_WORD in bench.health.reasons())
    bench.words.accepted = {0: 99}
    assert bench.finished() == {partition(): 100}
    assert bench.health.reasons() == {}


def test_a_fuse_blown_over_a_partition_that_goes_is_whole_again(bench: Bench) -> None:
    bench.deliveries.open.set()
    bench.letters.acknowledge.set()
    bench.begin(*flood(0, 120, number=1))
    bench.begin(good(0, number=0))
    bench.until(lambda: PART in bench.health.reasons())
    bench.pipeline.keep_only({partition(0)})
    assert bench.health.reasons() == {}
    assert bench.finished() == {partition(0): 1}
    assert bench.letters.taken == []


def test_a_fuse_stays_blown_over_a_rebalance_that_leaves_us_the_partition(bench: Bench) -> None:
    bench.deliveries.open.set()
    bench.begin(*flood(0, 120))
    bench.until(lambda: PART in bench.health.reasons())
    bench.pipeline.keep_only({partition(0)})
    assert PART in bench.health.reasons()
    assert bench.pipeline.held_up(0.0)
    assert bench.letters.taken == []


def test_poison_read_again_after_a_rebalance_is_not_counted_twice(bench: Bench) -> None:
    bench.deliveries.open.set()
    for _ in range(4):
        bench.letters.acknowledge.clear()
        bench.begin(*flood(0, 60))
        taken = len(bench.letters.taken)
        bench.until(lambda taken=taken: len(bench.letters.taken) > taken)
        bench.pipeline.keep_only(())
    bench.letters.acknowledge.set()
    bench.begin(*flood(0, 60))
    assert bench.finished() == {partition(): 60}


# --- rebalance and end


def test_finish_waits_for_what_is_under_way(bench: Bench) -> None:
    bench.begin(good(0))
    threading.Timer(0.1, bench.deliveries.open.set).start()
    bench.pipeline.finish(5)
    assert bench.pipeline.take_finished() == {partition(): 1}


def test_finish_does_not_wait_for_a_person(bench: Bench) -> None:
    bench.deliveries.open.set()
    bench.begin(*flood(0, 120))
    bench.until(lambda: PART in bench.health.reasons())
    started = threading.Event()
    bench.pipeline.finish(1000)
    started.set()
    assert bench.pipeline.take_finished() == {}


def test_finish_gives_up_in_time(bench: Bench) -> None:
    bench.begin(good(0))
    bench.pipeline.finish(0.05)
    assert bench.pipeline.take_finished() == {}
    bench.deliveries.open.set()
    assert bench.finished() == {partition(): 1}


def test_what_is_given_back_is_forgotten_whole(bench: Bench) -> None:
    bench.begin(good(0), good(1, number=1))
    bench.begin(good(2))
    bench.pipeline.keep_only({partition(1)})
    bench.deliveries.open.set()
    assert bench.finished() == {partition(1): 2}


def test_an_unforeseen_error_of_a_batch_comes_out_in_the_loop(bench: Bench) -> None:
    def break_down(batch: Batch, abandon: threading.Event) -> Delivered:
        raise ZeroDivisionError

    bench.deliveries.deliver = break_down  # type: ignore[method-assign]
    bench.begin(good(0))
    with pytest.raises(ZeroDivisionError):
        bench.finished()


def test_the_end_closes_what_was_opened(bench: Bench) -> None:
    bench.begin(good(0))
    bench.pipeline.stop()
    assert bench.letters.closed
    assert not bench.pipeline.busy


def test_the_numbers_are_of_batches(bench: Bench) -> None:
    bench.deliveries.open.set()
    bench.letters.acknowledge.set()
    bench.begin(good(0), bad(1), good(2))
    bench.finished()
    measures: IndexerMetrics = bench.metrics
    assert measures.indexed._value.get() == 2
    assert measures.in_flight._value.get() == 0


def test_elasticsearch_is_looked_at_before_the_first_record(bench: Bench) -> None:
    bench.pipeline.verify()
    assert bench.deliveries.verified.wait(180)
