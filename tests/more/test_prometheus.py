"""The alarms of docker/prometheus by a real Prometheus and Alertmanager: what is scraped, judged and told."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import AF_INET, SOCK_DGRAM, socket
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import yaml

from cryptoproxy.cli.services.brokers import process
from cryptoproxy.common.settings import Settings
from cryptoproxy.engines.ports import free_ports
from cryptoproxy.sandbox import Rule
from tests.conftest import wait_until
from tests.faults.indexing.rig import IndexerRig
from tests.faults.rig import Engines
from tests.statsd import exporter

ROOT = Path(__file__).parents[2]
STACK = ROOT / "docker" / "prometheus"
UNIT_TESTS = Path(__file__).with_name("alarms.yml")

SHORTER = {r"> 300$": "> 5", r"\[15m\]": "[1m]", r"\[1h\]": "[1m]"}
"""Of the rules' expressions, so that an alarm comes in seconds; each ``for`` becomes a second. All else is as it stands."""


def promtool(*words: str, cwd: Path) -> str:
    done = subprocess.run(["promtool", *words], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def write(path: Path, value: object) -> Path:
    path.write_text(yaml.safe_dump(value), encoding="utf-8")
    return path


def load(name: str) -> Any:
    return yaml.safe_load((STACK / name).read_text(encoding="utf-8"))


def test_prometheus_and_alertmanager_take_the_stack_s_files(tmp_path: Path) -> None:
    config = load("prometheus.yml") | {"rule_files": [str(STACK / "rules.yml")]}
    assert "SUCCESS" in promtool("check", "config", str(write(tmp_path / "prometheus.yml", config)), cwd=tmp_path)
    subprocess.run(["amtool", "check-config", STACK / "alertmanager.yml"], check=True, capture_output=True)


def test_each_alarm_fires_in_the_world_that_it_is_for_and_none_when_all_is_well(tmp_path: Path) -> None:
    rules = {rule["alert"] for group in load("rules.yml")["groups"] for rule in group["rules"]}
    text = UNIT_TESTS.read_text(encoding="utf-8")
    groups = re.findall(r"Cryptoproxy\(([\w|]+)\)", text)
    tried = set(re.findall(r"Cryptoproxy[A-Z]\w+", text)) | {
        f"Cryptoproxy{name}" for group in groups for name in group.split("|")
    }
    assert tried == rules
    (tmp_path / "rules.yml").write_bytes((STACK / "rules.yml").read_bytes())
    (tmp_path / "alarms.yml").write_text(text, encoding="utf-8")
    assert "SUCCESS" in promtool("test", "rules", "alarms.yml", cwd=tmp_path)


@contextmanager
def webhook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A channel's address, and the alarms that reached it."""
    told: list[dict[str, Any]] = []

    class Channel(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.extend(json.loads(body)["alerts"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Channel) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", told
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def running(folder: Path, *command: str) -> Iterator[None]:
    log = folder / f"{command[0]}.log"
    with log.open("wb") as output, subprocess.Popen(command, cwd=folder, stdout=output, stderr=output) as process:
        try:
            yield
        finally:
            process.terminate()
            process.wait()
            print(f"--- {command[0]}\n{log.read_text()[-2000:]}")


@contextmanager
def watched(folder: Path, channel: str, targets: dict[str, str]) -> Iterator[str]:
    """Prometheus and Alertmanager with the stack's own configuration, at other addresses and with shorter times; the
    address of Prometheus."""
    port, alert_port = free_ports(2)
    rules = load("rules.yml")
    for group in rules["groups"]:
        for rule in group["rules"]:
            for long, short in SHORTER.items():
                rule["expr"] = re.sub(long, short, rule["expr"], flags=re.MULTILINE)
            if "for" in rule:
                rule["for"] = "1s"
    config = load("prometheus.yml")
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(write(folder / "rules.yml", rules))]
    config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{alert_port}"]
    config["scrape_configs"] = [job for job in config["scrape_configs"] if job["job_name"] in targets]
    for job in config["scrape_configs"]:
        job.pop("dns_sd_configs", None)
        job["static_configs"] = [{"targets": [urlsplit(targets[job["job_name"]]).netloc]}]
    alerting = load("alertmanager.yml")
    alerting["route"] |= {"group_wait": "1s", "group_interval": "1s"}
    alerting["receivers"][0]["webhook_configs"] = [{"url": channel}]
    with ExitStack() as stack:
        stack.enter_context(
            running(
                folder,
                "prometheus-alertmanager",
                f"--config.file={write(folder / 'alertmanager.yml', alerting)}",
                f"--storage.path={folder / 'alertmanager'}",
                f"--web.listen-address=127.0.0.1:{alert_port}",
                "--cluster.listen-address=",
            )
        )
        stack.enter_context(
            running(
                folder,
                "prometheus",
                f"--config.file={write(folder / 'prometheus.yml', config)}",
                f"--storage.tsdb.path={folder / 'prometheus'}",
                f"--web.listen-address=127.0.0.1:{port}",
            )
        )
        yield f"http://127.0.0.1:{port}"


def test_how_kafka_is_and_what_airflow_says_is_scraped(engines: Engines, tmp_path: Path) -> None:
    texts = {"KAFKA_BROKERS_HOST_PORT": engines.kafka.endpoint, "PYTHON_BROKERS_SERVER_PORT": "0"}
    brokers = process(Settings.from_texts(texts))
    thread = threading.Thread(target=brokers.run)
    thread.start()
    try:
        with exporter() as statsd, webhook() as (channel, told):
            targets = {"cryptoproxy-brokers": brokers.url, "airflow": statsd.url}
            with watched(tmp_path, channel, targets) as prometheus, socket(AF_INET, SOCK_DGRAM) as airflow:
                # As Airflow 3.3 sends it.
                airflow.sendto(b"airflow.dagrun.duration.failed.crypto_etl_dag:61000|ms", ("127.0.0.1", statsd.port))
                wanted = {"alertname": "CryptoproxyAirflowFailed", "dag": "crypto_etl_dag"}
                wait_until(
                    lambda: [each for each in told if wanted.items() <= each["labels"].items()], what="it is told"
                )
                disk = asked(prometheus, "min(cryptoproxy_kafka_disk_free_bytes / cryptoproxy_kafka_disk_bytes)")
                assert 0 < float(disk[0]["value"][1]) < 1
                assert asked(prometheus, "sum(airflow_dagrun_seconds_sum)")[0]["value"][1] == "61"
                up = asked(prometheus, "up")
                assert {each["metric"]["job"]: each["value"][1] for each in up} == dict.fromkeys(targets, "1")
    finally:
        brokers.stop()
        thread.join()


def asked(prometheus: str, query: str) -> list[dict[str, Any]]:
    answer = requests.get(f"{prometheus}/api/v1/query", params={"query": query}, timeout=180).json()
    return answer["data"]["result"]  # type: ignore[no-any-return]


@pytest.fixture
def outage(rig: IndexerRig) -> IndexerRig:
    """Both processes were started anew while the upstream was down; nothing has been polled since."""
    poller, indexer = rig.start(), rig.start_indexer()
    indexer.wait_indexing()
    poller.wait_polls(3)
    rig.sandbox.script.add(Rule(status=503))
    rig.wait_committed()
    poller.terminate()
    indexer.terminate()
    rig.start("poller-again").wait_reason("503")
    rig.start_indexer("indexer-again").wait_said("indexer started")
    return rig


def test_an_outage_that_is_older_than_the_processes_reaches_the_channel(outage: IndexerRig, tmp_path: Path) -> None:
    targets = {"cryptoproxy-poller": outage.pollers[-1].url, "cryptoproxy-indexer": outage.indexers[-1].url}
    with webhook() as (channel, told), watched(tmp_path, channel, targets) as prometheus:
        for alarm in ("CryptoproxyPollsStale", "CryptoproxyDataStale", "CryptoproxySlotsMissed"):
            wanted = {"alertname": alarm, "source": "coingecko"}
            wait_until(
                lambda wanted=wanted: [each for each in told if wanted.items() <= each["labels"].items()],
                seconds=180,
                what=f"{alarm} at the channel, which has {[each['labels'] for each in told]}",
            )
        summary = next(each for each in told if each["labels"]["alertname"] == "CryptoproxyPollsStale")
        assert summary["annotations"]["summary"].startswith("coingecko was last polled "), summary
        up = asked(prometheus, "up")
        assert {each["metric"]["job"]: each["value"][1] for each in up} == dict.fromkeys(targets, "1")
        outage.sandbox.script.clear()
        wait_until(
            lambda: [
                each
                for each in told
                if each["status"] == "resolved" and each["labels"]["alertname"] == "CryptoproxyPollsStale"
            ],
            seconds=180,
            what="the end of CryptoproxyPollsStale at the channel",
        )
