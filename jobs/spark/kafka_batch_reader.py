"""A range of a topic, by times or offsets, into Parquet files, now: for whoever does not want to wait for the lake."""

from __future__ import annotations

import argparse
import json

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - as everybody calls it
from session import arguments, kafka, place, session, settings
from tables import ID, decoded

from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets.times import from_person


def offsets(text: str) -> str:
    """``0:100,1:250`` (partition and offset), ``earliest`` or ``latest``."""
    if text in ("earliest", "latest"):
        return text
    try:
        pairs = [each.split(":") for each in text.split(",")]
        return json.dumps({str(int(partition)): int(offset) for partition, offset in pairs})
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not like 0:100,1:250, earliest or latest") from error


def moment(text: str) -> int:
    try:
        return from_person(text, now_ms=SystemClock().now_ms())
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def options(given: argparse.Namespace, topic: str) -> dict[str, str]:
    """Of Spark's source: which stretch of the topic."""
    found = {}
    for end, offset, time in (
        ("starting", given.from_offsets, given.since), ("ending", given.to_offsets, given.until)
    ):  # fmt: skip
        if time is not None:
            found[f"{end}Timestamp"] = str(time)
        else:
            found[f"{end}Offsets"] = f'{{"{topic}": {offset}}}' if offset.startswith("{") else offset
    return found


def read(spark: SparkSession, found: Settings, topic: str, stretch: dict[str, str]) -> DataFrame:
    reader = spark.read.format("kafka").options(**kafka(found)).options(**stretch)
    # A moment after the newest record: there is nothing from then on.
    return reader.option("subscribe", topic).option("startingOffsetsByTimestampStrategy", "latest").load()


def main(words: list[str] | None = None) -> None:
    parser = arguments(__doc__ or "", span=False)
    parser.add_argument(
        "--since", type=moment, help="what was put onto the topic from then on: a date, a time, 12h (ago)"
    )
    parser.add_argument("--until", type=moment, help="and before then")
    parser.add_argument("--from-offsets", type=offsets, default="earliest", help="instead: 0:100,1:250 or earliest")
    parser.add_argument("--to-offsets", type=offsets, default="latest", help="not included: 0:200,1:300 or latest")
    parser.add_argument("--out", help="a folder, s3a://… or file://…; without, one of the jobs' own tables")
    given = parser.parse_args(words)
    found, (dataset, part) = settings(), given.dataset
    topic = found.kafka.topic_of(dataset, part)
    spark = session(f"kafka-batch-reader {topic}", found)
    there = read(spark, found, topic, options(given, topic)).cache()
    # On the topic an id may be there twice; of two trades the times may be the same. What is kept by its newest
    # record alone has one id at all times.
    once = decoded(there, dataset, ids=True).dropDuplicates([ID.name, "timestamp"]).drop(ID.name).cache()
    where = given.out or place(found, f"topic-{dataset.called(part)}")
    once.write.mode("overwrite").parquet(where)
    stretch = there.agg(F.count("*"), F.min("timestamp"), F.max("timestamp")).first()
    print(f"{topic}: {stretch[0]} messages from {stretch[1]} to {stretch[2]}, {once.count()} records in {where}")
    spark.stop()


if __name__ == "__main__":
    main()
