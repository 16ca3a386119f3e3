"""`cryptoproxy lake …`: what lies in the lake."""

from __future__ import annotations

from pathlib import Path

import click

from common.start import load_settings
from lake.store import Store


@click.group()
def lake() -> None:
    """Look into the lake on S3."""


@lake.command()
@click.option("--source", help="Only this source.")
@click.option("--date", "day", metavar="YYYY-MM-DD", help="Only this day; needs --source.")
@click.pass_obj
def ls(env_file: Path, source: str | None, day: str | None) -> None:
    """List the objects of the lake."""
    if day and not source:
        raise click.UsageError("--date needs --source: objects lie by source, then by day")
    settings = load_settings(env_file).s3
    store = Store(settings)
    prefix = f"{settings.prefix}/v1/raw/" + (f"source={source}/" if source else "") + (f"dt={day}/" if day else "")
    count = 0
    for key in store.keys(prefix):
        click.echo(f"s3://{settings.bucket}/{key}")
        count += 1
    click.echo(f"{count} objects", err=True)
