"""A flood of poison stops the line until a person says how far it may go."""

from __future__ import annotations

import pytest

from cryptoproxy.common.clock import SystemClock
from cryptoproxy.consumer.letters.fuse import accept, parse_place
from cryptoproxy.errors import OperatorError
from tests.integration.consumer.conftest import Bench


def test_the_fuse_holds_until_a_persons_word_comes(bench: Bench) -> None:
    running = bench.start()
    bench.produce(50)
    bench.wait_committed()
    flood = bench.produce_bad([b"bug %d" % number for number in range(150)], partition=1)
    bench.produce(30, partition=1)
    reason = running.wait_not_ready("cryptoproxy consume --accept-poison 1:")
    assert "100 of the last 110 records are poison" in reason
    assert "not_json" in reason
    assert running.lives()
    # What came in batches before it was a flood may have gone.
    assert len(bench.dead_letters()) < 100
    assert bench.committed()[1] <= flood[99].offset
    words = accept(bench.settings.kafka, [parse_place(f"1:{flood[-1].offset}")], now_ms=SystemClock().now_ms())
    assert words == [f"poison of {bench.topic} partition 1 up to offset {flood[-1].offset} may be dead-lettered"]
    running.wait_ready()
    bench.wait_committed()
    bench.account()
    assert running.metric("dead_letters_total", reason="not_json") == 150


def test_a_word_outlives_the_indexer_it_was_meant_for(bench: Bench) -> None:
    flood = bench.produce_bad([b"bug %d" % number for number in range(120)], partition=2)
    first = bench.start()
    first.wait_not_ready("--accept-poison 2:")
    assert first.stop() == 0
    assert bench.committed() == {}
    accept(bench.settings.kafka, [parse_place(f"2:{flood[-1].offset}")], now_ms=SystemClock().now_ms())
    second = bench.start()
    bench.wait_committed()
    bench.account()
    second.wait_ready()


def test_a_word_about_a_partition_that_is_not_there_is_refused(bench: Bench) -> None:
    with pytest.raises(OperatorError, match="no partition 9"):
        accept(bench.settings.kafka, [parse_place("9:1")], now_ms=0)


def test_poison_below_the_fuse_goes_by_itself(bench: Bench) -> None:
    bench.produce_bad([b"bug"] * 99, partition=0)
    bench.produce(20, partition=0)
    bench.start()
    bench.wait_committed()
    bench.account()
