"""With a hundred thousand polls waiting, as after a week without Kafka, the outbox works as little as with a thousand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cryptoproxy.datasets import Feed
from cryptoproxy.producer.outbox import Entry, Outbox
from cryptoproxy.producer.outbox.waiting import KAFKA, S3, Backlog
from tests.unit.producer.fakes import keep_poll
from tests.unit.producer.outbox.conftest import SLOT_MS, content

FEW, MANY = 1_000, 100_000


class Counted(Entry):
    """An entry that counts how often any is compared with another: what a search among them costs."""

    compared = 0

    def __lt__(self, other: Any) -> bool:
        Counted.compared += 1
        return super().__lt__(other)

    def __gt__(self, other: Any) -> bool:
        Counted.compared += 1
        return super().__gt__(other)

    def __eq__(self, other: object) -> bool:
        Counted.compared += 1
        return super().__eq__(other)

    __hash__ = Entry.__hash__


def entry(number: int) -> Counted:
    slot_ms = SLOT_MS + number
    return Counted(slot_ms, Feed("binance"), slot_ms, slot_ms, 3, "0123456789ab")


def test_what_waits_is_found_and_taken_out_with_as_few_looks_among_many() -> None:
    def comparisons(count: int) -> int:
        waiting = Backlog()
        for number in range(count):
            waiting.add(entry(number), 4096)
        Counted.compared = 0
        (oldest,) = waiting.oldest(1)
        assert oldest in waiting
        waiting.remove(oldest)
        waiting.add(oldest, 4096)
        waiting.add(entry(count), 4096)
        return Counted.compared

    # A hundred times as many are seven halvings more, for each of two searches; a search through all would be 100,000.
    assert comparisons(MANY) <= comparisons(FEW) + 2 * 7


def test_an_outbox_drains_with_as_few_looks_with_many_polls(tmp_path: Path) -> None:
    def comparisons(count: int) -> int:
        outbox = Outbox(tmp_path / str(count), max_bytes=2**40)
        for number in range(count):
            outbox._waiting.add([KAFKA], [(entry(number), 400)])  # without their files, which are not looked at here
        assert outbox.count(KAFKA) == count
        assert outbox.bytes_waiting(KAFKA) == outbox.bytes_used() == count * 4096
        Counted.compared = 0
        (oldest,) = outbox.oldest(KAFKA, 1)
        outbox.done(KAFKA, oldest)
        outbox.bytes_waiting(KAFKA)
        outbox.bytes_used()
        compared = Counted.compared
        assert outbox.count(KAFKA) == count - 1
        kept = keep_poll(outbox, SLOT_MS - 1, "binance", content())
        assert outbox.oldest(S3) == [kept]
        outbox.close()
        return compared

    assert comparisons(MANY) <= comparisons(FEW) + 2 * 7


def test_opening_an_outbox_reads_each_name_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / KAFKA).mkdir(parents=True)
    for number in range(FEW):
        (tmp_path / KAFKA / entry(number).name).touch()
    parsed = []
    parse = Entry.parse
    monkeypatch.setattr(Entry, "parse", lambda name: (parsed.append(name), parse(name))[1])
    outbox = Outbox(tmp_path, max_bytes=2**40)
    assert outbox.oldest(KAFKA, 2) == [entry(0), entry(1)]
    assert len(parsed) == len(set(parsed)) == FEW
    outbox.close()
