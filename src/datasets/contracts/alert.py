"""``alert``: something that watch has found, or its end: two records, ``open`` and ``resolved``.

``timestamp`` is the moment: the event time of the record that crossed, so that a replay gives the same id. Its key is
``watch:<rule>:<asset or ->``, with dots in the asset where its own key has colons.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from cryptoproxy.datasets.codec import check_moment, cut
from cryptoproxy.datasets.dataset import Dataset
from cryptoproxy.datasets.fields import Source, Time, text
from cryptoproxy.datasets.times import from_iso, moment_of
from cryptoproxy.errors import PoisonError

WATCH = "watch"
"""The source of every alert."""
RULE_PATTERN = r"^[a-z0-9][a-z0-9-]{0,31}$"
RULE = re.compile(RULE_PATTERN.replace("$", r"\Z"))
_IN_KEY_PATTERN = r"^[^:/\s]{1,400}$"

Severity = Literal["info", "warning", "critical"]
State = Literal["open", "resolved"]


def _number(description: str) -> Meta:
    """Of a number whose unit stands beside it."""
    return Meta(description=description, extra={"searched": True})


class Alert(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """One rule that began to hold for one asset, or has ended to. ``asset_id`` and ``quote`` are for the key alone:
    rule and asset once more."""

    source: Annotated[Source, Meta(description="`watch`.")]
    asset_id: Annotated[str, text(RULE_PATTERN, "The rule, as it stands in the key.")]
    quote: Annotated[str, text(_IN_KEY_PATTERN, "The asset, as it stands in the key: binance.BTCUSDT.USDT, or `-`.")]
    rule: Annotated[str, text(RULE_PATTERN, "Its name in the file of rules.")]
    asset: Annotated[str, Meta(description="The key of the record that crossed, binance:BTCUSDT:USDT; `-` without.")]
    symbol: Annotated[str | None, Meta(description="Of that record: BTC, BTCUSDT.")] = None
    state: State
    severity: Severity
    timestamp: Annotated[Time, Meta(description="The moment: the event time of the record that crossed.")]
    fetched_at: Annotated[Time, Meta(description="When watch found it.")]
    since: Annotated[Time, Meta(description="The moment of its `open` record.")]
    of: Annotated[str, Meta(description="What was looked at: ticker.price, candle-1m.quote_volume.")]
    kind: Annotated[str, Meta(description="The rule's condition: falls, above, stale; `all` and `any` of several.")]
    value: Annotated[float | None, _number("What was found, in the condition's unit.")] = None
    threshold: Annotated[float | None, _number("What it was held against.")] = None
    normal: Annotated[float | None, _number("What it is most of the time, where the condition knows.")] = None
    unit: Annotated[str | None, Meta(description="Of value, threshold and normal: %, bps, times, USDT.")] = None
    words: Annotated[str, Meta(description="All of it in a sentence.")]


def in_key(asset: str) -> str:
    """An asset's key as a part of an alert's."""
    return asset.replace(":", ".")


def check(record: Alert) -> None:
    """What the Struct's types do not tell."""
    if record.source != WATCH:
        raise PoisonError("contract", f"source {cut(record.source)} of an alert is not {WATCH!r}")
    if not RULE.match(record.rule):
        raise PoisonError("contract", f"rule {cut(record.rule)} is not 1 to 32 of a-z, 0-9 and '-'")
    if (record.asset_id, record.quote) != (record.rule, in_key(record.asset)):
        raise PoisonError("contract", f"asset_id {cut(record.asset_id)} and quote {cut(record.quote)} are not its key")
    if not record.asset or re.search(r"[/\s]", record.asset) or len(record.asset.encode()) > 447:
        raise PoisonError("contract", f"asset {cut(record.asset)} is no key of a record")
    check_moment(record.timestamp)
    moment_of(record.fetched_at)
    if from_iso(record.since) > from_iso(record.timestamp):
        raise PoisonError("contract", f"since {record.since} is after {record.timestamp}")


ALERT = Dataset(
    name="alert",
    says="something that watch has found, or its end",
    record=Alert,
    serial=lambda record: f"{from_iso(record.timestamp)}-{record.state}",
    check=check,
    topic="crypto.alerts",
    alias="crypto-alerts",
    order=("rule", "asset", "timestamp"),
    example=Alert(
        source=WATCH,
        asset_id="btc-falls",
        quote="binance.BTCUSDT.USDT",
        rule="btc-falls",
        asset="binance:BTCUSDT:USDT",
        symbol="BTCUSDT",
        state="open",
        severity="warning",
        timestamp="2026-11-20T10:00:00.000Z",
        fetched_at="2026-11-20T10:00:00.410Z",
        since="2026-11-20T10:00:00.000Z",
        of="ticker.price",
        kind="falls",
        value=-5.25,
        threshold=-5.0,
        unit="%",
        words="BTCUSDT fell 5.25 % within 1h, to 65494.0 USDT",
    ),
)
