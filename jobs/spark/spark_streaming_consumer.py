"""Stream: windows of every asset from a topic, each told once, when no more of it is to be expected.

A batch of Spark's writes a folder named by its number; killed in the middle, the same batch is made again from the
same offsets and replaces its folder, so in the table a window is there once. On a topic (``--to-topic``) it may be told
twice then, with the same key: readers drop the second, as they do on every topic here.

Spark's watermark is of the partition that is furthest. So a batch takes all that is there, of each partition: how
far apart they are at its end is how far apart records are sent, and that the poller keeps within some polls. Bounded
batches (``--most``) take of each partition in proportion to what it holds: beside one that holds a day, the older
records of one that holds a week would come too late and be dropped.

What the scores of windows remember lies in the checkpoint, a folder for each batch that had windows: a batch that is
made again begins from the one before it, as it did first.
"""

from __future__ import annotations

import argparse

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812 - as everybody calls it
from scores import STATE, scored, states_of
from session import arguments, kafka, place, session, settings
from tables import decoded, folders, remove
from windows import KEY, shape_of, windows

from cryptoproxy.common.settings import Settings

STATE_ON_DISK = "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"


def main(words: list[str] | None = None) -> None:
    parser = arguments("Windows from a topic; late records are waited for so long.", span=False, length="1h")
    parser.add_argument("--late", default="10 minutes", help="how late a record may come and still count (10 minutes)")
    parser.add_argument("--to-topic", help="also there, as JSON, keyed source:asset_id:quote:begin")
    parser.add_argument("--every", default="10 seconds", help="how often a batch is made (10 seconds)")
    parser.add_argument(
        "--most", type=int, help="messages of a batch at most: only where all partitions hold the same stretch of time"
    )
    parser.add_argument("--until-idle", action="store_true", help="end when all that is on the topic now was read")
    given = parser.parse_args(words)
    found, (dataset, part) = settings(), given.dataset
    topic = found.kafka.topic_of(dataset, part)
    name = stream_name(dataset.called(part), given.length.text)
    # What is not over lies on disk: a first batch may be all of a topic.
    spark = session(name, found, {"spark.sql.streaming.stateStore.providerClass": STATE_ON_DISK})
    bounds = {} if given.most is None else {"maxOffsetsPerTrigger": str(given.most)}
    messages = (
        spark.readStream.format("kafka")
        .options(**kafka(found))
        .option("subscribe", topic)
        .option("startingOffsets", "earliest")
        .options(**bounds)
        # What retention took before it was read is gone; that is no reason to stop.
        .option("failOnDataLoss", "false")
        .load()
    )
    records = decoded(messages, dataset).withWatermark("timestamp", given.late)
    once = records.dropDuplicatesWithinWatermark([*KEY, *shape_of(dataset).serial])
    writer = (
        windows(once, dataset, given.length)
        .writeStream.outputMode("append")
        .option("checkpointLocation", place(found, f"{name}/checkpoint"))
        .foreachBatch(lambda rows, number: keep(rows, number, found, name, given))
    )
    trigger = {"availableNow": True} if given.until_idle else {"processingTime": given.every}
    writer.trigger(**trigger).start().awaitTermination()
    spark.stop()


def stream_name(called: str, length: str) -> str:
    return f"stream-{called}-{length}"


def keep(rows: DataFrame, number: int, found: Settings, name: str, given: argparse.Namespace) -> None:
    rows = rows.persist()
    count = rows.count()
    if count:
        write(rows, f"batch={number:08d}", found, name, given)
    print(f"{name}: batch {number}, {count} windows", flush=True)
    rows.unpersist()


def write(rows: DataFrame, batch: str, found: Settings, name: str, given: argparse.Namespace) -> None:
    remembered = f"{name}/checkpoint/scores"
    before = [each for each in folders(found, remembered) if each < batch]
    states = rows.sparkSession.read.parquet(place(found, f"{remembered}/{before[-1]}")) if before else None
    told = scored(rows, given.length, states).persist()
    closed = told.drop(STATE)
    # A checkpoint that is thrown away begins at batch 0 again: throw the windows away with it.
    closed.coalesce(1).write.mode("overwrite").parquet(place(found, f"{name}/windows/{batch}"))
    if given.to_topic:
        key = F.concat_ws(":", *KEY, F.unix_millis("begin").cast("string"))
        values = closed.select(key.alias("key"), F.to_json(F.struct("*")).alias("value"))
        values.write.format("kafka").options(**kafka(found)).option("topic", given.to_topic).save()
    states_of(told, states).coalesce(1).write.mode("overwrite").parquet(place(found, f"{remembered}/{batch}"))
    for old in before[:-1]:
        remove(found, f"{remembered}/{old}")
    told.unpersist()


if __name__ == "__main__":
    main()
