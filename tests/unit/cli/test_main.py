"""What a command exits with is what the program exits with: scripts and alerts go by it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from cryptoproxy.cli import main
from cryptoproxy.errors import TransientError


def code_of(command: click.Command, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setitem(main.cli.commands, "tried", command)
    monkeypatch.setattr(sys, "argv", ["cryptoproxy", "tried"])
    with pytest.raises(SystemExit) as end:
        main.main()
    return end.value.code or 0


@pytest.mark.parametrize("code", [0, 1, 3])
def test_a_commands_exit_code_is_handed_on(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    @click.command()
    @click.pass_context
    def tried(context: click.Context) -> None:
        context.exit(code)

    assert code_of(tried, monkeypatch) == code


def test_an_error_made_on_purpose_is_one_line_and_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    def tried() -> None:
        raise TransientError("the broker is away")

    assert code_of(tried, monkeypatch) == 1
    assert capsys.readouterr().err == "cryptoproxy: the broker is away\n"


def test_a_file_that_cannot_be_used_is_one_line_and_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    @click.command()
    def tried() -> None:
        (tmp_path / "nowhere" / "alerts.png").write_bytes(b"")

    assert code_of(tried, monkeypatch) == 1
    where = tmp_path / "nowhere" / "alerts.png"
    assert capsys.readouterr().err == f"cryptoproxy: {where} cannot be used: No such file or directory\n"


def test_an_error_of_the_system_that_names_no_file_keeps_its_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def tried() -> None:
        raise OSError("no thread can be started")

    with pytest.raises(OSError, match="no thread"):
        code_of(tried, monkeypatch)


def test_a_command_that_ends_well_is_0(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def tried() -> None:
        return None

    assert code_of(tried, monkeypatch) == 0


def test_each_command_of_the_table_is_there_by_its_name() -> None:
    context = click.Context(main.cli)
    for name in main.COMMANDS:
        command = main.cli.get_command(context, name)
        assert command is not None
        assert command.name == name


def test_an_indexer_is_started_without_what_only_queries_and_the_lake_need() -> None:
    code = (
        "import sys, cryptoproxy.cli.main as m; m.cli.get_command(None, 'consume'); "
        "import cryptoproxy.consumer.wiring; print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"cryptoproxy.cli.services.run", "elasticsearch"} <= set(loaded)
    assert not {"matplotlib", "pyarrow", "cryptoproxy.queries", "rich", "cryptoproxy.cli.reading.query"} & set(loaded)
    assert not {"requests", "elasticsearch._async.client.indices"} & set(loaded)  # see cryptoproxy.common.clients


@pytest.mark.parametrize("where", ["Kafka at localhost:9092: nobody", "Elasticsearch at http://localhost:9200: nobody"])
def test_without_engines_and_addresses_an_error_says_which_folder_was_looked_at(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, where: str
) -> None:
    @click.command()
    def tried() -> None:
        raise TransientError(where)

    monkeypatch.chdir(tmp_path)
    assert code_of(tried, monkeypatch) == 1
    assert f"No engines of `cryptoproxy up` run in {tmp_path}" in capsys.readouterr().err
    (tmp_path / ".env").write_text("KAFKA_BROKERS_HOST_PORT=localhost:9092\n")
    code_of(tried, monkeypatch)
    assert capsys.readouterr().err == f"cryptoproxy: {where}\n"
