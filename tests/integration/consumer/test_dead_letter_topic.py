"""Dead letters listed, shown and replayed. Their topic missing: tests/faults/indexing/test_kafka.py."""

from __future__ import annotations

from cryptoproxy.common.clock import SystemClock
from cryptoproxy.consumer import wiring
from cryptoproxy.consumer.letters.reader import Replayed, find, read_letters
from cryptoproxy.datasets import encode
from tests.conftest import wait_until
from tests.integration.consumer.conftest import Bench
from tests.integration.consumer.records import record

TEN_MINUTES_MS = 600_000


def play(bench: Bench) -> Replayed:
    return wiring.replay_dead_letters(bench.settings, read_letters(bench.settings.kafka))


def test_letters_are_listed_and_shown_as_they_were_set_aside(bench: Bench) -> None:
    sent = bench.produce_bad([b"{\xff\x00", None], record_key=b"\xfe", partition=1)
    bench.start()
    bench.wait_committed()
    first, second = read_letters(bench.settings.kafka)
    assert (first.reason, second.reason) == ("not_utf8", "empty")
    assert first.original[:5] == (bench.topic, 1, sent[0].offset, b"\xfe", b"{\xff\x00")
    assert find(read_letters(bench.settings.kafka), f"1:{sent[1].offset}") == second


def test_what_is_good_by_now_is_replayed_once_and_what_is_still_poison_stays(bench: Bench) -> None:
    """A slot too far ahead of the clock is not so for ever; an unknown version and no JSON are."""
    good = encode(record(7, slot_ms=bench.slot_ms))
    slot_ms = SystemClock().now_ms() // 1000 * 1000 + TEN_MINUTES_MS + 5_000
    ahead = encode(record(8, slot_ms=slot_ms))
    bench.produce_bad([ahead, b"never"], partition=0)
    bench.produce_bad([good], headers=[("schema-version", b"2")])
    bench.start()
    bench.wait_committed()
    bench.account()
    wait_until(lambda: SystemClock().now_ms() > slot_ms - TEN_MINUTES_MS)
    first = play(bench)
    assert (first.indexed, first.duplicates) == (1, 0)
    assert [letter.original.value for letter, _ in first.still_poison] == [b"never", good]
    second = play(bench)
    assert (second.indexed, second.duplicates) == (0, 1)
    assert len(second.still_poison) == 2
    assert bench.count() == 1
    assert len(bench.dead_letters()) == 3
