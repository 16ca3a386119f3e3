"""Bars and stats that follow from tickers: what they say, and that a restart changes none of it."""

from __future__ import annotations

import math
import random
from typing import Any

import msgspec
import numpy as np
import pytest
import talib

from cryptoproxy.datasets import CANDLE, STATS, Candle, Stats, iso
from cryptoproxy.errors import SettingsError
from cryptoproxy.watch.judge import Judge
from cryptoproxy.watch.rulebook.reading import parse
from tests.unit.watch.test_judge import BEGIN_MS, MINUTE_MS, feed, ticker, walk

BOTH = "rules: {}\nstats: all\nbars: [binance]"


@pytest.fixture(autouse=True)
def any_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cryptoproxy.watch.rulebook.reading._WITHOUT_BARS", ("coingecko", "binance"))


def made_of(judge: Judge, *records: Any) -> tuple[list[Candle], list[Stats]]:
    before = len(judge.derived)
    feed(judge, *records)
    made = judge.derived[before:]
    for each in made:
        codec = (CANDLE if isinstance(each, Candle) else STATS).codec
        assert codec.decode(codec.encode(each)) == each
    return [each for each in made if isinstance(each, Candle)], [each for each in made if isinstance(each, Stats)]


def test_a_bar_is_made_of_the_tickers_of_its_minute_when_the_next_has_begun():
    bars, _ = made_of(
        Judge(parse(BOTH)),
        ticker(100, 0), ticker(103, 0.2), ticker(98, 0.5), ticker(101, 0.9), ticker(105, 0.9), ticker(102, 3),
    )  # fmt: skip
    (bar,) = bars
    assert (bar.open, bar.high, bar.low, bar.close) == (100, 103, 98, 101)
    assert CANDLE.id_of(bar) == f"binance:BTCUSDT:USDT:1m-{BEGIN_MS}"
    assert (bar.origin, bar.fetched_at) == ("derived", iso(BEGIN_MS + 3 * MINUTE_MS + 300))
    assert bar.base_volume is None


def test_stats_know_changes_once_there_is_a_price_of_then_and_how_much_it_moves():
    _, stats = made_of(Judge(parse(BOTH)), *(ticker(100 * 1.001**i, i) for i in range(1450)))
    assert (stats[0].price, stats[0].change_1m, stats[0].volatility_1h) == (100, None, None)
    assert stats[1].change_1m == pytest.approx(0.1)
    last = stats[-1]
    for found, count in ((last.change_1m, 1), (last.change_5m, 5), (last.change_1h, 60), (last.change_24h, 1440)):
        assert found == pytest.approx(100 * (1.001**count - 1), rel=0.03)
    assert last.volatility_1h == pytest.approx(100 * math.log(1.001) * math.sqrt(60), rel=0.02)
    assert last.volatility_24h == pytest.approx(100 * math.log(1.001) * math.sqrt(1440), rel=0.02)


def test_indicators_are_ta_lib_s_of_the_minutes_and_begin_anew_after_a_hole():
    chance = random.Random(3)
    prices = [100 + chance.gauss(0, 1) for _ in range(60)]
    _, stats = made_of(Judge(parse(BOTH)), *(ticker(price, minute) for minute, price in enumerate(prices)))
    of = np.array(prices)
    wanted = {"sma_20": talib.SMA(of, 20), "ema_12": talib.EMA(of, 12), "ema_26": talib.EMA(of, 26)}
    wanted["rsi_14"] = talib.RSI(of, 14)
    for name, told in wanted.items():
        ours = [math.nan if (found := getattr(each, name)) is None else found for each in stats]
        np.testing.assert_allclose(ours, told, rtol=1e-6, err_msg=name)
    _, after = made_of(judge := Judge(parse(BOTH)), *(ticker(100, minute) for minute in range(30)), ticker(100, 34))
    assert (after[-2].sma_20, after[-1].sma_20, after[-1].rsi_14) == (100, None, None)
    assert made_of(judge, *(ticker(101, minute) for minute in range(35, 54)))[1][-1].sma_20 == pytest.approx(100.95)


def test_a_restart_within_a_minute_changes_no_bar_and_no_stats():
    records = walk(1, 300)
    whole = made_of(Judge(parse(BOTH)), *records)
    before, after = Judge(parse(BOTH)), Judge(parse(BOTH))
    first = made_of(before, *records[:151])
    for name, asset in before.assets.items():
        after.load(name, msgspec.msgpack.decode(msgspec.msgpack.encode(before.dump(asset))))
    second = made_of(after, *records[151:])
    assert ([*first[0], *second[0]], [*first[1], *second[1]]) == whole


def test_what_is_gone_through_again_makes_nothing():
    judge = Judge(parse(BOTH))
    judge.silent = True
    assert made_of(judge, ticker(100, 0), ticker(101, 1)) == ([], [])
    judge.silent = False
    assert len(made_of(judge, ticker(102, 2))[0]) == 1


def test_only_of_sources_without_bars_some_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cryptoproxy.watch.rulebook.reading._WITHOUT_BARS", ("coingecko",))
    for text in ("all", "[binance]", "['*:BTCUSDT']", "top 20"):
        with pytest.raises(SettingsError, match=r"watch.yaml:2: bars: "):
            parse(f"rules: {{}}\nbars: {text}")
    assert parse("rules: {}\nbars: [coingecko:bitcoin]").derives("coingecko:bitcoin:USD") == (True, False)


def test_the_first_bar_is_of_a_whole_minute_since_the_one_under_way_is_gone_through_silently():
    assert parse("rules: {}\nbars: [binance]").back_ms >= MINUTE_MS
    assert parse("rules: {}\nstats: all").back_ms == 24 * 60 * MINUTE_MS
