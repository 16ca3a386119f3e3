"""`cryptoproxy status`: what counts as working, and what is said where it does not."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cryptoproxy.cli.main import cli
from cryptoproxy.cli.status import engines, outbox, processes
from cryptoproxy.cli.status.part import Part
from cryptoproxy.common.settings import Settings
from cryptoproxy.engines.ports import free_ports
from cryptoproxy.producer.lease.note import Note

NOW = 1_000_000_000_000
NOTE = Note(process="p", name="host-1:42", term=3, since=NOW - 600_000)
LEASE = "cryptoproxy-lease-host-1-42"


def kafka(
    note: Note | None = NOTE,
    *,
    alive: tuple[str, ...] = (LEASE,),
    age_s: int | None = 20,
    lag: int = 0,
    indexers: int = 1,
) -> engines.OnKafka:
    slots = {} if age_s is None else {"coingecko": NOW - age_s * 1000}
    return engines.OnKafka(note=note, alive=alive, slots=slots, lag=lag, indexers=indexers)


def poller(on_kafka: engines.OnKafka | None, health: dict[str, str] | None = None) -> Part:
    return processes.poller_part(on_kafka, health, {"coingecko": 60.0}, now_ms=NOW)


def indexer(on_kafka: engines.OnKafka | None, newest: dict[str, int] | None, **health: str) -> Part:
    return processes.indexer_part(on_kafka, health, newest, {"coingecko": 60.0}, now_ms=NOW)


def test_who_polls_and_when_it_did_last() -> None:
    part = poller(kafka(alive=(LEASE, "cryptoproxy-lease-host-2-7")))
    assert not part.faults
    assert part.words[0].startswith("host-1:42 polls since 2001-09-09T01:36:40Z, 1 stand by")
    assert part.words[1].endswith("2001-09-09T01:46:20Z, 20 s ago")


@pytest.mark.parametrize(
    ("on_kafka", "health", "said"),
    [
        (None, None, "cannot be told without Kafka"),
        (kafka(None, alive=()), None, "none runs (cryptoproxy produce)"),
        (kafka(alive=()), None, "none runs; the last was host-1:42, gone without a word"),
        (kafka(alive=("cryptoproxy-lease-host-2-7",)), None, "none is active yet"),
        (kafka(age_s=None), None, "coingecko was polled last for none yet"),
        (kafka(age_s=181), None, "181 s ago, although it is polled every 60 s"),
        (kafka(), {"outbox": "is full"}, "outbox: is full"),
    ],
)
def test_what_is_wrong_with_the_poller(
    on_kafka: engines.OnKafka | None, health: dict[str, str] | None, said: str
) -> None:
    assert any(said in fault for fault in poller(on_kafka, health).faults)


def test_a_poller_here_that_stands_by_is_no_fault() -> None:
    assert not poller(kafka(), {"lease": "standing by: another poller is active"}).faults


def test_the_released_lease_of_a_poller_that_ended_well_is_nobody_s() -> None:
    part = poller(kafka(Note(process="p", name="host-1:42", term=3, since=0, released=True), alive=()))
    assert part.faults[0] == "none runs (cryptoproxy produce)"


def test_what_the_indexer_has_to_do_and_how_fresh_it_is() -> None:
    part = indexer(kafka(lag=1200), {"coingecko": NOW - 30_000})
    assert (part.faults, part.words[0]) == ([], "1 runs, lag 1,200 records")
    assert "newest document of coingecko: 2001-09-09T01:46:10Z, 30 s ago" in part.words


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (indexer(kafka(indexers=0, lag=5), {"coingecko": NOW}), "none runs, lag 5 records (cryptoproxy consume)"),
        (indexer(kafka(), {"coingecko": NOW - 200_000}), "200 s ago, although"),
        (indexer(kafka(), {}), "none yet"),
        (indexer(kafka(), None), "freshness cannot be told without Elasticsearch"),
        (indexer(kafka(), {"coingecko": NOW}, elasticsearch="answers 429"), "elasticsearch: answers 429"),
    ],
)
def test_what_is_wrong_with_the_indexer(part: Part, said: str) -> None:
    assert any(said in fault for fault in part.faults)


def test_what_waits_in_the_outbox_of_a_poller_that_runs(tmp_path: Path) -> None:
    waiting = outbox.OutboxBacklog(tmp_path, {"kafka": 0, "s3": 1}, oldest=40.0, hours=13_981.0)
    part = outbox.outbox_part(waiting, running_here=True)
    assert (part.faults, part.words) == ([], [f"0 polls for Kafka, 1 poll for S3; room for 583 days; in {tmp_path}"])
    late = outbox.outbox_part(outbox.OutboxBacklog(tmp_path, {"s3": 30}, oldest=1_800.0), running_here=True)
    assert late.faults == ["the oldest of them waits for 30 minutes"]


def test_polls_in_an_outbox_that_nobody_empties_are_a_fault(tmp_path: Path) -> None:
    for name in ("kafka/1", "kafka/2", "s3/1"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    waiting = outbox.OutboxBacklog(tmp_path, outbox.waiting_in(tmp_path))
    part = outbox.outbox_part(waiting, running_here=False)
    assert part.faults == ["no poller runs here to deliver them (cryptoproxy produce)"]
    assert part.words[0].startswith("2 polls for Kafka, 1 poll for S3")
    for nothing in (None, outbox.OutboxBacklog(tmp_path, {"kafka": 0, "s3": 0})):
        part = outbox.outbox_part(nothing, running_here=False)
        assert (part.faults, part.words) == ([], ["none on this machine; it is where the poller is"])


def test_intervals_are_those_that_the_poller_plans() -> None:
    upstreams = Settings.from_texts(
        {"SOURCES": "binance,coingecko", "COINGECKO_PLAN": "demo", "COINGECKO_API_KEY": "x"}
    ).upstreams
    assert processes.planned_intervals(upstreams) == {"binance": 1.0, "coingecko": 288.0}


class Health(BaseHTTPRequestHandler):
    body = b""

    def do_GET(self) -> None:
        self.send_response(503)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Health)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("body", "heard"),
    [
        (json.dumps({"ready": False, "reasons": {"fuse": "poison"}}), {"fuse": "poison"}),
        ("<html>somebody else's</html>", None),
        ("[]", None),
    ],
)
def test_only_our_own_processes_are_listened_to(
    port: int, monkeypatch: pytest.MonkeyPatch, body: str, heard: dict[str, str] | None
) -> None:
    monkeypatch.setattr(Health, "body", body.encode())
    assert processes.ask_health(f"http://127.0.0.1:{port}") == heard


def test_where_nothing_runs_it_says_so_for_each_part_with_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = free_ports(5)
    (tmp_path / ".env").write_text(
        f"KAFKA_BROKERS_HOST_PORT=127.0.0.1:{ports[0]}\nES_URL_ENDPOINT=http://127.0.0.1:{ports[1]}\n"
        f"AWS_S3_ENDPOINT_URL=http://127.0.0.1:{ports[2]}\nAWS_S3_ACCESS_KEY=x\nAWS_S3_SECRET_KEY=y\n"
        f"PYTHON_PRODUCER_SERVER_PORT={ports[3]}\nPYTHON_CONSUMER_SERVER_PORT={ports[4]}\n"
    )
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["status"])
    lines = [click.unstyle(line) for line in done.output.splitlines()]
    assert done.exit_code == 1
    assert lines[0] == f"folder {tmp_path}"
    assert [line.split()[1] for line in lines if line[0] in "✓✗"] == [
        "Kafka", "Elasticsearch", "S3", "poller", "outbox", "indexer",
    ]  # fmt: skip
    assert [line[0] for line in lines if line[0] in "✓✗"] == ["✗", "✗", "✗", "✗", "✓", "✗"]
    assert lines[-1] == "It does not work as it should."
    assert not any(tmp_path.glob(".run*"))
