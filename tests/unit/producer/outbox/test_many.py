"""With a hundred thousand polls waiting, as after a week without Kafka, the outbox is as quick as with a thousand."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from cryptoproxy.producer.outbox import Entry, Outbox
from cryptoproxy.producer.outbox.outbox import KAFKA, S3
from cryptoproxy.producer.outbox.waiting import Waiting
from tests.unit.producer.outbox.conftest import SLOT_MS, content

FEW, MANY = 1_000, 100_000
TIMES = 200


def entry(number: int) -> Entry:
    return Entry(SLOT_MS + number, "binance", 3, "0123456789ab")


def median_seconds(work: Callable[[], object]) -> float:
    taken = []
    gc.disable()
    try:
        for _ in range(TIMES):
            begun = time.perf_counter()
            work()
            taken.append(time.perf_counter() - begun)
    finally:
        gc.enable()
    return statistics.median(taken)


def test_what_waits_is_found_and_taken_out_as_fast_among_many() -> None:
    def costs(count: int) -> dict[str, float]:
        waiting = Waiting()
        for number in range(count):
            waiting.add(entry(number), 4096)

        def turn() -> None:
            (oldest,) = waiting.oldest(1)
            assert oldest in waiting
            waiting.remove(oldest)
            waiting.add(oldest, 4096)

        return {"turn": median_seconds(turn), "newest": median_seconds(lambda: waiting.add(entry(count), 4096))}

    few, many = costs(FEW), costs(MANY)
    for name in few:
        # Moving 800 kB of pointers costs tens of microseconds; a search through all would cost milliseconds.
        assert many[name] < 20 * few[name] + 0.0005, (few, many)


def test_an_outbox_drains_as_fast_with_many_polls(tmp_path: Path) -> None:
    def costs(count: int) -> float:
        outbox = Outbox(tmp_path / str(count), max_bytes=2**40)
        for number in range(count):
            outbox._count(KAFKA, entry(number), 400)  # without their files, which are not looked at here
        assert outbox.count(KAFKA) == count
        assert outbox.bytes_waiting(KAFKA) == outbox.bytes_used() == count * 4096

        def turn() -> None:
            (oldest,) = outbox.oldest(KAFKA, 1)
            outbox.done(KAFKA, oldest)
            outbox.bytes_waiting(KAFKA)
            outbox.bytes_used()

        taken = median_seconds(turn)
        assert outbox.count(KAFKA) == count - TIMES
        kept = outbox.keep(SLOT_MS - 1, "binance", content())
        assert outbox.oldest(KAFKA, 1) == outbox.oldest(S3) == [kept]
        outbox.close()
        return taken

    few, many = costs(FEW), costs(MANY)
    assert many < 20 * few + 0.0005, (few, many)


def test_an_outbox_with_many_polls_is_opened_in_time(tmp_path: Path) -> None:
    def costs(count: int) -> float:
        folder = tmp_path / str(count)
        (folder / KAFKA).mkdir(parents=True)
        for number in range(count):
            (folder / KAFKA / entry(number).name).touch()
        begun = time.perf_counter()
        outbox = Outbox(folder, max_bytes=2**40)
        taken = time.perf_counter() - begun
        assert outbox.oldest(KAFKA, 2) == [entry(0), entry(1)]
        outbox.close()
        return taken / count

    few, many = costs(FEW), costs(10 * FEW)
    assert many < 5 * few, (few, many)
