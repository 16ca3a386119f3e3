"""Live polls have the right of way: in the budget, in connections and in threads, whatever becomes of what others ask.

The clock stands while anything is done, so that a slot is missed by what stands in the way and never by a slow machine.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cryptoproxy.common.asking import AskError, Question, Replied
from cryptoproxy.producer.asking.desk import AT_ONCE
from cryptoproxy.producer.feeds.fetch import Fetcher
from cryptoproxy.producer.feeds.poll import PollOnce
from cryptoproxy.producer.planning import intervals_of
from cryptoproxy.sandbox import Rule, Sandbox
from cryptoproxy.upstreams import sources_of
from tests.unit.producer.asking.test_desk import Bench
from tests.unit.producer.budget.hand_clock import HandClock

SLOTS, QUESTIONS = 90, AT_ONCE
"""Of a second each, and of others in each of them: together more than the budget of a minute holds."""


@pytest.mark.parametrize(
    "rule",
    [{}, {"hold": True}, {"status": 503}, {"rewrite": lambda _: b"<html>"}, {"lose_answer": True}],
    ids=["good", "slow", "503", "garbage", "no answer"],
)
def test_live_polls_miss_no_slot_whatever_others_ask_of_the_same_upstream(tmp_path: Path, rule: dict[str, Any]) -> None:
    clock = HandClock()
    with Sandbox(coins=20, clock=clock) as sandbox, ThreadPoolExecutor(40) as pool:
        undated = {"Date": None}  # it would be of the machine's clock, which does not stand
        sandbox.add(Rule(path="/binance/api/v3/klines", name="bad", headers=undated, **rule))
        sandbox.add(Rule(path=".*", headers=undated))
        made = Bench(
            sandbox, tmp_path, clock, SOURCES="binance", BINANCE_SYMBOLS="BTCUSDT,ETHUSDT", BINANCE_INTERVAL="1",
            BINANCE_WEIGHT_PER_MINUTE="300",
        )  # fmt: skip
        upstreams = made.settings.upstreams
        (source,) = sources_of(upstreams)
        assert intervals_of(upstreams, [source], made.budgets) == {"binance": 1.0}
        live = PollOnce(
            source, budget=made.budgets["binance"], get=Fetcher().get, clock=clock, metrics=made.metrics, timeout=60
        )
        asked: list[Future[Replied]] = []
        for number in range(SLOTS):
            for other in range(QUESTIONS):
                bars = {"symbol": "BTCUSDT", "interval": "1h", "limit": str(1 + number * QUESTIONS + other)}
                asked.append(pool.submit(made.ask, Question.of("binance", "api/v3/klines", bars), seconds=2))
            if number == 0:
                assert sandbox.script.wait_fired(1, "bad", timeout=60)
            slot_ms = clock.now_ms()
            assert live.poll(slot_ms, slot_ms + 1000, lambda _: False, interval_ms=1000).records == 2
            clock.turn(1)
        made.active = False  # who still waits for the budget waits no more
        sandbox.script.clear("bad")
        errors = [each.exception() for each in asked]
    assert all(each is None or isinstance(each, AskError) for each in errors)
    assert len({type(each) for each in errors}) > 1, "more was asked than there was room for"
    assert live.calls == SLOTS
