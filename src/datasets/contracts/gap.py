"""``gap``: what a stream, or a history, lacks of one asset. Two records: that it is open, and later that it is mended.

``timestamp`` is its begin: nothing at or before that moment lacks, nor after ``until``. A gap without its second record
is one that was not mended, or not yet; ``why`` says what opened it.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from cryptoproxy.datasets.codec import check_plainly, cut
from cryptoproxy.datasets.dataset import Dataset
from cryptoproxy.datasets.fields import AssetId, Quote, Source, Time, Unit, number, text
from cryptoproxy.datasets.times import from_iso
from cryptoproxy.errors import PoisonError

KIND_PATTERN = r"^[a-z][a-z0-9_]{0,19}(-[a-z0-9]{1,8})?$"
_kind = re.compile(KIND_PATTERN.replace("$", r"\Z"))
State = Literal["open", "mended"]


class Gap(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """What lacks of one asset at one source between two moments, or that it is there now."""

    source: Source
    asset_id: AssetId
    quote: Quote
    kind: Annotated[str, text(KIND_PATTERN, "What lacks: a dataset and its part, trade or candle-1m.")]
    state: Annotated[State, Meta(description="The second record of a gap says that it is mended.")]
    timestamp: Annotated[Time, Meta(description="The begin: what is known to be whole ends here.")]
    until: Annotated[Time, Meta(description="The end: what is known to be whole goes on here.")]
    fetched_at: Annotated[Time, Meta(description="When it was found, or mended.")]
    why: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=300,
            description="In words that repeat: start, reconnect, hole, paused …; of a mended one how.",
            extra={"whole": True},
        ),
    ]
    after_id: Annotated[str | None, Meta(description="The last one before it, as its dataset names it.")] = None
    before_id: Annotated[str | None, Meta(description="The first one after it.")] = None
    records: Annotated[
        int | None,
        number(Unit.COUNT, "How many lack, where ids tell it; of a mended one how many were brought."),
    ] = None


def check(record: Gap) -> None:
    """As of every record; and kind and state are parts of the id."""
    check_plainly(record)
    if not _kind.match(record.kind):
        raise PoisonError("contract", f"kind {cut(record.kind)} is no dataset with its part, like trade or candle-1m")
    if record.until < record.timestamp:
        raise PoisonError("contract", f"until {record.until} is before its begin {record.timestamp}")


GAP = Dataset(
    name="gap",
    says="what a stream or a history lacks of one asset, or that it was mended",
    record=Gap,
    serial=lambda record: f"{record.kind}-{from_iso(record.timestamp)}-{record.state}",
    check=check,
    topic="crypto.gaps",
    alias="crypto-gaps",
    order=("asset_id", "quote", "kind", "timestamp", "state"),
    example=Gap(
        source="bybit-linear",
        asset_id="BTCUSDT",
        quote="USDT",
        kind="trade",
        state="open",
        timestamp="2026-11-20T10:00:00.120Z",
        until="2026-11-20T10:02:31.907Z",
        fetched_at="2026-11-20T10:02:32.400Z",
        why="reconnect",
        after_id="20f43950-d8dd-5b31-9112-a178eb6023af",
        before_id="4c7b6bdc-b4a3-5716-9c7b-bbe01dc7072f",
    ),
)
