"""`cryptoproxy page`: the page for people."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import click

from cryptoproxy.common.start import load_settings
from cryptoproxy.errors import OperatorError


@click.command()
@click.pass_obj
def page(env_file: Path) -> None:
    """Show people prices, charts, alerts, and whether it works: a page over the door (docs/page.md)."""
    if find_spec("streamlit") is None:
        raise OperatorError("the page needs its packages", remedy="pip install -r requirements-page.txt")
    settings = load_settings(env_file)
    from cryptoproxy.page.asking import PageClient
    from cryptoproxy.page.start import run

    page = settings.page
    ours = f"{'https' if settings.serve.cert_file else 'http'}://127.0.0.1:{settings.serve.port}"
    client = PageClient(page.door or ours, page.token.get(), ca_file=page.ca_file)
    run(client, host=page.host, port=page.port)
