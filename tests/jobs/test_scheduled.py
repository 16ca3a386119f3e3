"""Airflow as it runs: its scheduler starts a DAG made of our steps, at its time, and SIGINT leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import yaml

from cryptoproxy.engines.ports import free_ports
from tests.conftest import wait_until
from tests.jobs.test_airflow import AIRFLOW, DAGS
from tests.statsd import MAPPING, exporter

EACH_MINUTE = """
from airflow.sdk import DAG
from steps import command, schedule

with DAG("each_minute", **schedule("* * * * *")) as dag:
    command("version", "--version", to="version.txt")
"""
PATIENCE = 900.0
"""Four processes begin, each with some thousand modules, before the first minute counts."""


KINDS = {"counter": "", "gauge": "", "histogram": "_count"}


def told() -> set[tuple[str, str]]:
    """Each metric that the mapping knows, and its kind."""
    mappings = yaml.safe_load(MAPPING.read_text(encoding="utf-8"))["mappings"]
    return {
        (each["name"], each.get("match_metric_type", "histogram")) for each in mappings if each.get("action") != "drop"
    }


@contextmanager
def standalone(home: Path, statsd_port: int) -> Iterator[subprocess.Popen[bytes]]:
    """What it says is in `standalone.log`. Ended hard if a test has not ended it."""
    port, of_triggerer, of_tasks = free_ports(3)
    environ = os.environ | {
        "PATH": f"{AIRFLOW.parent}{os.pathsep}{os.environ['PATH']}",  # it starts its parts by name
        "PYTHONPATH": str(DAGS),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "2",
        # Beside other tests its own server may not answer a task within the usual five; the task then waits a minute.
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "120",
        "AIRFLOW__METRICS__STATSD_ON": "True",
        "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
        "AIRFLOW__METRICS__STATSD_PORT": str(statsd_port),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(of_triggerer),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(of_tasks),
        "CRYPTOPROXY": f"{sys.executable} -m cryptoproxy.cli.main",
        "CRYPTOPROXY_HOME": str(home),
        "CRYPTOPROXY_REPORTS": str(home / "reports"),
    }
    with (home / "standalone.log").open("wb") as log:
        # A shell without job control has what it starts in the background ignore SIGINT, and that is inherited.
        started = subprocess.Popen(
            ["env", "--default-signal=INT", AIRFLOW, "standalone"],
            env=environ, cwd=home, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        yield started
    finally:
        for each in of_session(started.pid):
            each.kill()
        started.wait()


def of_session(leader: int) -> list[psutil.Process]:
    """Every living process of it, whoever its parent is by now."""
    found = []
    for each in psutil.process_iter():
        try:
            if os.getsid(each.pid) == leader and each.status() != psutil.STATUS_ZOMBIE:
                found.append(each)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


@pytest.mark.timeout(1800)
def test_the_scheduler_starts_what_is_due_and_ends_with_all_its_children(tmp_path: Path) -> None:
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "each_minute.py").write_text(EACH_MINUTE)
    file, log = tmp_path / "reports" / "version.txt", tmp_path / "standalone.log"
    with exporter() as statsd, standalone(tmp_path, statsd.port) as started:
        wait_until(lambda: file.exists() or started.poll() is not None, seconds=PATIENCE, what="a scheduled run")
        assert started.poll() is None, log.read_text()[-6000:]
        assert file.read_text().strip()
        wanted = [name if name.endswith("_total") else f"{name}{KINDS[kind]}" for name, kind in told()]
        wait_until(lambda: all(f"\n{name}" in statsd.metrics() for name in wanted), what=f"all of {wanted} are told")
        for words in (
            'airflow_dagrun_seconds_count{dag="each_minute",state="success"}',
            'airflow_task_seconds_count{dag="each_minute",task="version"}',
            'airflow_tasks_finished_total{dag="each_minute",state="success",task="version"}',
        ):
            assert words in statsd.metrics()
        assert len(of_session(started.pid)) > 3
        started.send_signal(signal.SIGINT)
        wait_until(lambda: started.poll() is not None, seconds=PATIENCE, what="its end")
        wait_until(lambda: not of_session(started.pid), seconds=PATIENCE, what="the end of its children")
