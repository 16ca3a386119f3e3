"""`cryptoproxy tail`: reads topics as a console consumer would."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import click
from kafka import errors as kafka_errors

from cryptoproxy.cli.datasets import dataset_option
from cryptoproxy.common import topics
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clients.unpacking import UnreadRecord
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.common.start import load_settings
from cryptoproxy.datasets import TICKER, Dataset
from cryptoproxy.errors import visible


@click.command()
@click.option("--from-beginning", is_flag=True, help="All that the topics still have, not only what comes now.")
@click.option("-n", "--count", type=click.IntRange(min=1), help="End after so many records.")
@dataset_option("all that are set up", parts=True)
@click.option("--topic", help="Another topic than those of the datasets.")
@click.option("--show-key", is_flag=True, help="Print partition, offset and key before each record.")
@click.pass_obj
def tail(
    env_file: Path,
    *,
    from_beginning: bool,
    count: int | None,
    datasets: list[tuple[Dataset[Any], str | None]],
    topic: str | None,
    show_key: bool,
) -> None:
    """Print records as they come, one JSON object a line."""
    kafka = load_settings(env_file).kafka
    begin = "earliest" if from_beginning else "latest"
    try:
        consumer = kafka_client.consumer(kafka, group_id=None, auto_offset_reset=begin)
        try:
            names = {topic: ""} if topic else _topics(kafka, datasets, consumer)
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
