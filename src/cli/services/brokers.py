"""`cryptoproxy brokers`: how Kafka itself is, for Prometheus."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import click

from cryptoproxy.common.service import Service
from cryptoproxy.common.settings import Settings
from cryptoproxy.common.start import start


@click.command()
@click.pass_obj
def brokers(env_file: Path) -> None:
    """Tell Prometheus how Kafka is: throughput, partitions, leaders, groups' lag, disks. A service."""
    sys.exit(process(start(env_file)).run())


def process(settings: Settings) -> Service:
    from cryptoproxy.common.clients import kafka as kafka_client
    from cryptoproxy.common.clients.brokers import Brokers

    kafka, given = settings.kafka, settings.service
    made = Service("brokers", host=given.host, port=settings.brokers.port, watchdog_seconds=given.watchdog)
    reader = Brokers(kafka=kafka, connect=partial(kafka_client.admin, kafka), health=made.health)
    made.registry.register(reader)
    made.add("brokers", reader.run)
    return made
