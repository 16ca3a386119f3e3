"""A stream from a small exchange into the outbox: what connections, kills and full disks leave behind is whole, or said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cryptoproxy.datasets import GAP, TRADE, Gap, Trade
from cryptoproxy.producer.feeds.stream.marks import told_in
from cryptoproxy.producer.outbox import Entry
from cryptoproxy.producer.outbox.waiting import DRAINS, KAFKA
from cryptoproxy.upstreams.binance.candles import whole_list
from cryptoproxy.upstreams.binance.streams.trades import BinanceTrades
from cryptoproxy.upstreams.binance.streams.venue import BinanceVenue
from cryptoproxy.upstreams.streaming import gaps
from cryptoproxy.upstreams.streaming.stream import Left
from tests.conftest import wait_until
from tests.exchange import Exchange
from tests.unit.producer.feeds.streaming import Streaming


class Trades(Streaming):
    """Of BTCUSDT and ETHUSDT."""

    def __init__(self, exchange: Exchange, folder: Path, **options: Any) -> None:
        stream = BinanceTrades(
            venue=BinanceVenue(ws_url=exchange.url, base_url="http://127.0.0.1:9"),
            base_url="http://127.0.0.1:9",
            symbols=["BTCUSDT", "ETHUSDT"],
            symbol_list=whole_list("http://127.0.0.1:9"),
        )
        super().__init__(stream, folder, ask=exchange, **options)

    @property
    def trades(self) -> list[Trade]:
        return self.records(TRADE)

    @property
    def gaps(self) -> list[Gap]:
        return self.records(GAP)

    def ids(self, symbol: str = "BTCUSDT") -> list[int]:
        return sorted(int(each.trade_id.partition("-")[0]) for each in self.trades if each.asset_id == symbol)


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    made = Exchange()
    yield made
    made.close()


@pytest.fixture
def start(exchange: Exchange, tmp_path: Path) -> Iterator[Callable[..., Trades]]:
    started: list[Trades] = []

    def begin(folder: str = "outbox", *, connected: bool = True, **options: Any) -> Trades:
        before = len(exchange.subscribed)
        made = Trades(exchange, tmp_path / folder, **options)
        started.append(made)
        if connected:
            wait_until(
                lambda: exchange.connections and len(exchange.subscribed) > before and made.room.carrier.connected
            )
        return made

    yield begin
    for each in started:
        if not each._stop.is_set():
            each.stop()


def test_all_topics_are_asked_for_in_one_frame_and_each_trade_is_kept_once(
    exchange: Exchange, start: Callable[..., Trades]
) -> None:
    streaming = start()
    exchange.trade("BTCUSDT", 50)
    exchange.trade("ETHUSDT", 3)

    wait_until(lambda: len(streaming.trades) == 53)
    assert exchange.subscribed == [["btcusdt@aggTrade", "ethusdt@aggTrade"]]
    assert streaming.ids() == list(range(100, 150))
    first = next(each for each in streaming.trades if each.asset_id == "BTCUSDT")
    assert (first.trade_id, first.price, first.base_volume, first.quote_volume) == ("100-200", 100.1, 0.3, 30.03)
    assert (first.side, first.trades, first.quote) == ("sell", 2, "USDT")
    assert streaming.gaps == []
    assert [call for call in exchange.asked if "fromId" in call.params] == []
    assert not streaming.health.reasons()


def test_what_frames_pass_over_is_asked_for_by_its_ids_and_is_no_gap_afterwards(
    exchange: Exchange, start: Callable[..., Trades]
) -> None:
    streaming = start()
    exchange.trade("BTCUSDT", 5)
    exchange.trade("BTCUSDT", 2_500, silently=True)
    exchange.trade("BTCUSDT", 5)

    wait_until(lambda: len(streaming.trades) == 2_510)
    wait_until(lambda: len(streaming.gaps) in (0, 2))
    assert streaming.ids() == list(range(100, 2_610))
    assert [gap.state for gap in streaming.gaps] in ([], ["open", "mended"])
    assert {call.params["fromId"] for call in exchange.asked if call.params} == {"105", "1105", "2105"}


def test_at_a_stop_what_has_gathered_is_kept_though_the_lease_is_given_up(
    exchange: Exchange, start: Callable[..., Trades]
) -> None:
    streaming = start(batch_seconds=3_600)
    exchange.trade("BTCUSDT", 5)
    wait_until(lambda: streaming.room.streams[0].waiting == 5)
    assert streaming.trades == []
    streaming.active = False
    streaming.stop()
    assert streaming.ids() == [100, 101, 102, 103, 104]


def test_a_cut_connection_is_made_anew_and_what_was_traded_meanwhile_is_there(
    exchange: Exchange, start: Callable[..., Trades]
) -> None:
    streaming = start()
    exchange.trade("BTCUSDT", 10)
    wait_until(lambda: len(streaming.trades) == 10)

    exchange.cut()
    exchange.trade("BTCUSDT", 10, silently=True)
    wait_until(lambda: exchange.connections == 1)
    exchange.trade("BTCUSDT", 10)

    wait_until(lambda: len(streaming.trades) == 30)
    assert streaming.ids() == list(range(100, 130))
    assert {gap.why for gap in streaming.gaps if gap.state == "open"} <= {"reconnect"}


def test_a_connection_that_is_about_to_end_is_replaced_before(exchange: Exchange, start: Callable[..., Trades]) -> None:
    streaming = start()
    exchange.trade("BTCUSDT", 10)
    exchange.say({"stream": "!serverShutdown", "data": {"e": "serverShutdown", "E": 1}})
    wait_until(lambda: exchange.connections == 2)
    exchange.trade("BTCUSDT", 10)  # told by both
    wait_until(lambda: exchange.connections == 1)
    exchange.trade("BTCUSDT", 10)

    wait_until(lambda: len(streaming.trades) >= 30)
    assert streaming.ids() == list(range(100, 130))
    assert streaming.metrics.value("stream_cuts_total", venue="binance", why="reconnect") == 0
    assert streaming.gaps == []


def test_garbage_duplicates_and_another_order_change_nothing(exchange: Exchange, start: Callable[..., Trades]) -> None:
    streaming = start()
    exchange.trade("BTCUSDT", 3)
    exchange.say('{"stream":"btcusdt@aggTrade","data":{"a":')
    exchange.say({"stream": "btcusdt@aggTrade", "data": {"a": "x"}})
    exchange.trade("BTCUSDT", 2, silently=True)
    late, last = exchange.trades["BTCUSDT"][-2:]
    for row in (last, late, late, exchange.trades["BTCUSDT"][0]):
        exchange.send("BTCUSDT", row)
    exchange.trade("BTCUSDT", 1)

    wait_until(lambda: len(streaming.trades) >= 6)
    assert streaming.ids() == list(range(100, 106))
    assert streaming.metrics.value("rows_rejected_total", source="binance", reason="bad_frame") == 1


def test_a_successor_goes_on_from_what_is_published_and_mends_the_open_gap(
    exchange: Exchange, start: Callable[..., Trades]
) -> None:
    first = start("first")
    exchange.trade("BTCUSDT", 10)
    wait_until(lambda: len(first.trades) == 10)
    published = [each for each in first.trades if int(each.trade_id.partition("-")[0]) not in (103, 104)]
    first.active = False
    wait_until(lambda: exchange.connections == 0)
    exchange.trade("BTCUSDT", 10, silently=True)

    second = start("second", left=Left(records=published))
    exchange.trade("BTCUSDT", 1)

    wait_until(lambda: len(second.trades) == 13)
    assert second.ids() == [103, 104, *range(110, 121)]
    wait_until(lambda: Counter(gap.state for gap in second.gaps) in ({}, {"open": 2, "mended": 2}))


def test_what_the_upstream_does_not_have_stays_a_gap(
    exchange: Exchange, start: Callable[..., Trades], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gaps, "RETRY_MS", 10)
    streaming = start()
    exchange.trade("BTCUSDT", 5)
    exchange.trade("BTCUSDT", 5, silently=True)
    lost = exchange.trades["BTCUSDT"][6:8]
    exchange.trade("BTCUSDT", 5)
    exchange.trades["BTCUSDT"] = [row for row in exchange.trades["BTCUSDT"] if row not in lost]

    wait_until(lambda: len(streaming.trades) == 13)
    wait_until(lambda: streaming.gaps)
    assert set(range(100, 115)) - set(streaming.ids()) == {106, 107}
    (gap,) = streaming.gaps
    assert (gap.state, gap.kind, gap.asset_id, gap.why) == ("open", "trade", "BTCUSDT", "hole")
    assert int(str(gap.after_id).partition("-")[0]) < 106 <= 107 < int(str(gap.before_id).partition("-")[0])


def test_a_full_outbox_pauses_the_stream_and_nothing_lacks_when_it_goes_on(
    exchange: Exchange, start: Callable[..., Trades]
) -> None:
    streaming = start(max_bytes=400_000)
    exchange.trade("BTCUSDT", 3_000)
    wait_until(lambda: "stream binance" in streaming.health.reasons())
    wait_until(lambda: exchange.connections == 0)
    exchange.trade("BTCUSDT", 500, silently=True)

    taken: list[int] = []

    def take_out() -> bool:
        """What a drain would do."""
        if exchange.connections and len(exchange.trades["BTCUSDT"]) == 3_500:
            exchange.trade("BTCUSDT")  # the first one after the pause
        for entry in streaming.outbox.oldest(KAFKA):
            if entry.feed.dataset == "trade":
                lines = (streaming.outbox.read(KAFKA, entry) or b"").splitlines()
                taken.extend(int(TRADE.codec.decode(line).trade_id.partition("-")[0]) for line in lines)
            for drain in DRAINS:
                streaming.outbox.done(drain, entry)
        return len(taken) >= 3_501

    wait_until(take_out)
    assert sorted(taken) == list(range(100, 3_601))


def test_a_refused_handshake_is_not_tried_again_at_once(exchange: Exchange, start: Callable[..., Trades]) -> None:
    asked: list[int] = []

    def refuse() -> int:
        asked.append(1)
        return 418

    exchange.refuses = refuse
    streaming = start(connected=False)
    wait_until(lambda: "418" in streaming.health.reasons().get("stream binance", ""))
    assert len(asked) == 1


def test_a_mark_counts_when_all_before_it_is_published(exchange: Exchange, start: Callable[..., Trades]) -> None:
    streaming = start()
    exchange.trade("BTCUSDT", 10)
    wait_until(lambda: len(streaming.trades) == 10)
    exchange.trade("BTCUSDT", 10)
    wait_until(lambda: len(streaming.trades) == 20)
    *before, last = streaming.entries("trade")
    marks = streaming.room.marks["binance.trade"]

    streaming.room.published(last)
    assert told_in(marks.state()).marks == {}
    for entry in before:
        streaming.room.published(entry)
    assert told_in(marks.state()).marks["BTCUSDT"].id == "119-238"


def test_a_disk_that_refuses_in_the_middle_of_a_batch_loses_and_doubles_nothing(
    exchange: Exchange, start: Callable[..., Trades], monkeypatch: pytest.MonkeyPatch
) -> None:
    streaming = start(max_bytes=8 << 20)  # pieces of a thousand records
    keep, refusals = streaming.outbox.keep_all, [False, True, True, False, True]

    def refusing(*args: Any, **options: Any) -> list[Entry]:
        if refusals and refusals.pop(0):
            raise OSError(28, "No space left on device")
        return keep(*args, **options)

    monkeypatch.setattr(streaming.outbox, "keep_all", refusing)
    exchange.trade("BTCUSDT", 3_000)
    wait_until(lambda: not refusals)
    wait_until(lambda: exchange.connections)
    exchange.trade("BTCUSDT", 10)

    wait_until(lambda: len(streaming.trades) >= 3_010)
    assert streaming.ids() == list(range(100, 3_110))
    for entry in [*streaming.entries("gap"), *streaming.entries("trade")]:
        streaming.room.published(entry)
    marks = streaming.room.marks["binance.trade"]
    wait_until(lambda: told_in(marks.state()).marks["BTCUSDT"].id == "3109-6218")
