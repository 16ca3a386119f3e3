"""Trades and books of Binance that the topics bring, asked for by REST: what the upstream answers, or nothing of it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from cryptoproxy.datasets import BOOK, TRADE, from_iso, iso
from cryptoproxy.serve.road import flow as module
from tests.unit.serve.conftest import NOW_MS, Road
from tests.unit.serve.streaming import book, of, told_books, told_trades, trade

Make = Callable[..., Road]
TRADES, DEPTH = "/binance/api/v3/aggTrades?symbol=BTCUSDT", "/binance/api/v3/depth?symbol=BTCUSDT"


@pytest.fixture
def door(road: Make) -> Road:
    """The road has had the last 1,000 trades."""
    made = road(polled=False, through=True)
    made.station.take(told_trades(made))
    return made


def numbers(road: Road, path: str) -> list[int]:
    return [row["a"] for row in road.get(path).json()]


class TestTrades:
    @pytest.mark.parametrize(
        "asked",
        [
            "", "&limit=1", "&limit=1000", "&limit=4000", "&fromId={number}", "&fromId={number}&limit=7",
            "&startTime={ms}", "&startTime={ms}&endTime={until}", "&startTime={ms}&limit=3", "&endTime={until}&limit=9",
            "&startTime={until}&endTime={ms}",
        ],
    )  # fmt: skip
    def test_they_are_told_as_the_upstream_tells_them(self, door: Road, asked: str) -> None:
        rows = door.theirs("binance", "api/v3/aggTrades?symbol=BTCUSDT&limit=1000").json()
        asked = asked.format(number=rows[300]["a"], ms=rows[300]["T"], until=rows[310]["T"])
        found = door.get(TRADES + asked)
        assert found.headers["X-Data-Source"] == "road/binance"
        assert found.json() == door.theirs("binance", f"api/v3/aggTrades?symbol=BTCUSDT{asked}").json()

    @pytest.mark.parametrize("asked", ["&fromId=1", "&startTime=1", "&startTime=1&endTime={ms}", "&limit=0",
                                       "&fromId=7&startTime=7", "&endTime={ms}&limit=1000"])  # fmt: skip
    def test_what_reaches_back_further_or_is_wrong_is_the_upstreams_matter(self, door: Road, asked: str) -> None:
        begin = door.theirs("binance", "api/v3/aggTrades?symbol=BTCUSDT&limit=1000").json()[5]["T"]
        asked = asked.format(ms=begin)
        found, theirs = door.get(TRADES + asked), door.theirs("binance", f"api/v3/aggTrades?symbol=BTCUSDT{asked}")
        assert found.headers["X-Data-Source"] != "road/binance"
        assert (found.status_code, found.json()) == (theirs.status_code, theirs.json())

    def test_they_are_as_old_as_the_last_of_them_and_not_told_when_that_is_old(self, door: Road) -> None:
        door.clock.ms += 4_000
        found = door.get(f"{TRADES}&limit=5")
        assert (found.headers["Age"], from_iso(found.headers["X-Data-As-Of"])) == ("4", found.json()[-1]["T"])
        door.clock.ms += 8_000
        assert door.get(f"{TRADES}&limit=5").headers["X-Data-Source"] == "through/binance"

    def test_how_old_they_may_be_is_set(self, road: Make) -> None:
        door = road(polled=False, SERVE_MAX_AGES="trade=1m")
        door.station.take(of(door, TRADE, trade(1)))
        for seconds, status in ((30, 200), (40, 503)):
            door.clock.ms += seconds * 1000
            assert door.get(f"{TRADES}&limit=1").status_code == status

    def test_what_is_missing_is_missed_until_it_is_brought(self, road: Make) -> None:
        door = road(polled=False)
        door.station.take(of(door, TRADE, trade(1), trade(2), trade(4), trade(5)))
        assert numbers(door, f"{TRADES}&limit=2") == [4, 5]
        assert door.get(f"{TRADES}&limit=3").status_code == 404
        door.station.take(of(door, TRADE, trade(3), trade(3)))
        assert numbers(door, f"{TRADES}&limit=5") == [1, 2, 3, 4, 5]
        door.station.take(of(door, TRADE, trade(6)))
        assert numbers(door, f"{TRADES}&limit=2") == [5, 6]

    def test_history_and_what_others_wrote_are_none_of_the_newest(self, road: Make) -> None:
        door = road(polled=False)
        old = iso(NOW_MS - 86_400_000)
        door.station.take(of(door, TRADE, trade(8), trade(9, trade_id="other"), trade(9)))
        door.station.take(of(door, TRADE, *(trade(n, timestamp=old) for n in range(7))))
        door.station.take([each._replace(value=b"{}") for each in of(door, TRADE, trade(7))])
        assert numbers(door, f"{TRADES}&limit=2") == [8, 9]
        assert door.get(f"{TRADES}&limit=3").status_code == 404

    def test_of_many_pairs_each_has_its_share(self, road: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "ALL_KEPT", 6)
        door = road(polled=False)
        for symbol in ("BTCUSDT", "ETHUSDT", "BTCUSDT"):
            door.station.take(of(door, TRADE, *(trade(n, symbol=symbol) for n in range(1, 6))))
        assert numbers(door, f"{TRADES}&limit=3") == [3, 4, 5]
        assert door.get(f"{TRADES}&limit=4").status_code == 404


class TestBooks:
    def test_as_many_levels_as_the_slot_has_are_told(self, road: Make) -> None:
        door = road(polled=False)
        many = [(100.0 - n, 1.0) for n in range(20)], [(101.0 + n, 2.0) for n in range(20)]
        full = msgspec.structs.replace(
            book(NOW_MS - 1000), bids=many[0], asks=many[1], bid_price=100.0, ask_price=101.0, bids_known_to=80.0
        )
        door.station.take(of(door, BOOK, full))
        found = door.get(f"{DEPTH}&limit=20")
        assert (found.headers["X-Data-Source"], found.headers["Age"]) == ("road/binance", "0")
        told = found.json()
        assert (told["lastUpdateId"], len(told["bids"]), told["asks"][19]) == (
            50093239224, 20, ["120.00000000", "2.00000000"],
        )  # fmt: skip
        assert len(door.get(f"{DEPTH}&limit=5").json()["asks"]) == 5
        for asked in ("&limit=21", "", "&limit=0", "&limit=5&x=1"):
            assert door.get(DEPTH + asked).status_code in (400, 404)
        door.clock.ms += 60_000
        assert door.get(f"{DEPTH}&limit=5").status_code == 503, "it is old"

    def test_fewer_levels_are_a_whole_book_only_where_there_are_no_more(self, road: Make) -> None:
        door = road(polled=False)
        door.station.take(of(door, BOOK, book(NOW_MS - 1000)))
        assert door.get(f"{DEPTH}&limit=2").status_code == 200
        assert door.get(f"{DEPTH}&limit=5").status_code == 404, "its bids are known to a price, and are two"
        whole = msgspec.structs.replace(book(NOW_MS), bids_known_to=None, asks_known_to=None)
        door.station.take(of(door, BOOK, whole))
        assert len(door.get(f"{DEPTH}&limit=5").json()["bids"]) == 2

    def test_the_few_levels_of_a_slot_have_no_snapshot_of_a_live_book_asked_for(self, road: Make) -> None:
        door = road(polled=False, through=True)
        door.station.take_live(told_books(door))
        door.station.take(of(door, BOOK, book(NOW_MS)))
        assert len(door.get(f"{DEPTH}&limit=2").json()["bids"]) == 2
        assert door.through is not None
        assert door.through.asked == []
        assert len(door.get(f"{DEPTH}&limit=50").json()["bids"]) == 50
        assert door.through.asked == ["binance/api/v3/depth"]


class TestUsedWeight:
    """Clients that slow down by it read it of each answer."""

    def test_it_counts_what_was_asked_upstream_in_this_minute(self, road: Make) -> None:
        door = road(through=True)
        price = "/binance/api/v3/ticker/price?symbol=BTCUSDT"

        def used(path: str) -> str:
            door.clock.ms += 1_000
            return door.get(path).headers["X-MBX-USED-WEIGHT-1M"]

        assert [used(price), used("/binance/api/v3/exchangeInfo"), used(price)] == ["0", "20", "20"]
        assert used(f"{DEPTH}&limit=500") == "45"
        assert used("/binance/api/v3/ticker/24hr?symbol=NOTHING") == "45", "refusals say so, too"
        door.clock.ms += 60_000
        assert used(price) == "0"
        assert "X-MBX-USED-WEIGHT-1M" not in door.get("/bybit/v5/market/time").headers
