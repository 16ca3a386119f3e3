"""Keep, drain and bounds."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cryptoproxy.datasets import Feed
from cryptoproxy.errors import OperatorError
from cryptoproxy.producer.outbox import Entry, Outbox, OutboxFullError, files
from cryptoproxy.producer.outbox.waiting import DRAINS, KAFKA, S3, rooms
from tests.conftest import PATIENCE
from tests.unit.producer.fakes import keep_poll
from tests.unit.producer.outbox.conftest import SLOT_MS, Open, content

SRC = Path(files.__file__).parents[2]
MINUTE = 60_000


def keep(outbox: Outbox, number: int, source: str = "coingecko") -> Entry:
    return keep_poll(outbox, SLOT_MS + number * MINUTE, source, content(number))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def no_space(*args: object, **kwargs: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_kept_poll_lies_in_both_folders_and_once_on_the_disk(outbox: Outbox, folder: Path) -> None:
    entry = keep(outbox, 0)
    assert names(folder / "kafka") == names(folder / "s3") == [entry.name]
    assert (folder / "kafka" / entry.name).samefile(folder / "s3" / entry.name)
    assert (folder / "kafka" / entry.name).read_bytes() == content(0)
    assert names(folder / "writing") == []
    assert outbox.last_slot("coingecko") == SLOT_MS


def test_names_and_folders_are_on_disk_before_keep_returns(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    for module, step in ((files, "write"), (files, "link"), (files, "sync_folder")):
        original = getattr(module, step)

        def watched(*args: object, step: str = step, original: Callable[..., None] = original) -> None:
            steps.append(f"{step} {Path(str(args[0])).name}" if step == "sync_folder" else step)
            original(*args)

        monkeypatch.setattr(module, step, watched)
    keep(outbox, 0)
    assert [step for step in steps if step != "sync_folder slots"] == [
        "write",
        "link",
        "sync_folder kafka",
        "sync_folder s3",
    ]


def test_each_drain_takes_its_own(outbox: Outbox, folder: Path) -> None:
    first, second = keep(outbox, 0), keep(outbox, 1)
    outbox.done(KAFKA, first)
    assert outbox.oldest(KAFKA) == [second]
    assert outbox.oldest(S3) == [first, second]
    assert outbox.read(S3, first) == content(0)
    outbox.done(S3, first)
    outbox.done(S3, first)  # said twice, it does no harm
    assert names(folder / "kafka") == names(folder / "s3") == [second.name]
    assert (outbox.count(KAFKA), outbox.count(S3)) == (1, 1)


def test_what_was_kept_first_comes_first_however_old_its_records_are(outbox: Outbox) -> None:
    kept = [keep(outbox, number) for number in (3, 1, 2)]
    kept.append(keep(outbox, 2, "binance"))
    assert outbox.oldest(KAFKA) == kept
    assert outbox.oldest(S3, 2) == kept[:2]


def test_a_clock_that_is_set_back_reverses_nothing_in_a_run_or_over_a_restart(
    folder: Path, request: pytest.FixtureRequest
) -> None:
    now_ms = SLOT_MS
    outbox = Outbox(folder, max_bytes=1 << 30, now_ms=lambda: now_ms)
    kept = [keep(outbox, 0)]
    now_ms -= MINUTE
    kept += [keep(outbox, 1), keep(outbox, 2)]
    outbox.close()
    now_ms -= MINUTE
    again = Outbox(folder, max_bytes=1 << 30, now_ms=lambda: now_ms)
    request.addfinalizer(again.close)
    kept.append(keep(again, 3))
    assert again.oldest(KAFKA) == kept
    assert [entry.kept_ms - SLOT_MS for entry in kept] == [0, 1, 2, 3]


def test_a_page_of_history_stands_behind_what_was_kept_before_it_and_settles_no_slot(
    outbox: Outbox, open_outbox: Open
) -> None:
    feed = Feed("binance", "candle", "1m")
    live = outbox.keep(feed, content(0), begin_ms=SLOT_MS - MINUTE, slot_ms=SLOT_MS)
    old = outbox.keep(feed, content(1), begin_ms=SLOT_MS - 1_000_000 * MINUTE)
    later = keep(outbox, 0)
    assert outbox.oldest(KAFKA) == [live, old, later]
    assert "-binance.candle-1m-" in old.name
    outbox.done(KAFKA, live)
    outbox.done(S3, live)
    (outbox.folder / "slots" / "binance.candle-1m").unlink()
    again = open_outbox()
    assert again.oldest(KAFKA) == [old, later]
    assert again.last_slot("binance.candle-1m") is None


def test_what_goes_to_one_topic_hides_nothing_that_goes_to_another(outbox: Outbox) -> None:
    feed = Feed("binance", "candle", "1m")
    candles = [outbox.keep(feed, content(number), begin_ms=SLOT_MS, slot_ms=SLOT_MS + number) for number in range(5)]
    poll = keep(outbox, 0)
    assert outbox.oldest(KAFKA, 2) == candles[:2]
    assert outbox.oldest(KAFKA, 2, without={("candle", "1m")}) == [poll]
    outbox.done(KAFKA, poll)
    outbox.wait(KAFKA, 0, without={("candle", "1m")})
    assert outbox.oldest(KAFKA, 2, without={("candle", "1m")}) == []


def test_the_same_poll_kept_again_is_another_entry(outbox: Outbox) -> None:
    """It is known by its ids, not here: what is kept again after a crash is written twice and stored once."""
    assert keep(outbox, 0) != keep(outbox, 0)
    assert outbox.count(KAFKA) == outbox.count(S3) == 2


def test_an_empty_poll_can_be_kept(outbox: Outbox, open_outbox: Open) -> None:
    entry = keep_poll(outbox, SLOT_MS, "coingecko", b"")
    again = open_outbox()
    assert again.oldest(KAFKA) == [entry]
    assert again.read(KAFKA, entry) == b""


def test_a_drain_waits_until_there_is_something(outbox: Outbox) -> None:
    outbox.wait(KAFKA, 0)
    waited = threading.Event()
    thread = threading.Thread(target=lambda: (outbox.wait(KAFKA, 60), waited.set()))
    thread.start()
    keep(outbox, 0)
    assert waited.wait(180)
    thread.join(180)
    outbox.wait(KAFKA, 60)  # at once: something is there


def test_the_keeper_is_told_before_a_drain_can_see_it(outbox: Outbox) -> None:
    seen: list[tuple[Entry, int]] = []
    entry = keep_poll(
        outbox, SLOT_MS, "coingecko", content(), before_drains=lambda entry: seen.append((entry, outbox.count(KAFKA)))
    )
    assert seen == [(entry, 0)]


# --- bounds


def test_room_is_counted_in_whole_blocks_of_the_disk(outbox: Outbox, open_outbox: Open) -> None:
    small = keep_poll(outbox, SLOT_MS, "a", b"x\n")
    large = keep_poll(outbox, SLOT_MS, "b", b"x" * 8192 + b"\n")
    assert outbox.bytes_used() == 4096 + 3 * 4096
    assert outbox.bytes_waiting(KAFKA) == outbox.bytes_waiting(S3) == 4 * 4096
    outbox.done(KAFKA, large)
    assert (outbox.bytes_used(), outbox.bytes_waiting(KAFKA), outbox.bytes_waiting(S3)) == (16_384, 4096, 16_384)
    again = open_outbox()
    assert (again.bytes_used(), again.bytes_waiting(KAFKA), again.bytes_waiting(S3)) == (16_384, 4096, 16_384)
    for drain, entry in ((S3, large), (S3, small), (KAFKA, small)):
        again.done(drain, entry)
    assert (again.bytes_used(), again.bytes_waiting(KAFKA), again.bytes_waiting(S3)) == (0, 0, 0)


def test_a_full_outbox_takes_nothing_and_loses_nothing(open_outbox: Open, folder: Path) -> None:
    outbox = open_outbox(3 * 4096)
    kept = [keep(outbox, number) for number in range(3)]
    with pytest.raises(OutboxFullError, match=r"is full \(12288 of 12288 bytes\).*OUTBOX_MAX_SIZE"):
        keep(outbox, 3)
    with pytest.raises(OutboxFullError):
        outbox.require_room()
    assert outbox.oldest(KAFKA) == kept
    assert names(folder / "writing") == []
    assert outbox.last_slot("coingecko") == kept[-1].slot_ms


def test_there_is_room_again_when_both_drains_have_taken_one(open_outbox: Open) -> None:
    outbox = open_outbox(2 * 4096)
    first, _ = keep(outbox, 0), keep(outbox, 1)
    outbox.done(KAFKA, first)
    with pytest.raises(OutboxFullError):
        keep(outbox, 2)
    outbox.done(S3, first)
    outbox.require_room()
    keep(outbox, 2)


def test_a_poll_that_does_not_fit_is_told_before_it_is_written(open_outbox: Open) -> None:
    outbox = open_outbox(3 * 4096)
    with pytest.raises(OutboxFullError):
        keep_poll(outbox, SLOT_MS, "a", b"x" * 3 * 4096 + b"\n")
    keep_poll(outbox, SLOT_MS, "a", b"x" * (3 * 4096 - 1) + b"\n")


# --- a room for each drain


ROOMS = {KAFKA: 3 * 4096, S3: 3 * 4096}


def test_a_drain_that_takes_nothing_fills_its_own_room_and_the_other_goes_on(
    folder: Path, request: pytest.FixtureRequest
) -> None:
    passed: list[tuple[str, str]] = []
    outbox = Outbox(folder, max_bytes=5 * 4096, rooms=ROOMS, passed_over=lambda *what: passed.append(what))
    request.addfinalizer(outbox.close)
    kept = []
    for number in range(100):  # S3 is away, Kafka takes each at once
        kept.append(keep(outbox, number))
        outbox.done(KAFKA, kept[-1])
    assert outbox.oldest(S3) == kept[:3], "what was accepted for S3 stays"
    assert passed == [("coingecko", S3)] * 97
    assert outbox.bytes_used() == 3 * 4096
    outbox.done(S3, kept[0])
    assert keep(outbox, 100) in outbox.oldest(S3)


def test_it_holds_for_either_drain_and_at_the_next_start(folder: Path, request: pytest.FixtureRequest) -> None:
    outbox = Outbox(folder, max_bytes=5 * 4096, rooms=ROOMS)
    kept = [keep(outbox, number) for number in range(3)]
    for entry in kept:
        outbox.done(S3, entry)
    lake_only = keep(outbox, 3)
    assert outbox.oldest(KAFKA) == kept
    assert outbox.oldest(S3) == [lake_only]
    outbox.close()
    again = Outbox(folder, max_bytes=5 * 4096, rooms=ROOMS)
    request.addfinalizer(again.close)
    assert (again.oldest(KAFKA), again.oldest(S3)) == (kept, [lake_only])
    keep(again, 4)
    assert again.count(KAFKA) == 3


@pytest.mark.parametrize(("first", "away"), [(KAFKA, S3), (S3, KAFKA)])
def test_while_both_take_nothing_polling_stops_and_goes_on_with_the_one_that_comes_back_first(
    folder: Path, request: pytest.FixtureRequest, first: str, away: str
) -> None:
    outbox = Outbox(folder, max_bytes=5 * 4096, rooms=ROOMS)
    request.addfinalizer(outbox.close)
    kept = [keep(outbox, number) for number in range(3)]
    with pytest.raises(OutboxFullError, match=r"is full \(12288 of 12288 bytes\), polling stops"):
        keep(outbox, 3)
    assert outbox.oldest(KAFKA) == outbox.oldest(S3) == kept
    for number in range(3, 20):
        for entry in outbox.oldest(first):
            outbox.done(first, entry)
        keep(outbox, number)
    assert outbox.oldest(away) == kept
    assert list(outbox.passes_over()) == [away]


def test_when_the_second_drain_stops_too_the_folder_fills_and_nothing_is_dropped(
    folder: Path, request: pytest.FixtureRequest
) -> None:
    outbox = Outbox(folder, max_bytes=5 * 4096, rooms=ROOMS)
    request.addfinalizer(outbox.close)
    first = [keep(outbox, number) for number in range(3)]
    for entry in first:
        outbox.done(KAFKA, entry)
    second = [keep(outbox, number) for number in range(3, 5)]
    with pytest.raises(OutboxFullError):
        outbox.require_room()
    assert (outbox.oldest(S3), outbox.oldest(KAFKA)) == (first, second)


def test_the_rooms_are_as_set_or_leave_an_eighth_to_the_other() -> None:
    assert rooms(8 << 30) == {KAFKA: 7 << 30, S3: 7 << 30}
    assert rooms(8 << 30, s3=8 << 30) == {KAFKA: 7 << 30, S3: 8 << 30}
    assert rooms(8 << 30, kafka=1 << 20) == {KAFKA: 1 << 20, S3: 7 << 30}
    assert rooms(64 << 10) == {KAFKA: 64 << 10, S3: 64 << 10}, "too little to be divided"


# --- a disk that fails


@pytest.mark.parametrize(
    ("place", "step"),
    [(os, "fsync"), (os, "pwrite"), (os, "link"), (files, "sync_folder"), (files, "link"), (Path, "unlink")],
    ids=lambda each: each if isinstance(each, str) else each.__name__,
)
@pytest.mark.parametrize("good", [0, 1, 2])
def test_a_disk_that_refuses_in_the_middle_leaves_nothing_of_the_poll(
    outbox: Outbox, open_outbox: Open, folder: Path, place: object, step: str, good: int
) -> None:
    """What its source counts as missed must not be delivered after the next start."""
    kept = keep(outbox, 0)
    original, left = getattr(place, step), [good]

    def fails(*args: object, **kwargs: object) -> object:
        left[0] -= 1
        return original(*args, **kwargs) if left[0] >= 0 else no_space()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, step, fails)
        try:
            keep(outbox, 1)
        except OSError:
            refused = True
        else:
            refused = False  # it needs this step less often
    waiting = [kept.name] if refused else [kept.name, *names(folder / "kafka")[1:]]
    if step != "unlink":  # that is how it would be undone
        assert names(folder / "kafka") == names(folder / "s3") == waiting
        assert names(folder / "writing") == []
        again = open_outbox()
        assert [entry.name for entry in again.oldest(KAFKA)] == [entry.name for entry in again.oldest(S3)] == waiting
    assert outbox.read(KAFKA, kept) == content(0)


def test_after_the_disk_has_room_again_polls_are_kept(outbox: Outbox) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "write", no_space)
        with pytest.raises(OSError, match="No space"):
            keep(outbox, 0)
    assert keep(outbox, 1) in outbox.oldest(KAFKA)


def test_a_file_size_limit_keeps_nothing_and_leaves_nothing(folder: Path) -> None:
    code = """
import resource, sys
from pathlib import Path
from cryptoproxy.datasets import Feed
from cryptoproxy.producer.outbox import Outbox
outbox = Outbox(Path(sys.argv[1]), max_bytes=2**30)
outbox.keep(Feed("coingecko"), b"x\\n", begin_ms=1, slot_ms=1)
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
try:
    outbox.keep(Feed("coingecko"), b"x" * 20_000 + b"\\n", begin_ms=2, slot_ms=2)
except OSError as error:
    print(error.errno)
print(len(outbox.oldest("kafka")), outbox.last_slot("coingecko"))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        env={**os.environ, "PYTHONPATH": str(SRC)},
        capture_output=True,
        text=True,
        check=True,
        timeout=180,
    )
    assert done.stdout.split() == [str(errno.EFBIG), "1", "1"]
    assert len(names(folder / "kafka")) == len(names(folder / "s3")) == 1
    assert names(folder / "writing") == []


# --- damage


@pytest.mark.parametrize("damage", [b"", b"other\nlines\nhere\n", content(0)[:-1], content(0) + b"x"])
def test_a_damaged_poll_is_set_aside_and_the_good_one_delivered(
    outbox: Outbox, folder: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = keep(outbox, 0), keep(outbox, 1)
    (folder / "kafka" / bad.name).write_bytes(damage)
    assert outbox.read(KAFKA, bad) is None
    assert outbox.oldest(KAFKA) == [good]
    assert outbox.read(KAFKA, good) == content(1)
    assert (folder / "damaged" / f"kafka-{bad.name}").read_bytes() == damage
    assert bad.name not in names(folder / "kafka")
    assert "is damaged" in caplog.text
    # the same file, so it is as bad for the other drain
    assert outbox.read(S3, bad) is None
    assert names(folder / "damaged") == [f"kafka-{bad.name}", f"s3-{bad.name}"]
    assert outbox.bytes_used() == 4096


def test_a_poll_that_somebody_removed_is_said_and_passed_over(
    outbox: Outbox, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gone, good = keep(outbox, 0), keep(outbox, 1)
    (folder / "kafka" / gone.name).unlink()
    assert outbox.read(KAFKA, gone) is None
    assert outbox.oldest(KAFKA) == [good]
    assert outbox.oldest(S3) == [gone, good]
    assert "is lost" in caplog.text


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.EACCES, errno.ENOMEM])
def test_a_poll_that_cannot_be_read_for_now_is_not_taken_for_damaged(outbox: Outbox, folder: Path, number: int) -> None:
    """A process without file descriptors would else throw away all that waits."""
    entry = keep(outbox, 0)

    def fails(path: Path) -> bytes:
        raise OSError(number, os.strerror(number))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "read_bytes", fails)
        with pytest.raises(OperatorError, match="cannot be read"):
            outbox.read(KAFKA, entry)
    assert outbox.read(KAFKA, entry) == content(0)
    assert names(folder / "damaged") == []


def test_a_disk_that_is_not_mounted_is_no_damage(outbox: Outbox, folder: Path) -> None:
    entry = keep(outbox, 0)
    (folder / "kafka").rename(folder / "elsewhere")
    with pytest.raises(OperatorError, match="cannot be read"):
        outbox.read(KAFKA, entry)
    assert outbox.oldest(KAFKA) == [entry]
    (folder / "elsewhere").rename(folder / "kafka")
    assert outbox.read(KAFKA, entry) == content(0)


def test_a_disk_that_cannot_be_written_stops_a_drain_and_loses_nothing(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = keep(outbox, 0)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", no_space)
        with pytest.raises(OperatorError, match="OUTBOX_DIR"):
            outbox.done(KAFKA, entry)
    assert outbox.oldest(KAFKA) == [entry]


# --- one process per folder


def test_a_second_process_on_the_same_folder_is_refused(outbox: Outbox, folder: Path) -> None:
    code = """
import sys
from pathlib import Path
from cryptoproxy.errors import OperatorError
from cryptoproxy.producer.outbox import Outbox
try:
    Outbox(Path(sys.argv[1]), max_bytes=2**30)
except OperatorError as error:
    print(error)
"""
    keep(outbox, 0)
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        env={**os.environ, "PYTHONPATH": str(SRC)},
        capture_output=True,
        text=True,
        check=True,
        timeout=180,
    )
    assert f"the outbox {folder} is in use by process {os.getpid()}" in done.stdout
    assert "OUTBOX_DIR" in done.stdout
    assert outbox.count(KAFKA) == 1


def test_a_closed_outbox_can_be_opened_again(open_outbox: Open) -> None:
    for _ in range(3):
        open_outbox()


def test_a_folder_that_cannot_be_made_is_a_person_s_matter(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OperatorError, match=r"the outbox .*file/outbox cannot be made.*OUTBOX_DIR"):
        Outbox(tmp_path / "file" / "outbox", max_bytes=1)


# --- many


def test_threads_keep_and_drain_at_once_and_nothing_is_lost(outbox: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    count = 60
    taken: dict[str, list[Entry]] = {drain: [] for drain in DRAINS}

    def keeper(source: str) -> None:
        for number in range(count):
            keep(outbox, number, source)

    def drainer(drain: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while len(taken[drain]) < 2 * count and time.monotonic() < deadline:
            outbox.wait(drain, 0.1)
            for entry in outbox.oldest(drain, 5):
                assert outbox.read(drain, entry) == content((entry.slot_ms - SLOT_MS) // MINUTE)
                outbox.done(drain, entry)
                taken[drain].append(entry)

    threads = [threading.Thread(target=keeper, args=(source,)) for source in ("a", "b")]
    threads += [threading.Thread(target=drainer, args=(drain,)) for drain in DRAINS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(180)
    for drain in DRAINS:
        for source in ("a", "b"):
            assert [e.slot_ms for e in taken[drain] if e.feed.source == source] == [
                SLOT_MS + number * MINUTE for number in range(count)
            ]
    assert outbox.bytes_used() == 0
    assert caplog.messages == []


def test_what_an_earlier_run_has_kept_is_told_from_its_own(open_outbox: Open) -> None:
    earlier = keep(open_outbox(), 1)
    outbox = open_outbox()
    assert outbox.inherited(earlier)
    assert not outbox.inherited(keep(outbox, 2))
