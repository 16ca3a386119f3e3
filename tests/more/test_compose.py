"""The compose file by compose-go, which is what `docker compose` reads it with."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.go import built
from tests.unit.deploy.reading import COMPOSE, load_yaml, variables

TEXT = COMPOSE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def compose() -> Path:
    return built(Path(__file__).with_name("compose"))


def read(compose: Path, file: Path, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [compose, file], env={"PATH": os.environ["PATH"], **environ}, capture_output=True, text=True, check=False
    )


def test_it_is_read_with_all_of_its_services(compose: Path) -> None:
    done = read(compose, COMPOSE, dict.fromkeys(variables(TEXT), "x"))
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == set(load_yaml(COMPOSE)["services"])


def test_without_passwords_it_says_what_makes_them(compose: Path) -> None:
    done = read(compose, COMPOSE, {})
    assert done.returncode == 1
    assert "run scripts/start_services.sh, which makes docker/.env" in done.stderr


@pytest.mark.parametrize(
    ("right", "wrong"), [("mem_limit: 1g", "mem_limit: much"), ("setup: {condition", "nobody: {condition")]
)
def test_what_is_wrong_in_it_is_found(compose: Path, tmp_path: Path, right: str, wrong: str) -> None:
    """So that the two above say something."""
    assert right in TEXT
    file = tmp_path / "docker-compose.yml"
    file.write_text(TEXT.replace(right, wrong))
    assert read(compose, file, dict.fromkeys(variables(TEXT), "x")).returncode == 1
