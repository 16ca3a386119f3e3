"""`cryptoproxy produce --once` and `--dry-run`, as cron and people run them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from cryptoproxy.common.settings.environment import child_environment
from cryptoproxy.sandbox import Rule, Sandbox
from tests.faults import evidence
from tests.faults.judge import Case, judge
from tests.faults.process import PollerProcess
from tests.integration.conftest import World
from tests.integration.producer.conftest import COINS

ROOT = Path(__file__).parents[3]


def produce(world: World, folder: Path, *options: str, **texts: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "cryptoproxy.cli.main", "produce", *options],
        env=child_environment(world.texts | texts) | {"PYTHONPATH": str(ROOT)},
        cwd=folder,
        capture_output=True,
        timeout=180,
        check=False,
    )


def test_one_poll_of_each_source_is_delivered_and_the_exit_code_says_so(
    world: World, upstream: Sandbox, tmp_path: Path
) -> None:
    world.texts |= {"SOURCES": "coingecko,binance", "KAFKA_PRODUCER_BATCH_INTERVAL": "3600", "BINANCE_INTERVAL": "3600"}
    done = produce(world, tmp_path, "--once")
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == b""
    assert f"{COINS} records sent to {world.settings.kafka.topic}".encode() in done.stderr
    assert b"archived s3://" in done.stderr
    again = produce(world, tmp_path, "--once")
    assert again.returncode == 0
    assert b"was polled for" in again.stderr
    found = evidence.on_topic(world.settings)
    case = Case(
        served=upstream.ledger.entries(),
        topic=found,
        lake=evidence.by_readers_rule(
            world.settings, {slot for _, slot in evidence.slots_of(each.value for each in found)}
        ),
        objects=evidence.in_lake(world.settings),
        kept=2,
    )
    assert judge(case).require().records == COINS + 2


def test_what_could_not_be_polled_is_not_0(world: World, upstream: Sandbox, tmp_path: Path) -> None:
    upstream.script.add(Rule(status=401))
    refused = produce(world, tmp_path, "--once")
    assert refused.returncode == 1
    assert b"coingecko: not polled" in refused.stderr


def test_what_could_not_be_delivered_is_not_0_and_the_next_run_delivers_it(
    world: World, upstream: Sandbox, tmp_path: Path
) -> None:
    topic = world.settings.kafka.topic
    world.texts["KAFKA_PRODUCER_BATCH_INTERVAL"] = "3600"
    poller = PollerProcess("once", tmp_path, world.texts | {"KAFKA_TOPIC": f"{topic}-missing"}, {"TEST_ONCE": "1"})
    try:
        poller.wait_said("Run `cryptoproxy setup`")
        poller.wait_said("archived s3://")
        poller.signal(signal.SIGTERM)  # else it would try for a minute
        assert poller.wait_end() == 1
        assert poller.said("waits on disk")
    finally:
        poller.close()
    assert produce(world, tmp_path, "--once").returncode == 0
    kept = {slot for _, slot in evidence.kept_slots(Path(world.texts["OUTBOX_DIR"]))}
    found = evidence.on_topic(world.settings)
    assert len(found) >= COINS
    assert kept <= {slot for _, slot in evidence.slots_of(each.value for each in found)}


def test_beside_an_active_poller_on_another_machine_it_polls_nothing_and_says_who_polls(
    world: World, upstream: Sandbox, tmp_path: Path
) -> None:
    elsewhere = {"OUTBOX_DIR": str(tmp_path / "elsewhere"), "KAFKA_PRODUCER_BATCH_INTERVAL": "3600"}
    poller = PollerProcess("poller", tmp_path, world.texts | elsewhere)
    try:
        poller.wait_polls(1)
        asked = len(upstream.ledger)
        refused = produce(world, tmp_path, "--once")
        assert refused.returncode == 1
        assert b"not polled: another poller is active (" in refused.stderr
        assert f":{poller.pid} polls since".encode() in refused.stderr
        assert len(upstream.ledger) == asked
        poller.signal(signal.SIGTERM)
        assert poller.wait_end() == 0
    finally:
        poller.close()
    alone = produce(world, tmp_path, "--once")
    assert alone.returncode == 0, alone.stderr.decode()
    assert len(upstream.ledger) == asked + 1


def test_a_dry_run_needs_neither_kafka_nor_s3_and_prints_only_records(
    world: World, upstream: Sandbox, tmp_path: Path
) -> None:
    nowhere = {"KAFKA_BROKERS_HOST_PORT": "127.0.0.1:1", "AWS_S3_ENDPOINT_URL": "http://127.0.0.1:1"}
    done = produce(world, tmp_path, "--dry-run", SOURCES="coingecko,binance", **nowhere)
    assert done.returncode == 0, done.stderr.decode()
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(records) == COINS + 2
    assert b"nothing sent" in done.stderr
    assert evidence.on_topic(world.settings) == []


def test_a_dry_run_of_which_only_the_first_lines_are_read_ends_quietly(
    world: World, upstream: Sandbox, tmp_path: Path
) -> None:
    command = f"{sys.executable} -m cryptoproxy.cli.main produce --dry-run | head -1"
    environment = os.environ | world.texts | {"PYTHONPATH": str(ROOT), "COINGECKO_TOP_N": "100"}
    done = subprocess.run(
        command, shell=True, env=environment, cwd=tmp_path, capture_output=True, timeout=180, check=False
    )
    assert len(done.stdout.splitlines()) == 1
    assert b"Traceback" not in done.stderr
    assert b"BrokenPipe" not in done.stderr
