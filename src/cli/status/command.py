"""The command: all parts at once, in the order of a record's way."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click

from cryptoproxy.cli.status import engines, outbox, processes, streamed
from cryptoproxy.cli.status.part import SECONDS, Part
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.settings import Settings
from cryptoproxy.common.start import are_set, home, load_settings, stand_ins
from cryptoproxy.datasets import TICKER, Feed
from cryptoproxy.errors import CryptoProxyError
from cryptoproxy.upstreams import streams_of


@click.command()
@click.pass_obj
@click.pass_context
def status(context: click.Context, env_file: Path) -> None:
    """Does it work? Engines, active poller, last slots, lag, outbox, freshness. Exit code 0 if all is well, else 1."""
    settings = load_settings(env_file)
    found = home()
    click.echo(f"folder {found.folder}" + ("" if found.known else ": nothing of this program is in it or above"))
    well = True
    for part in parts(settings, stand_ins(env_file), somebody_set=are_set(env_file), now_ms=SystemClock().now_ms()):
        well = well and not part.faults
        _print(part)
    click.secho("It works." if well else "It does not work as it should.", fg="green" if well else "red")
    context.exit(0 if well else 1)


def parts(settings: Settings, embedded: list[str], *, somebody_set: bool, now_ms: int) -> Iterator[Part]:
    """All parts, in the order of a record's way."""
    intervals = processes.planned_intervals(settings.upstreams)
    tickers = {name: each for name, each in intervals.items() if Feed.parse(name).dataset == TICKER.name}
    urls = processes.health_urls(settings)
    streams = [stream.feed.name for stream in streams_of(settings.upstreams)]
    with ThreadPoolExecutor(6, "status") as pool:
        asked = pool.submit(engines.on_kafka, settings.kafka)
        arrived = pool.submit(engines.newest_slots, settings.elasticsearch, tickers)
        stored = pool.submit(engines.lake, settings.s3)
        health = {name: pool.submit(processes.ask_health, url) for name, url in urls.items()}
        lacking = (
            pool.submit(streamed.open_gaps, settings.elasticsearch, now_ms=now_ms, seconds=SECONDS) if streams else None
        )
        waiting = pool.submit(outbox.backlog, urls["poller"], settings.poller.outbox_dir)
        standing_in = engines.embedded(settings, embedded)

        kafka, seen = _tried("Kafka", asked)
        kafka.words.append(", ".join(settings.kafka.brokers))
        elastic_part, newest = _tried("Elasticsearch", arrived)
        elastic_part.words.append(settings.elasticsearch.url)
        s3_part, _ = _tried("S3", stored)
        s3_part.words.append(f"{settings.s3.endpoint_url or 'Amazon'}, bucket {settings.s3.bucket}")
        for part in (kafka, elastic_part, s3_part):
            part.words.extend(engines.of_engine(standing_in.get(part.name.lower())))
            if part.faults and not embedded and not somebody_set:  # then that it is not there is no wonder
                part.faults = [
                    f"no address is set, and no engines of `cryptoproxy up` run in {settings.engines.folder}"
                ]
            yield part
        yield processes.poller_part(seen, health["poller"].result(), intervals, now_ms=now_ms)
        if lacking is not None:
            yield processes.streams_part(seen, lacking, streams, now_ms=now_ms)
        yield outbox.outbox_part(waiting.result(), running_here=health["poller"].result() is not None)
        yield processes.indexer_part(seen, health["indexer"].result(), newest, tickers, now_ms=now_ms)


def _tried(name: str, asked: Future[Any]) -> tuple[Part, Any]:
    """The part, and what was answered; None with a fault."""
    part = Part(name)
    try:
        return part, asked.result()
    except CryptoProxyError as error:
        part.faults.append(str(error))
        return part, None


def _print(part: Part) -> None:
    width = min(110, shutil.get_terminal_size().columns)
    mark = click.style("✗", fg="red") if part.faults else click.style("✓", fg="green")
    lines = [*part.faults, *part.words]
    for number, line in enumerate(lines):
        # Never inside a word: a path or an address cut short helps nobody.
        wrapped = textwrap.wrap(line, width - 17, break_long_words=False, break_on_hyphens=False) or [""]
        head = f"{mark} {part.name:<14}" if number == 0 else " " * 16
        click.echo(f"{head} {wrapped[0]}")
        for rest in wrapped[1:]:
            click.echo(" " * 19 + rest)
