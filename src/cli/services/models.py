"""`cryptoproxy models`: which versions there are, which is live, and the process that asks it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.markup import escape
from rich.table import Table

from cryptoproxy.cli.tables import print_table
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.service import Service
from cryptoproxy.common.settings import Settings
from cryptoproxy.common.start import load_settings, start
from cryptoproxy.datasets import PREDICTION


@click.group()
def models() -> None:
    """Versions of models on S3: list, promote, roll back; ask the live one of each bar (docs/models.md)."""


def _registry(settings: Settings) -> Any:
    from cryptoproxy.lake.store import Store
    from cryptoproxy.models.registry import Registry

    return Registry(Store(settings.s3))


@models.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object, no table.")
@click.pass_obj
def list_(env_file: Path, *, as_json: bool) -> None:
    """Every version, how good it was on rows that it was not made of, and which is live."""
    registry = _registry(load_settings(env_file))
    names = registry.names()
    found = {name: (registry.live(name), registry.versions(name)) for name in names}
    if as_json:
        told = {name: {"live": live, "versions": versions} for name, (live, versions) in found.items()}
        click.echo(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())
        return
    table = Table("model", "version", "live", "made of", "rows", "on other rows", box=None)
    for name, (live, versions) in found.items():
        for each in versions:
            said = ", ".join(f"{key} {value:.5g}" for key, value in each.metrics.items())
            span = f"{each.begin[:10]} to {each.end[:10]}"
            row = (name, each.version, "live" if each.version == live else "", span, f"{each.rows:,}", said)
            table.add_row(*map(escape, row))
    print_table(table)


@models.command()
@click.argument("name")
@click.argument("version")
@click.option("--why", required=True, help="Kept beside it.")
@click.pass_obj
def promote(env_file: Path, *, name: str, version: str, why: str) -> None:
    """Make a version live, whatever its figures are. Jobs do that by themselves for what is better."""
    _registry(load_settings(env_file)).promote(name, version, why=why, now_ms=SystemClock().now_ms())
    click.echo(f"{name} {version} is live")


@models.command()
@click.argument("name")
@click.pass_obj
def rollback(env_file: Path, *, name: str) -> None:
    """Make live what was live before, and never again what is live now."""
    version = _registry(load_settings(env_file)).rollback(name, now_ms=SystemClock().now_ms())
    click.echo(f"{name} {version} is live")


@models.command()
@click.pass_obj
def predict(env_file: Path) -> None:
    """Ask the live version of MODELS_PREDICT of each bar that is over: records on crypto.predictions. A service."""
    sys.exit(process(start(env_file)).run())


def process(settings: Settings, *, now_ms: Callable[[], int] | None = None) -> Service:
    """What asks the model, and beside it what puts predictions into the lake."""
    from cryptoproxy.common.clients import kafka as kafka_client
    from cryptoproxy.common.clients.kafka_python.sender import Sender
    from cryptoproxy.common.metrics import ModelsMetrics
    from cryptoproxy.lake.archiver import TopicArchiver
    from cryptoproxy.lake.store import Store
    from cryptoproxy.models.live import Predictor
    from cryptoproxy.models.registry import Registry
    from cryptoproxy.models.scoring import Scorer
    from cryptoproxy.queries.questions.indicators import talib

    kafka, given, store = settings.kafka, settings.models, Store(settings.s3)
    made = Service("models", host=settings.service.host, port=given.port, watchdog_seconds=settings.service.watchdog)
    predictor = Predictor(
        kafka=kafka,
        registry=Registry(store),
        name=given.name,
        scorer=Scorer(given.interval, talib()),
        interval=given.interval,
        connect=partial(kafka_client.consumer, kafka, client_id="cryptoproxy-models"),
        sender=Sender(partial(kafka_client.producer, kafka, client_id="cryptoproxy-models"), ack_seconds=30),
        now_ms=now_ms or SystemClock().now_ms,
        health=made.health,
        metrics=ModelsMetrics(made.registry),
    )
    archiver = TopicArchiver(
        kafka=kafka,
        dataset=PREDICTION,
        store=store,
        connect=partial(kafka_client.consumer, kafka, client_id="cryptoproxy-archive"),
        seconds=settings.s3.object_seconds,
        health=made.health,
    )
    made.add("predictions", predictor.run)
    made.add("archive", archiver.run)
    return made
