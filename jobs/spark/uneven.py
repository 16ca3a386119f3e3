"""A topic whose partitions are filled very unevenly, for the stream: one holds days, one some hours, one a single bar,
the others nothing. Spark's watermark is of the partition that is furthest, so this is where a window could be lost.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np
from fill import send

from cryptoproxy.common import topics
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import CANDLE, Candle, from_iso, iso
from cryptoproxy.datasets.times import HOUR_MS, MINUTE_MS

PART = "1m"
PARTITIONS = 5
LATE_MS = 10 * MINUTE_MS
HOURS = {"FULL": 72, "SHORT": 3}
"""Of the first stretch: each pair has a partition of its own, in this order; ONCE has the third."""


def stretch(begin_ms: int, end_ms: int) -> list[Candle]:
    """Bars of a minute: FULL all of them, SHORT those of the last hours, ONCE the first."""
    made = list(_bars("FULL", begin_ms, end_ms))
    made += _bars("SHORT", max(begin_ms, end_ms - HOURS["SHORT"] * HOUR_MS), end_ms)
    return [*made, *_bars("ONCE", begin_ms, begin_ms + MINUTE_MS)]


def _bars(pair: str, begin_ms: int, end_ms: int) -> Iterator[Candle]:
    count = (end_ms - begin_ms) // MINUTE_MS
    price = 100 * np.exp(np.cumsum(np.random.default_rng(begin_ms % 97).normal(0, 0.001, count + 1)))
    for number in range(count):
        at, (open_, close) = begin_ms + number * MINUTE_MS, price[number : number + 2].tolist()
        yield Candle(
            source="binance", asset_id=pair, symbol=pair, quote="USDT", interval="1m", timestamp=iso(at),
            fetched_at=iso(at + MINUTE_MS + 2_000), open=open_, high=max(open_, close), low=min(open_, close),
            close=close, base_volume=1.0, quote_volume=close,
        )  # fmt: skip


def set_up(settings: Settings) -> None:
    """The topic, with more partitions than one of bars has by itself."""
    topic, end = settings.kafka.topic_of(CANDLE, PART), time.monotonic() + 180
    with closing(kafka_client.admin(settings.kafka)) as admin:
        list(topics.set_up(admin, settings.kafka, (CANDLE,)))
        admin.create_partitions({topic: PARTITIONS})
    while True:  # a broker may not tell of them at once
        with closing(kafka_client.consumer(settings.kafka, group_id=None)) as reader:
            if len(reader.partitions_for_topic(topic)) == PARTITIONS:
                return
        if time.monotonic() > end:
            raise SystemExit(f"{topic} has no {PARTITIONS} partitions")
        time.sleep(0.1)


def publish(settings: Settings, bars: list[Candle]) -> None:
    """In the order of the pairs, so that one partition is far ahead of the next; each tenth twice."""
    send(settings, CANDLE, PART, bars, {pair: number for number, pair in enumerate([*HOURS, "ONCE"])})


def over(bars: list[Candle], length_ms: int = HOUR_MS) -> dict[Any, Any]:
    """(asset, begin) → open, high, low, close of each window of which no more is to be expected."""
    until_ms = max(from_iso(bar.timestamp) for bar in bars) - LATE_MS
    windows: dict[Any, list[Candle]] = {}
    for bar in bars:
        begin = from_iso(bar.timestamp) // length_ms * length_ms
        if begin + length_ms <= until_ms:
            windows.setdefault((bar.asset_id, begin), []).append(bar)
    return {
        window: (some[0].open, max(bar.high for bar in some), min(bar.low for bar in some), some[-1].close)
        for window, some in windows.items()
    }
