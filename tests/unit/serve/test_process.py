"""The door as a process where nothing else is there yet: it is up, says why it is not ready, and answers what it can."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import requests

from cryptoproxy.common.settings import Settings
from cryptoproxy.common.settings.environment import child_environment
from cryptoproxy.engines.ports import free_ports
from cryptoproxy.errors import SettingsError
from tests.conftest import wait_until


def test_a_door_before_kafka_and_elasticsearch_is_up_and_not_ready(tmp_path: Path):
    kafka, elastic, s3 = free_ports(3)
    texts = {
        "KAFKA_BROKERS_HOST_PORT": f"127.0.0.1:{kafka}",
        "ES_URL_ENDPOINT": f"http://127.0.0.1:{elastic}",
        "AWS_S3_ENDPOINT_URL": f"http://127.0.0.1:{s3}",
        "AWS_S3_ACCESS_KEY": "key",
        "AWS_S3_SECRET_KEY": "secret",
        "READ_THROUGH": "off",
        "SERVE_PORT": "0",
        "SERVE_BINANCE_PORT": "0",
        "PYTHON_SERVE_SERVER_PORT": "0",
    }
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "cryptoproxy.serve"],
            env=child_environment(texts), cwd=tmp_path, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        health = wait_until(lambda: _said(log, r"health and metrics at (http://\S+)"), what="its health address")
        door = _said(log, r"the door is at (http://\S+?): ")
        assert requests.get(f"{health}/livez", timeout=60).status_code == 200
        readiness = requests.get(f"{health}/readyz", timeout=60)
        assert readiness.status_code == 503
        assert set(readiness.json()["reasons"]) == {"tickers", "answers", "streams", "usage"}
        wait_until(lambda: _answers(f"{door}/coingecko/api/v3/ping"), what="an open door")
        assert requests.get(f"{door}/binance/api/v3/ticker/price", timeout=60).status_code == 404
        bars = requests.get(f"{door}/binance/api/v3/klines?symbol=BTCUSDT&interval=1h", timeout=60)
        assert (bars.status_code, bars.json()["code"]) == (503, -1001)
        assert str(elastic) not in bars.text
        assert requests.get(f"{door}/v1/latest", timeout=60).status_code == 503
        assert str(elastic) not in requests.get(f"{door}/v1/latest", timeout=60).text
        process.send_signal(signal.SIGTERM)
        assert process.wait(180) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


def test_a_door_that_others_can_reach_is_meant():
    for host, anybody, refused in [("127.0.0.1", "", False), ("0.0.0.0", "", True), ("0.0.0.0", "true", False)]:
        try:
            Settings.from_texts({"SERVE_HOST": host, "SERVE_ANYBODY": anybody})
            faults = []
        except SettingsError as error:
            faults = error.faults
        assert bool(faults) == refused
        assert not refused or "SERVE_ANYBODY" in faults[0]


def _said(log: Path, pattern: str) -> str:
    found = re.search(pattern, log.read_text())
    return found[1] if found else ""


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=60).status_code == 200
    except requests.ConnectionError:
        return False
