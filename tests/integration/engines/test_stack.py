"""The three real engines in one folder: a bad start, a good one, down and up, side by side, and a killed parent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from botocore.config import Config
from elasticsearch import Elasticsearch
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import NewTopic

from cryptoproxy.engines.machine import process
from cryptoproxy.engines.machine.process import Server, until
from cryptoproxy.engines.ports import Ports
from cryptoproxy.engines.stack import Endpoints, Memory, Stack
from cryptoproxy.errors import OperatorError
from tests.conftest import PATIENCE

SMALL = Memory(kafka_mb=256, elasticsearch_mb=512, s3_mb=128)


@dataclass
class Story:
    """What came of a folder with a bad past: the stack that runs in it, and the error of the start before."""

    stack: Stack
    failure: OperatorError
    left_running: list[str]
    said: list[str]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Begins where an earlier life ended badly: a format cut in the middle, a pid file with a number that is ours now,
    and a setting that the server refuses. The start after that is the one that must work."""
    folder = tmp_path_factory.mktemp("stack")
    said: list[str] = []
    ports = Ports.free()

    def stack(**settings: Any) -> Stack:
        return Stack(
            folder, ports=ports, memory=SMALL, die_with_parent=True, elasticsearch_settings=settings, say=said.append
        )

    for half_written in ("kafka/data/meta.properties", "kafka/.format-x/data/meta.properties"):
        (folder / half_written).parent.mkdir(parents=True)
        (folder / half_written).write_text("#\n")
    (folder / "s3").mkdir()
    process.write(folder / "s3" / "s3.pid", Server(os.getpid(), "another life:1"))
    try:
        with pytest.raises(OperatorError) as failure:
            stack(**{"no.such.setting": 1}).up()
        left_running = [status.name for status in stack().status() if status.running]
        good = stack()
        good.up()
        yield Story(good, failure.value, left_running, said)
    finally:
        stack().remove()


@pytest.fixture(scope="module")
def stack(story: Story) -> Stack:
    return story.stack


def send(bootstrap: str, topic: str, value: bytes) -> int:
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    try:
        return int(producer.send(topic, value).get(PATIENCE).offset)
    finally:
        producer.close()


def write_everywhere(at: Endpoints, what: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=at.kafka)
    admin.create_topics([NewTopic("kept", 1, 1)])
    admin.close()
    send(at.kafka, "kept", what.encode())
    with Elasticsearch(at.elasticsearch) as client:
        client.index(index="kept", id="1", document={"what": what})
    s3 = s3_client(at)
    s3.create_bucket(Bucket="kept")
    s3.put_object(Bucket="kept", Key="a/1", Body=what.encode())
    s3.close()


def read_everywhere(at: Endpoints) -> set[str]:
    consumer = KafkaConsumer("kept", bootstrap_servers=at.kafka, group_id=None, auto_offset_reset="earliest")
    try:
        records = [record for batch in consumer.poll(timeout_ms=20_000).values() for record in batch]
    finally:
        consumer.close()
    with Elasticsearch(at.elasticsearch) as client:
        document = client.get(index="kept", id="1")["_source"]
    s3 = s3_client(at)
    body = s3.get_object(Bucket="kept", Key="a/1")["Body"].read()
    s3.close()
    return {records[0].value.decode(), document["what"], body.decode()}


def s3_client(at: Endpoints, secret_key: str | None = None) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=at.s3,
        aws_access_key_id=at.s3_access_key,
        aws_secret_access_key=secret_key or at.s3_secret_key,
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )


def in_another_process(code: str, *arguments: str) -> str:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environ, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_server_that_dies_at_start_is_told_with_its_last_lines(story: Story) -> None:
    said = str(story.failure)
    assert "Elasticsearch did not start: its process ended" in said
    assert "unknown setting [no.such.setting]" in said
    assert str(story.stack.elasticsearch.log_file) in said
    assert story.left_running == []


def test_a_half_written_data_folder_is_told_and_does_not_hinder_the_start(story: Story) -> None:
    assert any("kafka/data was half-written" in line for line in story.said)
    assert story.stack.kafka.running


def test_all_three_answer_on_the_loopback_only_with_the_heap_that_was_set(stack: Stack) -> None:
    assert [(status.name, status.running, status.answering) for status in stack.status()] == [
        ("kafka", True, True),
        ("elasticsearch", True, True),
        ("s3", True, True),
    ]
    listening = set()
    for engine in stack.engines:
        assert engine.server is not None
        servers = [psutil.Process(pid) for pid in process.members(engine.server)]
        assert any(f"-Xmx{engine.heap_mb}m" in server.cmdline() for server in servers)
        for server in servers:
            listening |= {at.laddr for at in server.net_connections(kind="tcp") if at.status == psutil.CONN_LISTEN}
    assert {address.removeprefix("::ffff:") for address, _ in listening} == {"127.0.0.1"}
    assert {port for _, port in listening} == set(stack.remembered.ports.__dict__.values())


def test_elasticsearch_never_runs_as_root(stack: Stack) -> None:
    record = stack.elasticsearch.server
    assert record is not None
    assert all(0 not in psutil.Process(pid).uids() for pid in process.members(record))


def test_data_survive_down_and_up_from_other_processes(stack: Stack) -> None:
    write_everywhere(stack.endpoints, "survives")
    before = [engine.pid for engine in stack.engines]
    stopped = in_another_process(
        "import json, sys; from pathlib import Path; from cryptoproxy.engines.stack import Stack; "
        "print(json.dumps(Stack(Path(sys.argv[1])).down()))",
        str(stack.folder),
    )
    assert json.loads(stopped) == ["kafka", "elasticsearch", "s3"]
    assert not any(status.running for status in stack.status())
    endpoints = Stack(stack.folder, die_with_parent=True).up()
    assert endpoints == stack.endpoints
    assert read_everywhere(endpoints) == {"survives"}
    after = [engine.pid for engine in stack.engines]
    assert not set(before) & set(after)
    assert stack.up() == endpoints
    assert [engine.pid for engine in stack.engines] == after


def test_a_wrong_s3_key_is_refused(stack: Stack) -> None:
    client = s3_client(stack.endpoints, secret_key="wrong")
    with pytest.raises(client.exceptions.ClientError, match="SignatureDoesNotMatch"):
        client.list_buckets()
    client.close()


def test_a_taken_port_is_told_with_its_holder_and_nothing_is_started(stack: Stack, tmp_path: Path) -> None:
    ports = Ports(**{**Ports.free().__dict__, "kafka": stack.remembered.ports.kafka})
    other = Stack(tmp_path / "other", ports=ports, settings={"kafka": "--kafka-port"})
    with pytest.raises(OperatorError, match=rf"port {ports.kafka}, wanted for Kafka.*java \(pid .*--kafka-port"):
        other.up()
    assert not any(status.running for status in other.status())


def test_a_killed_broker_comes_back_with_what_it_had_acknowledged(stack: Stack) -> None:
    admin = KafkaAdminClient(bootstrap_servers=stack.kafka.endpoint)
    admin.create_topics([NewTopic("killed", 1, 1)])
    admin.close()
    assert send(stack.kafka.endpoint, "killed", b"acknowledged") == 0
    stack.kafka.kill()
    assert not stack.kafka.running
    stack.kafka.start()
    stack.kafka.wait_ready()
    assert send(stack.kafka.endpoint, "killed", b"after") == 1


def test_a_suspended_engine_runs_and_does_not_answer(stack: Stack) -> None:
    stack.s3.suspend()
    try:
        status = stack.status()[2]
    finally:
        stack.s3.resume()
    assert (status.running, status.answering) == (True, False)
    assert until(lambda: stack.s3.probe() is None, PATIENCE)


def test_a_second_stack_beside_the_first_ends_with_its_killed_parent(stack: Stack, tmp_path: Path) -> None:
    """As a demo's does that is killed: nothing stays behind, and the first stack is left alone."""
    code = (
        "import sys, time; from pathlib import Path; from cryptoproxy.engines.ports import Ports; from cryptoproxy.engines.stack import Memory, Stack; "
        "stack = Stack(Path(sys.argv[1]), ports=Ports.free(), memory=Memory(256, 512, 128), die_with_parent=True); "
        "stack.up(); print('up', flush=True); time.sleep(600)"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    words = [sys.executable, "-c", code, str(tmp_path / "second")]
    with subprocess.Popen(words, env=environ, stdout=subprocess.PIPE, text=True) as parent:
        try:
            assert parent.stdout is not None
            assert parent.stdout.readline() == "up\n"
            second = Stack(tmp_path / "second")
            assert all(status.answering for status in (*second.status(), *stack.status()))
            records = [engine.server for engine in second.engines if engine.server]
        finally:
            parent.kill()
    assert len(records) == 3
    assert until(lambda: not any(process.members(record) for record in records), PATIENCE)
    assert all(status.answering for status in stack.status())
    second.remove()
