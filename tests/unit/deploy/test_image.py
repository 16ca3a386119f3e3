"""The image, as far as it can be known without building it: what goes in, and what the installed wheel can do."""

from __future__ import annotations

import fnmatch
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from cryptoproxy.common.settings import Settings
from tests.unit.deploy.reading import NAMES, ROOT, parse_command

DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")
FINAL_STAGE = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]


def instructions(text: str, name: str) -> list[str]:
    joined = re.sub(r"\\\n", " ", text)
    return [line.removeprefix(f"{name} ").strip() for line in joined.splitlines() if line.startswith(f"{name} ")]


def environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for line in instructions(FINAL_STAGE, "ENV") for pair in line.split())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as the Dockerfile builds it, from a copy of what it copies."""
    folder = tmp_path_factory.mktemp("image")
    context = folder / "context"
    context.mkdir()
    ignore = ["--exclude=__pycache__", "--exclude=*.egg-info"]
    packed = subprocess.run(
        ["tar", "cf", "-", *ignore, "pyproject.toml", "README.md", "LICENSE", "src", "kibana/crypto-prices.ndjson"],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    subprocess.run(["tar", "xf", "-", "-C", str(context)], input=packed.stdout, check=True)
    (context / "cryptoproxy").symlink_to("src")
    build = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet"]
    subprocess.run([*build, "--no-deps", "--no-build-isolation", "-w", str(folder), "."], cwd=context, check=True)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """The folder that it was installed into."""
    target = wheel.parent / "installed"
    # Without --ignore-installed pip would first uninstall the checkout's own, editable installation.
    install = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--ignore-installed"]
    subprocess.run([*install, "--no-index", "--no-deps", "--prefix", str(target), str(wheel)], check=True)
    return target


def run(installed: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """In an empty folder, with nothing of the checkout in reach but its dependencies."""
    (site,) = installed.glob("lib/python*/site-packages")
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(site), "HOME": "/nonexistent"}
    return subprocess.run(
        [sys.executable, "-P", *words], cwd=cwd, env=environ, capture_output=True, text=True, check=False, timeout=120
    )


def test_the_wheel_carries_every_file_that_the_packages_read(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in (ROOT / "src").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts and ".egg-info" not in str(path):
            assert str("cryptoproxy" / path.relative_to(ROOT / "src")) in names
    assert any(name.endswith(".data/data/share/cryptoproxy/kibana/crypto-prices.ndjson") for name in names)


def test_the_installed_wheel_runs_anywhere(installed: Path, tmp_path: Path) -> None:
    done = run(installed, "-m", "cryptoproxy.cli.main", "produce", "--help", cwd=tmp_path)
    assert (done.returncode, "Poll the upstreams" in done.stdout) == (0, True), done.stderr
    assert (installed / "bin" / "cryptoproxy").is_file()


def test_the_installed_wheel_finds_its_dashboards_and_its_template(installed: Path, tmp_path: Path) -> None:
    lines = [
        "from cryptoproxy import kibana_client; from cryptoproxy.datasets import TICKER; from cryptoproxy.datasets.documents import mapping",
        f"assert kibana_client.__file__.startswith({str(installed)!r}), kibana_client.__file__",
        "from cryptoproxy.kibana_client.bundle import definitions_file, read",
        "print(len(read(definitions_file()).objects), len(mapping.properties(TICKER)))",
    ]
    done = run(installed, "-c", "\n".join(lines), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    dashboards, fields = map(int, done.stdout.split())
    assert dashboards > 3
    assert fields > 20


def test_everything_is_installed_by_hash() -> None:
    for line in instructions(DOCKERFILE, "RUN"):
        for part in line.split("&&"):
            if " install " in part and "pip" in part:
                assert "--require-hashes" in part or "--no-index" in part, part


def test_what_is_copied_is_there_and_in_the_context() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    for line in instructions(DOCKERFILE, "COPY"):
        if line.startswith("--from"):
            continue
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert is_sent(source, rules), source
    for kept_out in (".env", "docker/.env", ".git/config", ".run/outbox/x", "tests/conftest.py", "docs/promise.md"):
        assert not is_sent(kept_out, rules), kept_out


def is_sent(path: str, rules: list[str]) -> bool:
    """Docker's rule: the last pattern that matches the path or one of the folders above it decides."""
    parts = path.split("/")
    above = ["/".join(parts[: number + 1]) for number in range(len(parts))]
    sent = True
    for rule in rules:
        pattern = rule.removeprefix("!")
        if any(fnmatch.fnmatchcase(each, pattern) and each.count("/") == pattern.count("/") for each in above):
            sent = rule.startswith("!")
    return sent


def test_it_does_not_run_as_root_and_writes_where_it_may() -> None:
    (user,) = instructions(FINAL_STAGE, "USER")
    assert user == "10001:10001"
    assert f"install -d -o 10001 -g 10001 -m 0750 /var/lib/cryptoproxy {environment()['OUTBOX_DIR']}" in FINAL_STAGE


def test_its_environment_is_settings_that_fit_together() -> None:
    ours = {name: value for name, value in environment().items() if name in NAMES}
    assert set(ours) == {"HEALTH_HOST", "OUTBOX_DIR"}
    settings = Settings.from_texts(ours)
    assert settings.service.host == "0.0.0.0"
    assert set(instructions(FINAL_STAGE, "EXPOSE")[0].split()) == {
        str(settings.poller.port),
        str(settings.indexer.port),
        str(settings.serve.health_port),
        str(settings.watch.port),
        str(settings.models.port),
        str(settings.brokers.port),
        str(settings.serve.port),
    }


def test_it_starts_the_command_line() -> None:
    assert instructions(FINAL_STAGE, "ENTRYPOINT") == ['["cryptoproxy"]']
    assert parse_command(["produce"]) == "produce"


def test_base_images_are_pinned_and_the_same() -> None:
    bases = {line.split()[0] for line in instructions(DOCKERFILE, "FROM")}
    (base,) = bases
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-bookworm", base)
    minor = tuple(map(int, base.removeprefix("python:").split("-")[0].split(".")[:2]))
    assert minor >= (3, 11)
