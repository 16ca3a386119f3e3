"""The file of teams, and where a request carries its token.

A token is 32 random bytes: its SHA-256 cannot be turned back, so the file holds nothing that opens the door. It is
written whole, by `cryptoproxy teams`, and read again by each door when it has changed.
"""

from __future__ import annotations

import fcntl
import hashlib
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl

import msgspec

from cryptoproxy.common import files
from cryptoproxy.datasets.codec import UNREADABLE
from cryptoproxy.datasets.contracts.usage import TEAM
from cryptoproxy.errors import OperatorError

PREFIX = "cp_"
_HEADERS = (b"x-cg-demo-api-key", b"x-cg-pro-api-key", b"x-mbx-apikey", b"x-bapi-api-key", b"x-team-token")
"""Headers in which clients of the upstreams send a key, and one of our own."""
_QUERY = ("x_cg_demo_api_key", "x_cg_pro_api_key", "token")
_MAYBE = (b"token=", b"api_key=")
_ID_CHARS = 8


class Token(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``id`` is the begin of ``sha256``, by which people name it."""

    id: str
    sha256: str
    made: str


class Team(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Limits are the settings' own where they are None."""

    requests: int | None = None
    """A minute."""
    streams: int | None = None
    tokens: list[Token] = []


class Teams(msgspec.Struct, forbid_unknown_fields=True):
    """The whole file."""

    teams: dict[str, Team] = {}


_decoder = msgspec.json.Decoder(Teams)


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def load(path: Path) -> Teams:
    """Raises:
    OperatorError: there is no such file, or it is none of teams.
    """
    try:
        found = _decoder.decode(path.read_bytes())
    except FileNotFoundError as error:
        raise OperatorError(
            f"TEAMS_FILE={path} is not there", remedy="Make the first token: `cryptoproxy teams add NAME`"
        ) from error
    except OSError as error:
        raise OperatorError(f"TEAMS_FILE={path} cannot be read: {error}", remedy="Make it readable") from error
    except UNREADABLE as error:
        raise OperatorError(f"TEAMS_FILE={path} is no file of teams: {error}", remedy="See docs/teams.md") from error
    for name, team in found.teams.items():
        if not TEAM.match(name) or (team.requests is not None and team.requests < 1) or (team.streams or 0) < 0:
            raise OperatorError(
                f"TEAMS_FILE={path}: {name!r} is not 1 to 32 of a-z, 0-9 and '-', or has a limit below 1",
                remedy="See docs/teams.md",
            )
    return found


@contextmanager
def changed(path: Path) -> Iterator[Teams]:
    """The file to be changed, which is written when the block ends well; one at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = load(path) if path.exists() else Teams()
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o640
        yield found
        files.replace(path, msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n", mode=mode)


def add(teams: Teams, name: str, *, now: str, requests: int | None, streams: int | None) -> str:
    """Another token of a team, which is made if it is not there; the token itself, which is told only here.

    Raises:
        ValueError: the name is none.
    """
    if not TEAM.match(name):
        raise ValueError(f"{name!r} is not 1 to 32 of a-z, 0-9 and '-'")
    token = PREFIX + secrets.token_urlsafe(32)
    team = teams.teams.setdefault(name, Team())
    team.requests = team.requests if requests is None else requests
    team.streams = team.streams if streams is None else streams
    made = digest(token)
    team.tokens = [*team.tokens, Token(id=made[:_ID_CHARS], sha256=made, made=now)]
    return token


def revoke(teams: Teams, name: str, token_id: str | None) -> int:
    """Takes a team out, or one of its tokens; how many tokens do not count any more.

    Raises:
        ValueError: there is no such team or token.
    """
    if (team := teams.teams.get(name)) is None:
        raise ValueError(f"there is no team {name!r}; there are {', '.join(teams.teams) or 'none'}")
    if token_id is None:
        return len(teams.teams.pop(name).tokens)
    left = [each for each in team.tokens if each.id != token_id]
    if len(left) == len(team.tokens):
        there = ", ".join(each.id for each in team.tokens)
        raise ValueError(f"team {name} has no token {token_id!r}; it has {there or 'none'}")
    count = len(team.tokens) - len(left)
    team.tokens = left
    return count


def carried(raw_path: bytes, query: bytes, headers: Mapping[bytes, bytes]) -> tuple[str, bytes]:
    """The token that a request carries, ``""`` without one; and its path without it.

    By path (``/t/TOKEN/coingecko/…``), before header, before query.
    """
    if raw_path.startswith(b"/t/"):
        told, slash, rest = raw_path[3:].partition(b"/")
        return told.decode("latin-1"), slash + rest
    if (bearer := headers.get(b"authorization")) is not None and bearer[:7].lower() == b"bearer ":
        return bearer[7:].strip().decode("latin-1"), raw_path
    for name in _HEADERS:
        if (value := headers.get(name)) is not None:
            return value.decode("latin-1"), raw_path
    if any(each in query for each in _MAYBE):
        params = dict(parse_qsl(query.decode("latin-1"), max_num_fields=None))
        for each in _QUERY:
            if each in params:
                return params[each], raw_path
    return "", raw_path
