"""`cryptoproxy up` and `down` use what the folder remembers, and what a person says otherwise."""

from __future__ import annotations

from pathlib import Path

from cryptoproxy.cli.engines import stack_of
from cryptoproxy.common.settings import Settings
from cryptoproxy.engines import state
from cryptoproxy.engines.ports import Ports
from cryptoproxy.engines.stack import Stack
from cryptoproxy.engines.state import State

OTHER = Ports(kafka=49092, kafka_controller=49093, elasticsearch=49200, elasticsearch_transport=49300, s3=49000)


def ports(folder: Path, **texts: str) -> Ports:
    return stack_of(Settings.from_texts({"ENGINES_DIR": str(folder), **texts}).engines).state.ports


def test_a_new_folder_has_the_usual_ports(tmp_path: Path) -> None:
    assert ports(tmp_path) == Ports.usual()


def test_another_shell_without_the_ports_of_the_first_one_finds_the_same_engines(tmp_path: Path) -> None:
    state.save(tmp_path, State(OTHER))
    assert ports(tmp_path) == OTHER
    assert [each.endpoint for each in Stack(tmp_path).status()] == [
        "127.0.0.1:49092",
        "http://127.0.0.1:49200",
        "http://127.0.0.1:49000",
    ]


def test_a_port_that_is_set_is_the_one(tmp_path: Path) -> None:
    state.save(tmp_path, State(OTHER))
    found = ports(tmp_path, ENGINES_KAFKA_PORT="39092", ENGINES_S3_PORT="0")
    assert (found.kafka, found.elasticsearch, found.s3) == (39092, 49200, 49000)


def test_in_a_new_folder_0_is_a_free_one(tmp_path: Path) -> None:
    found = ports(tmp_path, ENGINES_KAFKA_PORT="0", ENGINES_ES_PORT="0", ENGINES_S3_PORT="0")
    assert not {found.kafka, found.elasticsearch, found.s3} & {9092, 9200, 9000, 0}
