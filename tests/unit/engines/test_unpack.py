"""An installation is what its zip holds, or it is unpacked anew."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from cryptoproxy.engines.unpack import difference, install
from cryptoproxy.errors import OperatorError


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    file = tmp_path / "server-1.zip"
    with zipfile.ZipFile(file, "w") as content:
        content.writestr("server-1/", "")
        content.writestr("server-1/plugins/", "")
        content.writestr("server-1/bin/server", "#!/bin/sh\n")
        content.writestr("server-1/lib/server.jar", "jar")
    return file


def test_programs_can_be_run_and_all_can_be_read_by_everyone(archive: Path, tmp_path: Path) -> None:
    target = install(archive, tmp_path / "cache")
    modes = {str(path.relative_to(target)): path.stat().st_mode & 0o777 for path in target.rglob("*")}
    assert modes == {
        "bin": 0o755,
        "bin/server": 0o755,
        "lib": 0o755,
        "lib/server.jar": 0o644,
        "plugins": 0o755,
    }
    assert target.stat().st_mode & 0o777 == 0o755
    assert install(archive, tmp_path / "cache") == target


@pytest.mark.parametrize("change", ["edit", "remove", "add"])
def test_a_changed_installation_is_unpacked_anew(archive: Path, tmp_path: Path, change: str) -> None:
    jar = install(archive, tmp_path / "cache") / "lib" / "server.jar"
    match change:
        case "edit":
            jar.write_text("jaR")
        case "remove":
            jar.unlink()
        case "add":
            jar.with_name("planted.jar").write_text("evil")
    said: list[str] = []
    target = install(archive, tmp_path / "cache", say=said.append)
    assert difference(archive, target) is None
    assert len(said) == 1
    assert "was changed" in said[0]


def test_what_a_killed_unpacking_left_is_no_installation(archive: Path, tmp_path: Path) -> None:
    half = tmp_path / "cache" / ".unpacking-abc" / "server-1"
    half.mkdir(parents=True)
    target = install(archive, tmp_path / "cache")
    assert (target / "lib" / "server.jar").read_text() == "jar"
    assert not half.exists()


def test_a_place_that_cannot_be_written_is_named(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(OperatorError, match=r"cannot be unpacked into .*cache"):
        install(archive, tmp_path / "cache")
