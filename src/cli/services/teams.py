"""`cryptoproxy teams add | list | revoke`: who may ask the door."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import click

from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.start import load_settings
from cryptoproxy.datasets import iso
from cryptoproxy.errors import OperatorError
from cryptoproxy.serve.teams import tokens


@click.group()
def teams() -> None:
    """Tokens of the teams that may ask the door: the file TEAMS_FILE (docs/teams.md)."""


@teams.command()
@click.argument("name")
@click.option("--requests", type=click.IntRange(1), metavar="N", help="Questions a minute; TEAM_REQUESTS without.")
@click.option("--streams", type=click.IntRange(0), metavar="N", help="Streams at once; TEAM_STREAMS without.")
@click.pass_obj
def add(env_file: Path, name: str, requests: int | None, streams: int | None) -> None:
    """Give team NAME a token, another one if it has some. It is told once, and never kept."""
    with _changed(env_file) as found:
        try:
            token = tokens.add(found, name, now=iso(SystemClock().now_ms()), requests=requests, streams=streams)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
    click.echo(token)
    click.echo(f"{name} may ask with it, from a second on at each door; what is kept is its hash", err=True)


@teams.command(name="list")
@click.pass_obj
def list_(env_file: Path) -> None:
    """The teams, their limits, and by which id each token is revoked."""
    settings = load_settings(env_file).teams
    found = tokens.load(_file(settings.file))
    for name, team in sorted(found.teams.items()):
        requests = settings.requests if team.requests is None else team.requests
        streams = settings.streams if team.streams is None else team.streams
        click.echo(f"{name}: {requests} questions a minute, {streams} streams at once")
        for each in team.tokens:
            click.echo(f"  {each.id}  made {each.made}")
    click.echo(f"{len(found.teams)} team{'' if len(found.teams) == 1 else 's'}")


@teams.command()
@click.argument("name")
@click.option("--token", "token_id", metavar="ID", help="Only this one; all of the team's without.")
@click.pass_obj
def revoke(env_file: Path, name: str, token_id: str | None) -> None:
    """Take team NAME out, or one of its tokens. Streams that are open end within a second."""
    with _changed(env_file) as found:
        try:
            count = tokens.revoke(found, name, token_id)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
    click.echo(f"{count} tokens of {name} count no more")


def _changed(env_file: Path) -> AbstractContextManager[tokens.Teams]:
    return tokens.changed(_file(load_settings(env_file).teams.file))


def _file(path: Path | None) -> Path:
    if path is None:
        raise OperatorError("there is no file of teams", remedy="Set TEAMS_FILE (docs/teams.md)")
    return path
