"""What is shown as it comes: frames of named symbols, and nothing that a stream could feel."""

from __future__ import annotations

import json
from typing import Any

import pytest
from kafka import errors as kafka_errors

from cryptoproxy.common.settings import Settings
from cryptoproxy.producer.feeds.stream import live
from cryptoproxy.producer.feeds.stream.live import LiveFrames
from cryptoproxy.upstreams.streaming.live import symbol_of
from cryptoproxy.upstreams.streaming.stream import Heard
from tests.unit.producer.budget.hand_clock import HandClock
from tests.unit.producer.fakes import FakeProducer, Metrics, acknowledge

KAFKA = Settings.from_texts({"LIVE_SYMBOLS": "btcusdt"}).kafka


class Bench:
    def __init__(self, react: Any = acknowledge) -> None:
        self.clock, self.metrics = HandClock(), Metrics()
        self.producer = FakeProducer(self.clock, react)
        self.live = LiveFrames(KAFKA, metrics=self.metrics, clock=self.clock, connect=lambda: self.producer)


@pytest.mark.parametrize(
    ("topic", "symbol"),
    [
        ("btcusdt@depth@100ms", "BTCUSDT"),
        ("btcusdt@kline_1m", "BTCUSDT"),
        ("btcusdt@aggTrade", None),
        ("orderbook.200.BTCUSDT", "BTCUSDT"),
        ("kline.1.BTC-26MAR27", "BTC-26MAR27"),
        ("publicTrade.BTCUSDT", None),
        ("", None),
    ],
)
def test_which_topics_are_live(topic: str, symbol: str | None) -> None:
    assert symbol_of(topic) == symbol


def test_frames_of_named_symbols_are_sent_as_they_came() -> None:
    bench = Bench()
    frames = {"btcusdt@depth@100ms": [b"1", b"2"], "ethusdt@depth@100ms": [b"3"], "btcusdt@aggTrade": [b"4"]}
    bench.live.put("binance", Heard(frames), 17)
    bench.live.put("bybit-linear", Heard({"kline.1.BTCUSDT": [b"5"]}), 18)
    assert bench.live.send()
    assert [(each.topic, each.key, each.value) for each in bench.producer.sent] == [
        ("crypto.live", b"binance:BTCUSDT", b"1"),
        ("crypto.live", b"binance:BTCUSDT", b"2"),
        ("crypto.live", b"bybit-linear:BTCUSDT", b"5"),
    ]
    assert bench.producer.sent[0].headers == [("topic", b"btcusdt@depth@100ms"), ("received-at", b"17")]


def test_what_does_not_fit_goes_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_WAITING", 2)
    bench = Bench()
    bench.live.put("binance", Heard({"btcusdt@kline_1m": [b"1", b"2", b"3"]}), 17)
    assert bench.live.send()
    assert [each.value for each in bench.producer.sent] == [b"2", b"3"]
    assert bench.metrics.value("live_frames_total", outcome="dropped") == 1


def test_what_is_refused_is_counted_and_not_sent_again() -> None:
    bench = Bench(lambda sent: sent.future.fail(kafka_errors.KafkaTimeoutError("away")))
    bench.live.put("binance", Heard({"btcusdt@kline_1m": [b"1"]}), 17)
    assert not bench.live.send()
    assert bench.live.send()
    assert bench.metrics.value("live_frames_total", outcome="failed") == 1


def frame(u: int, kind: str = "delta", bids: str = "[]") -> bytes:
    data = f'{{"s":"BTCUSDT","b":{bids},"a":[["11.50","2"]],"u":{u},"seq":{u}}}'
    return f'{{"topic":"orderbook.50.BTCUSDT","type":"{kind}","ts":7,"data":{data},"cts":5}}'.encode()


def test_who_comes_late_finds_a_book_of_bybit_as_it_is() -> None:
    bench = Bench()
    frames = [frame(1, "snapshot", '[["10.50","1"]]'), frame(2), frame(3, bids='[["10.50","0"],["10.20","3"]]'), b"{"]
    for number, body in enumerate(frames):
        at_ms = 1000 + number * live.WHOLE_MS // 2
        bench.live.put("bybit-linear", Heard({"orderbook.50.BTCUSDT": [body]}), at_ms)
        assert bench.live.send()
    assert [each.value for each in bench.producer.sent if each.value in frames] == frames
    [whole] = [json.loads(each.value) for each in bench.producer.sent if each.value not in frames]
    assert (whole["type"], whole["topic"], whole["data"]["u"]) == ("snapshot", "orderbook.50.BTCUSDT", 3)
    assert (whole["data"]["b"], whole["data"]["a"]) == ([["10.20", "3"]], [["11.50", "2"]])
    assert bench.producer.sent[-2].value == json.dumps(whole, separators=(",", ":")).encode(), "behind its change"


def test_a_book_of_which_frames_were_dropped_is_whole_again_with_the_next_that_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "MOST_WAITING", 1)
    bench = Bench()
    odd = frame(5, bids='[["x","1"]]')
    for number, body in enumerate([frame(2, "snapshot", '[["10.50","1"]]'), frame(3), frame(4), odd, frame(5)]):
        bench.live.put("bybit-linear", Heard({"orderbook.50.BTCUSDT": [body]}), 1000 + number)
    assert bench.live.send()
    bench.live.put("bybit-linear", Heard({"orderbook.50.BTCUSDT": [frame(6)]}), 1000 + live.WHOLE_MS)
    assert bench.live.send()
    whole = json.loads(bench.producer.sent[-1].value)
    assert (whole["type"], whole["data"]["u"], whole["data"]["b"]) == ("snapshot", 6, [["10.50", "1"]])
