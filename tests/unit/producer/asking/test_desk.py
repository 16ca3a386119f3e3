"""The desk: what others ask, against a sandbox: once for all who ask at once, within what is left, refusals told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cryptoproxy.common.asking import (
    NoBudgetError,
    NoPollerError,
    NotAllowedError,
    Question,
    Replied,
    UpstreamFailedError,
)
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.settings import Settings
from cryptoproxy.producer.asking.desk import Desk
from cryptoproxy.producer.budget import Budget
from cryptoproxy.producer.planning import budgets_of
from cryptoproxy.sandbox import Rule, Sandbox
from cryptoproxy.upstreams import asked_of
from cryptoproxy.upstreams.base import Priority
from tests.conftest import wait_until
from tests.unit.producer.fakes import Metrics

KLINES = Question.of("binance", "api/v3/klines", {"symbol": "BTCUSDT", "interval": "1h", "limit": "3"})


class Bench:
    def __init__(self, sandbox: Sandbox, folder: Path, clock: SystemClock | None = None, **texts: str) -> None:
        self.settings = Settings.from_texts(
            {
                "COINGECKO_BASE_URL": sandbox.base_url("coingecko"),
                "BINANCE_BASE_URL": sandbox.base_url("binance"),
                "BYBIT_BASE_URL": sandbox.base_url("bybit"),
                "OUTBOX_DIR": str(folder),
                **texts,
            }
        )
        clock = clock or SystemClock()
        self.metrics = Metrics()
        self.active = True
        self.budgets: dict[str, Budget] = budgets_of(
            self.settings.upstreams, folder, clock=clock, share=self.settings.asking.share
        )
        self.desk = Desk(
            asked_of(self.settings.upstreams),
            self.budgets,
            may_poll=lambda: self.active,
            stopped=threading.Event().wait,
            metrics=self.metrics,
            clock=clock,
            timeout=10,
        )

    def ask(self, question: Question = KLINES, *, priority: str = "read-through", seconds: float = 30) -> Replied:
        return self.desk.ask(question, priority=priority, seconds=seconds)


@pytest.fixture
def bench(sandbox: Sandbox, tmp_path: Path) -> Callable[..., Bench]:
    return lambda **texts: Bench(sandbox, tmp_path, **texts)


def test_an_answer_is_the_upstreams_own_and_counts_in_the_one_budget(
    bench: Callable[..., Bench], sandbox: Sandbox
) -> None:
    made = bench()
    before = made.budgets["binance"].left()["minute"]
    replied = made.ask()
    assert replied.status == 200
    assert len(msgspec.json.decode(replied.body)) == 3
    assert replied.body == sandbox.ledger.entries()[-1].body
    assert abs(replied.fetched_at_ms - SystemClock().now_ms()) < 60_000
    assert before - made.budgets["binance"].left()["minute"] == 2


class Still(SystemClock):
    """Between two of its seconds: what is asked meanwhile is asked at once, on however slow a machine."""

    def monotonic(self) -> float:
        return 1e6


def test_a_thousand_identical_questions_at_once_are_one_call(bench: Callable[..., Bench], sandbox: Sandbox) -> None:
    made = bench(clock=Still())
    sandbox.script.add(Rule(path="/binance/api/v3/klines", hold=True, name="held"))
    with ThreadPoolExecutor(50) as pool:
        asked = [pool.submit(made.ask) for _ in range(1000)]
        assert sandbox.script.wait_fired(1, "held", timeout=60)
        sandbox.script.clear("held")
        bodies = {each.result().body for each in asked}
    assert len(bodies) == len(sandbox.ledger) == 1
    assert made.metrics.value("asked_total", upstream="binance", outcome="shared") == 999


def test_what_was_answered_a_while_ago_is_asked_again(bench: Callable[..., Bench], sandbox: Sandbox) -> None:
    made = bench()
    made.ask(Question.of("bybit", "v5/market/time", {}))  # is never the same
    made.ask(Question.of("bybit", "v5/market/time", {}))
    assert len(sandbox.ledger) == 2


def test_an_unknown_symbol_is_an_answer_and_not_a_reason_to_leave_the_upstream_alone(
    bench: Callable[..., Bench], sandbox: Sandbox
) -> None:
    made = bench()
    unknown = Question.of("binance", "api/v3/klines", {"symbol": "NOPE", "interval": "1h"})
    for _ in range(2):
        replied = made.ask(unknown)
        assert replied.status == 400
        assert b"-1121" in replied.body
    assert made.ask().status == 200
    assert made.ask(Question.of("coingecko", "coins/nope", {})).status == 404
    bybit = Question.of("bybit", "v5/market/kline", {"category": "spot", "symbol": "NOPE", "interval": "60"})
    assert b'"retCode":0' not in made.ask(bybit).body.replace(b" ", b"")


@pytest.mark.parametrize(
    "question",
    [
        Question.of("binance", "api/v3/account", {}),
        Question.of("binance", "api/v3/../../sapi/v1/x", {}),
        Question.of("binance", "sapi/v1/system/status", {}),
        Question.of("coingecko", "coins/../ping", {}),
        Question.of("coingecko", "coins/a\r\nb", {}),
        Question.of("coingecko", "coins/%2e%2e/x/y/z", {}),
        Question.of("bybit", "v5/order/create", {}),
        Question.of("kraken", "0/public/Ticker", {}),
        Question.of("coingecko", "simple/price", {"ids": "x" * 20_000}),
    ],
)
def test_what_no_table_names_is_never_sent(bench: Callable[..., Bench], sandbox: Sandbox, question: Question) -> None:
    with pytest.raises(NotAllowedError):
        bench().ask(question)
    assert len(sandbox.ledger) == 0


def test_without_budget_it_says_for_how_long(bench: Callable[..., Bench], sandbox: Sandbox) -> None:
    made = bench(COINGECKO_CALLS_PER_MINUTE="5")
    for number in range(2):  # a half of the four that may be planned
        assert made.ask(Question.of("coingecko", f"coins/{('bitcoin', 'ethereum')[number]}", {})).status == 200
    with pytest.raises(NoBudgetError) as refused:
        made.ask(Question.of("coingecko", "coins/list", {}), seconds=1)
    assert 1 < (refused.value.retry_after or 0) <= 62
    assert made.ask(Question.of("coingecko", "coins/list", {}), priority="history").status == 200, "it comes first"
    assert made.budgets["coingecko"].take(1) == 0.0, "live polls have what was kept for them"
    assert made.metrics.value("asked_total", upstream="coingecko", outcome="budget") == 1


@pytest.mark.parametrize("status", [429, 418])
def test_a_refusal_holds_for_all_and_live_polls_are_first_after_it(
    bench: Callable[..., Bench], sandbox: Sandbox, status: int
) -> None:
    made = bench()
    sandbox.script.add(Rule(path="/binance/", status=status, retry_after=30, nth=1))
    for _ in range(2):
        with pytest.raises(NoBudgetError) as refused:
            made.ask(seconds=1)
        assert (refused.value.retry_after or 0) > 25
    assert (refused.value.retry_after or 0) > 50, "as long again"
    assert made.budgets["binance"].ban_ends_in() > 25
    assert len(sandbox.ledger) == 1
    assert made.ask(Question.of("bybit", "v5/market/time", {})).status == 200


@pytest.mark.parametrize(
    ("page", "rests"),
    [(b"<html><title>Soon</title></html>", False), (b"<html><title>Just a moment...</title></html>", True)],
    ids=["a page", "a challenge"],
)
def test_a_page_on_one_path_is_no_gate_before_all_of_them(
    bench: Callable[..., Bench], sandbox: Sandbox, page: bytes, rests: bool
) -> None:
    made = bench()
    sandbox.script.add(Rule(path="/binance/", nth=1, rewrite=lambda _: page))
    with pytest.raises((UpstreamFailedError, NoBudgetError)):
        made.ask()
    assert (made.budgets["binance"].ban_ends_in() > 0) == rests


@pytest.mark.parametrize(
    "rule",
    [{"status": 503}, {"delay": 30}, {"rewrite": lambda body: body[:50]}, {"status": 302}, {"lose_answer": True}],
    ids=["503", "late", "cut", "302", "no answer"],
)
def test_an_upstream_that_fails_is_said_to_and_asked_again_by_the_next(
    bench: Callable[..., Bench], sandbox: Sandbox, rule: dict[str, Any]
) -> None:
    made = bench()
    sandbox.script.add(Rule(path="/binance/", nth=1, **rule))
    with pytest.raises(UpstreamFailedError):
        made.ask(seconds=1.0 if "delay" in rule else 30)
    assert made.ask().status == 200


def test_who_does_not_poll_asks_nothing_and_says_so(bench: Callable[..., Bench], sandbox: Sandbox) -> None:
    made = bench()
    made.active = False
    with pytest.raises(NoPollerError):
        made.ask()
    assert len(sandbox.ledger) == 0


def test_a_handover_in_mid_wait_sends_nothing_any_more(bench: Callable[..., Bench], sandbox: Sandbox) -> None:
    made = bench(COINGECKO_CALLS_PER_MINUTE="1")
    assert made.budgets["coingecko"].take(1) == 0.0
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(made.ask, Question.of("coingecko", "coins/list", {}), seconds=250)
        wait_until(lambda: made.desk._under_way, what="a question that waits")
        made.active = False
        with pytest.raises((NoPollerError, NoBudgetError)):
            asked.result(timeout=60)
    assert len(sandbox.ledger) == 0


def test_our_key_is_sent_and_never_told(bench: Callable[..., Bench], sandbox: Sandbox) -> None:
    made = bench(COINGECKO_PLAN="demo", COINGECKO_API_KEY="CG-a-secret-key")
    sandbox.script.add(Rule(path="/coingecko/", rewrite=lambda _: b'{"error":"bad key CG-a-secret-key"}', status=401))
    replied = made.ask(Question.of("coingecko", "coins/list", {"x_cg_demo_api_key": "theirs"}))
    assert replied.status == 401
    assert b"CG-a-secret-key" not in replied.body
    assert "theirs" not in sandbox.ledger.entries()[-1].target


def test_read_through_has_its_share_and_history_comes_before_it(tmp_path: Path, sandbox: Sandbox) -> None:
    made = Bench(sandbox, tmp_path, READ_THROUGH_SHARE="0")
    with pytest.raises(NoBudgetError):
        made.ask(seconds=0.5)
    assert made.ask(priority="history").status == 200
    assert Priority.HISTORY < Priority.READ_THROUGH
