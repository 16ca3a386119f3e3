"""`cryptoproxy up | down`: the embedded engines."""

from __future__ import annotations

from pathlib import Path

import click

from cryptoproxy.common.files import write_private
from cryptoproxy.common.settings.catalogue import Engines
from cryptoproxy.common.start import CONNECTION_FILE, load_settings
from cryptoproxy.engines.ports import Ports
from cryptoproxy.engines.stack import Endpoints, Memory, Remembered, Stack

PORT_SETTINGS = {
    "kafka": "ENGINES_KAFKA_PORT",
    "elasticsearch": "ENGINES_ES_PORT",
    "s3": "ENGINES_S3_PORT",
}


def stack_of(settings: Engines) -> Stack:
    """The stack of ``ENGINES_DIR``. A port that is not set is the last one, and in a new folder the usual one; 0 is the
    last one, and in a new folder a free one."""
    kept = Remembered.load(settings.folder)
    known = kept.ports if kept else Ports.usual()
    kafka = known.kafka if settings.kafka_port is None else settings.kafka_port
    elastic = known.elasticsearch if settings.elasticsearch_port is None else settings.elasticsearch_port
    ports = Ports(
        kafka=kafka,
        kafka_controller=known.kafka_controller if kafka == known.kafka else 0,
        elasticsearch=elastic,
        elasticsearch_transport=known.elasticsearch_transport if elastic == known.elasticsearch else 0,
        s3=known.s3 if settings.s3_port is None else settings.s3_port,
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


def bring_up(settings: Engines) -> None:
    """Starts what does not run, and writes down where it is."""
    endpoints = stack_of(settings).up()
    path = write_connection(settings.folder, endpoints)
    click.echo(
        f"Kafka          {endpoints.kafka}\nElasticsearch  {endpoints.elasticsearch}\nS3             {endpoints.s3}"
    )
    click.echo(
        f"Their addresses and keys are in {path};\nof what is not set otherwise, commands in this folder use them."
    )


@click.command()
@click.pass_obj
def up(env_file: Path) -> None:
    """Start Kafka, Elasticsearch and S3 on this machine (fetched once; Java 17+ is needed)."""
    bring_up(load_settings(env_file).engines)
    click.echo("Next: cryptoproxy setup")


@click.command()
@click.pass_obj
def down(env_file: Path) -> None:
    """Stop what `up` started. Data stays."""
    from cryptoproxy.cli.status.processes import ask_health, health_urls  # clients that `up` can begin without

    settings = load_settings(env_file)
    # The ports that it was started with, whatever is set by now.
    stopped = Stack(settings.engines.folder, settings=PORT_SETTINGS, say=click.echo).down()
    (settings.engines.folder / CONNECTION_FILE).unlink(missing_ok=True)
    if not stopped:
        click.echo(f"nothing was running in {settings.engines.folder}")
        return
    click.echo(f"stopped {', '.join(stopped)}")
    for name, url in health_urls(settings).items():
        if ask_health(url) is not None:
            click.echo(
                f"The {name} at {url} still runs and waits for them: end it, or start them again (cryptoproxy up)."
            )
