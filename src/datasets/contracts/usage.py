"""``usage``: what one team asked a door for within one minute, by path, and which calls of an upstream that saved.

Each process of the door counts for itself, and names itself: the sum over all doors is what a team has asked. Its key
is ``door:<team>:<path>``, with dots in the path where it has slashes.
"""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from cryptoproxy.datasets.codec import check_columns, check_moment, cut
from cryptoproxy.datasets.dataset import Dataset
from cryptoproxy.datasets.fields import Source, Time, Unit, number, text
from cryptoproxy.datasets.times import MINUTE_MS, from_iso
from cryptoproxy.errors import PoisonError

DOOR = "door"
"""The source of every record."""
TEAM_PATTERN = r"^[a-z0-9][a-z0-9-]{0,31}$"
TEAM = re.compile(TEAM_PATTERN.replace("$", r"\Z"))
_IN_KEY_PATTERN = r"^[^:/\s]{1,200}$"
_PATH = re.compile(r"[^:\s]{1,200}\Z")
_WHO = re.compile(r"[a-z0-9]{1,16}\Z")


class Usage(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """``asset_id`` and ``quote`` are for the key alone: team and path once more."""

    source: Annotated[Source, Meta(description="`door`.")]
    asset_id: Annotated[str, text(TEAM_PATTERN, "The team, as it stands in the key.")]
    quote: Annotated[str, text(_IN_KEY_PATTERN, "The path, as it stands in the key: binance.klines.")]
    team: Annotated[str, text(TEAM_PATTERN, "Who asked; `anybody` where there are no teams.")]
    path: Annotated[str, Meta(description="Upstream and path, names in it as {}: coingecko/coins/{}/ohlc.")]
    door: Annotated[str, text(r"^[a-z0-9]{1,16}$", "Which process counted; another one after each start.")]
    timestamp: Annotated[Time, Meta(description="Begin of the minute.")]
    fetched_at: Annotated[Time, Meta(description="When it was counted together.")]
    requests: Annotated[int, number(Unit.COUNT, "Questions that were admitted.")]
    refused: Annotated[int, number(Unit.COUNT, "Questions refused since they were more than the team may ask.")] = 0
    made: Annotated[int, number(Unit.COUNT, "Calls of the upstream that were made for them.")] = 0
    saved: Annotated[int, number(Unit.COUNT, "Questions answered without one, which the team would have made.")] = 0


def in_key(path: str) -> str:
    """A path as a part of a key."""
    return path.replace("/", ".")


def check(record: Usage) -> None:
    """What the Struct's types do not tell."""
    if record.source != DOOR:
        raise PoisonError("contract", f"source {cut(record.source)} of a usage is not {DOOR!r}")
    if not TEAM.match(record.team):
        raise PoisonError("contract", f"team {cut(record.team)} is not 1 to 32 of a-z, 0-9 and '-'")
    if not _PATH.match(record.path) or not _WHO.match(record.door):
        raise PoisonError("contract", f"path {cut(record.path)} or door {cut(record.door)} cannot stand in an id")
    if (record.asset_id, record.quote) != (record.team, in_key(record.path)):
        raise PoisonError("contract", f"asset_id {cut(record.asset_id)} and quote {cut(record.quote)} are not its key")
    check_moment(record.timestamp)
    if from_iso(record.timestamp) % MINUTE_MS:
        raise PoisonError("contract", f"timestamp {record.timestamp} is not the begin of a minute")
    check_columns(record)
    if min(record.requests, record.refused, record.made, record.saved) < 0:
        raise PoisonError("contract", "a count is below 0")


USAGE = Dataset(
    name="usage",
    says="what one team asked a door for within one minute, by path",
    record=Usage,
    serial=lambda record: f"{from_iso(record.timestamp)}-{record.door}",
    check=check,
    topic="crypto.usage",
    alias="crypto-usage",
    order=("team", "path", "timestamp", "door"),
    example=Usage(
        source=DOOR,
        asset_id="research",
        quote="binance.klines",
        team="research",
        path="binance/klines",
        door="3f9c01ab",
        timestamp="2026-11-20T10:00:00.000Z",
        fetched_at="2026-11-20T10:01:00.012Z",
        requests=1200,
        refused=3,
        made=4,
        saved=1190,
    ),
)
