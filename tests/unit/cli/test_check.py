"""`cryptoproxy check` says what is set, and where, before anything that nobody has set."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from cryptoproxy.cli.main import cli
from cryptoproxy.engines.ports import free_ports


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    kafka, elastic, s3 = free_ports(3)
    engines = tmp_path / ".run" / "engines"
    engines.mkdir(parents=True)
    (engines / "connection.env").write_text(
        f"KAFKA_BROKERS_HOST_PORT=127.0.0.1:{kafka}\nES_URL_ENDPOINT=http://127.0.0.1:{elastic}\n"
        f"AWS_S3_ENDPOINT_URL=http://127.0.0.1:{s3}\nAWS_S3_ACCESS_KEY=a-key\nAWS_S3_SECRET_KEY=open-sesame\n"
        "AWS_S3_BUCKET=crypto-lake\n"
    )
    (tmp_path / ".env").write_text(
        "COINGECKO_TOP_N=5\nCOINGECKO_PLAN=demo\nCOINGECKO_API_KEY=open-sesame\nLOG_LEVEL=INFO\n"
    )
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    monkeypatch.setenv("COINGECKO_TOP_N", "7")
    monkeypatch.setenv("LOG_LEVEL", "")
    return tmp_path


def test_what_is_set_comes_with_its_place_and_defaults_are_counted(project: Path) -> None:
    done = CliRunner().invoke(cli, ["check", "--no-upstreams"])
    before, _, tries = done.output.partition("\n\n")
    lines = before.splitlines()
    assert lines[:3] == [f"from {project / '.env'}", "  COINGECKO_PLAN=demo", "  COINGECKO_API_KEY=********"]
    assert lines[3:5] == ["from the environment", "  COINGECKO_TOP_N=7"]
    assert lines[5] == "from the embedded engines"
    assert "  AWS_S3_SECRET_KEY=********" in lines
    assert lines[-1].endswith(" other settings have their defaults (cryptoproxy check --all)")
    assert len(lines) < 20
    assert "open-sesame" not in done.output
    assert done.exit_code == 1
    assert tries.count("✗") == 3


def test_all_of_them_are_there_if_wanted(project: Path) -> None:
    lines = CliRunner().invoke(cli, ["check", "--all", "--no-upstreams"]).output.splitlines()
    assert lines.index("defaults") > lines.index("  COINGECKO_TOP_N=7")
    assert "  LOG_LEVEL=INFO" in lines[lines.index("defaults") :]
    assert "  SOURCES=coingecko" in lines


def test_where_nothing_is_set_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert (
        f"nothing is set, neither in {tmp_path / '.env'} nor in"
        in CliRunner().invoke(cli, ["check", "--no-upstreams"]).output
    )


def test_a_settings_file_that_is_not_there_is_one_plain_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["--env-file", "nothere.env", "check"])
    assert (done.exit_code, done.stderr) == (2, "the settings file nothere.env is not there\n")
