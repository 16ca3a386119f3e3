"""The lake as a DataFrame, and the jobs' own tables.

Which files count, which days are read record by record instead, and what a line means is told by ``src``: what is
compacted Spark reads as the Parquet files that they are; the rest is read by the lake's own reader, a day each on the
workers, so that every id is there once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - as everybody calls it
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import StructType
from session import place

from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import Dataset, Period, called
from cryptoproxy.datasets.times import DAY_MS, Span, written
from cryptoproxy.errors import PoisonError
from cryptoproxy.lake.objects import part_of
from cryptoproxy.lake.parquet import Columns
from cryptoproxy.lake.store import Store
from cryptoproxy.queries.lake.holdings import Holdings, Loose
from cryptoproxy.queries.lake.sql import moment

ID = pa.field("id", pa.string())
MONTH_MS = 30 * DAY_MS
"""Of longer bars, of which a day is a few."""


def schema_of(dataset: Dataset[Any]) -> StructType:
    """The contract's columns, as the lake's files have them."""
    return from_arrow_schema(Columns(dataset).schema)


def records(spark: SparkSession, settings: Settings, dataset: Dataset[Any], part: str, span: Span) -> DataFrame:
    """Each id of ``span`` once, whether it is in a file, in raw objects or in both."""
    holdings = Holdings(Store(settings.s3))
    plan = holdings.of(dataset, holdings.sources(dataset), span)
    schema = schema_of(dataset)
    found = spark.createDataFrame([], schema)
    if files := [f"s3a://{settings.s3.bucket}/{key}" for key in plan.files if part_of(key) == part]:
        found = found.unionByName(spark.read.schema(schema).parquet(*files))
    days = [
        (loose.source, loose.part, day.begin_ms, day.end_ms)
        for loose in plan.loose
        if loose.part == part
        for day in loose.span.parts(DAY_MS if dataset.parts[part].file is Period.DAY else MONTH_MS)
    ]
    if days:
        spans = spark.createDataFrame(days, ["source", "part", "begin_ms", "end_ms"])
        read = _reader(settings, dataset.called(next(iter(dataset.parts))))
        found = found.unionByName(spans.repartition(len(days)).mapInArrow(read, schema))
    return within(found, span, begin="timestamp")


def _reader(settings: Settings, name: str) -> Any:
    def read(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        dataset, _ = called(name)
        holdings, columns = Holdings(Store(settings.s3)), Columns(dataset)
        for batch in batches:
            for row in batch.to_pylist():
                lines = holdings.lines(dataset, Loose(row["source"], row["part"], Span(row["begin_ms"], row["end_ms"])))
                yield from columns.batches(lines)

    return read


def decoded(values: DataFrame, dataset: Dataset[Any], *, ids: bool = False) -> DataFrame:
    """Records of the column ``value`` as it is on a topic; ``ids``: with a last column ``id``. What breaks the contract
    is left out: the indexer has made a dead letter of it."""
    name = dataset.called(next(iter(dataset.parts)))

    def decode(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        known = called(name)[0]
        columns = Columns(known)
        for batch in batches:
            rows, names = [], []
            for value in batch.column("value").to_pylist():
                try:
                    rows.append(columns.row(value or b""))
                except PoisonError:
                    continue
                if ids:
                    names.append(known.id_of(known.codec.decode(value)))
            made = columns.batch(rows)
            yield pa.record_batch([*made, pa.array(names, pa.string())], made.schema.append(ID)) if ids else made

    schema = schema_of(dataset)
    return values.select("value").mapInArrow(decode, schema.add(ID.name, "string") if ids else schema)


def around(span: Span, *, before: int, step_ms: int, after: int = 0) -> Span:
    """``span`` with so many bars before it and after it: what a bar's values need, and what is not written."""
    return Span(max(0, span.begin_ms - before * step_ms), span.end_ms + after * step_ms)


def within(rows: DataFrame, span: Span, *, begin: str = "begin") -> DataFrame:
    """Those that begin in ``span``."""
    at = F.col(begin)
    return rows.where((at >= F.lit(moment(span.begin_ms))) & (at < F.lit(moment(span.end_ms))))


def write_days(rows: DataFrame, settings: Settings, name: str, *, begin: str = "begin") -> str:
    """A folder for each day that ``rows`` has, in place of what was there of it; where."""
    where = place(settings, name)
    by_day = rows.withColumn("day", F.date_format(begin, "yyyy-MM-dd")).repartition("day")
    by_day.sortWithinPartitions("source", "asset_id", "quote", begin).write.partitionBy("day").mode(
        "overwrite"
    ).parquet(where)
    return where


def folders(settings: Settings, name: str) -> list[str]:
    """Names of what lies right below one of the jobs' own tables, in order."""
    return sorted(Store(settings.s3).folders(_prefix(settings, name)))


def remove(settings: Settings, name: str) -> None:
    store = Store(settings.s3)
    for key in list(store.keys(_prefix(settings, name))):
        store.delete(key)


def _prefix(settings: Settings, name: str) -> str:
    return f"{place(settings, name)}/".removeprefix(f"s3a://{settings.s3.bucket}/")


def read_days(spark: SparkSession, settings: Settings, name: str, span: Span | None = None) -> DataFrame:
    """What :func:`write_days` has written, without the column of the folders."""
    found = spark.read.option("basePath", place(settings, name)).parquet(place(settings, name))
    if span is not None:
        first, end = written(span.begin_ms)[:10], written(span.end_ms)[:10]
        found = found.where((F.col("day").cast("string") >= first) & (F.col("day").cast("string") < end))
    return found.drop("day")
