"""Order books from the sandbox's streams into the outbox: each record is the book of its slot, whatever goes wrong; what
has none is counted and told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from cryptoproxy.datasets import BOOK, GAP, Gap, from_iso
from cryptoproxy.sandbox import Rule, Sandbox, StreamRule
from cryptoproxy.upstreams.base import Call, Response
from cryptoproxy.upstreams.binance.candles import whole_list as binance_list
from cryptoproxy.upstreams.binance.streams.books import BinanceBooks
from cryptoproxy.upstreams.binance.streams.venue import BinanceVenue
from cryptoproxy.upstreams.bybit.candles import whole_list as bybit_list
from cryptoproxy.upstreams.bybit.streams.books import BybitBooks
from cryptoproxy.upstreams.bybit.streams.venue import BybitVenue
from cryptoproxy.upstreams.bybit.symbols import Category
from cryptoproxy.upstreams.streaming.book_stream import BookStream
from tests.books import require_true
from tests.conftest import wait_until
from tests.unit.producer.feeds.streaming import Streaming

STEP_MS = 200
COINS = 20


class Asking:
    """What :meth:`PollOnce.ask` does, without a budget."""

    def ask(self, call: Call, end_ms: int, wait: object) -> Response:
        found = requests.get(call.url, params=dict(call.params), timeout=30)
        return Response(found.status_code, {key.lower(): value for key, value in found.headers.items()}, found.content)


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(coins=COINS) as made:
        yield made


@pytest.fixture
def start(box: Sandbox, tmp_path: Path) -> Iterator[Callable[[str], Streaming]]:
    started: list[Streaming] = []

    def begin(source: str) -> Streaming:
        if source == "binance":
            base = box.base_url("binance")
            stream: BookStream[Any] = BinanceBooks(
                venue=BinanceVenue(ws_url=box.stream_url("binance"), base_url=base),
                base_url=base,
                symbols=["BTCUSDT", "ETHUSDT"],
                symbol_list=binance_list(base),
                levels=1000,
                interval_ms=STEP_MS,
            )
        else:
            market, base = Category(source.removeprefix("bybit-")), box.base_url("bybit")
            stream = BybitBooks(
                market,
                venue=BybitVenue(market, ws_url=box.stream_url("bybit"), base_url=base),
                symbols=["BTCUSDT", "ETHUSDT"] if market is not Category.INVERSE else ["BTCUSD"],
                symbol_list=bybit_list(base, market),
                levels=200,
                interval_ms=STEP_MS,
            )
        started.append(Streaming(stream, tmp_path / "outbox", ask=Asking()))
        return started[-1]

    yield begin
    for each in started:
        each.stop()


@pytest.mark.parametrize("source", ["binance", "bybit-linear", "bybit-inverse", "bybit-spot"])
def test_each_record_is_the_book_of_its_slot(source: str, start: Callable[[str], Streaming]) -> None:
    streaming = start(source)
    wait_until(lambda: len(streaming.records(BOOK)) >= 12)
    require_true(streaming.records(BOOK), COINS)
    assert not streaming.health.reasons()


@pytest.mark.parametrize("source", ["binance", "bybit-linear"])
@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (StreamRule(topic="(?i)btcusdt", nth=15, hole=1), "hole"),
        (StreamRule(topic="(?i)btcusdt", nth=15, behind=2), "hole"),
        (StreamRule(topic="(?i)btcusdt", first=15, last=20, rewrite="crossed"), "crossed"),
        (StreamRule(topic="(?i)btcusdt", nth=15, rewrite="garbage"), "hole"),
    ],
    ids=["hole", "out of order", "crossed", "garbage"],
)
def test_after_a_fault_no_record_is_wrong_and_the_book_comes_back(
    source: str, rule: StreamRule, why: str, box: Sandbox, start: Callable[[str], Streaming]
) -> None:
    box.add(rule)
    streaming = start(source)
    wait_until(lambda: [gap for gap in streaming.records(GAP) if gap.asset_id == "BTCUSDT"])
    gaps: list[Gap] = streaming.records(GAP)
    records = [each for each in streaming.records(BOOK) if each.asset_id == "BTCUSDT"]
    assert {(gap.kind, gap.state, gap.why) for gap in gaps} == {("book", "open", why)}
    for gap in gaps:
        lacking = range(from_iso(gap.timestamp) + STEP_MS, from_iso(gap.until), STEP_MS)
        assert gap.records == len(lacking)
        assert not [each for each in records if from_iso(each.timestamp) in lacking]
    require_true(records, COINS)


def test_frames_that_come_twice_change_nothing(box: Sandbox, start: Callable[[str], Streaming]) -> None:
    box.add(StreamRule(topic="btcusdt", every=2, twice=True))
    streaming = start("binance")
    wait_until(lambda: len(streaming.records(BOOK)) >= 20)
    require_true(streaming.records(BOOK), COINS)
    assert streaming.records(GAP) == []


def test_a_crossed_snapshot_is_no_book_and_another_one_is_asked_for(
    box: Sandbox, start: Callable[[str], Streaming]
) -> None:
    box.add(Rule(path="/api/v3/depth", times=2, rewrite="crossed"))
    streaming = start("binance")
    wait_until(lambda: len(streaming.records(BOOK)) >= 6)
    require_true(streaming.records(BOOK), COINS)


def test_a_cut_connection_that_loses_changes_costs_slots_and_tells_them(
    box: Sandbox, start: Callable[[str], Streaming]
) -> None:
    box.add(StreamRule(topic="(?i)btcusdt", nth=15, cut=5))
    streaming = start("bybit-linear")
    wait_until(lambda: streaming.records(GAP) or len(streaming.records(BOOK)) > 60)
    require_true(streaming.records(BOOK), COINS)
