"""`tail --to-folder`: each record of a partition once, in files whose names say where to go on."""

from __future__ import annotations

from pathlib import Path

from cryptoproxy.cli.reading.topic_files import PartitionFiles


def files(folder: Path, *, most: int = 3, seconds: float = 60) -> PartitionFiles:
    return PartitionFiles(folder, "crypto-data", 0, most=most, seconds=seconds)


def there(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "crypto-data" / "0").iterdir())}


def name(first: int, last: int) -> str:
    return f"{first:020}-{last:020}.jsonl"


def test_a_file_is_closed_by_its_lines_or_its_age_and_named_by_its_offsets(tmp_path: Path) -> None:
    made = files(tmp_path)
    assert made.next_offset() is None
    for offset in (5, 6, 9):  # a hole is normal
        made.write(offset, b"%d" % offset, now=0)
    made.write(10, b"10", now=100)
    made.close_if_due(159)
    assert list(there(tmp_path)) == [name(5, 9), "open.part"]
    made.close_if_due(160)
    assert there(tmp_path) == {name(5, 9): b"5\n6\n9\n", name(10, 10): b"10\n"}
    made.close()
    assert len(there(tmp_path)) == 2


def test_after_a_kill_what_has_no_name_is_written_anew(tmp_path: Path) -> None:
    killed = files(tmp_path)
    for offset in range(4):
        killed.write(offset, b"old", now=0)
    assert killed._file is not None
    killed._file.close()  # as the kernel does
    again = files(tmp_path)
    assert again.next_offset() == 3
    again.write(3, b"new", now=0)
    again.close()
    assert there(tmp_path) == {name(0, 2): b"old\n" * 3, name(3, 3): b"new\n"}
