"""Slots of local books: which are told, which are missed, and what is written down of that."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from cryptoproxy.datasets import BOOK, GAP, Book, iso
from cryptoproxy.errors import SettingsError, TransientError
from cryptoproxy.upstreams.base import Response
from cryptoproxy.upstreams.binance.candles import whole_list as binance_list
from cryptoproxy.upstreams.binance.streams.books import PROBE, BinanceBooks
from cryptoproxy.upstreams.bybit.candles import whole_list as bybit_list
from cryptoproxy.upstreams.bybit.streams.books import BybitBooks
from cryptoproxy.upstreams.bybit.symbols import Category
from cryptoproxy.upstreams.streaming.book_stream import LONGEST_RETRY_MS, SILENT_MS, BookStream, Wish
from cryptoproxy.upstreams.streaming.stream import Batch, Left, Mark

BEGIN_MS = 1_795_168_800_000
TOPIC = "btcusdt@depth@100ms"


def binance(*symbols: str) -> BinanceBooks:
    return BinanceBooks(
        venue=SimpleNamespace(name="binance", upstream="binance"),  # type: ignore[arg-type]
        base_url="http://binance",
        symbols=symbols or ("btcusdt",),
        symbol_list=binance_list("http://binance"),
        levels=1000,
        interval_ms=1000,
    )


def bybit(market: Category = Category.LINEAR) -> BybitBooks:
    return BybitBooks(
        market,
        venue=SimpleNamespace(name=f"bybit-{market}", upstream="bybit"),  # type: ignore[arg-type]
        symbols=["BTCUSDT"],
        symbol_list=bybit_list("http://bybit", market),
        levels=50,
        interval_ms=1000,
    )


class Fed:
    """A stream of Binance with a time of its own, in ms since its begin."""

    def __init__(self, left: Left = Left(), *symbols: str) -> None:  # noqa: B008 - never changed
        self.stream = binance(*symbols)
        self.stream.begin(left, now_ms=BEGIN_MS)
        self.batches: list[Batch] = []

    def frame(self, at: int, first: int, last: int, bids: Any = (), asks: Any = (), *, late: int = 5) -> None:
        data = {"s": "BTCUSDT", "U": first, "u": last, "b": bids, "a": asks, "E": BEGIN_MS + at}
        self.stream.take({TOPIC: [msgspec.json.encode(data)]}, now_ms=BEGIN_MS + at + late)

    def snapshot(self, at: int, last: int, bids: Any = (("100", "2"),)) -> None:
        """Asked and answered."""
        (ask,) = self.stream.asks(now_ms=BEGIN_MS + at)
        body = {"lastUpdateId": last, "bids": bids, "asks": [["101", "3"]]}
        self.stream.answered(ask, Response(200, {}, msgspec.json.encode(body)), now_ms=BEGIN_MS + at)

    def started(self) -> Fed:
        self.frame(100, 10, 10)
        self.snapshot(150, 10)
        return self

    def collect(self, at: int) -> Batch:
        batch = self.stream.collect(now_ms=BEGIN_MS + at)
        for record in batch.records:
            BOOK.codec.encode(record)  # type: ignore[arg-type]
        for gap in batch.gaps:
            GAP.codec.encode(gap)
        return batch


def slots(batch: Batch) -> list[int]:
    return [(BOOK.serial(record) - BEGIN_MS) // 1000 for record in batch.records]  # type: ignore[arg-type,operator]


def test_a_slot_is_told_when_the_next_frame_joins_on_and_as_it_stood_before() -> None:
    fed = Fed().started()
    fed.frame(900, 11, 12, bids=[("100.5", "7")])
    assert fed.collect(950).records == []
    assert fed.collect(1050).records == [], "nothing says yet that nothing was lost before the slot"
    fed.frame(1100, 13, 13, bids=[("100.6", "1")])
    batch = fed.collect(1200)
    (record,) = batch.records
    assert isinstance(record, Book)
    assert (record.timestamp, record.fetched_at) == (iso(BEGIN_MS + 1000), iso(BEGIN_MS + 1105))
    assert (record.bid_price, record.update_id, record.last_updated) == (100.5, 12, iso(BEGIN_MS + 900))
    assert (batch.missed, batch.gaps, batch.slot_ms) == ({}, [], BEGIN_MS + 1000)
    assert batch.marks == {"BTCUSDT": Mark(str(BEGIN_MS + 1000), BEGIN_MS + 1000)}
    assert fed.collect(1300).marks == {}


def test_several_slots_between_two_frames_stood_alike() -> None:
    fed = Fed().started()
    fed.frame(3050, 11, 11)
    assert slots(fed.collect(3100)) == [1, 2, 3]


def test_slots_before_a_hole_are_missed_and_told_as_a_gap_when_there_is_a_book_again() -> None:
    fed = Fed().started()
    fed.frame(1100, 11, 11)
    fed.frame(2200, 13, 13)
    batch = fed.collect(2300)
    assert (slots(batch), batch.missed, batch.gaps) == ([1], {"hole": 1}, [])
    fed.frame(3100, 14, 14)
    fed.snapshot(3200, 14)
    batch = fed.collect(3300)
    assert (slots(batch), batch.missed) == ([], {"hole": 1})
    fed.frame(4100, 15, 15)
    batch = fed.collect(4200)
    assert slots(batch) == [4]
    (gap,) = batch.gaps
    assert (gap.kind, gap.state, gap.why, gap.records) == ("book", "open", "hole", 2)
    assert (gap.timestamp, gap.until) == (iso(BEGIN_MS + 1000), iso(BEGIN_MS + 4000))


def test_a_first_start_misses_slots_and_is_no_gap() -> None:
    fed = Fed()
    fed.frame(2100, 10, 10)
    fed.snapshot(2200, 10)
    fed.frame(3100, 11, 11)
    batch = fed.collect(3200)
    assert (slots(batch), batch.missed, batch.gaps) == ([3], {"new": 2}, [])


def test_what_lies_between_two_holders_is_a_gap() -> None:
    last = BEGIN_MS - 60_000
    earlier = binance_record(last - 1000)
    fed = Fed(Left({"BTCUSDT": Mark(str(last - 5000), last - 5000)}, [earlier, binance_record(last)])).started()
    fed.frame(1100, 11, 11)
    batch = fed.collect(1200)
    (gap,) = batch.gaps
    assert (gap.timestamp, gap.until) == (iso(last), iso(BEGIN_MS + 1000))
    assert (gap.why, gap.records) == ("handover", 60)
    assert batch.missed == {}, "nobody was there to miss them"


def binance_record(at_ms: int) -> Book:
    values = {name: getattr(BOOK.example, name) for name in BOOK.example.__struct_fields__}
    return Book(**values | {"timestamp": iso(at_ms)})


def test_a_snapshot_that_is_newer_than_the_stream_tells_nothing_of_the_slots_before_it() -> None:
    fed = Fed()
    fed.frame(900, 10, 10)
    fed.snapshot(950, 15)
    fed.frame(1100, 11, 13)
    fed.frame(2100, 14, 16)
    assert fed.collect(2200).missed == {"new": 2}
    fed.frame(3100, 17, 17)
    assert slots(fed.collect(3200)) == [3]


def test_a_snapshot_that_has_what_was_lost_tells_nothing_of_the_slots_in_which_it_happened() -> None:
    """It joins on to the next frame, but when the changes between were made nobody has heard."""
    fed = Fed()
    fed.frame(900, 10, 10)
    fed.snapshot(1050, 12)
    fed.frame(2100, 13, 13)
    assert fed.collect(2200).missed == {"new": 2}
    fed.frame(3100, 14, 14)
    assert slots(fed.collect(3200)) == [3]


def test_of_a_stream_that_is_silent_since_its_snapshot_no_slot_before_that_is_told() -> None:
    fed = Fed()
    fed.frame(900, 10, 10)
    fed.snapshot(5000, 12)
    fed.collect(SILENT_MS + 2500)
    fed.snapshot(SILENT_MS + 2900, 12)
    assert slots(fed.collect(SILENT_MS + 3000)) == []
    fed.frame(SILENT_MS + 3100, 13, 13)
    fed.frame(SILENT_MS + 4100, 14, 14)
    assert slots(fed.collect(SILENT_MS + 4200)) == [14]


def test_a_book_whose_prices_have_moved_beyond_what_is_known_has_no_slots_until_there_is_a_newer_snapshot() -> None:
    """Changes come late and many at once, so that no snapshot comes in time."""
    fed = Fed()
    prices = [f"{100 - n / 100:.2f}" for n in range(1000)]  # as many as are asked for: there may be more
    bids, gone = ([[price, size] for price in prices] for size in ("2", "0"))
    fed.frame(100, 10, 10)
    fed.snapshot(150, 10, bids)
    fed.frame(1050, 11, 11, bids=gone[:960])
    assert fed.stream.asks(now_ms=BEGIN_MS + 1100) == []
    fed.frame(2050, 12, 12, bids=gone[960:961])
    fed.frame(3050, 13, 13, bids=gone[961:981])
    fed.frame(4050, 14, 14)
    batch = fed.collect(4100)
    assert slots(batch) == [1, 2, 3]
    assert batch.missed == {"beyond": 1}, "19 are left, and what comes behind them nobody has told"
    fed.snapshot(4200, 14, bids)
    fed.frame(5050, 15, 15)
    batch = fed.collect(5100)
    assert (slots(batch), [gap.why for gap in batch.gaps]) == ([5], ["beyond"])


def test_a_crossed_book_is_asked_for_anew() -> None:
    fed = Fed().started()
    fed.frame(1100, 11, 11, bids=[("101", "1")])
    batch = fed.collect(1200)
    assert (slots(batch), batch.missed) == ([1], {}), "what came before it is true"
    fed.frame(2100, 12, 12)
    assert fed.collect(2200).missed == {"crossed": 1}
    fed.snapshot(2300, 12)
    fed.frame(3100, 13, 13)
    assert slots(fed.collect(3200)) == [3]


def test_a_cut_that_lost_nothing_costs_no_slot() -> None:
    fed = Fed().started()
    fed.stream.cut([TOPIC], now_ms=BEGIN_MS + 800)
    assert fed.stream.asks(now_ms=BEGIN_MS + 900) == []
    fed.frame(4100, 11, 11)
    assert slots(fed.collect(4200)) == [1, 2, 3, 4]


def test_of_a_silent_stream_no_slot_is_told_and_it_is_asked_whether_anything_has_happened() -> None:
    fed = Fed().started()
    assert fed.collect(SILENT_MS + 500).missed == {}
    batch = fed.collect(SILENT_MS + 2500)
    assert (slots(batch), batch.missed) == ([], {"silent": 2})
    (ask,) = fed.stream.asks(now_ms=BEGIN_MS + SILENT_MS + 2600)
    assert ask.call.params == {"symbol": "BTCUSDT", "limit": str(PROBE)}
    fed.snapshot(SILENT_MS + 2900, 11)
    assert slots(fed.collect(SILENT_MS + 3000)) == [], "something has: the stream has stalled"
    fed.snapshot(SILENT_MS + 6000, 10)
    batch = fed.collect(SILENT_MS + 6100)
    assert slots(batch) == list(range(3, 13)), "until it was asked"
    assert [gap.why for gap in batch.gaps] == [], "of a first start nothing was told before"


def test_a_snapshot_that_is_no_use_is_asked_for_again_later_and_later() -> None:
    fed = Fed()
    fed.frame(100, 10, 10)
    waits = []
    at = 200
    for _ in range(4):
        fed.snapshot(at, 5)
        begun = at
        while not fed.stream.asks(now_ms=BEGIN_MS + at):
            at += 100
        waits.append(at - begun)
    assert waits == [1000, 2000, 4000, 8000]
    fed.stream.hopeless(fed.stream.asks(now_ms=BEGIN_MS + at)[0], "-1121", now_ms=BEGIN_MS + at)
    assert fed.stream.asks(now_ms=BEGIN_MS + at + 59_000) == []
    assert fed.collect(at).rejected[0].reason == "refused"


def test_looks_at_a_silent_stream_delay_no_snapshot_that_is_wanted_when_it_goes_on() -> None:
    fed = Fed().started()
    fed.collect(SILENT_MS + 2500)
    at = SILENT_MS + 2600
    for _ in range(5):
        while not fed.stream.asks(now_ms=BEGIN_MS + at):
            at += 100
        fed.snapshot(at, 400)  # there is more than was heard of
    fed.frame(at + 100, 300, 400)
    (ask,) = fed.stream.asks(now_ms=BEGIN_MS + at + 200)
    assert ask.call.params["limit"] == "1000"


def test_what_is_lost_again_at_once_is_not_asked_for_again_at_once() -> None:
    fed = Fed()
    number, at, asked = 10, 100, []
    fed.frame(at, number, number)
    while len(asked) < 7:
        if fed.stream.asks(now_ms=BEGIN_MS + at):
            asked.append(at)
            fed.snapshot(at, number)
        at, number = at + 100, number + 1
        fed.frame(at, number, number, bids=[("101", "1")])  # crosses
    assert [after - before for before, after in pairwise(asked)] == [1000, 2000, 4000, 5100, 5100, 5100]


def test_a_stream_that_is_silent_now_and_then_is_not_asked_for_each_time_at_once() -> None:
    fed = Fed().started()
    looked = []
    for at in range(20_000, 300_000, 1000):
        fed.collect(at)
        for ask in fed.stream.asks(now_ms=BEGIN_MS + at):
            looked.append(at)
            answer = Response(200, {}, msgspec.json.encode({"lastUpdateId": 400, "bids": [], "asks": []}))
            fed.stream.answered(ask, answer, now_ms=BEGIN_MS + at)
    assert [after - before for before, after in pairwise(looked)] == [1000, 2000, 4000, 8000, 16_000, 32_000] + [
        60_000
    ] * 3


def test_what_has_stood_for_a_while_is_asked_for_at_once_and_what_has_not_is_not() -> None:
    wish = Wish()
    for at in (1000, 2000, 4000, 8000, 16_000):
        assert wish.due(at, wanted=True)
        wish.tried(at)
    assert not wish.due(16_100, wanted=False)
    assert not wish.due(21_000, wanted=True)
    assert not wish.due(21_050, wanted=False)
    assert wish.due(26_101, wanted=True)
    wish.tried(26_101)
    assert wish.tries == 1
    assert not wish.due(26_200, wanted=False)
    assert not wish.due(27_000, wanted=True)
    assert wish.due(27_101, wanted=True)
    wish.tried(27_101)
    assert wish.tries == 2


def test_a_clock_that_is_put_back_delays_no_try_for_long() -> None:
    wish = Wish()
    noon = 43_200_000
    wish.tried(noon)
    assert not wish.due(noon - 3_600_000, wanted=True)
    assert wish.due(noon - 3_600_000 + LONGEST_RETRY_MS, wanted=True)


def test_a_try_long_after_the_last_begins_a_new_row() -> None:
    wish = Wish()
    waits = []
    for at in (1000, 2000, 4000, 18_001):
        assert wish.due(at, wanted=True)
        wish.tried(at)
        waits.append(next(wait for wait in range(0, 70_000, 100) if wish.due(at + wait, wanted=True)))
    assert waits == [1000, 2000, 4000, 1000]


def test_a_body_that_is_no_book_is_said() -> None:
    fed = Fed()
    fed.frame(100, 10, 10)
    (ask,) = fed.stream.asks(now_ms=BEGIN_MS + 200)
    with pytest.raises(TransientError):
        fed.stream.answered(ask, Response(200, {}, b"<html>"), now_ms=BEGIN_MS + 200)
    assert fed.stream.asks(now_ms=BEGIN_MS + 300) == [], "not at once"


def test_few_are_asked_for_at_once() -> None:
    fed = Fed(Left(), *[f"X{n}USDT" for n in range(10)])
    for n in range(10):
        data = msgspec.json.encode({"s": "", "U": 1, "u": 1, "b": [], "a": [], "E": BEGIN_MS})
        fed.stream.take({f"x{n}usdt@depth@100ms": [data]}, now_ms=BEGIN_MS)
    assert len(fed.stream.asks(now_ms=BEGIN_MS)) == 4


def test_what_is_no_frame_is_rejected_and_its_hole_is_found_by_the_next() -> None:
    fed = Fed().started()
    fed.stream.take({TOPIC: [b"{"], "btcusdt@trade": [b"{}"]}, now_ms=BEGIN_MS + 900)
    fed.frame(1100, 12, 12)
    batch = fed.collect(1200)
    assert [(row.reason, row.asset_id) for row in batch.rejected] == [("bad_frame", "BTCUSDT")]
    assert batch.missed == {"hole": 1}


def test_a_symbol_whose_quote_is_not_told_yet_has_no_slots() -> None:
    fed = Fed(Left(), "ABC")
    data = [
        msgspec.json.encode({"s": "", "U": n, "u": n, "b": [], "a": [], "E": BEGIN_MS + at})
        for n, at in ((10, 100), (11, 1100))
    ]
    fed.stream.take({"abc@depth@100ms": data[:1]}, now_ms=BEGIN_MS + 100)
    fed.snapshot(150, 10)
    fed.stream.take({"abc@depth@100ms": data[1:]}, now_ms=BEGIN_MS + 1100)
    assert fed.collect(1200).missed == {"no_quote": 1}


def test_symbols_and_topics() -> None:
    assert binance("BTCUSDT", "btcusdt", "ethusdt").topics == (TOPIC, "ethusdt@depth@100ms")
    assert bybit().topics == ("orderbook.50.BTCUSDT",)
    with pytest.raises(SettingsError, match="no symbol"):
        binance("a:b")


# --- Bybit


def bybit_frame(
    kind: str, u: int, at: int, bids: Any = (), asks: Any = (), *, seq: int = 0, told: int | None = None
) -> bytes:
    """``at``: of the change; ``told``: of the frame."""
    data = {"s": "BTCUSDT", "b": bids, "a": asks, "u": u, "seq": seq or u}
    ts = BEGIN_MS + (at + 3 if told is None else told)
    frame = {"topic": "orderbook.50.BTCUSDT", "type": kind, "ts": ts, "cts": BEGIN_MS + at, "data": data}
    return msgspec.json.encode(frame)


def feed(stream: BookStream, at: int, *frames: bytes) -> None:
    stream.take({"orderbook.50.BTCUSDT": frames}, now_ms=BEGIN_MS + at)


LEVELS: Any = {"bids": [["100", "2"]], "asks": [["101", "3"]]}


def bybit_begun(number: int) -> BybitBooks:
    """With a book since 100."""
    stream = bybit()
    stream.begin(Left(), now_ms=BEGIN_MS)
    feed(stream, 200, bybit_frame("snapshot", number, 100, **LEVELS))
    return stream


def test_a_book_of_bybit_is_subscribed_to_anew_after_a_hole() -> None:
    stream = bybit_begun(10)
    assert stream.renew(now_ms=BEGIN_MS + 200) == {}
    feed(stream, 1200, bybit_frame("delta", 11, 1100))
    feed(stream, 2200, bybit_frame("delta", 13, 2100))
    batch = stream.collect(now_ms=BEGIN_MS + 2300)
    assert (slots(batch), batch.missed) == ([1], {"hole": 1})
    ((topic, frames),) = stream.renew(now_ms=BEGIN_MS + 2300).items()
    assert (topic, [msgspec.json.decode(each)["op"] for each in frames]) == (
        "orderbook.50.BTCUSDT",
        ["unsubscribe", "subscribe"],
    )
    assert stream.renew(now_ms=BEGIN_MS + 2400) == {}, "not at once again"
    assert list(stream.renew(now_ms=BEGIN_MS + 4300)) == ["orderbook.50.BTCUSDT"]
    feed(stream, 4400, bybit_frame("snapshot", 20, 4350, **LEVELS), bybit_frame("delta", 21, 5050))
    feed(stream, 5200, bybit_frame("delta", 22, 5150))
    batch = stream.collect(now_ms=BEGIN_MS + 5300)
    assert (slots(batch), batch.missed) == ([5], {"hole": 2}), "the frame that is past the slot is not in it"
    assert [(gap.why, gap.records) for gap in batch.gaps] == [("hole", 3)]
    assert [record.update_id for record in batch.records] == [20]  # type: ignore[attr-defined]
    assert stream.renew(now_ms=BEGIN_MS + 5400) == {}


def test_while_one_connection_follows_on_another_no_slot_is_missed() -> None:
    """The new one's snapshot comes behind what the old one has told, or in the midst of it."""
    stream = bybit_begun(10)
    feed(stream, 1200, bybit_frame("delta", 11, 1100), bybit_frame("delta", 12, 1150))
    feed(stream, 1300, bybit_frame("snapshot", 11, 1100, **LEVELS), bybit_frame("delta", 12, 1150))
    feed(stream, 1400, bybit_frame("snapshot", 12, 1150, **LEVELS), bybit_frame("delta", 13, 1350))
    feed(stream, 2200, bybit_frame("delta", 13, 1350), bybit_frame("delta", 14, 2100), bybit_frame("delta", 14, 2100))
    batch = stream.collect(now_ms=BEGIN_MS + 2300)
    assert (slots(batch), batch.missed, batch.gaps) == ([1, 2], {}, [])
    assert stream.renew(now_ms=BEGIN_MS + 2300) == {}


def test_a_frame_of_before_the_newest_tells_no_slot_up_to_now_also_where_there_is_no_book_yet() -> None:
    fed = Fed()
    fed.frame(100, 10, 10)
    fed.frame(1300, 11, 11)
    fed.frame(300, 12, 12, late=2200)
    fed.snapshot(2600, 12)
    fed.frame(3100, 13, 13)
    batch = fed.collect(3200)
    assert (slots(batch), batch.missed) == ([3], {"new": 2})


@pytest.mark.parametrize("number", [1, 9])
def test_a_whole_book_of_before_the_newest_change_tells_no_slot_up_to_now(number: int) -> None:
    stream = bybit_begun(5)
    feed(stream, 900, bybit_frame("delta", 6, 900))
    feed(stream, 2500, bybit_frame("snapshot", number, 300, seq=70, **LEVELS))
    feed(stream, 3100, bybit_frame("delta", number + 1, 3100, seq=71))
    batch = stream.collect(now_ms=BEGIN_MS + 3200)
    assert (slots(batch), batch.missed) == ([3], {"clock": 2})


@pytest.mark.parametrize("number", [1, 10])
def test_a_quiet_book_that_is_told_once_more_stood_until_then(number: int) -> None:
    stream = bybit_begun(number)
    told = []
    for at in range(1500, 60_000, 1000):
        told += slots(stream.collect(now_ms=BEGIN_MS + at))
        if stream.renew(now_ms=BEGIN_MS + at):
            feed(stream, at + 400, bybit_frame("snapshot", number, 100, told=at + 200, **LEVELS))
    assert told[:10] == list(range(2, 12)), "the first was given up before it was asked"
    assert told[-1] > 50
    feed(stream, 61_000, bybit_frame("snapshot", 12, 60_500, **LEVELS))
    assert slots(stream.collect(now_ms=BEGIN_MS + 61_100)) == [], "what is new tells nothing of what was before it"


@pytest.mark.parametrize(("before", "number"), [(10, 1), (10, 11), (10, 12), (10, 10), (1, 1)])
def test_a_book_that_is_told_anew_while_it_goes_on_has_no_slot_in_between(before: int, number: int) -> None:
    """Its number may be the one it had: they have begun anew."""
    stream = bybit_begun(before)
    feed(stream, 1200, bybit_frame("snapshot", number, 1100, seq=70, **LEVELS))
    feed(stream, 2200, bybit_frame("delta", number + 1, 2100, seq=71))
    batch = stream.collect(now_ms=BEGIN_MS + 2300)
    assert (slots(batch), batch.missed) == ([2], {"anew": 1})


@pytest.mark.parametrize(("told", "last"), [(14_000, 13), (86_400_000, 0)])
def test_a_quiet_book_stood_until_it_was_told_once_more_and_not_until_now(told: int, last: int) -> None:
    stream = bybit_begun(10)
    stream.collect(now_ms=BEGIN_MS + 12_500)
    feed(stream, 13_100, bybit_frame("snapshot", 10, 100, told=told, **LEVELS))
    assert slots(stream.collect(now_ms=BEGIN_MS + 13_200))[-1:] == [last] * (last > 0)


def test_what_is_known_already_moves_no_slot() -> None:
    """The repeat may bear a later time."""
    stream = bybit_begun(10)
    feed(stream, 1200, bybit_frame("snapshot", 10, 1100, **LEVELS))
    feed(stream, 1300, bybit_frame("delta", 11, 1250))
    batch = stream.collect(now_ms=BEGIN_MS + 2000)
    assert (slots(batch), batch.missed) == ([1], {})


def test_a_frame_without_a_time_that_can_be_tells_of_no_slot_before_it() -> None:
    """Of tomorrow, none, of before the last: when its change was made is not known. It is in the book."""
    fed = Fed().started()
    fed.frame(1100, 11, 11)
    fed.frame(86_400_000, 12, 12, bids=[("100.5", "1")], late=-86_398_000)
    data = {"s": "BTCUSDT", "U": 13, "u": 13, "b": [], "a": []}
    fed.stream.take({TOPIC: [msgspec.json.encode(data)]}, now_ms=BEGIN_MS + 3000)
    fed.frame(-5000, 14, 14, late=9050)
    batch = fed.collect(4055)
    assert (slots(batch), batch.missed) == ([1], {"clock": 3})
    fed.frame(5100, 15, 15)
    batch = fed.collect(5200)
    assert slots(batch) == [5]
    (record,) = batch.records
    assert isinstance(record, Book)
    assert (record.bid_price, record.last_updated) == (100.5, iso(BEGIN_MS + 1100))
