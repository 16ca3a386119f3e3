"""Local books: what was recorded, field by field, and each rule by itself. That they hold together: test_book_rules."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cryptoproxy.datasets import BOOK, Book
from cryptoproxy.errors import TransientError
from cryptoproxy.upstreams.binance.streams import books as binance
from cryptoproxy.upstreams.binance.streams.books import BinanceBook
from cryptoproxy.upstreams.bybit.streams import books as bybit
from cryptoproxy.upstreams.bybit.streams.books import BybitBook
from cryptoproxy.upstreams.streaming import books
from cryptoproxy.upstreams.streaming.books import BookOwner, LocalBook

RECORDED = Path(__file__).parents[2] / "fixtures" / "recorded"
SLOT_MS = 1_795_168_800_000
BTC = BookOwner("binance", "BTCUSDT", "USDT")


def frames(name: str) -> list[Any]:
    return [json.loads(line) for line in (RECORDED / f"{name}.jsonl").read_text().splitlines()]


def taken(book: LocalBook, asset: BookOwner = BTC) -> Book | None:
    """Its record, where it is proven, which the contract takes."""
    if not book.proven:
        return None
    found = books.record(book, asset, slot_ms=SLOT_MS, fetched_at_ms=SLOT_MS + 3, interval_ms=1000)
    if found is not None:
        assert BOOK.codec.decode(BOOK.codec.encode(found)) == found
    return found


def best(book: LocalBook) -> tuple[float | None, float | None]:
    assert book.ladder is not None
    return book.ladder.bids.best, book.ladder.asks.best


# --- what was recorded


def test_a_recorded_book_has_the_best_prices_that_were_told_beside_it() -> None:
    """The snapshot came while frames were kept, and falls into the third of them."""
    book = BinanceBook()
    compared = 0
    for number, frame in enumerate(frames("binance/depth/frames_2024-08-08")):
        data = frame["data"]
        if "@depth" in frame["stream"]:
            book.take(binance.change_of(json.dumps(data).encode()))
            if number == 4:
                assert book.wants_snapshot
                book.load((RECORDED / "binance/depth/snapshot_2024-08-08.json").read_bytes(), 100)
        elif book.proven and data["u"] <= book.update_id:
            assert best(book) == (float(data["b"]), float(data["a"]))
            compared += 1
    assert compared > 5
    record = taken(book)
    assert record is not None
    assert (record.source, record.asset_id, record.quote, record.interval_ms) == ("binance", "BTCUSDT", "USDT", 1000)
    assert (record.timestamp, record.fetched_at) == ("2026-11-20T10:00:00.000Z", "2026-11-20T10:00:00.003Z")
    assert record.last_updated == "2024-08-08T23:54:16.308Z"
    assert record.update_id == 50093240765
    assert len(record.bids) == len(record.asks) == 20
    assert record.bids_known_to == 61807.15
    assert record.bid_depth_10bps is None, "100 levels do not reach so far"


def test_frames_of_bybit_arrive_field_by_field() -> None:
    snapshot, delta = frames("bybit/orderbook/frames_2023-04-05")[2:]
    book = BybitBook()
    book.take(bybit.change_of(json.dumps(snapshot).encode()))
    assert best(book) == (28555.20, 28555.30)
    book.take(bybit.change_of(json.dumps(delta).encode()))
    record = taken(book, BookOwner("bybit-linear", "BTCPERP", "USDC"))
    assert record is not None
    assert (record.bids, record.asks) == ([(28555.20, 0.677)], [(28555.30, 0.029)])
    assert (record.update_id, record.last_updated) == (20683569, "2023-04-05T05:50:21.651Z")
    assert record.mid == 28555.25
    assert record.spread == 0.1
    assert record.bids_known_to is None, "a book of 50 levels that shows one has no more"
    assert record.bid_depth_100bps == 28555.20 * 0.677
    assert record.imbalance == pytest.approx((0.677 - 0.029) / (0.677 + 0.029))


def test_a_change_of_bybit_has_the_time_of_the_change() -> None:
    (frame,) = frames("bybit/orderbook/frames_documentation")
    change = bybit.change_of(json.dumps(frame).encode())
    assert (change.symbol, change.last, change.sequence) == ("BTCUSDT", 177400507, 66544703342)
    assert (change.time_ms, change.most, change.whole) == (1687940967464, 50, False)
    assert (change.bids[-1], change.asks[0]) == ((30240.00, 0.0), (30248.70, 0.0))


@pytest.mark.parametrize("broken", [b"{}", b"[", b'{"s":"X","U":1,"u":1,"b":[["nan","1"]],"a":[]}', b"\xff"])
def test_what_is_no_frame_is_said(broken: bytes) -> None:
    with pytest.raises(TransientError):
        binance.change_of(broken)
    with pytest.raises(TransientError):
        bybit.change_of(broken)


# --- Binance


def depth(first: int, last: int, bids: Sequence[Any] = (), asks: Sequence[Any] = ()) -> Any:
    return binance.change_of(msgspec.json.encode({"s": "X", "U": first, "u": last, "b": bids, "a": asks, "E": 5}))


def snapshot(last: int, bids: Sequence[Any] = ((9, 1),), asks: Sequence[Any] = ((11, 1),)) -> bytes:
    return msgspec.json.encode({"lastUpdateId": last, "bids": bids, "asks": asks})


def started(last: int = 10, bids: Sequence[Any] = ((9, 1),), asks: Sequence[Any] = ((11, 1),)) -> BinanceBook:
    book = BinanceBook()
    book.take(depth(last, last))
    book.load(snapshot(last, bids, asks), 100)
    assert book.proven
    return book


def test_a_snapshot_is_not_asked_for_before_a_frame_has_come() -> None:
    book = BinanceBook()
    assert (book.why, book.wants_snapshot) == ("new", False)
    book.take(depth(4, 6))
    assert book.wants_snapshot
    assert taken(book) is None
    assert book.load(snapshot(6), 100)
    assert book.updated_ms == 5, "the frame's that it ends with"


def test_a_snapshot_that_is_newer_than_what_has_come_waits_for_the_frames_up_to_it() -> None:
    book = BinanceBook()
    book.take(depth(4, 6))
    assert not book.load(snapshot(9), 100)
    book.take(depth(7, 8, bids=[(9, 7)]))
    assert (book.why, book.wants_snapshot) == ("new", True)
    assert not book.load(snapshot(12, bids=[(7, 1)]), 100), "the one that waits is reached sooner"
    book.take(depth(9, 11, bids=[(8, 3)]))
    record = taken(book)
    assert record is not None
    assert (record.update_id, record.bids) == (11, [(9.0, 1.0), (8.0, 3.0)])


def test_a_snapshot_that_waits_is_of_no_use_after_a_hole_up_to_it_nor_beside_a_newer_one() -> None:
    book = BinanceBook()
    book.take(depth(4, 6))
    assert not book.load(snapshot(9), 100)
    book.take(depth(11, 12))
    assert not book.proven, "10 lacks"
    assert not book.load(snapshot(1_000_000), 100), "of numbers that have begun anew since"
    assert book.load(snapshot(11), 100)
    assert (book.proven, book.update_id) == (True, 12)


def test_a_book_that_goes_on_is_replaced_when_it_is_as_new_as_the_snapshot_and_by_none_that_is_crossed() -> None:
    bids = [(2100 - n, 1) for n in range(100)]
    book = started(10, bids, [(2101, 1)])
    book.take(depth(11, 11, bids=[(2100 - n, 0) for n in range(70)]))
    assert (book.proven, book.wants_snapshot) == (True, True)
    assert not book.load(snapshot(12, [(2102, 1)], [(2101, 1)]), 100)
    assert not book.load(snapshot(13, [*bids[70:], (1999, 1)], [(2101, 1)]), 100)
    book.take(depth(12, 12))
    assert (book.proven, book.update_id, book.wants_snapshot) == (True, 12, True)
    book.take(depth(13, 14))
    assert (book.proven, book.update_id, best(book)) == (True, 14, (2030.0, 2101.0))
    assert not book.wants_snapshot, "31 bids are all there are"
    assert not book.load(snapshot(14, [(2102, 1)], [(2101, 1)]), 100)
    assert (book.proven, best(book)) == (True, (2030.0, 2101.0))


def test_of_a_book_that_goes_on_frames_are_kept_for_who_awaits_a_snapshot() -> None:
    book = started(10)
    book.awaits = True
    book.take(depth(11, 11))
    book.take(depth(12, 12))
    assert book.load(snapshot(11, bids=[(8, 1)]), 5000)
    assert (book.update_id, best(book)) == (12, (8.0, 11.0))


def test_a_frame_that_begins_in_what_is_known_and_ends_after_it_comes_next() -> None:
    book = started(10)
    assert [book.joins(depth(*each)) for each in ((9, 10), (9, 12), (11, 12), (12, 12))] == [False, True, True, False]


def test_a_snapshot_of_before_the_frames_is_refused() -> None:
    book = BinanceBook()
    book.take(depth(10, 12))
    assert not book.load(snapshot(8), 100)
    assert book.wants_snapshot
    assert book.load(snapshot(9), 100)
    assert (book.proven, book.update_id) == (True, 12)


def test_a_frame_that_the_snapshot_falls_into_is_applied_whole_and_those_before_it_not() -> None:
    book = BinanceBook()
    book.take(depth(5, 7, bids=[(9, 7)]))
    book.take(depth(8, 12, bids=[(8, 3)], asks=[(11, 0), (12, 2)]))
    book.load(snapshot(10), 100)
    record = taken(book)
    assert record is not None
    assert (record.bids, record.asks, record.update_id) == ([(9.0, 1.0), (8.0, 3.0)], [(12.0, 2.0)], 12)


def test_frames_that_end_before_the_book_are_dropped() -> None:
    book = started(10)
    book.take(depth(8, 10, bids=[(9, 0)]))
    assert (book.proven, best(book)) == (True, (9.0, 11.0))


def test_a_hole_throws_the_book_away_and_the_old_one_is_never_told_as_new() -> None:
    book = started(10)
    book.take(depth(12, 13, bids=[(10, 1)]))
    assert (book.why, book.wants_snapshot) == ("hole", True)
    assert taken(book) is None
    assert best(book) == (9.0, 11.0), "the last one known is still there, to be shown as stale"
    book.take(depth(14, 14))
    book.load(snapshot(12), 100)
    assert (book.proven, book.update_id, best(book)) == (True, 14, (10.0, 11.0))


def test_a_hole_between_the_frames_that_wait_for_a_snapshot_takes_those_before_it() -> None:
    book = BinanceBook()
    for first, last in ((5, 6), (9, 9), (10, 11)):
        book.take(depth(first, last))
    assert not book.load(snapshot(6), 100)
    assert book.load(snapshot(9), 100)
    assert book.update_id == 11


def test_after_a_cut_the_numbers_tell_whether_anything_was_lost() -> None:
    book = started(10)
    book.lose("cut")
    assert (taken(book), book.wants_snapshot) == (None, False)
    book.take(depth(9, 10))
    assert not book.proven, "an old frame tells nothing"
    book.take(depth(11, 12))
    assert book.proven
    book.lose("cut")
    book.take(depth(14, 15))
    assert (book.why, book.wants_snapshot) == ("hole", True)


def test_of_a_silent_book_a_snapshot_tells_whether_anything_has_happened() -> None:
    book = started(10)
    book.lose("silent")
    assert (taken(book), book.wants_snapshot) == (None, True)
    assert not book.load(snapshot(11), 100), "by REST something has happened: the stream has stalled"
    assert taken(book) is None
    assert book.load(snapshot(10), 100)
    assert taken(book) is not None


def test_a_silence_that_ends_without_a_hole_was_none() -> None:
    book = started(10)
    book.lose("silent")
    assert (book.joins(depth(11, 11)), book.joins(depth(12, 12))) == (True, False)
    book.take(depth(11, 11))
    assert taken(book) is not None


def test_a_doubt_does_not_make_a_lost_book_whole() -> None:
    book = started(10)
    book.take(depth(11, 11, bids=[(11, 1)]))
    book.lose("cut")
    book.take(depth(12, 12))
    assert (book.why, taken(book)) == ("crossed", None)


def test_a_crossed_snapshot_is_no_book_and_another_one_is_wanted() -> None:
    book = BinanceBook()
    book.take(depth(10, 10))
    book.load(snapshot(10, bids=[(11, 1)]), 100)
    assert (book.why, taken(book)) == ("crossed", None)
    book.take(depth(11, 11))
    assert book.wants_snapshot
    book.load(snapshot(11), 100)
    assert book.proven


def test_a_change_that_crosses_throws_the_book_away() -> None:
    book = started(10)
    book.take(depth(11, 11, bids=[(11, 1)]))
    assert (book.why, taken(book)) == ("crossed", None)


def test_levels_beyond_the_snapshot_are_not_known_whatever_is_told_of_them() -> None:
    bids, asks = [(2100 - n, 1) for n in range(100)], [(2101 + n, 1) for n in range(100)]
    book = started(10, bids, asks)
    book.take(depth(11, 11, bids=[(2000, 5)], asks=[(2100.5, 5)]))
    record = taken(book)
    assert record is not None
    assert (record.bids_known_to, record.asks_known_to) == (2001.0, 2200.0)
    assert record.bid_depth_100bps == sum(2100 - n for n in range(21)), "2079.2475 is the edge"
    # Prices fall until the known bids end.
    book.take(depth(12, 12, bids=[(2100 - n, 0) for n in range(80)], asks=[(2021, 1)]))
    record = taken(book)
    assert record is not None
    assert (len(record.bids), record.bid_depth_10bps) == (20, 2020.0 + 2019.0)
    assert record.bid_depth_100bps is None, "2000.295 is the edge, and 2001 the last that is known"
    assert book.wants_snapshot, "nearly used up: a new one is asked for, and meanwhile it goes on"
    book.take(depth(13, 13, bids=[(2001, 0)]))
    assert (taken(book), books.lacks(book)) == (None, "beyond"), "there may be a twentieth bid that nobody has told"
    book.take(depth(14, 15))
    book.load(snapshot(14, [(2020 - n, 1) for n in range(100)], [(2021, 1)]), 100)
    assert (book.proven, book.update_id, book.wants_snapshot, books.lacks(book)) == (True, 15, False, "")


def test_an_answer_that_came_too_late_leaves_a_book_that_goes_on_as_it_is() -> None:
    """It was asked for while few levels were left; then more came, and the frames after it are not kept any more."""
    bids = [(2100 - n, 1) for n in range(100)]
    book = started(10, bids, [(2101, 1)])
    book.take(depth(11, 11, bids=[(2100 - n, 0) for n in range(61)]))
    book.take(depth(12, 12))
    book.take(depth(13, 13, bids=[(2100, 1), (2099, 1)]))
    book.take(depth(14, 14))
    assert not book.load(snapshot(12, bids, [(2101, 1)]), 100)
    assert (book.proven, book.update_id) == (True, 14)


# --- Bybit


def book_frame(
    kind: str, u: int, *, seq: int = 0, bids: Sequence[Any] = (), asks: Sequence[Any] = (), levels: int = 50
) -> Any:
    data = {
        "s": "X",
        "u": u,
        "seq": seq or u,
        "b": [[str(p), str(s)] for p, s in bids],
        "a": [[str(p), str(s)] for p, s in asks],
    }
    return bybit.change_of(
        json.dumps({"topic": f"orderbook.{levels}.X", "type": kind, "ts": 9, "cts": 7, "data": data}).encode()
    )


def subscribed(u: int = 10) -> BybitBook:
    book = BybitBook()
    assert not book.wants_snapshot, "it comes by itself"
    book.take(book_frame("delta", u - 1, bids=[(5, 5)]))
    assert taken(book) is None, "no change without a snapshot"
    book.take(book_frame("snapshot", u, bids=[(9, 1)], asks=[(11, 1)]))
    return book


def steps(book: BybitBook, *numbers: tuple[int, int]) -> Iterator[str]:
    for u, seq in numbers:
        book.take(book_frame("delta", u, seq=seq))
        yield book.why


def test_frames_of_bybit_follow_one_by_one() -> None:
    assert list(steps(subscribed(10), (11, 20), (12, 35), (12, 35), (11, 20), (13, 36))) == [""] * 5
    assert list(steps(subscribed(10), (11, 20), (13, 36))) == ["", "hole"]
    assert list(steps(subscribed(10), (11, 20), (5, 40))) == ["", "hole"], "newer by its sequence: numbered anew"


def test_after_a_hole_only_a_snapshot_helps() -> None:
    book = subscribed(10)
    assert list(steps(book, (12, 12), (13, 13))) == ["hole", "hole"]
    assert book.wants_snapshot
    book.take(book_frame("snapshot", 20, bids=[(7, 1)], asks=[(8, 1)]))
    assert (book.proven, best(book)) == (True, (7.0, 8.0))


def test_after_a_cut_only_a_whole_book_helps_for_numbers_may_have_begun_anew_meanwhile() -> None:
    book = subscribed(10)
    book.lose("cut")
    assert not book.wants_snapshot, "a new connection begins with it"
    book.lose("silent")
    assert not book.joins(book_frame("delta", 11))
    assert list(steps(book, (11, 20))) == ["hole"]
    assert book.wants_snapshot
    book.take(book_frame("snapshot", 11, bids=[(7, 1)], asks=[(8, 1)]))
    assert list(steps(book, (12, 21))) == [""]


def test_a_change_of_a_book_that_was_never_told_has_it_asked_for() -> None:
    book = BybitBook()
    book.take(book_frame("delta", 9))
    assert book.wants_snapshot


def test_number_one_begins_anew_whatever_it_is_called() -> None:
    for kind in ("snapshot", "delta"):
        book = subscribed(10)
        book.take(book_frame(kind, 1, bids=[(7, 1)], asks=[(8, 1)]))
        assert (book.proven, book.update_id, best(book)) == (True, 1, (7.0, 8.0))


def test_what_moves_out_of_the_levels_shown_is_not_known_any_more() -> None:
    book = BybitBook()
    book.take(book_frame("snapshot", 5, bids=[(100 - n, 1) for n in range(50)], asks=[(101, 1)]))
    book.take(book_frame("delta", 6, bids=[(100.5, 1)]))
    assert book.ladder is not None
    assert (len(book.ladder.bids), book.ladder.bids.known_to) == (50, 52.0)
    book.take(book_frame("delta", 7, bids=[(100.5, 0), (100, 0)]))
    assert (len(book.ladder.bids), book.ladder.bids.known_to) == (48, 52.0), "there may be more behind the last one"
    assert book.ladder.asks.known_to is None
    book.take(book_frame("delta", 8, bids=[(51, 1), (50, 1)]))
    assert (len(book.ladder.bids), book.ladder.bids.known_to) == (50, 50.0)


def test_a_frame_that_comes_next_says_that_nothing_has_happened_until_then() -> None:
    book = subscribed(10)
    assert book.joins(book_frame("delta", 11))
    assert not book.joins(book_frame("delta", 12))
    assert not book.joins(book_frame("delta", 11, seq=9)), "older by its sequence"
    assert not book.joins(book_frame("snapshot", 1))
    assert not book.joins(book_frame("snapshot", 11)), "whole: it may be numbered anew"
    book.lose("hole")
    assert not book.joins(book_frame("delta", 11))


def test_sizes_of_inverse_contracts_are_told_in_base() -> None:
    book = subscribed(10)
    record = taken(book, BookOwner("bybit-inverse", "BTCUSD", "USD", sized_in_quote=True))
    assert record is not None
    assert (record.bids, record.asks) == ([(9.0, 1 / 9)], [(11.0, 1 / 11)])
    book.take(book_frame("delta", 11, bids=[(10.995, 100), (9, 0)], asks=[(11.005, 50), (11, 0)]))
    record = taken(book, BookOwner("bybit-inverse", "BTCUSD", "USD", sized_in_quote=True))
    assert record is not None
    assert (record.bid_depth_10bps, record.ask_depth_10bps) == (100.0, 50.0)


def test_a_book_without_a_level_on_one_side_gives_no_record() -> None:
    book = subscribed(10)
    book.take(book_frame("delta", 11, asks=[(11, 0)]))
    assert (book.proven, taken(book)) == (True, None)


def test_a_level_on_the_edge_of_a_band_is_within_it() -> None:
    book = BybitBook()
    bids, asks = [(99.99, 1), (99.9, 1), (99.89, 1)], [(100.01, 1), (100.1, 1), (100.11, 1)]
    book.take(book_frame("snapshot", 5, bids=bids, asks=asks))
    record = taken(book)
    assert record is not None
    assert (record.mid, record.spread, record.spread_bps) == (100.0, 0.02, 2.0)
    assert (record.bid_depth_10bps, record.ask_depth_10bps) == (99.99 + 99.9, 100.01 + 100.1)
