"""Trades on their topic, for the stream: several of one moment, whose order only their ids tell; each tenth twice."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import numpy as np
from fill import BEGIN, send

from cryptoproxy.common import topics
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import TRADE, Trade, from_iso, iso
from cryptoproxy.datasets.times import MINUTE_MS

PAIRS = ("BTCUSDT", "ETHUSDT")
WINDOWS = "windows.trade"
COUNT = 3_000
STEP_MS = 8_000
"""Between moments; each has three trades of each pair."""


def made() -> list[Trade]:
    """In the order of their ids; the first one's has a digit less than the last one's."""
    dice, found = np.random.default_rng(11), []
    for number in range(COUNT):
        at = BEGIN + number // 3 * STEP_MS
        for pair in PAIRS:
            price, volume = float(100 + dice.normal()), float(1 + dice.random())
            found.append(
                Trade(
                    source="binance", asset_id=pair, symbol=pair, quote="USDT", trade_id=f"{99_000 + number}-{number}",
                    price=price, base_volume=volume, quote_volume=price * volume, side="buy", timestamp=iso(at),
                    fetched_at=iso(at + 100), trades=1,
                )
            )  # fmt: skip
    return found


def publish(settings: Settings, trades: list[Trade]) -> None:
    """Its topic, and the one that windows go to."""
    with closing(kafka_client.admin(settings.kafka)) as admin:
        list(topics.set_up(admin, settings.kafka, (TRADE,)))
        admin.create_topics({WINDOWS: {"num_partitions": 2, "replication_factor": 1}}, wait_for_metadata=True)
    send(settings, TRADE, "", trades)


def messages(settings: Settings, topic: str) -> dict[int, list[bytes]]:
    """By partition, in the order of their offsets from 0 on."""
    reader = kafka_client.consumer(settings.kafka, group_id=None)
    try:
        found: dict[int, list[bytes]] = {partition: [] for partition in reader.partitions_for_topic(topic)}
        for each in kafka_client.read_to_end(reader, topic, seconds=180):
            found[each.partition].append(each.value)
        return found
    finally:
        reader.close()


def over(trades: list[Trade], late_ms: int = 10 * MINUTE_MS) -> dict[Any, Any]:
    """(asset, begin) → open, high, low, close, records, quote volume of each minute that is over for the stream."""
    until_ms = max(from_iso(each.timestamp) for each in trades) - late_ms
    minutes: dict[Any, list[Trade]] = {}
    for each in trades:
        begin = from_iso(each.timestamp) // MINUTE_MS * MINUTE_MS
        if begin + MINUTE_MS <= until_ms:
            minutes.setdefault((each.asset_id, begin), []).append(each)
    return {
        minute: (
            some[0].price, max(each.price for each in some), min(each.price for each in some), some[-1].price,
            len(some), round(sum(each.quote_volume for each in some), 6),
        )
        for minute, some in minutes.items()
    }  # fmt: skip
