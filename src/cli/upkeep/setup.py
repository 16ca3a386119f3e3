"""`cryptoproxy setup | check`."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click
import elastic_transport
import elasticsearch
from kafka import errors as kafka_errors

from cryptoproxy.cli.datasets import dataset_option, indexed
from cryptoproxy.common import topics
from cryptoproxy.common.checks import check_elasticsearch, check_kafka, check_s3
from cryptoproxy.common.clients import elastic, outcome
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.settings import Settings
from cryptoproxy.common.settings.catalogue import S3, SECTIONS, Elasticsearch, Kafka
from cryptoproxy.common.settings.loading import declared_in, shown
from cryptoproxy.common.start import home, layers, load_settings
from cryptoproxy.consumer.index import template
from cryptoproxy.datasets import DATASETS, TICKER, Dataset, iso
from cryptoproxy.errors import CryptoProxyError, OperatorError, TransientError, together
from cryptoproxy.lake.store import Store
from cryptoproxy.producer.alone.checks import check_stream, check_upstream
from cryptoproxy.upstreams import sources_of, streams_of

DEFAULTS = "defaults"


@click.command()
@click.option("--wait", default=0, metavar="SECONDS", help="How long to wait for what is not up yet.")
@click.option(
    "--only", type=click.Choice(["topics", "index", "bucket"]), multiple=True, help="Only this part. May be repeated."
)
@dataset_option("all there are")
@click.pass_obj
def setup(env_file: Path, wait: int, only: tuple[str, ...], datasets: list[Dataset[Any]]) -> None:
    """Make topics, index templates, aliases and bucket. Idempotent; needs an administrator's rights."""
    set_up(load_settings(env_file), datasets, wait=wait, only=only)


def set_up(
    settings: Settings,
    datasets: Collection[Dataset[Any]] = (),
    *,
    wait: float = 0,
    only: Collection[str] = (),
    say: Callable[[str], None] = click.echo,
) -> None:
    """Step by step; ``say`` gets a line for each thing, made or there already.

    Args:
        datasets: all where none is named.

    Raises:
        CryptoProxyError: what could not be made, all of it: no step needs another, so the others were done.
    """
    datasets = datasets or list(DATASETS.values())
    steps: dict[str, Callable[[], Iterator[str]]] = {
        "topics": lambda: _topics(settings.kafka, datasets),
        "index": lambda: _index(settings.elasticsearch, datasets),
        "bucket": lambda: _bucket(settings.s3),
    }
    deadline = time.monotonic() + wait
    faults: list[CryptoProxyError] = []
    for name, step in steps.items():
        if not only or name in only:
            try:
                _patiently(step, deadline, say)
            except CryptoProxyError as error:
                faults.append(error)
    if faults:
        raise together(faults)


def _patiently(step: Callable[[], Iterator[str]], deadline: float, say: Callable[[str], None]) -> None:
    while True:
        try:
            for word in step():
                say(word)
        except TransientError as error:
            if time.monotonic() > deadline:
                raise
            click.echo(f"waiting: {error}", err=True)
            time.sleep(1)
        else:
            return


def _topics(kafka: Kafka, datasets: Collection[Dataset[Any]]) -> Iterator[str]:
    try:
        admin = kafka_client.admin(kafka)
        try:
            yield from topics.set_up(admin, kafka, datasets)
            yield from topics.found(admin, kafka, datasets)
            yield f"compression of the topics: {topics.packed(admin, kafka, datasets)}"
        finally:
            admin.close()
    except kafka_errors.KafkaError as error:
        raise kafka_client.meaning(error, kafka) from error


def _index(settings: Elasticsearch, datasets: Collection[Dataset[Any]]) -> Iterator[str]:
    now = iso(SystemClock().now_ms())
    with _elasticsearch(settings) as client:
        faults: list[CryptoProxyError] = []
        for dataset in indexed(datasets):
            try:
                # What has no place for a shard of one has none for another's either.
                yield from template.set_up(client, settings, dataset, now=now, patience="1s" if faults else "20s")
            except OperatorError as error:
                faults.append(error)
        if faults:
            raise together(faults)


def _check_index(settings: Elasticsearch, dataset: Dataset[Any], now: str) -> str:
    alias = settings.alias_of(dataset)
    with _elasticsearch(settings) as client:
        template.verify_alias(client, alias)
    return check_elasticsearch(settings, dataset, now=now)


def _check_indices(settings: Elasticsearch, datasets: Collection[Dataset[Any]], now: str) -> str:
    with _elasticsearch(settings) as client:
        datasets = datasets or [TICKER, *(each for each in template.there(client, settings) if each is not TICKER)]
    return "; ".join(_check_index(settings, each, now) for each in indexed(datasets))


@contextmanager
def _elasticsearch(settings: Elasticsearch) -> Iterator[Any]:
    client = elastic.client(settings, connections=1)
    try:
        yield client
    except (elasticsearch.ApiError, elastic_transport.TransportError) as error:
        raise outcome.meaning(error, url=settings.url) from error
    finally:
        client.close()


def _bucket(settings: S3) -> Iterator[str]:
    made = Store(settings).make_bucket()
    yield f"bucket {settings.bucket}: {'made' if made else 'there already'}"


@click.command()
@click.option("--all", "everything", is_flag=True, help="Print what has its default, too.")
@click.option(
    "--upstreams/--no-upstreams", default=True, show_default=True, help="Also ask each upstream: not where none polls."
)
@dataset_option("all that are set up")
@click.pass_obj
@click.pass_context
def check(
    context: click.Context, env_file: Path, everything: bool, upstreams: bool, datasets: list[Dataset[Any]]
) -> None:
    """Print what is set and from where, secrets masked; try each connection by a real write, read and delete, and each
    upstream by one call within its budget, of streams also by a connection."""
    settings = load_settings(env_file)
    _show(settings, env_file, everything)
    click.echo()
    now = iso(SystemClock().now_ms())
    tried = [
        _tried("Kafka", lambda: check_kafka(settings.kafka, datasets)),
        _tried("Elasticsearch", lambda: _check_indices(settings.elasticsearch, datasets, now)),
        _tried("S3", lambda: check_s3(settings.s3)),
        *(
            _tried(source.upstream, partial(check_upstream, settings, source))
            for source in {source.upstream: source for source in sources_of(settings.upstreams)}.values()
            if upstreams
        ),
        *(
            _tried(stream.venue.name, partial(check_stream, settings, stream))
            for stream in {stream.venue.name: stream for stream in streams_of(settings.upstreams)}.values()
            if upstreams
        ),
    ]
    context.exit(0 if all(tried) else 1)


def _show(settings: Settings, env_file: Path, everything: bool) -> None:
    """What somebody has set first, by where that stands; then what the embedded engines fill in; then defaults."""
    origins: dict[str, str] = {}
    for layer in layers(env_file):
        for name, text in layer.texts.items():
            origins.pop(name, None)  # an empty text over another one takes it back
            if text.strip():
                origins[name] = layer.origin
    by_origin: dict[str, list[str]] = {}
    for section_name, section in SECTIONS.items():
        values = getattr(settings, section_name)
        for attribute, declared in declared_in(section):
            origin = origins.get(declared.name) or origins.get(f"{declared.name}_FILE") or DEFAULTS
            by_origin.setdefault(origin, []).append(f"  {declared.name}={shown(declared, getattr(values, attribute))}")
    defaults = by_origin.pop(DEFAULTS, [])
    for layer in layers(env_file):
        if lines := by_origin.get(layer.origin):
            click.secho(f"from {layer.origin}", bold=True)
            click.echo("\n".join(lines))
    if not by_origin:
        click.echo(f"nothing is set, neither in {home().file(env_file)} nor in the environment")
    if everything:
        click.secho(DEFAULTS, bold=True)
        click.echo("\n".join(defaults))
    else:
        click.echo(f"{len(defaults)} other settings have their defaults (cryptoproxy check --all)")


def _tried(name: str, attempt: Callable[[], str]) -> bool:
    try:
        proven = attempt()
    except CryptoProxyError as error:
        click.secho(f"✗ {name}: {error}", fg="red")
        return False
    click.secho(f"✓ {name}: {proven}", fg="green")
    return True
