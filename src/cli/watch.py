"""`cryptoproxy watch`: rules over the topics, alerts, and people told."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cryptoproxy.common.start import load_settings, start


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
