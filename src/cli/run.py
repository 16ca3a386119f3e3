"""`cryptoproxy produce | consume | sandbox`: the long-running processes."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from common.start import start


@click.command()
@click.pass_obj
def consume(env_file: Path) -> None:
    """Index the topic into Elasticsearch."""
    from consumer.wiring import service

    sys.exit(service(start(env_file)).run())
