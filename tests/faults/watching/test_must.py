"""The model of what must come of records, held against watch's judge where nothing fails: so a case that goes wrong names a
fault of watch, and not of the model."""

from __future__ import annotations

import random

import pytest

from cryptoproxy.datasets import ALERT, CANDLE, TICKER, Candle, from_iso, key
from cryptoproxy.watch.judge import Judge
from cryptoproxy.watch.rulebook.reading import parse
from tests.faults.watching.must import DERIVES, HIGH, LOW, MINUTE_MS, RULES, Must
from tests.faults.watching.rig import ticker

BEGIN_MS = 1_793_491_200_000
"""2026-11-01."""


def found_by_watch(asset: str, records: list[tuple[int, float]]) -> tuple[set[str], dict[str, tuple[float, ...]]]:
    judge = Judge(parse(RULES + DERIVES))
    followed = judge.follow("ticker", asset, None)
    assert followed is not None
    decode = judge.decoders["ticker"].decode
    for at, price in records:
        judge.take(followed, decode(TICKER.codec.encode(ticker(asset, at, price, fetched=at + 250))))
    alerts = [ALERT.id_of(each) for each in judge.found]
    assert len(alerts) == len(set(alerts))
    derived: dict[str, tuple[float, ...]] = {}
    for each in judge.derived:
        if isinstance(each, Candle):
            derived[CANDLE.id_of(each)] = (each.open, each.high, each.low, each.close)
        else:
            changed = () if each.change_1m is None else (each.change_1m,)
            derived[f"{key(each)}:{from_iso(each.timestamp)}"] = (each.price, *changed)
    return set(alerts), derived


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("asset", ["binance:A1USDT:USDT", "coingecko:coin-1:USD"])
@pytest.mark.parametrize("shuffled", [False, True])
def test_it_says_what_watch_finds(asset: str, shuffled: bool, seed: int) -> None:
    chance = random.Random(seed)
    times = [BEGIN_MS + i * MINUTE_MS // 3 for i in range(90)]
    records = [(at, chance.choice((HIGH, LOW, 100.0, 99.5))) for at in times]
    if shuffled:
        records = [each for i in range(0, 90, 6) for each in chance.sample(records[i : i + 6] * 2, 12)]
    must = Must()
    for at, price in records:
        must.take(asset, at, price, derives=not shuffled)
    alerts, derived = found_by_watch(asset, records)
    assert must.alerts == alerts
    assert len(alerts) > 3
    if not shuffled:  # what a minute's first price was long ago is no matter of late records here
        assert must.derived == derived
