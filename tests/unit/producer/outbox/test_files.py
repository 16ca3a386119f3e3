"""What returned is on the disk; what did not leaves nothing."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from cryptoproxy.producer.outbox import files

SRC = Path(files.__file__).parents[2]


def no_space(*args: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def broken(*args: object) -> None:
    raise OSError(errno.EIO, "Input/output error")


def test_a_file_is_on_disk_before_its_writing_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bytes] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        synced.append((tmp_path / "file").read_bytes())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    files.write(tmp_path / "file", b"content")
    assert synced == [b"content"]


@pytest.mark.parametrize("fails", [no_space, broken])
def test_a_disk_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: Callable[..., None]
) -> None:
    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match=r"No space left|Input/output"):
        files.write(tmp_path / "file", b"content")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sync", [True, False])
def test_a_file_that_is_replaced_is_the_old_one_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sync: bool
) -> None:
    path = tmp_path / "file"
    files.replace(path, b"old", sync=sync)
    files.replace(path, b"new", sync=sync)
    assert path.read_bytes() == b"new"
    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        files.replace(path, b"newer")
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (b"new", [path])


def test_a_device_that_is_full_leaves_nothing(tmp_path: Path) -> None:
    """A real ENOSPC, in the middle of a write."""
    (tmp_path / "file").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as caught:
        files.write(tmp_path / "file", b"x" * 1_000_000)
    assert caught.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


def test_a_file_size_limit_leaves_nothing(tmp_path: Path) -> None:
    code = """
import resource, sys
from pathlib import Path
from cryptoproxy.producer.outbox import files
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
try:
    files.write(Path(sys.argv[1]), b"x" * 20_000)
except OSError as error:
    print(error.errno)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "file")],
        env={**os.environ, "PYTHONPATH": str(SRC)},
        capture_output=True,
        text=True,
        check=True,
        timeout=180,
    )
    assert int(done.stdout) == errno.EFBIG
    assert list(tmp_path.iterdir()) == []


def test_a_link_that_is_there_already_is_the_same_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    files.write(tmp_path / "file", b"content")
    files.link(tmp_path / "file", tmp_path / "a")
    files.link(tmp_path / "file", tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b" / "file").samefile(tmp_path / "a" / "file")


def test_room_on_disk_is_taken_by_whole_blocks() -> None:
    assert [files.on_disk(size) for size in (0, 1, 4095, 4096, 4097, 22_000)] == [4096, 4096, 4096, 4096, 8192, 24_576]


class TestMark:
    def test_it_survives_and_only_grows(self, tmp_path: Path) -> None:
        mark = files.Mark(tmp_path / "mark")
        assert mark.read() is None
        for number in (5, 3, 1_763_632_800_000, 7):
            mark.advance(number)
        mark.close()
        again = files.Mark(tmp_path / "mark")
        assert again.read() == 1_763_632_800_000
        again.close()

    @pytest.mark.parametrize("garbage", [b"", b"\x00" * 21, b"garbage", b"12x\n"])
    def test_garbage_is_no_number_and_is_written_over(self, tmp_path: Path, garbage: bytes) -> None:
        (tmp_path / "mark").write_bytes(garbage)
        mark = files.Mark(tmp_path / "mark")
        assert mark.read() is None
        mark.advance(7)
        assert mark.read() == 7
        mark.close()

    def test_threads_do_not_push_it_back(self, tmp_path: Path) -> None:
        mark = files.Mark(tmp_path / "mark")
        begin = threading.Barrier(4)

        def advance(first: int) -> None:
            begin.wait(180)
            for number in range(first, 200, 4):
                mark.advance(number)

        threads = [threading.Thread(target=advance, args=(first,)) for first in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(180)
        assert mark.read() == 199
        mark.close()

    def test_once_closed_it_does_not_write_into_another_s_file(self, tmp_path: Path) -> None:
        mark = files.Mark(tmp_path / "mark")
        mark.close()
        with (tmp_path / "other").open("w+b") as other:
            with pytest.raises(OSError, match="descriptor"):
                mark.advance(7)
            assert other.read() == b""
