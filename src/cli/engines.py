"""`cryptoproxy up | down | status`: the embedded engines."""

from __future__ import annotations

from pathlib import Path

import click

from cryptoproxy.common.settings import Settings
from cryptoproxy.common.settings.catalogue import Engines
from cryptoproxy.common.settings.secret import write_private
from cryptoproxy.common.start import CONNECTION_FILE, load_settings
from cryptoproxy.engines.ports import Ports
from cryptoproxy.engines.stack import Endpoints, Memory, Stack

PORT_SETTINGS = {
    "kafka": "ENGINES_KAFKA_PORT",
    "elasticsearch": "ENGINES_ES_PORT",
    "s3": "ENGINES_S3_PORT",
}


def stack_of(settings: Engines) -> Stack:
    """The stack of ``ENGINES_DIR``. A port of 0 is the one that the folder remembers, or a free one."""
    usual = Ports.usual()
    ports = Ports(
        kafka=settings.kafka_port,
        kafka_controller=usual.kafka_controller if settings.kafka_port == usual.kafka else 0,
        elasticsearch=settings.elasticsearch_port,
        elasticsearch_transport=usual.elasticsearch_transport
        if settings.elasticsearch_port == usual.elasticsearch
        else 0,
        s3=settings.s3_port,
    )
    memory = Memory(settings.kafka_heap_mb, settings.elasticsearch_heap_mb, settings.s3_heap_mb)
    return Stack(settings.folder, ports=ports, memory=memory, settings=PORT_SETTINGS, say=click.echo)


def write_connection(folder: Path, endpoints: Endpoints) -> Path:
    """The engines' addresses and keys as settings, readable by their owner alone."""
    path = folder / CONNECTION_FILE
    write_private(
        path,
        "# Written by `cryptoproxy up`, removed by `cryptoproxy down`.\n"
        f"KAFKA_BROKERS_HOST_PORT={endpoints.kafka}\n"
        f"ES_URL_ENDPOINT={endpoints.elasticsearch}\n"
        f"AWS_S3_ENDPOINT_URL={endpoints.s3}\n"
        f"AWS_S3_ACCESS_KEY={endpoints.s3_access_key}\n"
        f"AWS_S3_SECRET_KEY={endpoints.s3_secret_key}\n"
        "AWS_S3_BUCKET=crypto-lake\n",
    )
    return path


@click.command()
@click.pass_obj
def up(env_file: Path) -> None:
    """Start Kafka, Elasticsearch and S3 on this machine (fetched once; Java 17+ is needed)."""
    settings = load_settings(env_file).engines
    endpoints = stack_of(settings).up()
    path = write_connection(settings.folder, endpoints)
    click.echo(
        f"Kafka          {endpoints.kafka}\nElasticsearch  {endpoints.elasticsearch}\nS3             {endpoints.s3}"
    )
    click.echo(f"Their addresses and keys are in {path}; cryptoproxy commands started here use them.")
    click.echo("Next: cryptoproxy setup")


@click.command()
@click.pass_obj
def down(env_file: Path) -> None:
    """Stop what `up` started. Data stays."""
    settings = load_settings(env_file).engines
    stopped = stack_of(settings).down()
    (settings.folder / CONNECTION_FILE).unlink(missing_ok=True)
    click.echo(f"stopped {', '.join(stopped)}" if stopped else "nothing was running")


@click.command()
@click.pass_obj
@click.pass_context
def status(context: click.Context, env_file: Path) -> None:
    """Say what runs. Exit code 1 unless all three answer."""
    settings: Settings = load_settings(env_file)
    states = stack_of(settings.engines).status()
    rows = [("engine", "state", "endpoint", "pid", "version", "heap", "log")]
    for each in states:
        state = "answering" if each.answering else f"not answering: {each.missing}" if each.running else "down"
        pid = str(each.pid or "-")
        rows.append((each.name, state, each.endpoint, pid, each.version, f"{each.heap_mb} MB", str(each.log_file)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:  # never cut to the terminal's width: a path or an address cut short helps nobody
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    context.exit(0 if all(each.answering for each in states) else 1)
