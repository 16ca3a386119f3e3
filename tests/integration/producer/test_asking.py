"""The one door on real engines: doors and commands ask through the active poller, live polls miss nothing, and the
upstream is never asked for more than the one budget; what polls were answered stands on the topic of answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from cryptoproxy.common.asking import NoBudgetError, Question
from cryptoproxy.common.asking.client import DoorClient
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.errors import CryptoProxyError
from cryptoproxy.producer.alone.crawling import Crawl
from cryptoproxy.producer.asking.desk import AT_ONCE
from cryptoproxy.sandbox import Sandbox
from cryptoproxy.sandbox.rules.request import Rule
from cryptoproxy.serve.upstream.seam import Fetched, NotFetchedError
from cryptoproxy.serve.upstream.through import Through, through_of
from tests.conftest import wait_until
from tests.faults import evidence
from tests.faults.process import PollerProcess
from tests.integration.conftest import World

LIST = "/coingecko/api/v3/coins/list"
PAIRS, BARS = "api/v3/exchangeInfo", "api/v3/klines"


@pytest.fixture
def asked(world: World, upstream: Sandbox, tmp_path: Path) -> World:
    world.texts |= {
        "SOURCES": "binance",
        "BINANCE_SYMBOLS": "BTCUSDT,ETHUSDT",
        "BINANCE_INTERVAL": "3",  # so long has an answer time: a busy machine may need more than a second
        "BYBIT_BASE_URL": upstream.base_url("bybit"),
        "READ_THROUGH_DIR": str(tmp_path / "read-through"),
    }
    world.set_up()
    return world


@pytest.fixture
def doors(asked: World, tmp_path: Path) -> Iterator[Callable[[], Through]]:
    """Each as a process of its own has it, with a cache of its own."""
    made: list[Through] = []

    def door() -> Through:
        asked.texts["READ_THROUGH_DIR"] = str(tmp_path / f"door-{len(made)}")
        through = through_of(asked.settings, SystemClock())
        assert through is not None
        made.append(through)
        return through

    yield door
    for each in made:
        each.close()


@pytest.fixture
def poller(asked: World, tmp_path: Path) -> Iterator[PollerProcess]:
    running = PollerProcess("active", tmp_path, asked.texts)
    try:
        yield running
    finally:
        running.kill()
        running.close()


def ready(through: Through) -> None:
    """Its poller has told where it is."""

    def answered() -> bool:
        try:
            return through.get("bybit", "v5/market/time", {}).status == 200
        except NotFetchedError:
            return False

    wait_until(answered, what="an active poller that can be asked")


def bars(number: int) -> dict[str, str]:
    return {"symbol": "BTCUSDT", "interval": "1h", "limit": str(1 + number)}


def calls(sandbox: Sandbox, path: str) -> int:
    return sum(path in each.target for each in sandbox.ledger.entries())


def test_two_doors_and_a_thousand_questions_are_one_call_while_live_polls_miss_none(
    poller: PollerProcess, doors: Callable[[], Through], upstream: Sandbox
) -> None:
    first, second = doors(), doors()
    ready(first), ready(second)
    upstream.script.add(Rule(path=LIST, hold=True, name="held"))
    upstream.script.add(Rule(path=BARS, hold=True, name="slow"))
    with ThreadPoolExecutor(64) as pool:
        slow = [pool.submit(first.get, "binance", BARS, bars(number)) for number in range(2 * AT_ONCE)]
        assert upstream.script.wait_fired(AT_ONCE, "slow", timeout=60)
        asked = [pool.submit((first, second)[n % 2].get, "coingecko", "coins/list", {}) for n in range(1000)]
        assert upstream.script.wait_fired(1, "held", timeout=60)
        poller.wait_polls(2)  # of the upstream at which as many questions of others wait as may
        upstream.script.clear("held")
        upstream.script.clear("slow")
        assert all(isinstance(each.exception(), NotFetchedError | None) for each in slow)
        bodies = {each.result().body for each in asked}
    assert len(bodies) == 1
    assert calls(upstream, LIST) == 1
    for number, rule in enumerate((Rule(path=PAIRS, status=503), Rule(path=PAIRS, rewrite=lambda body: body[:40]))):
        upstream.script.add(replace(rule, name="bad"))
        with pytest.raises(NotFetchedError):
            first.get("binance", PAIRS, {"permissions": str(number)})
        upstream.script.clear("bad")
    upstream.script.add(Rule(path="/coingecko/api/v3/global", status=429, retry_after=30))
    with pytest.raises(NotFetchedError) as refused:
        second.get("coingecko", "global", {})
    assert refused.value.limited
    assert 20 < (refused.value.retry_after or 0) <= 60
    poller.wait_polls(2)
    # What a slow machine misses; where the clock stands none is missed (tests/unit/producer/asking/test_right_of_way.py).
    missed = {labels["reason"] for labels, count in poller.samples("slots_missed") if count}
    assert missed <= {"busy", "late"}, poller.log[-3000:]


def test_a_handover_in_mid_call_gives_the_question_to_the_successor(
    asked: World, doors: Callable[[], Through], upstream: Sandbox, tmp_path: Path
) -> None:
    first = PollerProcess("first", tmp_path, asked.texts)
    second: PollerProcess | None = None
    through = doors()
    try:
        ready(through)
        second = PollerProcess("second", tmp_path, asked.texts | {"OUTBOX_DIR": str(tmp_path / "another")})
        upstream.script.add(Rule(path=LIST, nth=1, hold=True, name="held"))
        with ThreadPoolExecutor(1) as pool:
            question = pool.submit(through.get, "coingecko", "coins/list", {})
            assert upstream.script.wait_fired(1, "held", timeout=60)
            first.kill()
            with pytest.raises(NotFetchedError):
                question.result(timeout=60)
        upstream.script.clear("held")

        def found() -> Fetched | None:
            try:
                return through.get("coingecko", "coins/list", {})
            except NotFetchedError:
                return None

        assert wait_until(found, what="an answer by the successor").status == 200
        assert second.polls()
    finally:
        for each in filter(None, (first, second)):
            each.kill()
            each.close()
    assert calls(upstream, LIST) == 2


def test_the_upstream_is_never_asked_for_more_than_the_one_budget(
    asked: World, doors: Callable[[], Through], upstream: Sandbox, tmp_path: Path
) -> None:
    asked.texts |= {
        "SOURCES": "coingecko",
        "COINGECKO_CALLS_PER_MINUTE": "12",
        "COINGECKO_INTERVAL": "30",
        "READ_THROUGH_SHARE": "100",
    }
    poller = PollerProcess("active", tmp_path, asked.texts)
    first, second = doors(), doors()
    client = DoorClient(asked.settings.kafka, asked.settings.asking)
    try:
        ready(first), ready(second)
        refused: list[NotFetchedError] = []
        for number in range(30):
            try:
                (first, second)[number % 2].get("coingecko", f"coins/{number}", {})
            except NotFetchedError as error:
                refused.append(error)
        assert len(refused) >= 30 - 12
        assert all(each.limited and 0 < (each.retry_after or 0) <= 62 for each in refused)
        with pytest.raises(NoBudgetError):
            client.ask(Question.of("coingecko", "coins/list", {}), priority="history", seconds=0.5)
        assert not poller.said("no budget left")
    finally:
        client.close()
        poller.kill()
        poller.close()
    assert 0 < calls(upstream, "/coingecko/") <= 12


def test_crawl_asks_through_the_active_poller_of_its_folder(
    asked: World, poller: PollerProcess, doors: Callable[[], Through], tmp_path: Path, upstream: Sandbox
) -> None:
    ready(doors())
    asked.texts["OUTBOX_DIR"] = str(poller.outbox)
    crawl = Crawl(asked.settings, ("coingecko", "binance"), ("binance.candle-1h=1d",), ("BTCUSDT",), form="csv")
    found = crawl.run(tmp_path / "out")
    assert found.whole, found.lines
    assert {each.stem for each in (tmp_path / "out").iterdir()} == {
        "coingecko", "binance", "binance.candle-1h-history",
    }  # fmt: skip
    assert poller.metric("asked", upstream="binance", outcome="answered") >= 2


def test_what_polls_were_answered_stands_on_its_topic_as_it_came(
    asked: World, poller: PollerProcess, upstream: Sandbox
) -> None:
    topic = asked.settings.kafka.answers_topic

    def on_topic() -> list[evidence.Found] | None:
        try:
            return evidence.on_topic(asked.settings, topic) or None
        except CryptoProxyError:
            return None

    record = wait_until(on_topic, what="an answer on the topic")[0]
    question = Question.from_key(record.key.decode())
    assert (question.upstream, question.path) == ("binance", "api/v3/ticker/24hr")
    assert dict(question.params) == {"symbols": '["BTCUSDT","ETHUSDT"]'}
    bodies = {each.body for each in upstream.ledger.entries()}
    assert record.value in bodies
