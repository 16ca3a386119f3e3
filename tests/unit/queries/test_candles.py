"""Bars put together, and what TA-Lib makes of them: on hours that Binance really had."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import talib

from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, MINUTE_MS, Span
from cryptoproxy.errors import OperatorError
from cryptoproxy.queries.answer import Covers
from cryptoproxy.queries.backend import FoundAsset
from cryptoproxy.queries.notes import Noting
from cryptoproxy.queries.periods import interval
from cryptoproxy.queries.questions import candles, indicators
from cryptoproxy.queries.questions.candles import Bar, Candles
from cryptoproxy.queries.questions.indicators import Indicators, indicator
from cryptoproxy.queries.scope import AssetRef, Scope, Seen

BTC = AssetRef("binance", "BTCUSDT", "USDT", "BTCUSDT")
RECORDED = Path(__file__).parents[2] / "fixtures" / "recorded" / "binance" / "klines_BTCUSDT_1h_2020-06-25.json"
HOURS = [
    Bar(row[0], *map(float, row[1:6]), float(row[7]), row[8], float(row[9]), float(row[10]))
    for row in json.loads(RECORDED.read_text())
]
HOLE = 1_593_306_000_000 + HOUR_MS
"""2020-06-28 02:00: three hours without bars."""
WHOLE = Span(HOURS[0].begin_ms, HOURS[-1].begin_ms + HOUR_MS)


class Held:
    """An engine that holds these bars, by stored interval, and prices of tickers."""

    name, place = "es", "crypto-candles"

    def __init__(self, bars: Mapping[str, list[Bar]], sampled: list[Bar] | None = None) -> None:
        self._bars, self._sampled = bars, sampled or []

    def intervals(self, scope: Scope) -> Mapping[AssetRef, Mapping[str, int]]:
        counts = {name: sum(bar.begin_ms in scope.period for bar in bars) for name, bars in self._bars.items()}
        return {BTC: counts} if counts else {}

    def bars(self, scope: Scope, stored: str) -> Iterator[tuple[AssetRef, Bar]]:
        return ((BTC, bar) for bar in self._bars[stored] if bar.begin_ms in scope.period)

    def found(self, scope: Scope) -> list[FoundAsset]:
        return [FoundAsset(BTC, 9, 1.0, Seen(0, 1))] if self._sampled else []

    def sampled(self, scope: Scope, every: Any) -> Iterator[tuple[AssetRef, Bar]]:
        return ((BTC, bar) for bar in self._sampled)


def asked(held: Held, every: str, period: Span = WHOLE) -> tuple[list[Any], list[str]]:
    """Rows, and what is said beside them."""
    scope = Scope(period, ())
    watch = Noting(scope, "has no whole bar", Covers(period))
    rows = list(candles.rows(held, Candles(scope, interval(every)), watch))  # type: ignore[arg-type]
    return rows, list(watch.notes())


def test_a_stored_interval_is_as_it_is() -> None:
    rows, _ = asked(Held({"1h": HOURS}), "60m")
    assert [row.bar for row in rows] == HOURS
    assert {row.made_of for row in rows} == {"1h candles"}


def test_a_longer_bar_is_first_highest_lowest_last_and_sums() -> None:
    rows, _ = asked(Held({"1h": HOURS}), "4h")
    by_begin = {bar.begin_ms: bar for bar in HOURS}
    for row in rows:
        parts = [by_begin[row.bar.begin_ms + hour * HOUR_MS] for hour in range(4)]
        assert row.bar.begin_ms % (4 * HOUR_MS) == 0
        assert row.bar[1:5] == (
            parts[0].open, max(each.high for each in parts), min(each.low for each in parts), parts[-1].close
        )  # fmt: skip
        assert row.bar.base_volume == math.fsum(each.base_volume for each in parts)
        assert row.bar.trades == sum(each.trades for each in parts)


def test_a_bar_that_lacks_a_part_is_left_out_and_said() -> None:
    rows, said = asked(Held({"1h": HOURS}), "4h")
    begins = {row.bar.begin_ms for row in rows}
    assert HOLE - 2 * HOUR_MS not in begins
    assert HOLE + 2 * HOUR_MS not in begins
    assert any("2 bars are left out, as some of the 1h candles" in each for each in said)


def test_only_whole_bars_of_the_period_count() -> None:
    begin = HOURS[0].begin_ms - HOURS[0].begin_ms % DAY_MS + DAY_MS + HOUR_MS
    rows, _ = asked(Held({"1h": HOURS}), "1d", Span(begin, begin + 2 * DAY_MS))
    assert [row.bar.begin_ms for row in rows] == [begin + 23 * HOUR_MS]


def test_days_weeks_and_months_begin_as_the_calendar_has_it() -> None:
    monday, first = 1_593_388_800_000, 1_593_561_600_000  # 2020-06-29, 2020-07-01
    assert interval("1w").begin_of(monday + 3 * DAY_MS) == monday
    assert interval("1w").end_of(monday) == monday + 7 * DAY_MS
    assert interval("1mo").begin_of(first - 1) == first - 30 * DAY_MS
    assert interval("1mo").end_of(first - 30 * DAY_MS) == first
    assert interval("1y").end_of(interval("1y").begin_of(first)) == 1_609_459_200_000  # 2021-01-01
    assert interval("4h").begin_of(5 * HOUR_MS) == 4 * HOUR_MS
    assert interval("1mo").whole_in(Span(first - 40 * DAY_MS, first + DAY_MS)) == Span(first - 30 * DAY_MS, first)
    with pytest.raises(ValueError, match="no whole month"):
        interval("1mo").whole_in(Span(first - 3 * DAY_MS, first + DAY_MS))


def test_a_week_is_made_of_days_and_not_of_three_days() -> None:
    assert {"1w", "1d", "1h", "1m"} <= candles.fitting(interval("1w")).keys()
    assert not {"3d", "4d", "1mo"} & candles.fitting(interval("1w")).keys()
    assert candles.fitting(interval("1mo"))["1mo"]
    assert "1w" not in candles.fitting(interval("7d"))  # these begin on Thursdays
    assert set(candles.fitting(interval("10m"))) == {"1s", "1m", "5m"}


def test_the_interval_that_covers_most_is_taken_and_of_those_alike_the_longest() -> None:
    every = interval("1d")
    assert candles.chosen({"1m": 1440, "1h": 24}, every) == "1h"
    assert candles.chosen({"1m": 1440, "1h": 20}, every) == "1m"
    assert candles.chosen({"1w": 1}, every) is None
    assert candles.chosen({}, every) is None


def test_without_candles_the_tickers_are_taken_and_that_is_said() -> None:
    sampled = [Bar(HOURS[0].begin_ms, 1.0, 2.0, 1.0, 2.0)]
    rows, said = asked(Held({}, sampled), "1h")
    assert [(row.bar.close, row.bar.base_volume, row.made_of) for row in rows] == [(2.0, None, "ticker samples")]
    assert any("BTCUSDT: no candles, so the bars are made of the prices of tickers" in each for each in said)
    rows, said = asked(Held({"1w": HOURS[:1]}, sampled), "1h")
    assert any("only candles of 1w, which do not make bars of hour" in each for each in said)


def test_a_volume_that_one_part_lacks_is_none() -> None:
    bars = [Bar(hour * HOUR_MS, 1.0, 1.0, 1.0, 1.0, 5.0, None, 3) for hour in range(2)]
    (made,) = candles.put_together(bars, interval("2h"), HOUR_MS)
    assert made is not None
    assert (made.base_volume, made.quote_volume, made.trades) == (10.0, None, 6)


# ---- indicators


def computed(which: str) -> list[Any]:
    scope = Scope(WHOLE, ())
    request = Indicators(Candles(scope, interval("1h")), tuple(map(indicator, which.split(","))))
    held: Any = Held({"1h": HOURS})
    return list(indicators.rows(held, request, Noting(scope, "", Covers(WHOLE))))


def test_values_are_those_of_talib_and_none_while_it_warms_up() -> None:
    closes = np.array([bar.close for bar in HOURS])
    upper, middle, lower = talib.BBANDS(closes, timeperiod=20)
    line, signal, histogram = talib.MACD(closes)
    expected = {
        "sma_20": talib.SMA(closes, 20),
        "ema_12": talib.EMA(closes, 12),
        "rsi_14": talib.RSI(closes, 14),
        "bollinger_20_upper": upper,
        "bollinger_20": middle,
        "bollinger_20_lower": lower,
        "macd_12_26_9": line,
        "macd_12_26_9_signal": signal,
        "macd_12_26_9_histogram": histogram,
    }
    rows = computed(indicators.DEFAULT)
    assert len(rows) == len(HOURS)
    for name, values in expected.items():
        found = [row.values[name] for row in rows]
        assert found == [None if math.isnan(each) else each for each in values.tolist()], name
    warm = {name: next(at for at, row in enumerate(rows) if row.values[name] is not None) for name in expected}
    assert (warm["sma_20"], warm["ema_12"], warm["rsi_14"], warm["macd_12_26_9"]) == (19, 11, 14, 33)
    assert rows[19].values["sma_20"] == pytest.approx(closes[:20].mean(), rel=1e-12)
    assert rows[-1].values["bollinger_20_upper"] == pytest.approx(closes[-20:].mean() + 2 * closes[-20:].std())


@pytest.mark.parametrize("which", indicators.DEFAULT.split(","))
def test_so_many_bars_before_one_are_enough_for_its_value(which: str) -> None:
    dice = np.random.default_rng(5)
    closes = 100 * np.exp(np.cumsum(dice.normal(0, 0.02, 3000)))
    bars = [Bar(at * HOUR_MS, close, close, close, close) for at, close in enumerate(closes.tolist())]
    asked = indicator(which)
    whole, short = (
        indicators.calculated(talib, [asked], some) for some in (bars, bars[-asked.back - 1 :])
    )  # fmt: skip
    for name in asked.columns:
        assert short[name][-1] == pytest.approx(whole[name][-1], rel=1e-7, abs=1e-7)


def test_fewer_bars_than_an_indicator_needs_give_no_value() -> None:
    assert {row.values["sma_500"] for row in computed("sma:500")} == {None}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stochastic", "is no indicator that is known: sma, ema"),
        ("sma:x", "takes up to 1 whole numbers, as sma:20"),
        ("sma:1", "must be 2 to"),
        ("sma:99999", "must be 2 to"),
        ("sma:2:3", "takes up to 1"),
        ("macd:5:6:7:8", "as macd:12:26:9"),
        ("", "is no indicator"),
    ],
)
def test_an_indicator_that_is_none_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        indicator(text)


def test_numbers_that_are_left_out_are_the_usual_ones() -> None:
    assert indicator("MACD:5").columns == ("macd_5_26_9", "macd_5_26_9_signal", "macd_5_26_9_histogram")
    assert str(indicator("bollinger")) == "Bollinger 20"


def test_without_talib_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "talib", None)
    with pytest.raises(OperatorError) as told:
        computed("sma:20")
    assert "requirements-indicators.txt" in str(told.value)


def test_minutes_make_the_hour_that_was_asked_for() -> None:
    minutes = [Bar(at * MINUTE_MS, float(at + 1), float(at + 2), float(at), float(at + 1.5), 1.0) for at in range(60)]
    (made,) = candles.put_together(minutes, interval("1h"), MINUTE_MS)
    assert made == Bar(0, 1.0, 61.0, 0.0, 60.5, 60.0)
