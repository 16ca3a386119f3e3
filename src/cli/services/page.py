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
    from cryptoproxy.page.client import PageClient
    from cryptoproxy.page.start import run

    door = settings.page.door or f"http://127.0.0.1:{settings.serve.port}"
    run(PageClient(door, settings.page.token.get()), host=settings.page.host, port=settings.page.port)
