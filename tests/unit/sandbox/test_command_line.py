from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from websockets.sync.client import connect

from cryptoproxy.common.settings import Settings
from cryptoproxy.common.settings.environment import warnings_for
from cryptoproxy.sandbox.ledger import read

ROOT = Path(__file__).parents[3]


@contextmanager
def running(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "cryptoproxy.sandbox", "--coins", "20", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(ROOT)}) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_the_first_line_is_the_address_and_sigterm_ends_it(http):
    with running() as (process, url):
        assert http.get(url + "/coingecko/api/v3/ping").status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(180) == 0


def test_what_it_prints_below_are_settings_that_lead_a_poller_there(http):
    with running() as (process, url):
        lines = [process.stdout.readline().strip() for _ in range(10)]
        texts = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
        assert warnings_for([], of_file=texts) == []
        upstreams = Settings.from_texts(texts).upstreams
        assert upstreams.coingecko_calls_per_minute == 0
        for base, path in (
            (upstreams.coingecko_base_url, "/ping"),
            (upstreams.binance_base_url, "/api/v3/exchangeInfo"),
            (upstreams.bybit_base_url, "/v5/market/tickers?category=linear"),
        ):
            assert base.startswith(url)
            assert http.get(base + path).status_code == 200
        for address, path in ((texts["BINANCE_WS_URL"], "/ws"), (texts["BYBIT_WS_URL"], "/v5/public/linear")):
            with connect(address + path, compression=None) as ws:
                ws.ping().wait(180)


def test_its_help_calls_it_by_the_name_that_people_type():
    command = [sys.executable, "-m", "cryptoproxy.cli.main", "sandbox", "--help"]
    done = subprocess.run(
        command, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)}, timeout=180, check=False
    )
    assert done.stdout.startswith("usage: cryptoproxy sandbox ")
    assert "python -m" not in done.stdout


def test_the_ledger_survives_the_death_of_its_process(http, tmp_path):
    file = tmp_path / "served.jsonl"
    with running("--ledger", str(file)) as (process, url):
        bodies = [http.get(url + "/binance/api/v3/ticker/24hr").content for _ in range(3)]
        process.kill()
        process.wait(180)
    assert [entry.body for entry in read(file)] == bodies


def test_replay_faults_and_keys(http, tmp_path, recorded_path, recorded):
    faults = tmp_path / "faults.json"
    faults.write_text(json.dumps({"path": "/ping", "status": 503}))
    options = ("--replay", str(recorded_path), "--faults", str(faults), "--demo-key", "d", "--no-gzip", "--no-bodies")
    with running(*options) as (_, url):
        assert http.get(url + "/coingecko/api/v3/ping").status_code == 503
        assert http.get(url + "/binance/api/v3/exchangeInfo").content == recorded("binance/exchangeInfo_2020-10.json")
        health = http.get(url + "/_sandbox/health")
        assert health.json()["answers"] == 2
        assert "Content-Encoding" not in health.headers


@pytest.mark.parametrize(
    ("options", "text"), [(("--replay", "/nonesuch"), "whose recordings"), (("--coins", "x"), "invalid int")]
)
def test_wrong_options_are_told(options, text):
    command = [sys.executable, "-m", "cryptoproxy.sandbox", *options]
    done = subprocess.run(
        command, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)}, timeout=180, check=False
    )
    assert done.returncode == 2
    assert text in done.stderr
