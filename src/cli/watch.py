"""`cryptoproxy watch`: rules over the topics, alerts, and people told."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.settings import kinds
from cryptoproxy.common.start import load_settings, start
from cryptoproxy.datasets import ALERT, iso


@click.group(invoke_without_command=True)
@click.pass_context
def watch(context: click.Context) -> None:
    """Hold the rules of WATCH_RULES against the topics, write alerts, tell people (docs/watch.md)."""
    if context.invoked_subcommand is None:
        settings = start(context.obj)
        from cryptoproxy.watch.wiring import service

        sys.exit(service(settings).run())


@watch.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.pass_obj
def check(env_file: Path, file: Path | None) -> None:
    """Read the file of rules; name every mistake with its line and what is allowed."""
    from cryptoproxy.watch.reading import read

    path = file or load_settings(env_file).watch.rules
    rules = read(path)
    click.echo(f"{path}: {len(rules.rules)} rules, {len(rules.channels)} channels, no mistakes")


@watch.command(name="list")
@click.pass_obj
def list_(env_file: Path) -> None:
    """What is open now, and what is silenced."""
    from cryptoproxy.common.clients import kafka as kafka_client
    from cryptoproxy.watch.open_ones import open_ones
    from cryptoproxy.watch.telling.silences import Silences

    kafka = load_settings(env_file).kafka
    for alert in (found := open_ones(kafka)):
        click.echo(f"{alert.since}  {alert.severity:8}  {alert.rule:20}  {alert.asset:28}  {alert.words}")
    silences = Silences(kafka, lambda: kafka_client.consumer(kafka, group_id=None), SystemClock().now_ms)
    try:
        silent = silences.read()
    finally:
        silences.close()
    for what, until in sorted(silent.items()):
        click.echo(f"silenced until {iso(until)}: {what}")
    click.echo(f"{len(found)} open, {len(silent)} silenced")


def _span(context: click.Context, param: click.Parameter, value: str) -> float:
    try:
        return 0.0 if value == "0" else kinds.duration().parse(value)
    except ValueError as fault:
        raise click.BadParameter(f"{value!r} {fault}") from fault


@watch.command()
@click.argument("what")
@click.option("--for", "seconds", required=True, callback=_span, metavar="SPAN", help="30m, 2h, 1d; 0 ends it.")
@click.pass_obj
def silence(env_file: Path, what: str, seconds: float) -> None:
    """Tell nobody of WHAT for a while: a rule's name, or an asset as rules name it (binance:BTCUSDT).

    It is found and recorded all the same.
    """
    from cryptoproxy.watch.telling.silences import silence as silence_it

    until = SystemClock().now_ms() + int(seconds * 1000)
    silence_it(load_settings(env_file).kafka, what, until)
    click.echo(f"{what} is silenced until {iso(until)}" if seconds else f"{what} is told of again")


@watch.command(name="test-channel")
@click.argument("name")
@click.pass_obj
def test_channel(env_file: Path, name: str) -> None:
    """Send an example to one channel of the file of rules, and say what came of it."""
    from cryptoproxy.watch.reading import read
    from cryptoproxy.watch.telling.channels import send
    from cryptoproxy.watch.telling.messages import Message

    settings = load_settings(env_file)
    channels = read(settings.watch.rules).channels
    if name not in channels:
        raise click.BadParameter(f"there is no channel {name!r}; there are {', '.join(channels) or 'none'}")
    outcome = send(channels[name], Message(alerts=[ALERT.example], link=settings.watch.link))
    click.echo(f"{name}: {outcome.kind}{f', {outcome.words}' if outcome.words else ''}")
    sys.exit(0 if outcome.kind == "taken" else 1)
