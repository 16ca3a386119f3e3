from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cryptoproxy.cli import backfill
from cryptoproxy.common.start import load_settings


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setattr(backfill, "start", load_settings)  # logging stays as pytest has it
    monkeypatch.chdir(tmp_path)
    return CliRunner()


def replay(runner: CliRunner, *arguments: str) -> Result:
    return runner.invoke(backfill.replay, arguments, obj=Path(".env"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--from", "2026-11-02", "--to", "2026-11-02"), "--to must be later than --from"),
        (("--from", "last week", "--to", "2026-11-02"), "neither a date like"),
        (("--from", "2026-11-01", "--to", "2026-11-02", "--topic", "crypto-data"), "--to-live-topic allows it"),
        (("--from", "2026-11-01", "--to", "2026-11-02", "--to-live-topic"), "goes with --topic"),
        (("--from", "2026-11-01", "--to", "2026-11-02", "--rate", "0"), "--rate"),
    ],
)
def test_wrong_words_are_refused_before_anything_is_asked(
    runner: CliRunner, arguments: tuple[str, ...], words: str
) -> None:
    result = replay(runner, *arguments)
    assert result.exit_code == 2
    assert words in result.output


@pytest.mark.parametrize("name", ["crypto-data.dlq", "crypto-data.lease", "crypto-data.state"])
def test_a_topic_that_is_not_for_records_is_refused(runner: CliRunner, name: str) -> None:
    result = replay(runner, "--from", "2026-11-01", "--to", "2026-11-02", "--topic", name)
    assert "is not for records" in str(result.exception)


def test_a_time_span_without_a_unit_is_refused(runner: CliRunner) -> None:
    result = runner.invoke(backfill.retention, ["--keep", "731"], obj=Path(".env"))
    assert result.exit_code == 2
    assert "731" in result.output
