"""The same days in three forms of a lake, on the embedded S3: plain Parquet files, a Delta table, an Iceberg table.

Figures of docs/decisions/0013. What the program itself does without comes from uv, for this run alone:

    uv run --active --with 'pyiceberg[sql-sqlite,pyarrow,pyiceberg-core]' --with duckdb-extension-delta \\
        --with duckdb-extension-avro --with duckdb-extension-iceberg python -m benchmarks.lake_forms --days 20
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow.fs import S3FileSystem

from benchmarks.records import BEGIN_MS, COINS, records
from cryptoproxy.common.clients import s3 as clients
from cryptoproxy.common.settings import Settings
from cryptoproxy.engines.cluster import bring_up, take_down
from cryptoproxy.engines.engine import Options
from cryptoproxy.engines.ports import free_ports
from cryptoproxy.engines.s3 import S3

KEY, SECRET, REGION = "bench", "bench-secret", "us-east-1"
DAY_MS, STEP_MS, LATE = 86_400_000, 300_000, 1_000
ORDER = [(name, "ascending") for name in ("symbol", "timestamp", "asset_id", "quote")]
TIMES = ("timestamp", "fetched_at", "last_updated")


def day_of(number: int, *, late: bool = False) -> pa.Table:
    """Every coin each five minutes; or 1,000 records beside them that come late. As our compaction sorts them."""
    begin = BEGIN_MS + number * DAY_MS + (60_000 if late else 0)
    rows = [
        json.loads(made.value)
        for made in records(LATE if late else DAY_MS // STEP_MS * COINS, begin_ms=begin, step_ms=STEP_MS)
    ]
    table = pa.Table.from_pylist(rows)
    moment = pa.timestamp("us", tz="UTC")
    for at, field in enumerate(table.schema):
        if field.name in TIMES:
            table = table.set_column(at, field.name, table.column(at).cast(moment))
    return table.sort_by(ORDER)


class Plain:
    """One file a day, replaced as a whole; a name by content, so what reads by folder may see two for a moment."""

    name = "plain"

    def __init__(self, client: Any, endpoint: str, folder: Path) -> None:
        self.client, self.endpoint = client, endpoint
        self.keys: dict[int, str] = {}
        self.version = 0

    def write(self, day: int, table: pa.Table) -> None:
        body = io.BytesIO()
        text = [field.name for field in table.schema if field.type == pa.string()]
        pq.write_table(table, body, compression="zstd", compression_level=9, use_dictionary=text, row_group_size=65_536)
        before = self.keys.get(day)
        self.version += 1
        self.keys[day] = f"ticker/{day}-{self.version}.parquet"
        self.client.put_object(Bucket=self.name, Key=self.keys[day], Body=body.getvalue())
        if before:
            self.client.delete_object(Bucket=self.name, Key=before)

    def late(self, days: dict[int, pa.Table]) -> None:
        for day, rows in days.items():
            body = self.client.get_object(Bucket=self.name, Key=self.keys[day])["Body"].read()
            self.write(day, pa.concat_tables([pq.read_table(io.BytesIO(body)), rows]).sort_by(ORDER))

    def expire(self) -> None:
        """Nothing older is kept."""

    def readers(self) -> dict[str, Any]:
        files = S3FileSystem(
            access_key=KEY, secret_key=SECRET, region=REGION, endpoint_override=self.endpoint, scheme="http"
        )
        return {
            "duckdb": "read_parquet('s3://plain/ticker/*.parquet')",
            "polars": lambda: pl.scan_parquet(
                "s3://plain/ticker/*.parquet", storage_options=delta_options(self.endpoint)
            ),
            "pyarrow": lambda: ds.dataset("plain/ticker", filesystem=files).to_table(columns=["price"]),
        }


class Delta:
    """A day is replaced by one commit to a log that lies beside the files."""

    name = "delta"

    def __init__(self, client: Any, endpoint: str, folder: Path) -> None:
        self.uri, self.options = "s3://delta/ticker", delta_options(endpoint)

    def write(self, day: int, table: pa.Table) -> None:
        from deltalake import ColumnProperties, WriterProperties, write_deltalake

        span = f"timestamp >= '{moment(day)}' AND timestamp < '{moment(day + 1)}'"
        text = [field.name for field in table.schema if field.type == pa.string()]
        properties = WriterProperties(
            compression="ZSTD", compression_level=9, max_row_group_size=65_536,
            default_column_properties=ColumnProperties(dictionary_enabled=False),
            column_properties={name: ColumnProperties(dictionary_enabled=True) for name in text},
        )  # fmt: skip
        how: Any = {"mode": "overwrite", "predicate": span} if day else {}
        write_deltalake(self.uri, table, storage_options=self.options, writer_properties=properties, **how)

    def late(self, days: dict[int, pa.Table]) -> None:
        same = " AND ".join(f"t.{name} = s.{name}" for name in ("source", "asset_id", "quote", "timestamp"))
        merge = self._table().merge(pa.concat_tables(days.values()), same, "s", "t")
        merge.when_matched_update_all("s.fetched_at < t.fetched_at").when_not_matched_insert_all().execute()

    def expire(self) -> None:
        self._table().vacuum(0, dry_run=False, enforce_retention_duration=False)

    def readers(self) -> dict[str, Any]:
        return {
            "duckdb": f"delta_scan('{self.uri}')",
            "polars": lambda: pl.scan_delta(self.uri, storage_options=self.options),
            "pyarrow": lambda: self._table().to_pyarrow_dataset().to_table(columns=["price"]),
        }

    def _table(self) -> Any:
        from deltalake import DeltaTable

        return DeltaTable(self.uri, storage_options=self.options)


class Iceberg:
    """The same, but where the table's newest metadata lies is told by a catalog: here a SQLite file."""

    name = "iceberg"

    def __init__(self, client: Any, endpoint: str, folder: Path) -> None:
        from pyiceberg.catalog.sql import SqlCatalog

        self.options = {
            "s3.endpoint": endpoint,
            "s3.access-key-id": KEY,
            "s3.secret-access-key": SECRET,
            "s3.region": REGION,
        }
        self.catalog = SqlCatalog(
            "lake", uri=f"sqlite:///{folder}/catalog.db", warehouse="s3://iceberg", **self.options
        )
        self.catalog.create_namespace("crypto")

    def write(self, day: int, table: pa.Table) -> None:
        from pyiceberg.expressions import And, GreaterThanOrEqual, LessThan

        if day == 0:
            options = {"write.parquet.compression-level": "9", "write.parquet.row-group-limit": "65536"}
            self.catalog.create_table("crypto.ticker", table.schema, properties=options)
        span = And(GreaterThanOrEqual("timestamp", moment(day)), LessThan("timestamp", moment(day + 1)))
        self._table().overwrite(table, overwrite_filter=span)

    def late(self, days: dict[int, pa.Table]) -> None:
        self._table().upsert(pa.concat_tables(days.values()), join_cols=["source", "asset_id", "quote", "timestamp"])

    def expire(self) -> None:
        self._table().maintenance.expire_snapshots().older_than(datetime.now() + timedelta(days=1)).commit()  # noqa: DTZ005

    def readers(self) -> dict[str, Any]:
        where = self._table().metadata_location
        return {
            "duckdb": f"iceberg_scan('{where}')",
            "polars": lambda: pl.scan_iceberg(where, storage_options=self.options),
            "pyarrow": lambda: self._table().scan(selected_fields=("price",)).to_arrow(),
        }

    def _table(self) -> Any:
        return self.catalog.load_table("crypto.ticker")


def moment(day: int) -> str:
    return datetime.fromtimestamp((BEGIN_MS + day * DAY_MS) / 1000, UTC).isoformat()


def delta_options(endpoint: str) -> dict[str, str]:
    return {
        "aws_endpoint_url": endpoint, "aws_access_key_id": KEY, "aws_secret_access_key": SECRET,
        "aws_region": REGION, "aws_allow_http": "true",
    }  # fmt: skip


@contextmanager
def bucket_server(folder: Path) -> Iterator[S3]:
    (port,) = free_ports(1)
    engine = S3(folder, port=port, access_key=KEY, secret_key=SECRET, options=Options(die_with_parent=True))
    bring_up((engine,))
    try:
        yield engine
    finally:
        take_down((engine,))


def duck(endpoint: str) -> duckdb.DuckDBPyConnection:
    """Its extensions as they come in wheels: nothing is downloaded."""
    import importlib

    db = duckdb.connect(config={"threads": 2})
    for name in ("httpfs", "delta", "avro", "iceberg"):
        (wheel,) = importlib.import_module(f"duckdb_extension_{name}").__path__
        (found,) = Path(wheel).rglob("*.duckdb_extension")
        db.execute(f"LOAD '{found}'")
    login = f"KEY_ID '{KEY}', SECRET '{SECRET}', ENDPOINT '{endpoint.removeprefix('http://')}'"
    db.execute(f"CREATE SECRET (TYPE s3, {login}, URL_STYLE 'path', USE_SSL false)")
    return db


def timed(say: str, what: Callable[[], Any], times: int = 1) -> None:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        what()
        took.append(time.perf_counter() - began)
    print(f"  {say}: {min(took):.2f} s", flush=True)


def stored(client: Any, bucket: str) -> str:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    sizes = [item["Size"] for page in pages for item in page.get("Contents", [])]
    return f"{len(sizes)} objects, {sum(sizes) / 1e6:.1f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=20, help="of 72,000 records each (20)")
    days = range(parser.parse_args().days)
    warnings.simplefilter("ignore")
    tables = [day_of(day) for day in days]
    late = {day: day_of(day, late=True) for day in days[3::4][:3]}
    print(f"{sum(map(len, tables)):,} records on {len(days)} days; late: {LATE:,} on each of {len(late)}")
    with tempfile.TemporaryDirectory() as place, bucket_server(Path(place) / "s3") as engine:
        client = clients.client(
            Settings.from_texts(
                {"AWS_S3_ENDPOINT_URL": engine.endpoint, "AWS_S3_ACCESS_KEY": KEY, "AWS_S3_SECRET_KEY": SECRET}
            ).s3
        )
        db = duck(engine.endpoint)
        for make in (Plain, Delta, Iceberg):
            print(make.name)
            client.create_bucket(Bucket=make.name)
            form = make(client, engine.endpoint, Path(place))
            timed("write and commit all days", lambda form=form: [form.write(*each) for each in enumerate(tables)])
            print(f"  {stored(client, form.name)}")
            timed("late records", lambda form=form: form.late(late))
            print(f"  {stored(client, form.name)}")
            timed("expire what is older", form.expire)
            print(f"  {stored(client, form.name)}")
            read = form.readers()
            timed(
                "duckdb, avg(price)", lambda read=read: db.sql(f"SELECT avg(price) FROM {read['duckdb']}").fetchone(), 3
            )
            one = f"SELECT avg(price) FROM {read['duckdb']} WHERE symbol = 'C7'"
            timed("duckdb, avg(price) of one symbol", lambda one=one: db.sql(one).fetchone(), 3)
            timed("polars, mean(price)", lambda read=read: read["polars"]().select(pl.col("price").mean()).collect(), 3)
            timed("pyarrow, price", read["pyarrow"], 3)
        for how in ("delta_scan('s3://delta/ticker')", "iceberg_scan('s3://iceberg/crypto/ticker')"):
            try:
                print(f"{how}: {db.sql(f'SELECT count(*) FROM {how}').fetchone()}")
            except duckdb.Error as error:
                print(f"{how}: {str(error)[:90]}")


if __name__ == "__main__":
    main()
