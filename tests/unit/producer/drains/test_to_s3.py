"""The drain to S3: what shares an object, what a crash in the middle leaves, and that it stands by itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from cryptoproxy.common.service import Health
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import CANDLE, Feed, encode, from_iso, iso
from cryptoproxy.errors import OperatorError, TransientError
from cryptoproxy.lake.objects import lines_of
from cryptoproxy.producer.drains import to_s3
from cryptoproxy.producer.drains.to_s3 import GRACE_MS, Archiver
from cryptoproxy.producer.outbox import Entry, Outbox, files
from tests.unit.producer.budget.hand_clock import HandClock
from tests.unit.producer.fakes import HandLoop, Metrics, keep_poll, record

MINUTE = 60_000


class FakeStore:
    """Keeps objects; raises what is in ``failures`` first."""

    settings = Settings.from_texts({"AWS_S3_BUCKET": "lake", "AWS_S3_FILENAME_PREFIX": "crypto"}).s3

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.puts: list[str] = []
        self.failures: list[Exception] = []

    def put(self, key: str, body: bytes) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.puts.append(key)
        self.objects[key] = body

    def lines(self) -> list[bytes]:
        return [line for key, body in self.objects.items() for line in lines_of(key, body)]


class Bench:
    def __init__(self, folder: Path, *, intervals: dict[str, int] | None = None, object_ms: int = MINUTE) -> None:
        self.folder = folder
        self.clock = HandClock()
        self.noon = self.clock.now_ms()
        self.intervals = intervals or {"coingecko": 1_000}
        self.object_ms = object_ms
        self.store = FakeStore()
        self.health, self.metrics = Health(), Metrics()
        self.open()

    def open(self) -> None:
        """As at a start."""
        self.outbox = Outbox(self.folder, max_bytes=1 << 30)
        self.archiver = Archiver(
            self.store,  # type: ignore[arg-type]
            self.outbox,
            interval_ms=lambda source: self.intervals[source],
            object_ms=self.object_ms,
            health=self.health,
            metrics=self.metrics,
            clock=self.clock,
            quiet=lambda ms: ms < 5_000,
        )

    def restart(self) -> None:
        self.outbox.close()
        self.open()

    def keep(self, seconds: int, source: str = "coingecko") -> Entry:
        slot_ms = self.noon + seconds * 1_000
        return keep_poll(
            self.outbox, slot_ms, source, encode(record(f"{source}-{seconds}", 1.0, slot_ms, slot_ms)) + b"\n"
        )

    def at(self, seconds: float) -> None:
        """Turns the clock to so many seconds after noon."""
        self.clock.turn((self.noon - self.clock.now_ms()) / 1_000 + seconds)

    def run(self, seconds: float, before: Callable[[], None] | None = None) -> HandLoop:
        loop = HandLoop(self.clock, end=self.clock.monotonic() + seconds, before=before)
        self.archiver.run(loop)
        return loop

    def drain(self) -> int:
        return self.archiver.drain(lambda: True)

    def waiting(self) -> list[int]:
        return [(entry.slot_ms - self.noon) // 1_000 for entry in self.outbox.oldest("s3")]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.outbox.close()


def test_polls_of_one_minute_share_an_object_named_by_its_first_slot(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    for seconds in range(3, 63):
        bench.keep(seconds)
    bench.at(63)
    with caplog.at_level("INFO"):
        assert bench.drain() == 1
    (key,) = bench.store.puts
    assert key.startswith("crypto/v1/ticker/raw/source=coingecko/dt=2026-11-21/hour=12/coingecko-20261121T120003Z-")
    assert len(bench.store.lines()) == 57
    assert bench.waiting() == [60, 61, 62]
    assert f"archived s3://lake/{key} (57 records)" in caplog.messages
    assert bench.metrics.value("objects_archived_total", source="coingecko") == 1
    assert bench.metrics.value("records_archived_total", source="coingecko") == 57


def test_a_minute_is_closed_only_when_its_last_poll_can_be_on_disk(bench: Bench) -> None:
    bench.keep(10)
    bench.at(60 + GRACE_MS / 1000 - 0.1)
    assert bench.drain() == 0
    bench.at(60 + GRACE_MS / 1000)
    assert bench.drain() == 1


def test_of_very_many_records_the_first_are_stored_before_their_minute_is_over(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(to_s3, "MOST_RECORDS", 3)
    for seconds in range(5):
        bench.keep(seconds)
    bench.at(5)
    assert bench.drain() == 1
    assert bench.waiting() == [3, 4]
    for seconds in range(5, 7):
        bench.keep(seconds)
    bench.restart()
    assert bench.drain() == 1
    assert bench.waiting() == [6]
    bench.at(63)
    assert bench.drain() == 1
    assert len(bench.store.objects) == 3
    assert len(set(bench.store.lines())) == 7


def test_at_an_interval_of_a_minute_or_more_each_poll_is_an_object_at_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path, intervals={"coingecko": MINUTE})
    bench.keep(0)
    bench.keep(60)
    assert bench.drain() == 2
    assert [len(list(lines_of(key, body))) for key, body in bench.store.objects.items()] == [1, 1]
    bench.outbox.close()


def test_sources_never_share_an_object_and_what_was_kept_first_goes_first(tmp_path: Path) -> None:
    bench = Bench(tmp_path, intervals={"coingecko": 1_000, "binance": 1_000})
    for seconds in (70, 10):
        for source in ("coingecko", "binance"):
            bench.keep(seconds, source)
    bench.at(600)
    assert bench.drain() == 4
    sources = [key.split("source=")[1].split("/")[0] + key.rsplit("T")[1][:6] for key in bench.store.puts]
    assert sources == ["coingecko120110", "binance120110", "coingecko120010", "binance120010"]
    bench.outbox.close()


def keep_bars(bench: Bench, feed: Feed, begin_ms: int, *, slot_ms: int = 0) -> Entry:
    bar = replace(CANDLE.example, interval=feed.part, timestamp=iso(begin_ms), fetched_at=iso(bench.noon + 86_400_000))
    return bench.outbox.keep(feed, CANDLE.codec.encode(bar) + b"\n", begin_ms=begin_ms, slot_ms=slot_ms)


def test_each_dataset_and_part_has_its_own_place(tmp_path: Path) -> None:
    bench = Bench(tmp_path, intervals={"coingecko": MINUTE, "binance.candle-1m": MINUTE})
    bench.keep(0)
    keep_bars(bench, Feed("binance", "candle", "1m"), bench.noon - MINUTE, slot_ms=bench.noon + 3_000)
    assert bench.drain() == 2
    key = bench.store.puts[1]
    assert key.startswith("crypto/v1/candle/raw/1m/source=binance/dt=2026-11-21/hour=11/binance-20261121T115900Z-")
    assert bench.metrics.value("records_archived_total", source="binance.candle-1m") == 1
    bench.outbox.close()


def test_each_page_of_history_is_an_object_at_once_whatever_the_interval_and_behind_what_was_kept_before(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path, intervals={"coingecko": MINUTE, "binance.candle-1s": 1_000})
    bench.keep(0)
    for number in range(2):
        keep_bars(bench, Feed("binance", "candle", "1s"), from_iso("2019-01-01T00:00:00.000Z") + number * 1_000)
    assert bench.drain() == 3
    assert [key.split("dt=")[1][:10] for key in bench.store.puts] == ["2026-11-21", "2019-01-01", "2019-01-01"]
    bench.outbox.close()


def test_a_minute_of_bars_is_closed_only_when_its_last_bar_can_be_on_disk(tmp_path: Path) -> None:
    """They come 3 s after their end."""
    bench = Bench(tmp_path, intervals={"binance.candle-1s": 1_000})
    feed = Feed("binance", "candle", "1s")
    keep_bars(bench, feed, bench.noon + 59_000, slot_ms=bench.noon + 63_000)
    bench.at(60 + 4 + GRACE_MS / 1000 - 0.1)
    assert bench.drain() == 0
    bench.at(60 + 4 + GRACE_MS / 1000)
    assert bench.drain() == 1
    bench.outbox.close()


def test_what_s3_does_not_take_stays_and_goes_in_order_when_it_does(bench: Bench) -> None:
    for seconds in (0, 60, 120):
        bench.keep(seconds)
    bench.at(600)
    bench.store.failures = [TransientError("S3 bucket lake answers 503")] * 4
    said: list[str] = []
    bench.run(60, before=lambda: said.append(bench.health.reasons().get("s3", "")))
    assert any("503 (3 polls wait on disk; the topic goes on)" in text for text in said)
    assert bench.health.reasons() == {}
    assert [key.rsplit("T")[1][:6] for key in bench.store.puts] == ["120000", "120100", "120200"]


def test_a_refusal_is_said_with_its_remedy_and_tried_again(bench: Bench) -> None:
    bench.keep(0)
    bench.at(600)
    bench.store.failures = [OperatorError("403", remedy="Check AWS_S3_ACCESS_KEY")]
    said: list[str] = []
    bench.run(10, before=lambda: said.append(bench.health.reasons().get("s3", "")))
    assert any("Check AWS_S3_ACCESS_KEY" in text for text in said)
    assert bench.waiting() == []


def test_an_absent_s3_does_not_touch_what_waits_for_kafka(bench: Bench) -> None:
    entry = bench.keep(0)
    bench.at(600)
    bench.store.failures = [TransientError("away")] * 1000
    bench.run(60)
    assert bench.outbox.oldest("kafka") == [entry]
    bench.outbox.done("kafka", entry)
    assert bench.waiting() == [0]


def test_a_crash_after_the_put_stores_the_same_object_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for seconds in range(5):
        bench.keep(seconds)
    bench.at(600)
    monkeypatch.setattr(bench.archiver, "_leave", lambda entries: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        bench.drain()
    bench.restart()
    bench.drain()
    assert len(bench.store.puts) == 2
    assert len(bench.store.objects) == 1
    assert bench.waiting() == []


@pytest.mark.parametrize("gone", [0, 1, 4])
def test_a_crash_while_a_group_leaves_lets_the_rest_leave_at_the_next_start(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, gone: int
) -> None:
    for seconds in range(5):
        bench.keep(seconds)
    bench.at(600)
    done, left = bench.outbox.done, gone

    def die_after_some(drain: str, entry: Entry) -> None:
        nonlocal left
        if not left:
            raise KeyboardInterrupt
        left -= 1
        done(drain, entry)

    monkeypatch.setattr(bench.outbox, "done", die_after_some)
    with pytest.raises(KeyboardInterrupt):
        bench.drain()
    bench.restart()
    assert len(bench.waiting()) == 5 - gone
    bench.drain()
    assert bench.waiting() == []
    assert len(bench.store.puts) == 1, "the rest was stored again as another object"
    assert not (bench.folder / "stored.json").exists()


def test_a_note_that_was_half_written_at_a_crash_means_that_nothing_had_left(bench: Bench) -> None:
    for seconds in range(3):
        bench.keep(seconds)
    (bench.folder / "stored.json").write_bytes(b'["0000')
    bench.restart()
    bench.at(600)
    bench.drain()
    assert len(bench.store.lines()) == 3
    assert not (bench.folder / "stored.json").exists()


def test_on_a_full_disk_what_is_stored_leaves_all_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for seconds in range(3):
        bench.keep(seconds)
    bench.at(600)

    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write", full)
    assert bench.drain() == 1
    assert bench.waiting() == []
    assert "No space left on device" in caplog.text


def test_a_disk_that_refuses_does_not_end_the_archiver(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.keep(0)
    bench.at(600)
    refused = [OSError(30, "Read-only file system")]
    finish = bench.archiver._finish_interrupted

    def once() -> None:
        if refused:
            raise refused.pop()
        finish()

    monkeypatch.setattr(bench.archiver, "_finish_interrupted", once)
    said: list[str] = []
    bench.run(10, before=lambda: said.append(bench.health.reasons().get("s3", "")))
    assert any("Read-only file system" in text for text in said)
    assert bench.waiting() == []


def test_a_damaged_poll_is_set_aside_and_the_rest_of_its_minute_stored(bench: Bench) -> None:
    entries = [bench.keep(seconds) for seconds in range(3)]
    path = bench.folder / "s3" / entries[1].name
    path.unlink()
    path.write_bytes(b"cut")
    bench.at(600)
    bench.drain()
    assert [json.loads(line)["asset_id"] for line in bench.store.lines()] == ["coingecko-0", "coingecko-2"]
    assert bench.waiting() == []


def test_polls_without_a_record_leave_without_an_object(bench: Bench) -> None:
    keep_poll(bench.outbox, bench.noon, "coingecko", b"")
    bench.at(600)
    bench.drain()
    assert (bench.store.puts, bench.waiting()) == ([], [])


def test_at_a_stop_what_is_closed_is_still_stored_and_an_open_minute_waits(bench: Bench) -> None:
    bench.run(1)
    bench.at(595)
    bench.keep(0)
    bench.keep(590)

    loop = HandLoop(bench.clock, end=bench.clock.monotonic() + 100)

    def stop_before_the_next_group() -> None:
        loop.stopped = True

    loop._before = stop_before_the_next_group
    bench.archiver._finish()
    assert bench.waiting() == [590]


def test_at_a_stop_an_s3_that_fails_is_left_for_the_next_start(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.keep(0)
    bench.at(600)
    bench.store.failures = [TransientError("away")]
    bench.archiver._finish()
    assert bench.waiting() == [0]
    assert "stored at the next start" in caplog.text
