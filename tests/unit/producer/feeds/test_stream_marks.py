"""What a successor is told of a stream: marks when all before them is published, gaps that are open."""

from __future__ import annotations

from msgspec.structs import replace

from cryptoproxy.datasets import GAP, Feed
from cryptoproxy.producer.feeds.stream.left import open_gaps
from cryptoproxy.producer.feeds.stream.marks import Marks, StreamNote, told_in
from cryptoproxy.producer.outbox import Entry
from cryptoproxy.upstreams.streaming.stream import Mark

TRADES = Feed("binance", "trade")


def entry(number: int) -> Entry:
    return Entry(number, TRADES, number, number, 1, "0" * 12)


def kept(marks: Marks, *entries: Entry, **at: str) -> None:
    marks.open()
    for each in entries:
        marks.entered(each)
    marks.close({symbol: Mark(id_, 1) for symbol, id_ in at.items()})


def test_a_mark_waits_for_the_gap_and_the_batch_before_it() -> None:
    marks = Marks(lambda: 77)
    kept(marks, entry(1), entry(2), BTC="1-1")
    kept(marks, entry(3), ETH="5-5")
    marks.published(entry(3))
    marks.published(entry(2))
    assert marks.state() == b""
    marks.published(entry(1))
    told = told_in(marks.state())
    assert (told.told_ms, told.marks) == (77, {"BTC": Mark("1-1", 1), "ETH": Mark("5-5", 1)})


def test_what_a_drain_has_sent_before_the_batch_is_whole_counts() -> None:
    marks = Marks(lambda: 1)
    marks.open()
    marks.entered(entry(1))
    marks.published(entry(1))
    assert marks.state() == b""
    marks.close({"BTC": Mark("1-1", 1)})
    assert told_in(marks.state()).marks == {"BTC": Mark("1-1", 1)}


def test_what_the_holder_before_has_told_stays_until_more_is_known() -> None:
    marks = Marks(lambda: 2)
    marks.begin(StreamNote(1, {"BTC": Mark("1-1", 1), "ETH": Mark("2-2", 1)}))
    marks.published(entry(9))  # of somebody else
    kept(marks, entry(1), BTC="3-3")
    marks.published(entry(1))
    assert told_in(marks.state()).marks == {"BTC": Mark("3-3", 1), "ETH": Mark("2-2", 1)}
    assert told_in(b"of another version") == StreamNote()


def test_a_gap_without_its_second_record_is_open() -> None:
    opened = replace(GAP.example, source="binance")
    mended = replace(opened, state="mended")
    other = replace(opened, asset_id="ETHUSDT")
    book = replace(opened, kind="book", asset_id="BNBUSDT")
    assert open_gaps(TRADES, [mended, opened, other, book]) == [other]


def test_whether_it_is_connected_is_told_before_the_first_mark_and_never_inherited() -> None:
    marks = Marks(lambda: 1)
    assert marks.state(connected=True) == b""
    assert told_in(marks.state(connected=True, frame_ms=5)) == StreamNote(connected=True, frame_ms=5)
    marks.begin(StreamNote(1, {"BTC": Mark("1-1", 1)}, connected=True, frame_ms=9))
    assert told_in(marks.state()) == StreamNote(1, {"BTC": Mark("1-1", 1)})
