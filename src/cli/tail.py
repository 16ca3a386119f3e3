"""`cryptoproxy tail`: reads the topic as a console consumer would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from kafka import errors as kafka_errors

from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clients.unpacking import UnreadRecord
from cryptoproxy.common.start import load_settings
from cryptoproxy.errors import visible


@click.command()
@click.option("--from-beginning", is_flag=True, help="All that the topic still has, not only what comes now.")
@click.option("-n", "--count", type=click.IntRange(min=1), help="End after so many records.")
@click.option("--topic", help="Another topic than KAFKA_TOPIC.")
@click.option("--show-key", is_flag=True, help="Print partition, offset and key before each record.")
@click.pass_obj
def tail(env_file: Path, from_beginning: bool, count: int | None, topic: str | None, show_key: bool) -> None:
    """Print the records of the topic, one JSON object a line."""
    kafka = load_settings(env_file).kafka
    try:
        consumer = kafka_client.consumer(
            kafka, topic or kafka.topic, group_id=None, auto_offset_reset="earliest" if from_beginning else "latest"
        )
        try:
            _print(consumer, count, show_key)
        finally:
            consumer.close()
    except kafka_errors.KafkaError as error:
        raise kafka_client.meaning(error, kafka) from error


def _print(consumer: Any, count: int | None, show_key: bool) -> None:
    printed = 0
    while count is None or printed < count:
        for records in consumer.poll(timeout_ms=500).values():
            for record in records:
                if printed == count:
                    return
                where = f"{record.partition}:{record.offset} {(record.key or b'').decode(errors='replace')} "
                text = (
                    record.why if isinstance(record, UnreadRecord) else (record.value or b"").decode(errors="replace")
                )
                # Anybody may write to a topic. What was JSON is the same JSON, on one line.
                click.echo(visible((where if show_key else "") + text))
                printed += 1
