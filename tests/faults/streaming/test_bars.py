"""Closed candles by stream, one fault after the other: each bar is there once and says what the exchange says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cryptoproxy.datasets import CANDLE, Candle
from cryptoproxy.datasets.times import moment_of
from cryptoproxy.sandbox import Rule, StreamRule
from tests.conftest import wait_until
from tests.faults.conftest import Report
from tests.faults.rig import Engines, Rig
from tests.faults.streaming.trial import Step, Trial, trial
from tests.faults.test_stream_faults import CLOSING, SYMBOLS

pytestmark = pytest.mark.long

BARS = "kline_1s"
CUT = StreamRule(topic=BARS, cut=5, times=1)

FAULTS: dict[str, list[Step]] = {
    "its closing frame 4 s late": [[StreamRule(topic="btcusdt@kline", frame=CLOSING, late=4.0, times=2)]],
    "its closing frame lost": [[StreamRule(topic=BARS, frame=CLOSING, hole=1, times=3)]],
    "its closing frame garbage": [[StreamRule(topic=BARS, frame=CLOSING, rewrite="garbage", times=2)]],
    "half a document": [[StreamRule(topic=BARS, frame=CLOSING, rewrite="half", times=2)]],
    "duplicates": [[StreamRule(topic=BARS, twice=True, times=20)]],
    "out of order": [[StreamRule(topic=BARS, frame=CLOSING, behind=4, times=3)]],
    "cut within a frame": [[CUT]],
    "reset": [[StreamRule(topic=BARS, cut=0, reset=True, times=1)]],
    "half-open": [[StreamRule(topic=BARS, half_open=True, times=1)]],
    "stall": [[StreamRule(topic=BARS, stall=6.0, times=1)]],
    "a slow line, and then cut by the upstream": [[StreamRule(topic=BARS, drip=200, times=1)]],
    "a subscription refused": [[CUT, StreamRule(topic="ethusdt", refuse=True, times=3)], [CUT]],
    "banned on connect": [[CUT, Rule(path="/stream", status=429, retry_after=2, times=1)]],
    "REST bans while a bar lacks": [
        [
            StreamRule(topic="btcusdt@kline", frame=CLOSING, hole=1, times=1),
            Rule(path="/api/v3/klines", status=418, retry_after=2, times=1),
        ]
    ],
    "REST fails while a bar lacks": [
        [
            StreamRule(topic="btcusdt@kline", frame=CLOSING, hole=1, times=1),
            Rule(path="/api/v3/klines", status=500, times=1),
            Rule(path="/api/v3/klines", rewrite="garbage", times=1),
        ]
    ],
}
"""What goes wrong; its steps one after the other."""


def made(rig: Rig) -> Trial:
    return Trial(rig, "binance.candle-1s@stream", CANDLE, "1s")


@pytest.fixture(scope="module")
def world(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    with trial(engines, tmp_path_factory.mktemp("bars"), made, quiet=4.0) as one:
        yield one


def said(bar: Candle) -> object:
    return bar.open, bar.high, bar.low, bar.close, bar.base_volume, bar.trades


def judged(world: Trial, report: Report, steps: list[Step]) -> None:
    """Every bar since the case began is there, says what REST says, and no other."""
    with world.watched():
        before = world.judged or world.newest()
        seconds = world.suffer(steps)
        upto = world.get("binance", "/api/v3/time")["serverTime"] // 1000 * 1000 - 1000
        truth: dict[str, object] = {}
        for symbol in SYMBOLS:
            asked = {"symbol": symbol, "interval": "1s", "startTime": before[symbol] + 1, "endTime": upto}
            for row in world.get("binance", "/api/v3/klines", limit=1000, **asked):
                values = tuple(map(float, row[1:6]))
                truth[f"binance:{symbol}:USDT:1s-{row[0]}"] = (*values, row[8])

        def there() -> dict[str, object]:
            return {CANDLE.id_of(each): said(each) for each in world.records()}

        wait_until(lambda: truth.keys() <= there().keys(), what="all bars on the topic")
        wait_until(lambda: not world.open_gaps(), what="no gap")
        back = seconds()
        ours = there()
        assert {name: ours[name] for name in truth} == truth
        foreign = {
            CANDLE.id_of(each) for each in world.records() if before[each.asset_id] < moment_of(each.timestamp) <= upto
        }
        assert foreign <= truth.keys()
        world.wait_for_lake(set(truth))
        world.judged = dict.fromkeys(SYMBOLS, upto)
    report(world.found(set(truth), said), back)


@pytest.mark.parametrize("fault", FAULTS)
def test_candles_of_binance(fault: str, world: Trial, report: Report) -> None:
    judged(world, report, FAULTS[fault])


def test_candles_while_the_clock_is_1_3_s_behind_the_exchange(engines: Engines, tmp_path: Path, report: Report) -> None:
    with trial(engines, tmp_path, made, quiet=4.0, behind=1.3) as world:
        judged(world, report, [[StreamRule(topic=BARS, frame=CLOSING, times=30)]])
