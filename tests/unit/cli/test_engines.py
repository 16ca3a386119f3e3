"""`cryptoproxy up` and `down` use what the folder remembers, and what a person says otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from cryptoproxy.cli.main import cli
from cryptoproxy.cli.services.engines import stack_of, write_connection
from cryptoproxy.cli.status import processes
from cryptoproxy.common.settings import Settings
from cryptoproxy.engines.ports import Ports
from cryptoproxy.engines.stack import Endpoints, Remembered, Stack

OTHER = Ports(kafka=49092, kafka_controller=49093, elasticsearch=49200, elasticsearch_transport=49300, s3=49000)


def ports(folder: Path, **texts: str) -> Ports:
    return stack_of(Settings.from_texts({"ENGINES_DIR": str(folder), **texts}).engines).remembered.ports


def test_a_new_folder_has_the_usual_ports(tmp_path: Path) -> None:
    assert ports(tmp_path) == Ports.usual()


def test_another_shell_without_the_ports_of_the_first_one_finds_the_same_engines(tmp_path: Path) -> None:
    Remembered(OTHER).save(tmp_path)
    assert ports(tmp_path) == OTHER
    assert [each.endpoint for each in Stack(tmp_path).status()] == [
        "127.0.0.1:49092",
        "http://127.0.0.1:49200",
        "http://127.0.0.1:49000",
    ]


def test_a_port_that_is_set_is_the_one(tmp_path: Path) -> None:
    Remembered(OTHER).save(tmp_path)
    found = ports(tmp_path, ENGINES_KAFKA_PORT="39092", ENGINES_S3_PORT="0")
    assert (found.kafka, found.elasticsearch, found.s3) == (39092, 49200, 49000)


def test_in_a_new_folder_0_is_a_free_one(tmp_path: Path) -> None:
    found = ports(tmp_path, ENGINES_KAFKA_PORT="0", ENGINES_ES_PORT="0", ENGINES_S3_PORT="0")
    assert not {found.kafka, found.elasticsearch, found.s3} & {9092, 9200, 9000, 0}


def test_down_says_who_still_runs_on_what_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Stack, "down", lambda self: ["kafka", "s3"])
    monkeypatch.setattr(processes, "ask_health", lambda url: {} if url.endswith(":8000") else None)
    lines = CliRunner().invoke(cli, ["down"]).output.splitlines()
    assert lines[0] == "stopped kafka, s3"
    assert lines[1].startswith("The poller at http://127.0.0.1:8000 still runs and waits for them")
    assert len(lines) == 2


def test_the_engines_keys_are_their_owner_s_alone_whatever_file_was_there(tmp_path: Path) -> None:
    (tmp_path / "connection.env").write_text("older")
    (tmp_path / "connection.env").chmod(0o644)
    path = write_connection(tmp_path, Endpoints("127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3", "a", "b"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert "AWS_S3_SECRET_KEY=b\n" in path.read_text()
