"""What a broker is configured with, and what becomes of a data folder that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from cryptoproxy.engines.engine import Options
from cryptoproxy.engines.kafka import Kafka, is_formatted, new_cluster_id
from cryptoproxy.engines.machine.java import as_properties
from cryptoproxy.errors import OperatorError


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def kafka(tmp_path: Path, said: list[str]) -> Kafka:
    return Kafka(
        tmp_path,
        port=1,
        controller_port=2,
        properties={"message.max.bytes": "5"},
        options=Options(say=said.append),
    )


def test_it_listens_on_the_loopback_only_and_extra_properties_win(kafka: Kafka) -> None:
    settings = kafka.settings("data")
    assert settings["listeners"] == "PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2"
    assert settings["message.max.bytes"] == "5"
    assert settings["auto.create.topics.enable"] == "false"


def test_properties_survive_what_java_reads_otherwise() -> None:
    assert as_properties({"a": "C:\\x\ny", "b": "é"}) == "a=C:\\\\x\\ny\nb=\\u00e9\n"


def test_no_cluster_id_looks_like_an_option() -> None:
    ids = {new_cluster_id() for _ in range(2000)}
    assert len(ids) == 2000
    assert all(len(each) == 22 and each.isalnum() for each in ids)


def test_only_a_whole_identity_is_a_formatted_folder(tmp_path: Path) -> None:
    assert not is_formatted(tmp_path)
    (tmp_path / "meta.properties").write_text("#\nnode.id=1\n")
    assert not is_formatted(tmp_path)
    (tmp_path / "meta.properties").write_text("#\nnode.id=1\nversion=1\ncluster.id=x\n")
    assert is_formatted(tmp_path)


def test_a_half_written_data_folder_is_set_aside_and_told(kafka: Kafka, said: list[str]) -> None:
    kafka.data.mkdir()
    (kafka.data / "bootstrap.checkpoint").write_text("half")
    kafka.set_aside_half_written()
    assert not kafka.data.exists()
    (aside,) = kafka.folder.glob("data.broken-*")
    assert (aside / "bootstrap.checkpoint").read_text() == "half"
    assert str(aside) in said[0]


def test_records_without_an_identity_are_set_aside_and_a_person_is_asked(kafka: Kafka) -> None:
    (kafka.data / "topic-0").mkdir(parents=True)
    (kafka.data / "topic-0" / "0.log").write_text("records")
    with pytest.raises(OperatorError, match="There are records in it"):
        kafka.set_aside_half_written()
    kafka.set_aside_half_written()  # and the next start is not hindered
