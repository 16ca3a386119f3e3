"""What is taken from the topics, and what is passed over."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any, NamedTuple

import msgspec
from kafka import TopicPartition
from prometheus_client import CollectorRegistry

from cryptoproxy.common.asking import Question
from cryptoproxy.common.metrics import ServeMetrics
from cryptoproxy.common.service import Health, Loop
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import TICKER, key
from cryptoproxy.serve.road.follow import Follower, answers_into, tickers_into
from cryptoproxy.serve.road.newest import Newest
from tests.unit.serve.conftest import StandingClock

TEN = msgspec.structs.replace(TICKER.example, name='a "timestamp":"2099-01-01T00:00:00.000Z" in a name')
NEWER = msgspec.structs.replace(TEN, timestamp="2026-11-20T10:01:00.000Z", price=2.0)
OLDER = msgspec.structs.replace(TEN, timestamp="2020-11-20T10:01:00.000Z", price=3.0)


class Record(NamedTuple):
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]] = []  # noqa: RUF012


def of(ticker) -> Record:  # type: ignore[no-untyped-def]
    return Record(key(ticker).encode(), TICKER.codec.encode(ticker))


def test_the_newest_of_each_asset_counts_in_whatever_order_they_come():
    newest = Newest()
    assert tickers_into(newest)([of(TEN), of(NEWER), of(OLDER)]) == 0
    assert newest.ticker("coingecko", "bitcoin", "USD") == NEWER
    assert tickers_into(newest)([of(TEN), of(OLDER)]) == 0
    assert newest.ticker("coingecko", "bitcoin") == NEWER


def test_what_is_no_ticker_is_counted_and_takes_no_place():
    newest = Newest()
    take = tickers_into(newest)
    assert take([of(TEN), Record(b"x", b"{}"), Record(b"y", b"\xff"), Record(None, b"{}"), Record(b"z", None)]) == 2
    assert newest.ticker("coingecko", "bitcoin") == TEN


def test_an_answer_is_found_by_its_call():
    newest = Newest()
    take = answers_into(newest)
    params = {"vs_currency": "usd", "ids": "a,b", "empty": ""}
    for at, body in ((1000, b"[1]"), (3000, b"[3]"), (2000, b"[2]")):
        question = Question.of("coingecko", "coins/markets", params)
        assert take([Record(question.key.encode(), body, [("fetched_at", str(at).encode())])]) == 0
    kept = newest.answer("coingecko", "coins/markets", params)
    assert kept is not None
    assert (kept.body, kept.asked_ms, kept.every_ms, kept.params) == (b"[3]", 3000, 2000, params)


def test_one_answer_alone_tells_how_often_it_is_polled():
    """As after a restart, when nothing else does: what is polled each ten minutes is not late after five."""
    newest = Newest()
    headers = [("fetched_at", b"1000"), ("every_ms", b"600000")]
    assert answers_into(newest)([Record(b"coingecko/global", b"{}", headers)]) == 0
    kept = newest.answer("coingecko", "global", {})
    assert kept is not None
    assert kept.every_ms == 600_000


def test_an_outage_makes_of_a_poll_none_that_is_seldom():
    newest = Newest()
    for at in (0, 60_000, 120_000, 10_000_000):
        newest.take_answer("binance", "api/v3/ticker/24hr", {}, b"[]", at)
    kept = newest.answer("binance", "ticker/24hr", {})
    assert kept is not None
    assert (kept.apart_ms, kept.every_ms) == (9_880_000, 60_000)
    for at in (13_600_000, 17_200_000):
        newest.take_answer("binance", "api/v3/ticker/24hr", {}, b"[]", at)
    kept = newest.answer("binance", "ticker/24hr", {})
    assert kept is not None
    assert kept.every_ms == 3_600_000


def test_paths_stand_below_the_upstreams_base():
    newest = Newest()
    take = answers_into(newest)
    for upstream, path, short in [
        ("binance", "api/v3/ticker/24hr", "ticker/24hr"),
        ("bybit", "v5/market/tickers", "market/tickers"),
        ("coingecko", "coins/a%2Fb/ohlc", "coins/a/b/ohlc"),
    ]:
        assert take([Record(f"{upstream}/{path}".encode(), b"[]", [("fetched_at", b"1")])]) == 0
        assert newest.answer(upstream, short, {}) is not None


def test_what_is_no_answer_is_counted():
    newest = Newest()
    at = [("fetched_at", b"5")]
    strange = [
        Record(None, b"[]", at),
        Record(b"\xff", b"[]", at),
        Record(b"binance/x", None, at),
        Record(b"binance/x", b"[]"),
        Record(b"binance/x", b"[]", [("fetched_at", b"soon")]),
        Record(b"binance/x", b'[{"symbol":"BTCUSDT"},{"sym', at),
    ]
    assert answers_into(newest)(strange) == len(strange)
    assert newest.answers("binance", "x") == []


class Consumer:
    """As much of Kafka's as a follower needs: partitions by topic, each with the numbers of its records."""

    def __init__(self, records: dict[TopicPartition, range], loop: Loop, stop: threading.Event) -> None:
        self._records, self._stop = records, stop
        self.at: dict[TopicPartition, int] = {}

    def topics(self) -> set[str]:
        return {each.topic for each in self._records}

    def partitions_for_topic(self, topic: str) -> set[int]:
        return {each.partition for each in self._records if each.topic == topic}

    def assign(self, partitions: list[TopicPartition]) -> None:
        assert set(partitions) == set(self._records)

    def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {each: self._records[each].stop for each in partitions}

    def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {each: self._records[each].start for each in partitions}

    def offsets_for_times(self, times: dict[TopicPartition, int]) -> dict[TopicPartition, Any]:
        return {each: SimpleNamespace(offset=self._records[each].start) for each in times}

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.at[partition] = offset

    def position(self, partition: TopicPartition) -> int:
        return self.at[partition]

    def poll(self, timeout_ms: int) -> dict[TopicPartition, list[Any]]:
        found = {}
        for each, numbers in self._records.items():
            if self.at[each] < numbers.stop:
                found[each] = [self.record(number) for number in range(self.at[each], numbers.stop)]
                self.at[each] = numbers.stop
        if not found:
            self._stop.set()
        return found

    def record(self, number: int) -> Any:
        return SimpleNamespace(offset=number, value=None, headers=[])

    def close(self, **_: Any) -> None: ...


def followed(*turns: dict[TopicPartition, range], **how: Any) -> list[list[int]]:
    """What is taken by one follower that connects so many times."""
    taken: list[list[int]] = []
    follower: Follower | None = None
    for records in turns:
        stop = threading.Event()
        loop = Loop("streams", stop)
        consumer = Consumer(records, loop, stop)
        if follower is None:
            follower = Follower(
                Settings.from_texts({}).kafka, ["a", "b"], lambda found: taken[-1].extend(each.offset for each in found) or 0,
                what="streams", since_ms=1000, health=Health(), metrics=ServeMetrics(CollectorRegistry()),
                clock=StandingClock(), **how,
            )  # fmt: skip
        follower._connect = lambda consumer=consumer: consumer
        taken.append([])
        follower.run(loop)
    return taken


A, B = TopicPartition("a", 0), TopicPartition("b", 0)


def test_after_a_break_it_goes_on_where_it_was_and_takes_nothing_twice():
    assert followed({A: range(5, 10)}, {A: range(5, 12)}, {A: range(15, 17)}) == [
        [5, 6, 7, 8, 9],
        [10, 11],
        [15, 16],  # what was between them is not kept any more
    ]


def test_what_a_topic_lost_meanwhile_is_told_and_the_end_of_a_transaction_is_none():
    lost: list[Any] = []
    followed({A: range(5, 10)}, {A: range(15, 17)}, lose=lambda *what: lost.append(what))
    assert lost == [("a", 0, 10, 15)]
    lost.clear()

    class Marked(Consumer):
        """One offset of each three is a transaction's end."""

        def poll(self, timeout_ms: int) -> dict[TopicPartition, list[Any]]:
            found = super().poll(timeout_ms)
            return {at: [each for each in records if each.offset % 3] for at, records in found.items()}

    stop = threading.Event()
    follower = Follower(
        Settings.from_texts({}).kafka, ["a"], lambda found: len(list(found)) * 0, what="streams", since_ms=1000,
        health=Health(), metrics=ServeMetrics(CollectorRegistry()), clock=StandingClock(),
        lose=lambda *what: lost.append(what),
    )  # fmt: skip
    for end in (6, 12):
        loop = Loop("streams", stop)
        follower._connect = lambda end=end, loop=loop: Marked({A: range(end)}, loop, stop)
        stop.clear()
        follower.run(loop)
    assert lost == []


def test_a_topic_that_is_made_anew_and_one_that_comes_later_are_read_from_their_begin():
    assert followed({A: range(50, 52)}, {A: range(3), B: range(2)}) == [[50, 51], [0, 1, 2, 0, 1]]


def test_so_many_records_are_read_back_at_most():
    assert followed({A: range(100)}, most=3) == [[97, 98, 99]]


def test_what_is_far_ahead_of_the_clock_takes_no_place_and_a_clock_that_is_slow_is_said():
    """Else each asset of that source would be gone, and each answer to that call old, until somebody starts it anew."""
    ahead = msgspec.structs.replace(TEN, timestamp="2099-01-01T00:00:00.000Z", fetched_at="2099-01-01T00:00:01.000Z")
    answer = SimpleNamespace(offset=0, value=b"[]", headers=[("fetched_at", b"4070908800000")])
    records = [SimpleNamespace(offset=0, value=TICKER.codec.encode(each), headers=[]) for each in (TEN, ahead)]
    for given, taken, is_slow in (
        ([*records, records[0]], [records[0], records[0]], False),
        ([records[1]], [], True),
        ([answer], [], True),
    ):
        health, found = Health(), list[Any]()
        stop = threading.Event()
        loop = Loop("tickers", stop)
        consumer = Consumer({A: range(len(given))}, loop, stop)
        consumer.record = given.__getitem__  # type: ignore[method-assign]
        Follower(
            Settings.from_texts({}).kafka, ["a"], lambda each: found.extend(each) or 0, what="tickers", since_ms=1000,  # noqa: B023
            health=health, metrics=ServeMetrics(CollectorRegistry()), clock=StandingClock(), connect=lambda: consumer,  # noqa: B023
        ).run(loop)  # fmt: skip
        assert found == taken
        assert ("tickers clock" in health.reasons()) == is_slow
