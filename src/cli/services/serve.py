"""`cryptoproxy serve`: the door."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import click

from cryptoproxy.common.start import start
from cryptoproxy.errors import OperatorError


@click.command()
@click.pass_obj
def serve(env_file: Path) -> None:
    """Answer as the upstreams do, from the road: change a client's base URL, and nothing else (docs/serve.md)."""
    if find_spec("uvicorn") is None:
        raise OperatorError("the door needs its packages", remedy="pip install -r requirements-serve.txt")
    settings = start(env_file)
    from cryptoproxy.serve.wiring import DoorProcess

    DoorProcess(settings).run()
