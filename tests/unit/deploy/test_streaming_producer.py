"""scripts/kafka_streaming_producer.py: what its arguments stand for."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from cryptoproxy.common.settings import Settings
from cryptoproxy.upstreams import streams_of

SCRIPT = Path(__file__).parents[3] / "scripts" / "kafka_streaming_producer.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("kafka_streaming_producer", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_coins_are_pairs_whose_closed_candles_come_by_stream(script: ModuleType) -> None:
    texts = script.settings_of(["--symbols", "BTC, eth,BNBUSDT", "--interval", "5m", "--trades"])
    streams = streams_of(Settings.from_texts(texts).upstreams)
    assert [stream.feed.whole_name for stream in streams] == ["binance.candle-5m", "binance.trade"]
    assert [list(stream.topics) for stream in streams] == [
        ["btcusdt@kline_5m", "ethusdt@kline_5m", "bnbusdt@kline_5m"],
        ["btcusdt@aggTrade", "ethusdt@aggTrade", "bnbusdt@aggTrade"],
    ]


def test_an_interval_that_binance_does_not_have_is_refused(script: ModuleType) -> None:
    with pytest.raises(SystemExit):
        script.settings_of(["--interval", "7m"])
