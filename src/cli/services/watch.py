"""`cryptoproxy watch`: rules over the topics, alerts, and people told."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from cryptoproxy.cli.values import moment, picture, seconds
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.retry import Patience
from cryptoproxy.common.service import Health, Service
from cryptoproxy.common.service.process import Loop
from cryptoproxy.common.settings import Settings
from cryptoproxy.common.settings.catalogue import SOURCE_NAMES
from cryptoproxy.common.start import load_settings, start
from cryptoproxy.datasets import ALERT, CANDLE, DATASETS, USAGE, Dataset, iso
from cryptoproxy.datasets.times import DAY_MS, Span
from cryptoproxy.errors import SettingsError, visible

DERIVED = b'"origin":"derived"'


@click.group(invoke_without_command=True)
@click.pass_context
def watch(context: click.Context) -> None:
    """Hold the rules of WATCH_RULES against the topics, write alerts, tell people (docs/watch.md)."""
    if context.invoked_subcommand is None:
        settings = start(context.obj)
        sys.exit(process(settings).run())


def process(settings: Settings) -> Service:
    """What judges and tells, and beside it what puts into the lake what no poller keeps: alerts, and usage."""
    from cryptoproxy.common.clients import kafka as kafka_client
    from cryptoproxy.lake.archiver import TopicArchiver
    from cryptoproxy.lake.store import Store
    from cryptoproxy.watch.wiring import service

    made, rules = service(settings)
    wanted: list[tuple[Dataset[Any], str, bytes]] = [(ALERT, "", b""), (USAGE, "", b""), (CANDLE, "1m", DERIVED)]
    for dataset, part, mark in wanted:
        archiver = TopicArchiver(
            kafka=settings.kafka,
            dataset=dataset,
            part=part,
            mark=mark,
            store=Store(settings.s3),
            connect=partial(kafka_client.consumer, settings.kafka, client_id="cryptoproxy-archive"),
            seconds=settings.s3.object_seconds,
            # Without a door there may be no topic of usage: watch is whole all the same.
            health=Health() if dataset is USAGE else made.health,
        )

        def run(loop: Loop, dataset: Dataset[Any] = dataset, archiver: TopicArchiver = archiver) -> None:
            while dataset is CANDLE and rules().bars is None and loop.running:
                loop.wait(1.0)  # `bars:` may come with another file of rules
            archiver.run(loop)

        made.add("archive" if dataset is ALERT else f"archive of {dataset.called(part)}s", run)
    return made


@watch.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.pass_obj
def check(env_file: Path, file: Path | None) -> None:
    """Read the file of rules; name every mistake with its line and what is allowed."""
    from cryptoproxy.watch.rulebook.reading import read

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
        line = f"{alert.since}  {alert.severity:8}  {alert.rule:20}  {alert.asset:28}  {alert.words}"
        click.echo(visible(line))  # anybody may write to the topic
    silences = Silences(kafka, lambda: kafka_client.consumer(kafka, group_id=None), SystemClock().now_ms)
    try:
        silent = silences.read()
    finally:
        silences.close()
    for what, until in sorted(silent.items()):
        click.echo(f"silenced until {iso(until)}: {visible(what)}")
    click.echo(f"{len(found)} open, {len(silent)} silenced")


def _span(context: click.Context, param: click.Parameter, value: str) -> float:
    return 0.0 if value == "0" else seconds(context, param, value)


@watch.command()
@click.argument("what")
@click.option("--for", "seconds", required=True, callback=_span, metavar="SPAN", help="30m, 2h, 1d; 0 ends it.")
@click.pass_obj
def silence(env_file: Path, what: str, seconds: float) -> None:
    """Tell nobody of WHAT for a while: a rule's name, or an asset as rules name it (binance:BTCUSDT).

    It is found and recorded all the same.
    """
    from cryptoproxy.watch.telling.silences import silence as silence_it

    settings = load_settings(env_file)
    if seconds:
        _known(what, settings.watch.rules)
    until = SystemClock().now_ms() + int(seconds * 1000)
    silence_it(settings.kafka, what, until)
    click.echo(f"{what} is silenced until {iso(until)}" if seconds else f"{what} is told of again")


def _known(what: str, file: Path) -> None:
    """Whoever mistypes a rule's name must not believe that it is silent. Without a file that can be read, as on another
    machine, or while somebody changes it, any word may be one."""
    from cryptoproxy.watch.rulebook.reading import read

    if ":" in what or "*" in what or what in SOURCE_NAMES:
        return
    try:
        rules = read(file).rules
    except SettingsError:
        return
    if what not in rules:
        raise click.BadParameter(f"there is no rule {what!r}, and no source; there are {', '.join(rules)}")


@watch.command(name="test-channel")
@click.argument("name")
@click.pass_obj
def test_channel(env_file: Path, name: str) -> None:
    """Send an example to one channel of the file of rules, and say what came of it."""
    from cryptoproxy.watch.rulebook.reading import read
    from cryptoproxy.watch.telling.channels import send
    from cryptoproxy.watch.telling.links import Links
    from cryptoproxy.watch.telling.messages import Message

    settings = load_settings(env_file)
    channels = read(settings.watch.rules).channels
    if name not in channels:
        raise click.BadParameter(f"there is no channel {name!r}; there are {', '.join(channels) or 'none'}")
    links = Links(settings.watch.page, settings.watch.kibana)
    outcome = send(channels[name], Message(alerts=[ALERT.example], links=links))
    click.echo(f"{name}: {outcome.kind}{f', {outcome.words}' if outcome.words else ''}")
    sys.exit(0 if outcome.kind == "taken" else 1)


def _moment(context: click.Context, param: click.Parameter, value: str | None) -> int:
    return SystemClock().now_ms() if value is None else moment(context, param, value)


@watch.command(name="test")
@click.option("--since", callback=_moment, default="30d", show_default=True, metavar="TIME",
              help="A date, a time (UTC), or 12h or 30d (ago).")  # fmt: skip
@click.option("--until", callback=_moment, metavar="TIME", help="Likewise; now without.")
@click.option("--rule", "only", help="Only this rule.")
@click.option("--plot", "file", type=click.Path(path_type=Path, dir_okay=False), callback=picture, metavar="FILE",
              help="Draw it into a .png or .svg file.")  # fmt: skip
@click.option("--show", type=click.IntRange(min=0), default=20, show_default=True, metavar="N",
              help="So many of the newest alerts.")  # fmt: skip
@click.pass_obj
def test(env_file: Path, *, since: int, until: int, only: str | None, file: Path | None, show: int) -> None:
    """Run the rules over what is in the lake; say what they would have said, and how often. Nobody is told."""
    from cryptoproxy.lake.form import Fault
    from cryptoproxy.lake.store import Store
    from cryptoproxy.lake.whole import whole_lake
    from cryptoproxy.models.registry import Registry
    from cryptoproxy.watch.judge import topics_asked
    from cryptoproxy.watch.rulebook.forests import bring
    from cryptoproxy.watch.rulebook.reading import read
    from cryptoproxy.watch.rulebook.rules import Rules
    from cryptoproxy.watch.trial import Past, plot, trial

    if since >= until:
        raise click.UsageError("--until must be later than --since")
    settings = load_settings(env_file)
    rules = replace(read(settings.watch.rules), stats=None, bars=None)  # what they say is all that is asked
    if only is not None:
        if only not in rules.rules:
            raise click.BadParameter(f"there is no rule {only!r}; there are {', '.join(rules.rules)}")
        rules = Rules(rules={only: rules.rules[only]}, channels=rules.channels)
    store, span = Store(settings.s3, patiently=Patience("S3")), Span(since, until)
    bring(rules, lambda: Registry(store))

    faults: list[Fault] = []

    def stream(called: str, form: Any, source: str) -> Iterator[Past]:
        return (Past(each.slot_ms, called, each.line) for each in form.records(source, span, faults.append))

    streams = []
    for name, part in topics_asked(rules):
        form = whole_lake(store, DATASETS[name], part)
        streams += [stream(DATASETS[name].called(part), form, source) for source in form.sources()]
    tried = trial(rules, streams)
    for alert in tried.alerts[-show:] if show else ():
        click.echo(visible(f"{alert.timestamp}  {alert.state:8}  {alert.rule:20}  {alert.words}"))
    days = max(1.0, span.length_ms / DAY_MS)
    click.echo(f"{tried.records:,} records, {days:.0f} days")
    if faults:
        click.echo(f"{len(faults)} objects or lines of the lake cannot be used, the first: {visible(str(faults[0]))}")
    for name, spoken in tried.rules.items():
        lasted = f", each for {spoken.open_ms / spoken.ended / 60_000:.0f} min" if spoken.ended else ""
        click.echo(f"{name}: {spoken.opened} times, {spoken.opened / days:.1f} a day{lasted}")
    if file is not None:
        plot(tried, since, until, file)
        click.echo(f"drawn to {file}")
