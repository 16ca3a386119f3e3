"""What returned is on the disk; what did not leaves nothing."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from cryptoproxy.producer.outbox import files

SRC = Path(files.__file__).parents[2]


def test_a_link_that_is_there_already_is_the_same_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    files.write(tmp_path / "file", b"content")
    files.link([tmp_path / "file"], tmp_path / "a")
    files.link([tmp_path / "file"], tmp_path / "a", tmp_path / "b")
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
