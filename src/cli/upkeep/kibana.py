"""`cryptoproxy kibana install`: data view and dashboards into a Kibana."""

from __future__ import annotations

from pathlib import Path

import click

from cryptoproxy.cli.values import word
from cryptoproxy.common.start import load_settings
from cryptoproxy.datasets import TICKER
from cryptoproxy.errors import visible
from cryptoproxy.kibana_client import definitions_file, install


@click.group()
def kibana() -> None:
    """Dashboards in Kibana."""


@kibana.command("install")
@click.option("--url", required=True, metavar="URL", help="Address of Kibana, with its base path if it has one.")
@click.option("--file", type=click.Path(path_type=Path, dir_okay=False), help="Another NDJSON than the project's own.")
@click.option("--space", callback=word, help="The space to install into; the default one without.")
@click.option("--wait", default=120, show_default=True, metavar="SECONDS", help="How long to wait for Kibana to be up.")
@click.pass_obj
def install_command(env_file: Path, url: str, file: Path | None, space: str | None, wait: int) -> None:
    """Import data view, saved search and dashboards; again and again does no harm.

    Logs in with ES_USER and ES_PASSWORD, or ES_API_KEY, and trusts ES_CA_FILE.
    """
    settings = load_settings(env_file)
    elastic, sources = settings.elasticsearch, settings.upstreams.sources
    report = install(
        url,
        file or definitions_file(),
        user=elastic.user,
        password=elastic.password.get(),
        api_key=elastic.api_key.get(),
        ca_file=elastic.ca_file,
        space=space,
        plaintext_allowed=settings.service.allow_plaintext_passwords,
        aliases={str(TICKER.alias): elastic.alias},
        source=None if "coingecko" in sources else sources[0],
        wait_seconds=wait,
        say=lambda line: click.echo(visible(line)),
    )
    for title, address in report.dashboards:
        click.echo(visible(f"{title}: {address}"))
