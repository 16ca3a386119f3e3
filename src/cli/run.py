"""`cryptoproxy produce | consume | sandbox | run`: the long-running processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click

from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.start import start


@click.command()
@click.option("--once", is_flag=True, help="Poll each source once, deliver, end; the exit code says whether it worked.")
@click.option("--dry-run", is_flag=True, help="Print the records of one poll as JSON lines; send and keep nothing.")
@click.pass_obj
def produce(env_file: Path, once: bool, dry_run: bool) -> None:
    """Poll the upstreams: to the outbox, Kafka and S3."""
    settings = start(env_file)
    if once or dry_run:
        from cryptoproxy.producer import once as single

        sys.exit(single.dry_run(settings) if dry_run else single.once(settings))
    from cryptoproxy.producer.compaction import command
    from cryptoproxy.producer.wiring import Poller

    sys.exit(Poller(settings, compact=command(env_file)).run())


def _places(context: click.Context, param: click.Parameter, values: tuple[str, ...]) -> list[tuple[int, int]]:
    from cryptoproxy.consumer.fuse import parse_place

    try:
        return [parse_place(value) for value in values]
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command()
@click.option(
    "--accept-poison", "places", multiple=True, callback=_places, metavar="PARTITION:OFFSET",
    help="Tell a fused indexer how far poison may go to the dead letters, and end. May be repeated.",
)  # fmt: skip
@click.pass_obj
def consume(env_file: Path, places: list[tuple[int, int]]) -> None:
    """Index the topic into Elasticsearch."""
    settings = start(env_file)
    if places:
        from cryptoproxy.consumer.fuse import accept

        for word in accept(settings.kafka, places, now_ms=SystemClock().now_ms()):
            click.echo(word)
        click.echo("A fused indexer goes on within seconds.")
        return
    from cryptoproxy.consumer.wiring import service

    sys.exit(service(settings).run())


@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True}, add_help_option=False)
@click.pass_context
def sandbox(context: click.Context) -> None:
    """Stand-in upstreams for tests and trials (--help lists the options)."""
    from cryptoproxy.sandbox.__main__ import main

    context.exit(main(context.args))


@click.command()
@click.pass_context
def run(context: click.Context) -> None:
    """Live data on this machine: engines, set-up, poller and indexer. Ctrl-C ends the two; the engines stay up."""
    from cryptoproxy.cli.engines import up
    from cryptoproxy.cli.setup import setup

    context.invoke(up)
    context.invoke(setup, wait=60, only=())
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "cryptoproxy.cli.main", "--env-file", str(context.obj)]
    processes = [subprocess.Popen([*command, name], env=environment) for name in ("consume", "produce")]
    try:
        while all(process.poll() is None for process in processes):
            time.sleep(0.5)
    except KeyboardInterrupt:
        pass  # they got it, too
    finally:
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        codes = [process.wait() for process in processes]
    click.echo("The engines are still up: `cryptoproxy down` stops them.")
    context.exit(max(codes))
