"""``prediction``: what a promoted model says of an asset's next bar, before that bar is over.

``timestamp`` is the begin of the bar that it is about, which is the end of the last one that it knows: so it joins with
the candle that tells how it came. It is no claim of profit, or advice (docs/models.md).
"""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from cryptoproxy.datasets.codec import check_plainly, cut
from cryptoproxy.datasets.contracts.candle import Interval
from cryptoproxy.datasets.dataset import Dataset
from cryptoproxy.datasets.fields import AssetId, Quote, Source, Time, Unit, number, text
from cryptoproxy.datasets.times import from_iso
from cryptoproxy.errors import PoisonError

MODEL_PATTERN = r"^[a-z0-9][a-z0-9-]{0,63}$"
VERSION_PATTERN = r"^\d{8}T\d{6}Z-[0-9a-f]{12}$"
_model, _version = (re.compile(each.replace("$", r"\Z"), re.ASCII) for each in (MODEL_PATTERN, VERSION_PATTERN))


class Prediction(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """How likely one version of a model thinks it that an asset's next bar closes higher than the last one did."""

    source: Source
    asset_id: AssetId
    symbol: Annotated[str, Meta(min_length=1, description="Of the candle: BTCUSDT. Repeats.")]
    quote: Quote
    interval: Annotated[Interval, Meta(description="Of the bars that it knows, and of the one that it is about.")]
    timestamp: Annotated[Time, Meta(description="Begin of the bar that it is about: the end of the last one known.")]
    fetched_at: Annotated[Time, Meta(description="When it was made.")]
    model: Annotated[str, text(MODEL_PATTERN, "Its name in the registry: direction-1h.")]
    version: Annotated[str, text(VERSION_PATTERN, "The version that was live.")]
    chance: Annotated[float, number(Unit.FRACTION, "That the bar closes higher than `close`; 0 to 1.", searched=True)]
    close: Annotated[float, number(Unit.QUOTE, "Of the last bar that it knows.", gt=0)]


def check(record: Prediction) -> None:
    """Model and version are parts of the id."""
    check_plainly(record)
    if not _model.match(record.model) or not _version.match(record.version):
        raise PoisonError(
            "contract", f"model {cut(record.model)}, version {cut(record.version)} are not as they are named"
        )
    if not 0 <= record.chance <= 1:
        raise PoisonError("contract", f"chance {cut(record.chance)} is not 0 to 1")


PREDICTION = Dataset(
    name="prediction",
    says="what a model says of an asset's next bar",
    record=Prediction,
    serial=lambda record: f"{record.model}-{record.version}-{from_iso(record.timestamp)}",
    check=check,
    topic="crypto.predictions",
    alias="crypto-predictions",
    example=Prediction(
        source="binance",
        asset_id="BTCUSDT",
        symbol="BTCUSDT",
        quote="USDT",
        interval="1h",
        timestamp="2026-11-20T10:00:00.000Z",
        fetched_at="2026-11-20T10:00:04.310Z",
        model="direction-1h",
        version="20261115T030412Z-0123456789ab",
        chance=0.5125,
        close=69141.5,
    ),
)
