from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[3] / "scripts"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    for name in ("setup_kibana.sh", "cryptoproxy.sh"):
        shutil.copy(SCRIPTS / name, tmp_path / "scripts")
    return tmp_path


def stand_in(path: Path, code: int = 0) -> None:
    """A command that prints its arguments, one per line."""
    path.parent.mkdir(parents=True)
    path.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@"\nexit {code}\n')
    path.chmod(0o755)


def run(project: Path, *arguments: str, path: str = "") -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PATH": f"{path}:/usr/bin:/bin" if path else "/usr/bin:/bin"}
    return subprocess.run(
        [project / "scripts" / "setup_kibana.sh", *arguments], env=environ, capture_output=True, text=True, check=False
    )


def test_arguments_and_exit_code_are_those_of_the_command(project: Path) -> None:
    stand_in(project / ".venv" / "bin" / "cryptoproxy", code=3)

    done = run(project, "--url", "http://kibana:5601", "--space", "two words")

    assert done.stdout.splitlines() == ["kibana", "install", "--url", "http://kibana:5601", "--space", "two words"]
    assert done.returncode == 3


def test_an_installed_command_is_found_on_the_path(project: Path, tmp_path: Path) -> None:
    stand_in(tmp_path / "bin" / "cryptoproxy")

    assert run(project, path=str(tmp_path / "bin")).stdout.splitlines() == ["kibana", "install"]


def test_without_the_command_it_says_what_to_do(project: Path) -> None:
    done = run(project)

    assert done.returncode == 127
    assert "make install" in done.stderr
