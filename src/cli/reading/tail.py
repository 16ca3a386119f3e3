"""`cryptoproxy tail`: reads topics as a console consumer would."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click
from kafka import TopicPartition
from kafka import errors as kafka_errors

from cryptoproxy.cli.datasets import dataset_option
from cryptoproxy.cli.reading.topic_files import PartitionFiles
from cryptoproxy.cli.values import seconds, word
from cryptoproxy.common import topics
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clients.kafka_python.unpacking import UnreadRecord
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.common.start import load_settings
from cryptoproxy.datasets import TICKER, Dataset
from cryptoproxy.errors import OperatorError, visible


@click.command()
@click.option("--from-beginning", is_flag=True, help="All that the topics still have, not only what comes now.")
@click.option("-n", "--count", type=click.IntRange(min=1), help="End after so many records.")
@dataset_option("all that are set up", parts=True)
@click.option("--topic", callback=word, help="Another topic than those of the datasets.")
@click.option("--show-key", is_flag=True, help="Print partition, offset and key before each record.")
@click.option(
    "--to-folder", "folder", type=click.Path(path_type=Path, file_okay=False), metavar="PATH",
    help="Write files of lines there instead; a later start goes on after the last one.",
)  # fmt: skip
@click.option("--file-lines", default=100_000, show_default=True, type=click.IntRange(min=1), help="Most of a file.")
@click.option("--file-seconds", default="60s", show_default=True, callback=seconds, help="Longest of a file.")
@click.pass_obj
def tail(
    env_file: Path,
    *,
    from_beginning: bool,
    count: int | None,
    datasets: list[tuple[Dataset[Any], str | None]],
    topic: str | None,
    show_key: bool,
    folder: Path | None,
    file_lines: int,
    file_seconds: float,
) -> None:
    """Print records as they come, one JSON object a line; or write them into files."""
    kafka = load_settings(env_file).kafka
    # With files a place that retention has passed is no reason to leave out what is still there.
    begin = "earliest" if from_beginning or folder is not None else "latest"
    try:
        consumer = kafka_client.consumer(kafka, group_id=None, auto_offset_reset=begin)
        try:
            names = {topic: ""} if topic else _topics(kafka, datasets, consumer)
            if not consumer.topics() & names.keys():  # else it would wait for it, without a word
                raise OperatorError(
                    f"there is no topic {', '.join(names)}", remedy="Mend --topic, or run `cryptoproxy setup`"
                )
            if folder is not None:
                files = partial(PartitionFiles, folder, most=file_lines, seconds=file_seconds)
                _write(consumer, count, names, files, whole=from_beginning)
                return
            consumer.subscribe(list(names))
            _print(consumer, count, names if show_key else None)
        finally:
            consumer.close()
    except kafka_errors.KafkaError as error:
        raise kafka_client.meaning(error, kafka) from error


def _topics(kafka: Kafka, chosen: Collection[tuple[Dataset[Any], str | None]], consumer: Any) -> dict[str, str]:
    """What stands before the places of each topic: ``candle-1m:``, nothing for tickers."""
    found = {}
    for dataset, only in chosen or [(each, None) for each in topics.there(consumer.topics(), kafka) or [TICKER]]:
        for topic, part in kafka.topics_of(dataset).items():
            if only in (None, part.name):
                found[topic] = "" if dataset is TICKER else f"{dataset.called(part.name)}:"
    return found


def _print(consumer: Any, count: int | None, names: Mapping[str, str] | None) -> None:
    printed = 0
    while count is None or printed < count:
        for records in consumer.poll(timeout_ms=500).values():
            for record in records:
                if printed == count:
                    return
                where = ""
                if names is not None:
                    key = (record.key or b"").decode(errors="replace")
                    where = f"{names[record.topic]}{record.partition}:{record.offset} {key} "
                text = (
                    record.why if isinstance(record, UnreadRecord) else (record.value or b"").decode(errors="replace")
                )
                # Anybody may write to a topic. What was JSON is the same JSON, on one line.
                click.echo(visible(where + text))
                printed += 1


def _write(
    consumer: Any, count: int | None, names: Collection[str], of: Callable[[str, int], PartitionFiles], *, whole: bool
) -> None:
    """Until so many records are written, or Ctrl-C; what is open then becomes a file, too."""
    places = [
        TopicPartition(topic, number)
        for topic in names
        for number in sorted(consumer.partitions_for_topic(topic) or ())
    ]
    consumer.assign(places)
    files = {place: of(place.topic, place.partition) for place in places}
    ends = consumer.end_offsets(places)
    for place, each in files.items():
        if (offset := each.next_offset()) is not None:
            if offset > ends[place]:  # what it has now would be read with each start, and then some of it never
                raise OperatorError(
                    f"the folder has records of {place.topic} up to {place.partition}:{offset - 1}, and the topic has "
                    f"none beyond {ends[place] - 1}: it was made anew",
                    remedy="Name another --to-folder",
                )
            consumer.seek(place, offset)
        elif whole:
            consumer.seek_to_beginning(place)
        else:
            consumer.seek_to_end(place)
    written = 0
    try:
        while count is None or written < count:
            polled = consumer.poll(timeout_ms=500)
            now = time.monotonic()
            for place, records in polled.items():
                for record in records[: None if count is None else count - written]:
                    # What could not even be unpacked is an empty line, as what has no value is.
                    value = b"" if isinstance(record, UnreadRecord) else record.value or b""
                    files[place].write(record.offset, value.replace(b"\n", b" "), now)
                    written += 1
            for each in files.values():
                each.close_if_due(now)
    finally:
        for each in files.values():
            each.close()
