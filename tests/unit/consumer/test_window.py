"""Offsets: whatever the order in which batches end, no commit passes a record that is not finished. And the threads in
which batches wait never hold up the end of the process."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from concurrent.futures import Future
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cryptoproxy.consumer.batch import DeadLetter
from cryptoproxy.consumer.index.delivery import Delivered
from cryptoproxy.consumer.window import Flight, Window, Workers
from tests.conftest import wait_until
from tests.unit.consumer.support import bad, batch_of, good, partition


def flight(*records: Any) -> Flight:
    return Flight(batch_of(*records), Future())


def test_offsets_are_those_of_the_finished_batches() -> None:
    window = Window(3)
    for first in (0, 10, 20):
        window.add(flight(good(first), good(first + 9)))
    assert window.full
    window.finish_oldest()
    window.finish_oldest()
    assert window.take_finished() == {partition(): 20}
    assert window.take_finished() == {}


def test_a_failed_commit_is_offered_again() -> None:
    window = Window(3)
    window.add(flight(good(0)))
    window.finish_oldest()
    taken = window.take_finished()
    window.put_back(taken)
    assert window.take_finished() == {partition(): 1}


def test_a_failed_commit_never_replaces_a_newer_one() -> None:
    window = Window(3)
    window.add(flight(good(0)))
    window.finish_oldest()
    first = window.take_finished()
    window.add(flight(good(1)))
    window.finish_oldest()
    window.put_back(first)
    assert window.take_finished() == {partition(): 2}
    window.put_back(first)
    assert window.take_finished() == {}


def test_what_goes_to_another_member_is_neither_committed_nor_worked_on() -> None:
    window = Window(3)
    window.add(flight(good(0, number=0), good(5, number=1)))
    window.add(flight(good(6, number=1)))
    oldest = window.oldest
    window.keep_only({partition(0)})
    assert len(window) == 1
    assert oldest is not None
    assert not oldest.abandon.is_set()
    window.finish_oldest()
    assert window.take_finished() == {partition(0): 1}


def test_a_batch_of_which_nothing_is_ours_is_given_back() -> None:
    window = Window(3)
    gone = flight(good(0))
    window.add(gone)
    window.keep_only(())
    assert gone.abandon.is_set()
    assert gone.future.cancelled()
    assert len(window) == 0


def test_a_commit_that_fails_after_the_partition_went_is_forgotten() -> None:
    window = Window(3)
    window.add(flight(good(0)))
    window.finish_oldest()
    taken = window.take_finished()
    window.keep_only(())
    window.put_back(taken)
    assert window.take_finished() == {}


def test_dead_letters_of_partitions_that_went_are_their_new_owners() -> None:
    window = Window(3)
    mixed = flight(bad(0, number=0), bad(7, number=1), good(1, number=0))
    window.add(mixed)
    mixed.delivered = Delivered(dead=[DeadLetter(mixed.batch.records[0], "document_parsing_exception", "400")])
    window.keep_only({partition(0)})
    assert [(each.record.partition, each.record.offset) for each in mixed.letters()] == [(0, 0), (0, 1)]


class Commits(RuleBasedStateMachine):
    """Batches of random partitions finish in order; commits succeed or fail, their answers come late, and partitions
    come and go. What went is read by its next owner from what was committed, and may come back later."""

    def __init__(self) -> None:
        super().__init__()
        self.window = Window(4)
        self.read_up_to = {partition(number): 0 for number in range(3)}
        self.unfinished: list[set[tuple[Any, int]]] = []
        self.owned = set(self.read_up_to)
        self.committed: dict[Any, int] = {}
        self.under_way: dict[Any, int] | None = None
        """A commit that the broker has not seen yet."""
        self.unheard: list[dict[Any, int]] = []
        """Commits that failed, but whose answer was not heard yet."""

    @rule(sizes=st.dictionaries(st.integers(0, 2), st.integers(1, 5), min_size=1))
    @precondition(lambda self: not self.window.full)
    def read(self, sizes: dict[int, int]) -> None:
        records = []
        for number, size in sizes.items():
            if partition(number) in self.owned:
                first = self.read_up_to[partition(number)]
                records += [good(first + each, number=number) for each in range(size)]
                self.read_up_to[partition(number)] += size
        if records:
            self.window.add(flight(*records))
            self.unfinished.append({(partition(each.partition), each.offset) for each in records})

    @rule()
    @precondition(lambda self: len(self.window) > 0)
    def finish(self) -> None:
        self.window.finish_oldest()
        self.unfinished.pop(0)

    @rule()
    @precondition(lambda self: self.under_way is None)
    def commit(self) -> None:
        if offsets := dict(self.window.take_finished()):
            self.under_way = offsets
            self.no_commit_passes_an_unfinished_record()

    @rule(works=st.booleans())
    def arrive(self, works: bool) -> None:
        if self.under_way is not None:
            if works:
                self.committed |= self.under_way
            else:
                self.unheard.append(self.under_way)
            self.under_way = None

    @rule()
    @precondition(lambda self: bool(self.unheard))
    def hear(self) -> None:
        self.window.put_back(self.unheard.pop(0))

    @rule(kept=st.sets(st.integers(0, 2)), works=st.booleans())
    def rebalance(self, kept: set[int], works: bool) -> None:
        self.arrive(works)  # a commit of the generation before cannot arrive after it
        self.owned = {partition(number) for number in kept}
        self.window.keep_only(self.owned)
        for each in self.read_up_to.keys() - self.owned:
            self.read_up_to[each] = self.committed.get(each, 0)
        kept_of = [{each for each in records if each[0] in self.owned} for records in self.unfinished]
        self.unfinished = [records for records in kept_of if records]

    @invariant()
    def no_commit_passes_an_unfinished_record(self) -> None:
        for records in self.unfinished:
            for each, offset in records:
                for commit in (self.committed, self.under_way or {}):
                    assert commit.get(each, 0) <= offset

    def teardown(self) -> None:
        self.arrive(True)
        while self.unheard:
            self.hear()
        while len(self.window):
            self.window.finish_oldest()
        self.committed |= self.window.take_finished()
        for each in self.owned:
            assert self.committed.get(each, 0) == self.read_up_to[each], "everything finished is committed in the end"


TestCommits = Commits.TestCase
TestCommits.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)


def test_tasks_run_side_by_side_and_give_their_results() -> None:
    workers = Workers(2, "test")
    both = threading.Barrier(2)
    futures = [workers.submit(lambda: both.wait(180)) for _ in range(2)]
    assert {future.result(180) for future in futures} == {0, 1}
    workers.stop()


def test_an_error_comes_out_of_the_future() -> None:
    workers = Workers(1, "test")
    with pytest.raises(ZeroDivisionError):
        workers.submit(lambda: 1 // 0).result(180)
    assert workers.submit(lambda: "still there").result(180) == "still there"
    workers.stop()


def test_a_task_that_was_cancelled_before_its_turn_is_skipped() -> None:
    workers = Workers(1, "test")
    gate = threading.Event()
    ran: list[int] = []
    workers.submit(lambda: gate.wait(180))
    waiting = workers.submit(lambda: ran.append(1))
    assert waiting.cancel()
    gate.set()
    assert workers.submit(lambda: "after").result(180) == "after"
    assert ran == []
    workers.stop()


def test_nothing_of_a_finished_task_is_kept() -> None:
    class Batch: ...

    workers = Workers(1, "test")
    batch = Batch()
    gone = weakref.ref(batch)
    workers.submit(lambda batch=batch: batch).result(180)  # type: ignore[misc]
    del batch
    wait_until(lambda: gc.collect() is not None and gone() is None)
    workers.stop()


def test_a_task_that_hangs_does_not_keep_the_process_from_ending() -> None:
    code = (
        "import threading\n"
        "from cryptoproxy.consumer.window import Workers\n"
        "begun = threading.Event()\n"
        "Workers(1, 'x').submit(lambda: (begun.set(), threading.Event().wait()))\n"
        "assert begun.wait(180)\n"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], timeout=180, env={"PYTHONPATH": "."}, check=False).returncode == 0
    )
