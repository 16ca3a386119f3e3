"""What an earlier run left is taken over: whole files wherever they lie, nothing of half-written ones."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from cryptoproxy.datasets import GAP, TRADE, Feed
from cryptoproxy.errors import OperatorError
from cryptoproxy.producer.outbox import Entry, Outbox, OutboxFullError, Piece, files
from cryptoproxy.producer.outbox.entry import content_hash
from cryptoproxy.producer.outbox.waiting import KAFKA, S3
from tests.unit.producer.fakes import keep_poll, kept_entry
from tests.unit.producer.outbox.conftest import GIB, SLOT_MS, Open, content

MINUTE = 60_000


class Killed(BaseException):
    """The process ends here."""


def leave(folder: Path, number: int, data: bytes | None = None) -> Entry:
    """A file in ``writing/``, as a process that ended then left it."""
    (folder / "writing").mkdir(parents=True, exist_ok=True)
    entry = kept_entry(SLOT_MS + number * MINUTE, "coingecko", content(number))
    (folder / "writing" / entry.name).write_bytes(content(number) if data is None else data)
    return entry


def writing(folder: Path) -> list[Path]:
    return list((folder / "writing").iterdir())


def test_polls_of_an_earlier_run_wait_in_order(open_outbox: Open) -> None:
    first = open_outbox()
    kept = [keep_poll(first, SLOT_MS + number * MINUTE, "coingecko", content(number)) for number in (2, 0, 1)]
    first.done(KAFKA, kept[1])
    again = open_outbox()
    assert again.oldest(KAFKA) == [kept[0], kept[2]]
    assert again.oldest(S3) == kept
    assert again.read(S3, kept[1]) == content(0)


def test_a_whole_file_that_was_being_kept_is_taken_over(
    folder: Path, open_outbox: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    entry = leave(folder, 0)
    outbox = open_outbox()
    assert outbox.oldest(KAFKA) == outbox.oldest(S3) == [entry]
    assert outbox.read(KAFKA, entry) == content(0)
    assert outbox.last_slot("coingecko") == entry.slot_ms
    assert outbox.bytes_used() == 4096
    assert writing(folder) == []
    assert f"took over {entry.name}" in caplog.text


@pytest.mark.parametrize("data", [b"", content(0)[:-1], content(0)[:50], content(0) + b"x", content(1)])
def test_a_half_written_file_is_removed(
    folder: Path, open_outbox: Open, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    leave(folder, 0, data)
    outbox = open_outbox()
    assert outbox.oldest(KAFKA) == outbox.oldest(S3) == []
    assert outbox.last_slot("coingecko") is None
    assert writing(folder) == []
    assert "half-written" in caplog.text


def limited(patch: pytest.MonkeyPatch, steps: int, error: BaseException, *, times: int | None = None) -> list[str]:
    """After so many steps on the disk the next ones raise ``error``; which were taken."""
    taken: list[str] = []
    raised: list[str] = []
    places = (
        (files, "write"),
        (files, "sync_folder"),
        (os, "link"),
        (Path, "mkdir"),
        (Path, "rename"),
        (Path, "unlink"),
    )
    for place, name in places:
        original = getattr(place, name)

        def step(*args: Any, name: str = name, original: Callable[..., Any] = original, **options: Any) -> Any:
            if len(taken) >= steps and (times is None or len(raised) < times):
                raised.append(name)
                raise error
            taken.append(name)
            return original(*args, **options)

        patch.setattr(place, name, step)
    return taken


TRADES = Feed("binance", TRADE.name)
BATCH = [Piece(Feed("binance", GAP.name), content(0), SLOT_MS), Piece(TRADES, content(1), SLOT_MS, SLOT_MS + MINUTE)]


class TestTogether:
    def test_all_of_it_is_there_in_its_order(self, folder: Path, open_outbox: Open) -> None:
        outbox, told = open_outbox(), list[Entry]()
        kept = outbox.keep_all(BATCH, before_drains=told.append)
        assert [entry.feed for entry in kept] == [piece.feed for piece in BATCH]
        assert outbox.oldest(KAFKA) == outbox.oldest(S3) == kept == told
        assert [outbox.read(KAFKA, entry) for entry in kept] == [content(0), content(1)]
        assert outbox.last_slot(TRADES.name) == SLOT_MS + MINUTE
        assert outbox.bytes_used() == 2 * 4096
        assert writing(folder) == []

    @pytest.mark.parametrize("steps", range(18))
    def test_a_process_that_ends_after_any_step_leaves_all_of_it_or_nothing(
        self, folder: Path, open_outbox: Open, monkeypatch: pytest.MonkeyPatch, steps: int
    ) -> None:
        outbox = open_outbox()
        with monkeypatch.context() as patch:
            taken = limited(patch, steps, Killed())
            with suppress(Killed):
                outbox.keep_all(BATCH)
        again = open_outbox()
        waiting = [[entry.feed for entry in again.oldest(drain)] for drain in (KAFKA, S3)]
        assert waiting == [[piece.feed for piece in BATCH] if "rename" in taken else []] * 2
        assert again.bytes_used() == len(waiting[0]) * 4096
        assert writing(folder) == []

    @pytest.mark.parametrize("steps", range(12))
    def test_a_disk_that_refuses_a_step_leaves_nothing_of_it(
        self, folder: Path, open_outbox: Open, monkeypatch: pytest.MonkeyPatch, steps: int
    ) -> None:
        outbox = open_outbox()
        with monkeypatch.context() as patch:
            limited(patch, steps, OSError(errno.ENOSPC, "No space left on device"), times=1)
            with pytest.raises(OSError, match="No space"):
                outbox.keep_all(BATCH)
        assert outbox.oldest(KAFKA) == outbox.oldest(S3) == []
        assert [*writing(folder), *(folder / "kafka").iterdir(), *(folder / "s3").iterdir()] == []
        assert outbox.keep_all(BATCH) == outbox.oldest(KAFKA)

    def test_without_room_for_all_nothing_of_it_is_kept(self, folder: Path, open_outbox: Open) -> None:
        outbox = open_outbox(2 * 4096 - 1)
        with pytest.raises(OutboxFullError):
            outbox.keep_all(BATCH)
        assert outbox.oldest(KAFKA) == writing(folder) == []


def test_a_strange_file_in_writing_is_removed_and_one_among_the_polls_set_aside(
    folder: Path, open_outbox: Open
) -> None:
    (folder / "kafka").mkdir(parents=True)
    (folder / "writing").mkdir(parents=True)
    (folder / "kafka" / "notes.txt").write_text("mine")
    (folder / "writing" / "notes.txt").write_text("mine")
    outbox = open_outbox()
    assert outbox.oldest(KAFKA) == []
    assert (folder / "damaged" / "kafka-notes.txt").read_text() == "mine"
    assert writing(folder) == []


@pytest.mark.parametrize("folders", [["kafka"], ["s3"], ["kafka", "s3"]])
def test_a_poll_that_was_linked_halfway_is_taken_over_by_both_drains(
    folder: Path, open_outbox: Open, folders: list[str]
) -> None:
    entry = leave(folder, 0)
    for name in folders:
        (folder / name).mkdir(parents=True)
        os.link(folder / "writing" / entry.name, folder / name / entry.name)
    outbox = open_outbox()
    assert outbox.oldest(KAFKA) == outbox.oldest(S3) == [entry]
    assert outbox.bytes_used() == 4096


def old_name(number: int) -> str:
    """Of before entries were in the order of keeping."""
    return f"{SLOT_MS + number * MINUTE:014d}-coingecko-3-{content_hash(content(number))[:12]}.jsonl"


def test_what_an_earlier_version_has_kept_is_taken_over_before_all_that_comes(folder: Path, open_outbox: Open) -> None:
    for name in ("writing", "kafka", "s3"):
        (folder / name).mkdir(parents=True)
    for number in range(3):  # the last one was just being kept
        path = folder / "writing" / old_name(number)
        path.write_bytes(content(number))
        for name in ("kafka", "s3")[: 2 if number < 2 else 1]:
            os.link(path, folder / name / path.name)
        if number < 2:
            path.unlink()
    outbox = open_outbox()
    assert [entry.slot_ms for entry in outbox.oldest(KAFKA)] == [SLOT_MS + number * MINUTE for number in range(3)]
    assert outbox.oldest(KAFKA) == outbox.oldest(S3)
    assert [outbox.read(S3, entry) for entry in outbox.oldest(S3)] == [content(number) for number in range(3)]
    assert outbox.last_slot("coingecko") == SLOT_MS + 2 * MINUTE
    assert outbox.bytes_used() == 3 * 4096
    assert writing(folder) == []
    kept = keep_poll(outbox, SLOT_MS + 3 * MINUTE, "coingecko", content(3))
    assert outbox.oldest(KAFKA)[-1] == kept
    for entry in outbox.oldest(KAFKA):
        outbox.done(KAFKA, entry)
    assert list((folder / "kafka").iterdir()) == list((folder / "damaged").iterdir()) == []


def test_a_crash_while_old_names_are_changed_is_mended_by_the_next_start(
    folder: Path, open_outbox: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("kafka", "s3"):
        (folder / name).mkdir(parents=True)
        for number in range(3):
            (folder / name / old_name(number)).write_bytes(content(number))
    rename, left = Path.rename, [4]

    def ends(path: Path, target: Path) -> Path:
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", ends)
        with pytest.raises(Killed):
            open_outbox()
    outbox = open_outbox()
    assert outbox.oldest(KAFKA) == outbox.oldest(S3)
    assert outbox.count(KAFKA) == 3


@pytest.mark.parametrize("step", ["write", "link", "sync_folder"])
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("good", [0, 1])
def test_a_process_that_ends_between_two_steps_leaves_all_or_nothing(
    folder: Path, open_outbox: Open, step: str, before: bool, good: int
) -> None:
    outbox = open_outbox()
    outbox.advance_last_slot("coingecko", SLOT_MS - MINUTE)  # its file is there
    original, left = getattr(files, step), [good]

    def ends(*args: object) -> None:
        left[0] -= 1
        if left[0] >= 0:
            original(*args)
            return
        if not before:
            original(*args)
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, step, ends)
        try:
            keep_poll(outbox, SLOT_MS, "coingecko", content(0))
        except Killed:
            written = not (step == "write" and before)
        else:
            written = True
    again = open_outbox()
    waiting = again.oldest(KAFKA)
    assert waiting == again.oldest(S3)
    assert [entry.slot_ms for entry in waiting] == ([SLOT_MS] if written else [])
    assert again.last_slot("coingecko") == (SLOT_MS if written else SLOT_MS - MINUTE)
    assert writing(folder) == []
    assert all(again.read(drain, entry) == content(0) for drain in (KAFKA, S3) for entry in waiting)


def test_the_last_slot_survives_also_when_its_poll_has_left(open_outbox: Open) -> None:
    outbox = open_outbox()
    assert outbox.last_slot("coingecko") is None
    for number in range(3):
        entry = keep_poll(outbox, SLOT_MS + number * MINUTE, "coingecko", content(number))
        for drain in (KAFKA, S3):
            outbox.done(drain, entry)
    again = open_outbox()
    assert again.oldest(S3) == []
    assert again.last_slot("coingecko") == SLOT_MS + 2 * MINUTE
    assert again.last_slot("binance") is None


def test_the_last_slot_never_goes_back(open_outbox: Open) -> None:
    outbox = open_outbox()
    outbox.advance_last_slot("coingecko", SLOT_MS + 5 * MINUTE)
    outbox.advance_last_slot("coingecko", SLOT_MS)
    keep_poll(outbox, SLOT_MS, "coingecko", content())
    assert outbox.last_slot("coingecko") == SLOT_MS + 5 * MINUTE
    assert open_outbox().last_slot("coingecko") == SLOT_MS + 5 * MINUTE


@pytest.mark.parametrize("mark", [None, b"", b"garbage"])
@pytest.mark.parametrize("drains", [(KAFKA, S3), (S3, KAFKA)])
def test_a_last_slot_that_is_lost_is_found_in_the_polls_that_wait(
    folder: Path, open_outbox: Open, mark: bytes | None, drains: tuple[str, str]
) -> None:
    outbox = open_outbox()
    kept = [keep_poll(outbox, SLOT_MS + number * MINUTE, "coingecko", content(number)) for number in range(3)]
    outbox.done(drains[0], kept[2])
    outbox.done(drains[1], kept[0])
    outbox.close()
    (folder / "slots" / "coingecko").unlink()
    if mark is not None:
        (folder / "slots" / "coingecko").write_bytes(mark)
    assert open_outbox().last_slot("coingecko") == SLOT_MS + 2 * MINUTE


def test_a_disk_that_refuses_at_the_start_is_a_person_s_matter_and_locks_nothing(
    folder: Path, open_outbox: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = leave(folder, 0)

    def no_space(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", no_space)
        with pytest.raises(OperatorError, match=r"cannot be taken over: .*No space left"):
            Outbox(folder, max_bytes=GIB)
    assert open_outbox().oldest(KAFKA) == [entry]


def test_a_file_that_cannot_be_read_at_the_start_does_not_stop_the_others(
    folder: Path, open_outbox: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = leave(folder, 0), leave(folder, 1)
    read_bytes = Path.read_bytes

    def bad_sector(path: Path) -> bytes:
        if path.name == bad.name:
            raise OSError(errno.EIO, "Input/output error")
        return read_bytes(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", bad_sector)
        outbox = open_outbox()
    assert outbox.oldest(KAFKA) == [good]
    assert (folder / "damaged" / f"writing-{bad.name}").exists()
