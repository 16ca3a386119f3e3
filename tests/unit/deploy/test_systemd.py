"""The units: their directives, commands and settings."""

from __future__ import annotations

import re
import shlex

import pytest

from tests.unit.deploy.reading import ROOT, load, parse_command

UNITS = {path.stem: path for path in (ROOT / "deploy" / "systemd").glob("*.service")}
SECTIONS = {"Unit", "Service", "Install"}


def directives(name: str) -> dict[str, dict[str, list[str]]]:
    return directives_of(UNITS[name].read_text(encoding="utf-8"))


def directives_of(text: str) -> dict[str, dict[str, list[str]]]:
    """By section; a directive may be there more than once."""
    found: dict[str, dict[str, list[str]]] = {}
    section = ""
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        if header := re.fullmatch(r"\[(\w+)\]", line):
            section = header[1]
            found[section] = {}
            continue
        directive, separator, value = line.partition("=")
        assert separator, line
        assert re.fullmatch(r"[A-Z][A-Za-z]+", directive), line
        found[section].setdefault(directive, []).append(value)
    return found


def environment(name: str) -> dict[str, str]:
    pairs = directives(name)["Service"]["Environment"]
    return dict(pair.split("=", 1) for pair in pairs if not pair.startswith("TMPDIR="))


def test_there_is_one_for_each_process() -> None:
    assert set(UNITS) == {
        f"cryptoproxy-{each}" for each in ("poller", "indexer", "serve", "watch", "models", "brokers")
    }


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("cryptoproxy-poller", "produce"),
        ("cryptoproxy-indexer", "consume"),
        ("cryptoproxy-serve", "serve"),
        ("cryptoproxy-watch", "watch"),
        ("cryptoproxy-models", "models predict"),
        ("cryptoproxy-brokers", "brokers"),
    ],
)
def test_a_unit_runs_its_command_with_settings_that_fit(name: str, command: str) -> None:
    assert set(directives(name)) == SECTIONS
    service = directives(name)["Service"]
    program, *words = shlex.split(service["ExecStart"][0])
    assert program == "/opt/cryptoproxy/bin/cryptoproxy"
    assert parse_command(words) == command
    ours = {
        key: value.replace("%S", "/var/lib")
        for key, value in environment(name).items()
        if key[:6] != "PYTHON" or "SERVER" in key
    }
    settings = load(ours)
    rooms = (settings.poller, settings.indexer, settings.watch, settings.models, settings.brokers)
    assert [each.port for each in rooms] == [8000, 8001, 8003, 8004, 8005]
    assert settings.serve.health_port == 8002


def test_the_outbox_is_in_the_folder_that_stays() -> None:
    assert directives("cryptoproxy-poller")["Service"]["StateDirectory"] == ["cryptoproxy-poller"]
    assert environment("cryptoproxy-poller")["OUTBOX_DIR"] == "%S/cryptoproxy-poller/outbox"


@pytest.mark.parametrize("name", sorted(UNITS))
def test_it_starts_again_after_every_end_but_wrong_settings(name: str) -> None:
    from cryptoproxy.common.service.process import STOP_SECONDS
    from cryptoproxy.common.start import SETTINGS_EXIT_CODE

    service = directives(name)["Service"]
    assert service["Restart"] == ["always"]
    assert service["RestartPreventExitStatus"] == [str(SETTINGS_EXIT_CODE)]
    assert int(service["TimeoutStopSec"][0]) > STOP_SECONDS
    assert directives(name)["Unit"]["StartLimitIntervalSec"] == ["0"]


@pytest.mark.parametrize("name", sorted(UNITS))
def test_it_may_do_no_more_than_it_needs(name: str) -> None:
    service = directives(name)["Service"]
    assert service["DynamicUser"] == ["yes"]
    assert service["NoNewPrivileges"] == ["yes"]
    assert service["ProtectSystem"] == ["strict"]
    assert service["CapabilityBoundingSet"] == [""]
    assert service["MemoryMax"]


def test_the_page_installs_where_the_units_look() -> None:
    page = (ROOT / "docs" / "installation.md").read_text(encoding="utf-8")
    section = page.partition("## With systemd")[2].partition("\n## ")[0]
    for name in UNITS:
        program = shlex.split(directives(name)["Service"]["ExecStart"][0])[0]
        assert f"python3 -m venv {program.removesuffix('/bin/cryptoproxy')}\n" in section
