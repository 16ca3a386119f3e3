"""Each DAG by Airflow itself: imported without an error, then run once against the embedded engines and the sandbox."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from cryptoproxy.common.clients import elastic
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.settings.environment import child_environment
from cryptoproxy.datasets import ALERT, CANDLE, TICKER, iso
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, MINUTE_MS
from cryptoproxy.engines.stack import Endpoints
from cryptoproxy.lake import objects
from cryptoproxy.lake.compact import GRACE_MS
from cryptoproxy.lake.store import Store
from cryptoproxy.models.registry import Registry
from cryptoproxy.sandbox import Sandbox
from cryptoproxy.watch.figures.learned import FORESTS
from cryptoproxy.watch.rulebook.forests import bring
from cryptoproxy.watch.rulebook.reading import parse
from tests.conftest import wait_until
from tests.integration.backfill.conftest import record
from tests.integration.conftest import World, endpoints, make_world, remove_indices
from tests.jobs.smtp import mail_server
from tests.unit.models.test_predictions import walk

__all__ = ["endpoints"]
ROOT = Path(__file__).parents[2]
DAGS = ROOT / "jobs" / "airflow" / "dags"
AIRFLOW = ROOT / ".venv-airflow" / "bin" / "airflow"
SPARK = ROOT / ".venv-spark" / "bin" / "python"
SYMBOLS = ("BTCUSDT", "ETHUSDT")
WANTED = {
    "crypto_etl_dag", "ml_pipeline_dag", "reporting_dag", "crypto_alert_dag", *(f"crypto_symbol_{symbol}" for symbol in SYMBOLS)
}  # fmt: skip
EVERY = 10 * MINUTE_MS
MODEL_DAYS = 60
"""A sixth of them, less what the features need before them, is what the first model of the walk is made of."""
MINUTE_DAYS = 3
MADE_WITHIN_MS = 10 * MINUTE_MS
"""Before midnight: the day that the first DAGs look at is still yesterday for the last."""


@dataclass
class Airflow:
    """A home of its own, and what stands in the environment of every task."""

    environ: dict[str, str]
    reports: Path
    posted: list[str]
    mailed: list[EmailMessage]
    yesterday: str

    def run(self, *words: str, code: int = 0) -> str:
        done = subprocess.run(
            [AIRFLOW, *words], env=self.environ, capture_output=True, text=True, check=False, timeout=1800
        )
        assert done.returncode == code, f"{words}\n{done.stdout[-8000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def tested(self, dag: str) -> str:
        """`airflow dags test`, which runs every task in one process; the state that it ended in is in what it says."""
        return self.run("dags", "test", dag)

    def report(self, name: str) -> object:
        return json.loads((self.reports / name).read_text())


@pytest.fixture(scope="module")
def world(endpoints: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = make_world(endpoints, tmp_path_factory.mktemp("world"))
    made.set_up(TICKER, CANDLE, ALERT)
    yield made
    remove_indices(made.settings.elasticsearch)


@pytest.fixture(scope="module")
def hook() -> Iterator[tuple[str, list[str]]]:
    """Where a team would have its channel."""
    posted: list[str] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["content-length"])))["text"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook", posted
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def mails() -> Iterator[tuple[int, list[EmailMessage]]]:
    with mail_server() as found:
        yield found


@pytest.fixture(scope="module")
def airflow(
    world: World,
    hook: tuple[str, list[str]],
    mails: tuple[int, list[EmailMessage]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Airflow:
    for program in (AIRFLOW, SPARK):
        assert program.exists(), f"{program} is missing: make airflow"
    home = tmp_path_factory.mktemp("airflow")
    texts = world.texts | {"SOURCES": "binance", "BINANCE_SYMBOLS": ",".join(SYMBOLS)}
    (url, posted), (mail_port, mailed) = hook, mails
    environ = child_environment(texts, dict(os.environ)) | {
        "PYTHONPATH": str(ROOT),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW_CONN_CRYPTOPROXY_ALERTS": url,
        "AIRFLOW_CONN_CRYPTOPROXY_MAIL": f"smtp://127.0.0.1:{mail_port}/?from=reports%40example.org",
        "CRYPTOPROXY_MAIL_TO": "team@example.org,desk@example.org",
        "CRYPTOPROXY": f"{sys.executable} -m cryptoproxy.cli.main",
        "CRYPTOPROXY_HOME": str(home),
        "CRYPTOPROXY_SPARK": str(SPARK),
        "CRYPTOPROXY_JOBS": str(ROOT / "jobs"),
        "CRYPTOPROXY_REPORTS": str(home / "reports"),
        "CRYPTOPROXY_SYMBOLS": ",".join(SYMBOLS),
        "CRYPTOPROXY_POSITIONS": str(home / "positions.yaml"),
        "CRYPTOPROXY_MODEL_DAYS": str(MODEL_DAYS),
        "CRYPTOPROXY_MINUTE_DAYS": str(MINUTE_DAYS),
        "CRYPTOPROXY_TASK_RETRIES": "0",
        "CRYPTOPROXY_WATCH": "1",
    }
    (home / "positions.yaml").write_text(
        "positions:\n  binance:BTCUSDT: 0.5\n  binance:ETHUSDT: {amount: 3, paid: 2}\n"
    )
    clock = SystemClock()
    closed = range(GRACE_MS, DAY_MS - MADE_WITHIN_MS)
    wait_until(lambda: clock.now_ms() % DAY_MS in closed, seconds=900, what="yesterday is over, and stays yesterday")
    now_ms = clock.now_ms()
    begin = now_ms - now_ms % DAY_MS - DAY_MS
    store = Store(world.settings.s3)
    for slot_ms in range(begin, begin + DAY_MS, EVERY):
        lines = b"".join(
            TICKER.codec.encode(
                record(asset, slot_ms, source="binance", quote="USDT", interval_ms=EVERY, price=1.0 + slot_ms % 7,
                       change_24h=1.5)
            ) + b"\n"
            for asset in SYMBOLS
        )  # fmt: skip
        made = objects.make(world.settings.s3.prefix, "ticker", "binance", slot_ms, lines)
        store.put(made.key, made.body)
    found = Airflow(environ, home / "reports", posted, mailed, iso(begin)[:10])
    replay(found)
    found.run("db", "migrate")
    return found


def replay(airflow: Airflow) -> None:
    """Yesterday, from the lake into the index."""
    subprocess.run(
        [sys.executable, "-m", "cryptoproxy.cli.main", "replay", "--from", airflow.yesterday, "--to", "today"],
        env=airflow.environ, check=True, capture_output=True,
    )  # fmt: skip


def test_every_dag_is_imported_without_an_error(airflow: Airflow) -> None:
    airflow.run("dags", "reserialize")
    assert "No data found" in airflow.run("dags", "list-import-errors")
    # Between its log lines, and with lines broken where a terminal would end.
    listed = airflow.run("dags", "list", "--output", "json").replace("\n", "")
    assert set(re.findall(r'"dag_id":\s*"(\w+)"', listed)) == WANTED


def test_the_connections_are_added_as_the_page_says(airflow: Airflow) -> None:
    page = (ROOT / "docs" / "airflow.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\$ airflow (connections add .+)$", page, re.MULTILINE)
    assert [line.split()[2] for line in lines] == ["cryptoproxy_alerts", "cryptoproxy_mail"]
    for line in lines:
        assert "added" in airflow.run(*shlex.split(line))


def test_of_days_whose_index_lacks_something_no_windows_are_made(airflow: Airflow, world: World) -> None:
    with closing(elastic.client(world.settings.elasticsearch)) as client:
        (one, *_) = client.search(index=world.settings.elasticsearch.alias, size=1)["hits"]["hits"]
        client.delete(index=one["_index"], id=one["_id"], refresh=True)
    airflow.run("dags", "test", "crypto_etl_dag", code=1)
    store = Store(world.settings.s3)
    assert not store.holds(f"{world.settings.s3.prefix}/spark/")
    assert store.holds(f"{world.settings.s3.prefix}/v1/ticker/table/")
    (feed,) = airflow.report(f"quality/{airflow.yesterday}.json")["feeds"]
    assert (feed["feed"], feed["records"]) == ("binance", 288)
    assert [words.split(" failed")[0] for words in airflow.posted] == ["crypto_etl_dag.reconcile"]
    airflow.posted.clear()
    replay(airflow)


def test_the_night_makes_a_table_of_the_day_and_says_how_good_it_is(airflow: Airflow, world: World) -> None:
    airflow.tested("crypto_etl_dag")
    keys = list(Store(world.settings.s3).keys(f"{world.settings.s3.prefix}/"))
    assert any("/ticker/table/binance/" in key for key in keys)
    for name in ("windows-ticker-1d", "windows-ticker-1h", "view-ticker-1d", "view-ticker-1h"):
        assert any(f"/spark/{name}/day={airflow.yesterday}/" in key for key in keys)
    (feed,) = airflow.report(f"quality/{airflow.yesterday}.json")["feeds"]
    assert (feed["feed"], feed["records"], feed["missing"]) == ("binance", 288, 0)
    assert airflow.posted == []


def test_the_morning_s_files_are_there_and_the_channel_is_told_where(airflow: Airflow) -> None:
    airflow.tested("reporting_dag")
    folder = airflow.reports / "daily" / airflow.yesterday
    assert {each.name for each in folder.iterdir()} == {
        "averages.json", "moves.json", "volatility.json", "sentiment.json", "dead-letters.txt", "report.html", "report.pdf"
    }  # fmt: skip
    page = (folder / "report.html").read_text()
    for words in ("2 assets", "in 2 positions", '<td>binance</td><td class="n">288</td>'):
        assert words in page
    (said,) = airflow.posted
    assert said.startswith(f"reporting_dag.report: {airflow.yesterday}: 2 assets, 0 alerts, portfolio ")
    assert str(folder / "report.pdf") in said
    airflow.posted.clear()
    (mail,) = airflow.mailed
    assert (mail["From"], mail["To"]) == ("reports@example.org", "team@example.org, desk@example.org")
    assert mail["Subject"] == f"Report of {airflow.yesterday}"
    body = mail.get_body(("plain",))
    assert isinstance(body, EmailMessage)
    assert "2 assets, 0 alerts, portfolio " in body.get_content()
    attached = {each.get_filename(): each.get_payload(decode=True) for each in mail.iter_attachments()}
    assert attached == {name: (folder / name).read_bytes() for name in ("report.html", "report.pdf")}


def bars(world: World, part: str, step_ms: int, days: int) -> None:
    """Of each symbol, up to the end of yesterday: an object a day."""
    store, now_ms = Store(world.settings.s3), SystemClock().now_ms()
    begin_ms, a_day = now_ms - now_ms % DAY_MS - days * DAY_MS, DAY_MS // step_ms
    for pair in SYMBOLS:
        lines = [
            CANDLE.codec.encode(
                msgspec.structs.replace(
                    each, asset_id=pair, symbol=pair, interval=part, timestamp=iso(begin_ms + at * step_ms),
                    fetched_at=iso(begin_ms + (at + 1) * step_ms + 3_000),
                )
            ) + b"\n"
            for at, each in enumerate(walk(days * a_day))
        ]  # fmt: skip
        for day in range(days):
            made = objects.pack(
                world.settings.s3.prefix, CANDLE.name, "binance", begin_ms + day * DAY_MS,
                lines[day * a_day : (day + 1) * a_day], part=part,
            )  # fmt: skip
            store.put(made.key, made.body)


def test_models_are_made_judged_and_told_of(airflow: Airflow, world: World) -> None:
    bars(world, "1h", HOUR_MS, MODEL_DAYS)
    bars(world, "1m", MINUTE_MS, MINUTE_DAYS)
    airflow.tested("ml_pipeline_dag")
    told = airflow.report(f"models/{airflow.yesterday}.json")
    assert isinstance(told, dict)
    assert set(told) == {"direction-1h", "anomaly-1h", "minutes"}
    for name in told:
        (version,) = told[name]["versions"]
        assert told[name]["live"] in (None, version["version"])
    assert {"loss", "no_change_loss", "same_as_yesterday_loss", "walk_forward_loss"} <= set(
        told["direction-1h"]["versions"][0]["metrics"]
    )
    assert set(told["direction-1h"]["versions"][0]["assets"]) == {f"binance:{symbol}:USDT" for symbol in SYMBOLS}
    (made,) = told["minutes"]["versions"]
    rule = f"rules: {{r: {{when: {{forest-score: 0.7, model: minutes, version: {made['version']}}}}}}}"
    bring(parse(rule), lambda: Registry(Store(world.settings.s3)))
    assert 0.5 < FORESTS["minutes", made["version"]].score([1.0, 1.0]) <= 1.0
    assert (airflow.reports / "models" / airflow.yesterday / "report.pdf").exists()
    assert airflow.posted == []


def test_a_symbol_s_past_is_filled_up_and_its_indicators_are_told(airflow: Airflow, world: World) -> None:
    with Sandbox(coins=20) as upstream:
        airflow.environ |= {f"{name}_BASE_URL": upstream.base_url(name.lower()) for name in ("BINANCE", "BYBIT")}
        airflow.tested(f"crypto_symbol_{SYMBOLS[0]}")
    assert (airflow.reports / "symbols" / f"{SYMBOLS[0]}.json").exists()
    keys = list(Store(world.settings.s3).keys(f"{world.settings.s3.prefix}/v1/candle/raw/1h/"))
    assert keys


def test_what_is_not_alive_is_told_to_the_channel(airflow: Airflow) -> None:
    """Nobody polls here."""
    airflow.run("dags", "test", "crypto_alert_dag", code=1)
    assert [each for each in airflow.posted if each.startswith("crypto_alert_dag.status failed")]
    assert (airflow.reports / "alerts" / "open.txt").read_text() == "0 open, 0 silenced\n"
    shutil.rmtree(airflow.reports)
