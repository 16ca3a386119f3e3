"""The line a person follows, and the metrics of finished batches."""

from __future__ import annotations

import pytest

from cryptoproxy.consumer.index.delivery import Delivered
from cryptoproxy.consumer.progress import Progress
from tests.unit.consumer.support import SLOT_MS, bad, batch_of, consumed, good, metrics, value


@pytest.fixture(autouse=True)
def info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")


def test_one_line_says_what_was_done(caplog: pytest.LogCaptureFixture) -> None:
    progress = Progress(metrics())
    progress.add(batch_of(*(good(offset) for offset in range(30))), Delivered(indexed=30))
    progress.add(batch_of(*(good(offset) for offset in range(20))), Delivered(indexed=20))
    progress.report(0)
    progress.report(0)
    assert caplog.messages == ["indexed 50 documents into crypto-prices-2026.10.01 (lag 0)"]


def test_duplicates_and_dead_letters_are_told_apart(caplog: pytest.LogCaptureFixture) -> None:
    progress = Progress(metrics())
    batch = batch_of(*(good(offset) for offset in range(5)), bad(5))
    refused = Delivered(indexed=2, duplicates=2, refused=["crypto-prices-2026.10.01"], dead=batch.dead)
    progress.add(batch, refused)
    progress.report(7)
    assert caplog.messages == [
        "indexed 4 documents into crypto-prices-2026.10.01, 2 of them there already, 2 dead letters (lag 7)"
    ]


def test_a_batch_of_nothing_but_poison_indexes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    progress = Progress(metrics())
    progress.add(batch_of(bad(0)), Delivered())
    progress.report(0)
    assert caplog.messages == ["indexed nothing, 1 dead letters (lag 0)"]


def test_the_newest_slot_never_goes_back() -> None:
    measures = metrics()
    progress = Progress(measures)
    progress.add(batch_of(good(0)), Delivered(indexed=1))
    old = value(1, timestamp="2026-10-01T00:00:00.000Z")
    progress.add(batch_of(consumed(1, old)), Delivered(indexed=1))
    assert measures.last_slot.labels("coingecko")._value.get() == SLOT_MS / 1000


def test_whatever_stands_on_the_topic_the_metrics_name_our_own_sources_and_one_other() -> None:
    measures = metrics()
    progress = Progress(measures)
    progress.add(batch_of(*(consumed(at, value(at, source=f"s{at}")) for at in range(200)), good(200)), Delivered())
    (family,) = measures.last_slot._family.collect()
    assert {sample.labels["source"] for sample in family.samples} == {"coingecko", "other"}
    assert progress._newest.keys() == {"coingecko", "other"}


def test_a_line_names_the_newest_indices_and_counts_the_others(caplog: pytest.LogCaptureFixture) -> None:
    progress = Progress(metrics())
    months = [f"20{year}-01-01T00:00:00.000Z" for year in range(10, 20)]
    progress.add(batch_of(*(consumed(at, value(at, timestamp=time)) for at, time in enumerate(months))), Delivered())
    progress.report(0)
    assert "1 documents into crypto-prices-2019.01.01" in caplog.messages[0]
    assert caplog.messages[0].endswith(", 5 into 5 of older periods (lag 0)")


def test_what_one_has_written_last_is_known_to_the_next_one_before_it_writes_anything() -> None:
    before, measures = Progress(metrics()), metrics()
    before.add(batch_of(good(0)), Delivered(indexed=1))
    after = Progress(measures)
    after.recall(before.note())
    assert measures.last_slot.labels("coingecko")._value.get() == SLOT_MS / 1000
    assert after.note() == before.note()


@pytest.mark.parametrize("note", ["", "{", "7", "[1]", '{"coingecko": 5}', '{"coingecko": "yesterday"}'])
def test_what_another_program_has_committed_is_no_note(note: str) -> None:
    measures = metrics()
    Progress(measures).recall(note)
    assert not next(iter(measures.last_slot._family.collect())).samples
