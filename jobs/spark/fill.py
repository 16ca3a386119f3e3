"""What `make spark` runs over: days of tickers and bars in the lake, compacted and not; the last day on its topic."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import closing
from typing import Any, NamedTuple

import msgspec
import numpy as np
from rich.console import Console

from benchmarks.queries.synthetic import Year
from cryptoproxy.common import topics
from cryptoproxy.common.clients import elastic
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.settings import Settings
from cryptoproxy.consumer.backfill import wiring
from cryptoproxy.consumer.index import template
from cryptoproxy.datasets import CANDLE, TICKER, Candle, Dataset, iso, key
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, Span
from cryptoproxy.lake.compact import Compaction
from cryptoproxy.lake.objects import pack
from cryptoproxy.lake.store import Store

BEGIN = 1_788_220_800_000
"""2026-09-01."""
DAYS, COINS = 3, 4
BARS = 60
"""Days of hourly bars, before that."""
PAIRS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")


class Filled(NamedTuple):
    lake: int
    """Ids of tickers."""
    bars: int
    messages: int
    on_topic: int
    """Different ids."""


def fill(settings: Settings) -> Filled:
    store = Store(settings.s3)
    store.make_bucket()
    with closing(kafka_client.admin(settings.kafka)) as admin:
        list(topics.set_up(admin, settings.kafka, (TICKER,)))
    year = Year(BEGIN, BEGIN + DAYS * DAY_MS, coins=COINS)
    polls = list(year.polls())
    for at in range(0, len(polls), 60):
        some = polls[at : at + 60]
        archive(store, TICKER, "coingecko", some[0][0], [line for _, poll in some for _, line in poll])
    compaction = Compaction(store, now_ms=lambda: year.end_ms)
    compaction.period("coingecko", BEGIN)
    compaction.period("coingecko", BEGIN + DAY_MS)
    # Of the first day, archived after it was compacted: file and objects together are the day now.
    late = msgspec.structs.replace(
        TICKER.codec.decode(polls[0][1][0][1]), asset_id="late", symbol="LATE", timestamp=iso(BEGIN + 3 * HOUR_MS)
    )
    archive(store, TICKER, "coingecko", BEGIN + 3 * HOUR_MS, [TICKER.codec.encode(late)])
    index(settings, Span(BEGIN, BEGIN + DAYS * DAY_MS))
    bars = hourly()
    for day in range(BARS):
        some = [CANDLE.codec.encode(each) for each in bars[day * 24 * len(PAIRS) : (day + 1) * 24 * len(PAIRS)]]
        archive(store, CANDLE, "binance", BEGIN - (BARS - day) * DAY_MS, some, part="1h")
    day = [each for slot, poll in polls for each in poll if slot >= year.end_ms - DAY_MS]
    return Filled(len(polls) * COINS + 1, len(bars), publish(settings, day), len(day))


def index(settings: Settings, span: Span) -> None:
    """What the lake has of tickers, by `replay`."""
    with closing(elastic.client(settings.elasticsearch)) as client:
        list(template.set_up(client, settings.elasticsearch, TICKER, now=iso(span.begin_ms)))
    silent = Console(file=io.StringIO())
    wiring.replay(
        settings, TICKER, span, sources=None, topic=None, rate=None, resume=False,
        progress_dir=wiring.progress_folder(settings), console=silent,
    )  # fmt: skip


def archive(
    store: Store, dataset: Dataset[Any], source: str, at_ms: int, lines: list[bytes], *, part: str = ""
) -> None:
    made = pack(store.settings.prefix, dataset.name, source, at_ms, [line + b"\n" for line in lines], part=part)
    store.put(made.key, made.body)


def hourly() -> list[Candle]:
    """Random walks, in the order of time; one bar of each pair is missing."""
    dice = np.random.default_rng(7)
    price = dict.fromkeys(PAIRS, 100.0)
    found = []
    for hour in range(BARS * 24):
        begin = BEGIN - BARS * DAY_MS + hour * HOUR_MS
        for pair in PAIRS:
            open_ = price[pair]
            close = price[pair] = open_ * float(np.exp(dice.normal(0, 0.006)))
            volume = float(dice.gamma(2, 50))
            found.append(
                Candle(
                    source="binance", asset_id=pair, symbol=pair, quote="USDT", interval="1h", timestamp=iso(begin),
                    fetched_at=iso(begin + HOUR_MS + 3000), open=open_, high=max(open_, close) * 1.001,
                    low=min(open_, close) * 0.999, close=close, base_volume=volume, quote_volume=volume * close,
                    trades=int(volume),
                )
            )  # fmt: skip
    return [each for number, each in enumerate(found) if number // len(PAIRS) != 500]


def publish(settings: Settings, records: list[tuple[str, bytes]]) -> int:
    """All of them (id, line), each tenth twice, and something that is no record; how many messages that makes."""
    producer = kafka_client.producer(settings.kafka)
    try:
        sent = [("nobody:", b"no record"), *records, *records[::10]]
        futures = [
            producer.send(
                settings.kafka.topic, key=identity.rpartition(":")[0].encode(), value=value, headers=TICKER.headers
            )
            for identity, value in sorted(sent, key=lambda each: each[0].rpartition(":")[2])
        ]
        for future in futures:
            future.get(180)
    finally:
        producer.close()
    return len(sent)


def send(
    settings: Settings,
    dataset: Dataset[Any],
    part: str,
    records: Sequence[Any],
    partitions: dict[str, int] | None = None,
) -> None:
    """In this order, each tenth twice.

    Args:
        partitions: of each asset's id; else Kafka's choice.
    """
    producer = kafka_client.producer(settings.kafka)
    try:
        sent = [
            producer.send(
                settings.kafka.topic_of(dataset, part), key=key(each).encode(), value=dataset.codec.encode(each),
                headers=dataset.headers, partition=partitions[each.asset_id] if partitions else None,
            )
            for number, each in enumerate(records)
            for _ in range(2 if number % 10 == 0 else 1)
        ]  # fmt: skip
        for each in sent:
            each.get(180)
    finally:
        producer.close()
