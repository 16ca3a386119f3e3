"""The view of all windows, batch and stream as one table: batch up to the end of its last day, the stream after it, no
window twice. Where no stream runs it is the batch alone.

The batch is right for good (every late record is in it), the stream is there now. Where the batch has a day, the
stream's windows of it do not count, whatever they say. Scores are of what stands here, so the past of a stream's first
windows is the batch's.
"""

from __future__ import annotations

from pyspark.sql import functions as F  # noqa: N812 - as everybody calls it
from scores import STATE, scored
from session import arguments, place, session, settings
from spark_streaming_consumer import stream_name
from tables import folders, read_days, write_days
from windows import KEY


def main(words: list[str] | None = None) -> None:
    given = arguments("Windows of the batch and of the stream as one.", span=False, length="1h").parse_args(words)
    found, (dataset, part) = settings(), given.dataset
    called, length = dataset.called(part), given.length
    name, told = f"view-{called}-{length.text}", f"{stream_name(called, length.text)}/windows"
    if not folders(found, f"windows-{called}-{length.text}"):
        raise SystemExit("the batch has no day yet: run aggregates.py first")
    spark = session(name, found)
    batch = read_days(spark, found, f"windows-{called}-{length.text}")
    newest = batch.agg(F.max("begin")).first()[0]
    boundary = F.date_trunc("day", F.lit(newest)) + F.expr("INTERVAL 1 DAY")
    merged = batch.withColumn("layer", F.lit("batch"))
    if folders(found, told):
        stream = spark.read.schema(batch.schema).parquet(place(found, told)).select(*batch.columns)
        merged = merged.unionByName(stream.where(F.col("begin") >= boundary).withColumn("layer", F.lit("stream")))
    merged = scored(merged, length).drop(STATE).cache()
    twice = merged.groupBy(*KEY, "begin").count().where("count > 1").count()
    if twice:
        raise SystemExit(f"{twice} windows are there twice: another checkpoint was used with old windows of the stream")
    # Who is in both must go on in the stream where the batch ends.
    first = merged.where("layer = 'stream'").groupBy(*KEY).agg(F.min("begin").alias("first"))
    last = merged.where("layer = 'batch'").groupBy(*KEY).agg(F.max("end").alias("last"))
    holes = first.join(last, [*KEY]).where(F.col("first") > F.col("last")).count()
    where = write_days(merged, found, name)
    counts = dict(merged.groupBy("layer").count().collect())
    print(
        f"{name}: {counts.get('batch', 0)} windows of the batch, {counts.get('stream', 0)} of the stream after it, "
        f"none twice; {holes} assets lack something where the two meet; in {where}"
    )
    spark.stop()


if __name__ == "__main__":
    main()
