"""`cryptoproxy produce | consume | sandbox | run`: the long-running processes."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from cryptoproxy.cli.datasets import dataset_option
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.service.process import STOP_SECONDS
from cryptoproxy.common.settings.home import VARIABLE
from cryptoproxy.common.start import NEW_HERE, home, load_settings, stand_ins, start
from cryptoproxy.datasets import Dataset

log = logging.getLogger(__name__)


@click.command()
@click.option("--once", is_flag=True, help="Poll each source once, deliver, end; the exit code says whether it worked.")
@click.option("--dry-run", is_flag=True, help="Print the records of one poll as JSON lines; send and keep nothing.")
@click.pass_obj
def produce(env_file: Path, once: bool, dry_run: bool) -> None:
    """Poll the upstreams: to the outbox, Kafka and S3."""
    settings = start(env_file)
    if not (dry_run or home().known or settings.poller.outbox_dir.exists()):
        log.warning(NEW_HERE, home().folder)
    if once or dry_run:
        from cryptoproxy.producer.alone import once as single

        sys.exit(single.dry_run(settings) if dry_run else single.once(settings))
    from cryptoproxy.producer.compaction import command
    from cryptoproxy.producer.wiring import Poller

    sys.exit(Poller(settings, compact=command(env_file)).run())


def _places(context: click.Context, param: click.Parameter, values: tuple[str, ...]) -> list[Any]:
    from cryptoproxy.consumer.letters.fuse import parse_place

    try:
        return [parse_place(value) for value in values]
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command()
@click.option(
    "--accept-poison", "places", multiple=True, callback=_places, metavar="[DATASET:]PARTITION:OFFSET",
    help="Tell a fused indexer how far poison of this topic (0:17 of tickers, candle-1m:0:17) may go to the dead "
    "letters, and end. May be repeated.",
)  # fmt: skip
@dataset_option("tickers, and each other that is set up")
@click.pass_obj
def consume(env_file: Path, places: list[Any], datasets: list[Dataset[Any]]) -> None:
    """Index the topics into Elasticsearch."""
    settings = start(env_file)
    if places:
        from cryptoproxy.consumer.letters.fuse import accept

        for word in accept(settings.kafka, places, now_ms=SystemClock().now_ms()):
            click.echo(word)
        click.echo("A fused indexer goes on within seconds.")
        return
    from cryptoproxy.consumer.wiring import service

    sys.exit(service(settings, datasets).run())


@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True}, add_help_option=False)
@click.pass_context
def sandbox(context: click.Context) -> None:
    """Stand-in upstreams for tests and trials (--help lists the options)."""
    from cryptoproxy.sandbox.__main__ import main

    context.exit(main(context.args))


@click.command()
@click.pass_context
def run(context: click.Context) -> None:
    """Live data on this machine: engines, set-up, poller and indexer, and watch where its file of rules is there.

    Ctrl-C ends these; the engines stay up.

    Exit code: 0 after Ctrl-C or SIGTERM; else that of the process that ended by itself, and never 0.
    """
    from cryptoproxy.cli.services.engines import bring_up
    from cryptoproxy.cli.status.outbox import in_words, waiting_in
    from cryptoproxy.cli.upkeep.setup import set_up

    env_file: Path = context.obj
    bring_up(load_settings(env_file).engines)
    settings = load_settings(env_file)  # now with the engines' addresses
    click.echo("set-up: topics, index and bucket, as `cryptoproxy setup` makes them")
    set_up(settings, wait=60, say=_only_news)
    watched = settings.watch.rules.exists()
    names = "poller, indexer and watch" if watched else "poller and indexer"
    click.echo(f"{names} begin; `cryptoproxy status` in another terminal tells whether it works")
    command = [sys.executable, "-m", "cryptoproxy.cli.main", "--env-file", str(env_file)]
    code = supervise(
        {"indexer": [*command, "consume"], "poller": [*command, "produce"]}
        | ({"watch": [*command, "watch"]} if watched else {}),
        os.environ | {"PYTHONUNBUFFERED": "1", VARIABLE: str(home().folder)},
    )
    if any((left := waiting_in(settings.poller.outbox_dir)).values()):
        click.echo(f"Left in the outbox for the next start: {in_words(left)}.")
    if stand_ins(env_file):
        click.echo("The engines are still up: `cryptoproxy down` stops them.")
    context.exit(code)


def _only_news(line: str) -> None:
    """What was made or is not as it should be; at each other start all of it is there already."""
    if not any(words in line for words in ("there already", ": partitions ", "alias ")):
        click.echo(f"  {line}")


def supervise(commands: Mapping[str, Sequence[str]], environment: Mapping[str, str]) -> int:
    """All processes until a signal, or until one of them ends; then ends the others, and returns the exit code."""
    asked: list[int] = []  # a handler may do no more than this while the loop below waits
    before = {
        number: signal.signal(number, lambda number, _: asked.append(number))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    processes = {name: subprocess.Popen(command, env=environment) for name, command in commands.items()}
    try:
        while not asked and all(process.poll() is None for process in processes.values()):
            time.sleep(0.2)
        gone = (
            {} if asked else {name: code for name, process in processes.items() if (code := process.poll()) is not None}
        )
        for name, code in gone.items():
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended by itself with code {code}"
            click.echo(f"The {name} {how}, so this ends, too.", err=True)
    finally:
        codes = [_end(process) for process in processes.values()]
        for number, handler in before.items():
            signal.signal(number, handler)
    if gone:
        return next((shell_code(code) for code in gone.values() if code), 1)
    return max(map(shell_code, codes))


def _end(process: subprocess.Popen[bytes]) -> int:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(STOP_SECONDS + 5)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def shell_code(code: int) -> int:
    """As a shell has it: a process that a signal killed is 128 and its number, not a negative number or 0."""
    return 128 - code if code < 0 else code
