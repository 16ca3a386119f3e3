"""What returned is on the disk; what did not leaves nothing."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cryptoproxy.common import files
from cryptoproxy.common.files import write_private

SRC = Path(files.__file__).parents[1]


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
from cryptoproxy.common import files
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


@pytest.mark.parametrize("before", [None, 0o644, 0o777])
@pytest.mark.parametrize("content", ["KEY=geheim-ä\n", b"\xff\x00"])
def test_a_file_of_secrets_is_its_owner_s_alone_whoever_could_read_the_one_before(
    tmp_path: Path, before: int | None, content: str | bytes
) -> None:
    path = tmp_path / "connection.env"
    for each in (path, tmp_path / "connection.env.new"):
        if before is not None:
            each.write_text("older")
            each.chmod(before)
    write_private(path, content)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert list(tmp_path.iterdir()) == [path]


def test_who_has_opened_the_older_file_reads_nothing_of_the_newer(tmp_path: Path) -> None:
    path = tmp_path / "connection.env"
    path.write_text("older")
    with path.open() as opened:
        write_private(path, "newer")
        assert opened.read() == "older"
