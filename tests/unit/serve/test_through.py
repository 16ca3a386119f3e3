"""Reading through: asked once for everybody, kept as long as it is new, the last good answer when there is no other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest

from cryptoproxy.common.asking import NoBudgetError, NoPollerError, Question, Replied, UpstreamFailedError
from cryptoproxy.common.asking.client import DoorClient
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.settings import Settings
from cryptoproxy.serve.upstream.cache import Cache
from cryptoproxy.serve.upstream.seam import NotFetchedError
from cryptoproxy.serve.upstream.through import Through, through_of
from cryptoproxy.upstreams import asked_of
from tests.unit.producer.budget.hand_clock import HandClock

LIST = ("coingecko", "coins/list", {})
PRICE = ("binance", "api/v3/ticker/price", {"symbol": "BTCUSDT"})


class Poller:
    """What the active poller answers: the number of the question, or what ``says`` does."""

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock
        self.asked: list[Question] = []
        self.says: Callable[[], Replied] | None = None

    def ask(self, question: Question, *, seconds: float) -> Replied:
        self.asked.append(question)
        return self.says() if self.says else self.reply(b"%d" % len(self.asked))

    def reply(self, body: bytes, status: int = 200) -> Replied:
        return Replied(status, {"link": "x"}, body, self.clock.now_ms())

    def close(self) -> None: ...

    def fails(self, error: Exception) -> None:
        def say() -> Replied:
            raise error

        self.says = say


class Bench:
    def __init__(self, folder: Path | None = None, **cache: int) -> None:
        self.clock = HandClock()
        self.poller = Poller(self.clock)
        self.cache = Cache(folder, **cache)
        self.through = Through(
            cast("DoorClient", self.poller),
            asked_of(Settings.from_texts({}).upstreams),
            cache=self.cache,
            clock=self.clock,
            seconds=10,
            stale=300,
        )

    def get(self, upstream: str = LIST[0], path: str = LIST[1], params: Any = None) -> Any:
        return self.through.get(upstream, path, params or {})


def test_it_is_asked_for_once_while_it_is_new_in_whatever_order_its_parameters_come() -> None:
    bench = Bench()
    for params in (
        {"ids": "a", "vs_currencies": "usd"},
        {"vs_currencies": "usd", "ids": "a", "x_cg_demo_api_key": "k"},
    ):
        found = bench.get("coingecko", "simple/price", params)
        assert (found.status, found.body, found.stale) == (200, b"1", "")
    bench.clock.turn(20)
    assert bench.get("coingecko", "/simple/price/", {"ids": "a", "vs_currencies": "usd"}).age == 20
    bench.clock.turn(20)
    assert bench.get("coingecko", "simple/price", {"ids": "a", "vs_currencies": "usd"}).body == b"2"
    assert bench.get("coingecko", "simple/price", {"ids": "b", "vs_currencies": "usd"}).body == b"3"


def test_a_thousand_identical_questions_at_once_are_one() -> None:
    bench, begun, go = Bench(), threading.Event(), threading.Event()

    def say() -> Replied:
        begun.set()
        assert go.wait(60)
        return bench.poller.reply(b"[]")

    bench.poller.says = say
    with ThreadPoolExecutor(100) as pool:
        futures = [pool.submit(bench.get) for _ in range(1000)]
        assert begun.wait(60)
        go.set()
        assert {each.result().body for each in futures} == {b"[]"}
    assert len(bench.poller.asked) == 1


@pytest.mark.parametrize(
    "error", [NoBudgetError("none", retry_after=40), UpstreamFailedError("503"), NoPollerError("-")]
)
def test_the_last_good_answer_is_given_and_marked_within_a_limit(error: Exception) -> None:
    bench = Bench()
    bench.get(*PRICE)
    bench.poller.fails(error)
    bench.clock.turn(200)
    found = bench.get(*PRICE)
    assert (found.body, found.age) == (b"1", 200)
    assert found.stale
    bench.clock.turn(101)
    with pytest.raises(NotFetchedError) as refused:
        bench.get(*PRICE)
    assert refused.value.limited == isinstance(error, NoBudgetError)
    assert refused.value.retry_after == error.retry_after  # type: ignore[attr-defined]
    bench.poller.says = None
    bench.clock.turn(3)
    assert bench.get(*PRICE).stale == ""


def test_a_list_that_changes_seldom_may_be_older() -> None:
    bench = Bench()
    bench.get()
    bench.poller.fails(UpstreamFailedError("503"))
    bench.clock.turn(2 * 86_400)
    assert bench.get().stale


@pytest.mark.parametrize("path", ["simple/price", "coins/markets", "coins/bitcoin"])
def test_prices_are_never_older_than_that(path: str) -> None:
    bench = Bench()
    bench.get("coingecko", path, {})
    bench.poller.fails(UpstreamFailedError("503"))
    bench.clock.turn(299)
    assert bench.get("coingecko", path, {}).stale
    bench.clock.turn(3)
    with pytest.raises(NotFetchedError):
        bench.get("coingecko", path, {})


def test_what_has_just_failed_is_not_asked_again_at_once() -> None:
    bench = Bench()
    bench.poller.fails(UpstreamFailedError("503"))
    for _ in range(5):
        with pytest.raises(NotFetchedError):
            bench.get()
    assert len(bench.poller.asked) == 1
    bench.clock.turn(2.5)
    bench.poller.says = None
    assert bench.get().status == 200


def test_a_refusal_of_the_question_is_an_answer_for_a_moment_and_never_a_stale_one() -> None:
    bench = Bench()
    bench.poller.says = lambda: bench.poller.reply(b'{"error":"coin not found"}', 404)
    for _ in range(3):
        assert bench.get("coingecko", "coins/nope").status == 404
    assert len(bench.poller.asked) == 1
    bench.clock.turn(15)
    bench.poller.fails(UpstreamFailedError("503"))
    with pytest.raises(NotFetchedError):
        bench.get("coingecko", "coins/nope")


def test_what_no_table_names_is_not_asked_for() -> None:
    bench = Bench()
    for question in (("binance", "api/v3/account"), ("kraken", "x"), ("coingecko", "coins/../x")):
        with pytest.raises(NotFetchedError) as refused:
            bench.get(*question)
        assert refused.value.unknown
    assert bench.poller.asked == []


def test_what_is_dear_outlives_a_restart_and_is_there_for_other_doors(tmp_path: Path) -> None:
    first, second = Bench(tmp_path), Bench(tmp_path)
    assert first.get().body == b"1"
    assert second.get().body == b"1"
    assert second.poller.asked == []
    for bench in (first, second):
        bench.clock.turn(86_400)
    first.poller.says = lambda: first.poller.reply(b"newer")
    assert first.get().body == b"newer"
    assert second.get().body == b"newer", "the newer one, though it has one itself"
    assert second.poller.asked == []
    first.get(*PRICE)
    assert second.get(*PRICE).body == b"1", "what is not dear is asked for"
    assert len(second.poller.asked) == 1


def test_a_damaged_file_is_asked_for_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Bench(tmp_path).get()
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    for content in (b"", whole[:20], b"garbage" * 10):
        file.write_bytes(content)
        bench = Bench(tmp_path)
        assert bench.get().body == b"1"
        assert len(bench.poller.asked) == 1
    assert "asked for anew" in caplog.text


def test_a_folder_that_cannot_be_written_costs_no_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    assert Bench(tmp_path / "file" / "below").get().body == b"1"
    assert "cannot be written" in caplog.text


def test_memory_and_disk_are_bounded(tmp_path: Path) -> None:
    bench = Bench(tmp_path, memory_bytes=10_000, disk_bytes=2_000)
    for number in range(120):
        bench.get("coingecko", f"coins/{number}")
        assert bench.cache._held <= 10_000
    assert sum(each.stat().st_size for each in tmp_path.iterdir()) < 20_000
    assert bench.get("coingecko", "coins/119").body == b"120"


def test_it_can_be_switched_off() -> None:
    assert through_of(Settings.from_texts({"READ_THROUGH": "off"}), SystemClock()) is None
