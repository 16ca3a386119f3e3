"""What the upstream does wrong: each fault for a while, then all is well again. One poller goes through all of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from cryptoproxy.sandbox import Rule
from tests.conftest import wait_until
from tests.faults.conftest import Report
from tests.faults.process import PollerProcess
from tests.faults.rig import Engines, Rig

COINGECKO, BINANCE = "/coins/markets", "/ticker/24hr"
OTHER = {"coingecko": "binance", "binance": "coingecko"}
GATE_SECONDS = {
    "cryptoproxy.upstreams.answers.refusals.BLOCKED_SECONDS": 2,
}
"""Really a minute: so long nothing is sent after a gate's 403. The long case below waits for it."""

Running = tuple[Rig, PollerProcess]


@pytest.fixture(scope="module")
def running(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    texts = {"SOURCES": "coingecko,binance", "COINGECKO_INTERVAL": "0.5", "BINANCE_INTERVAL": "0.5"}
    with Rig(engines, tmp_path_factory.mktemp("upstream"), **texts) as rig:
        rig.set_up()
        poller = rig.start(test={"TEST_PATCH": json.dumps(GATE_SECONDS)})
        poller.wait_polls(1, source="coingecko")
        poller.wait_polls(1, source="binance")
        yield rig, poller


@dataclass(frozen=True)
class Fault:
    """What is wrong with one source's answers, and what `/readyz` says of it."""

    name: str
    rule: Rule
    words: tuple[str, ...]
    source: str = "coingecko"
    silent_ms: int = 0
    """So long nothing may be sent to that source's upstream."""


def coingecko(name: str, *words: str, silent_ms: int = 0, **rule: Any) -> Fault:
    return Fault(name, Rule(path=COINGECKO, **rule), words, silent_ms=silent_ms)


def binance(name: str, *words: str, silent_ms: int = 0, **rule: Any) -> Fault:
    return Fault(name, Rule(path=BINANCE, **rule), words, source="binance", silent_ms=silent_ms)


WAITS = "asked us to wait"
FAULTS = (
    coingecko("429_retry_after_seconds", WAITS, silent_ms=2_900, status=429, retry_after=3, times=1),
    coingecko(
        "429_retry_after_date", WAITS, silent_ms=2_900, status=429, retry_after=4, retry_after_date=True, times=1
    ),
    coingecko("429_without_retry_after", "429", status=429),
    binance("418", WAITS, silent_ms=2_900, status=418, retry_after=3, times=1),
    coingecko("403_page_of_coingecko", WAITS, silent_ms=1_900, status=403, times=1),
    binance("403_page_of_binance", WAITS, silent_ms=1_900, status=403, times=1),
    binance(
        "429_without_retry_after_of_binance",
        WAITS,
        "429",
        silent_ms=1_900,
        status=429,
        times=1,
        headers={"Retry-After": None},
    ),
    binance("418_cut_within_its_words", WAITS, silent_ms=2_900, status=418, retry_after=3, cut_after=20, times=1),
    coingecko("firewalls_challenge", WAITS, "gate", silent_ms=1_900, status=202, times=1),
    binance("firewalls_captcha", WAITS, "gate", silent_ms=1_900, status=405, times=1),
    coingecko("page_with_status_200", "not what coingecko speaks", rewrite="html"),
    coingecko("redirect", "COINGECKO_BASE_URL", status=302, headers={"location": "https://elsewhere.example/api"}),
    coingecko("500", "500", status=500),
    binance("503", "503", status=503),
    coingecko("timeout", "did not answer within", hold=True),
    coingecko("connection_cut_within_the_body", "127.0.0.1", cut_after=400),
    binance("connection_reset_within_the_body", "127.0.0.1", cut_after=200, reset=True),
    coingecko("answer_lost", "127.0.0.1", lose_answer=True),
    coingecko("slow_drip", "did not", drip=300),
    coingecko("garbage", "not what coingecko speaks", rewrite="garbage"),
    binance("half_a_document", "not what binance speaks", rewrite="half"),
    coingecko("empty_body", "not what coingecko speaks", rewrite="empty"),
    coingecko("empty_array", "no rows", body="[]"),
    coingecko("key_refused", "COINGECKO_API_KEY", status=401),
    binance(
        "400_retry_after_seconds",
        "BINANCE_BASE_URL",
        silent_ms=2_900,
        status=400,
        retry_after=3,
        times=1,
        body='{"code":-1104,"msg":"Not all sent parameters were read."}',
    ),
    coingecko("date_an_hour_behind_ours", "this clock is", "ahead of", date_shift=-3600),
    binance("date_an_hour_ahead_of_ours", "this clock is", "behind", date_shift=3600),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_nothing_false_is_kept_and_polls_flow_afterwards(running: Running, fault: Fault, report: Report) -> None:
    rig, poller = running
    poller.wait_ready()
    missed, others = poller.missed()[fault.source], poller.polls(OTHER[fault.source])
    rig.sandbox.script.add(fault.rule)
    poller.wait_reason(*fault.words)
    poller.wait_missed(missed + 2, source=fault.source)
    assert poller.polls(OTHER[fault.source]) > others, "the other source was held up"
    rig.sandbox.script.clear()
    seconds = poller.wait_polls(1, source=fault.source)
    poller.wait_ready()
    report(rig.judge().require(), seconds)
    if fault.silent_ms:
        assert fault.silent_ms <= silence_after_fault(rig, fault)


def test_a_ban_holds_across_a_restart(rig: Rig, report: Report) -> None:
    """Its end is on the disk: a supervisor that restarts the process must not make it worse."""
    rig.texts |= {"SOURCES": "binance", "KAFKA_PRODUCER_BATCH_INTERVAL": "0.5"}
    poller = rig.start(test={"TEST_ALONE": "1"})
    poller.wait_polls(2)
    fault = binance("ban", WAITS, status=418, retry_after=20, times=1)
    rig.sandbox.script.add(fault.rule)
    poller.wait_reason(*fault.words)
    rig.kill(poller)
    again = rig.start("again", test={"TEST_ALONE": "1"})
    again.wait_reason(*fault.words)
    assert again.metric("upstream_ban_seconds", upstream="binance") > 0
    seconds = again.wait_polls(1)
    report(rig.judge().require(), seconds)
    assert silence_after_fault(rig, fault) >= 19_900


def silence_after_fault(rig: Rig, fault: Fault) -> int:
    """Milliseconds from the last faulty answer of this case to the next request to that upstream."""
    entries = [entry for entry in rig.sandbox.ledger.entries() if entry.upstream == fault.source]
    at = max(number for number, entry in enumerate(entries) if entry.fault == fault.rule.label)
    return entries[at + 1].at_ms - entries[at].at_ms


def test_one_bad_answer_is_mended_within_its_slot(rig: Rig, report: Report) -> None:
    """And so is a second one. In a slot of an hour, so that no busy machine makes it miss one."""
    for rule in (Rule(path=COINGECKO, status=502, times=1), Rule(path=COINGECKO, rewrite="garbage", times=1)):
        rig.sandbox.script.add(rule)
    poller = rig.start(test={"TEST_ALONE": "1"}, KAFKA_PRODUCER_BATCH_INTERVAL="3600")
    wait_until(lambda: poller.polls("coingecko"), what="the first poll")
    assert [count.fired for count in rig.sandbox.script.counts()] == [1, 1]
    assert poller.missed()["coingecko"] == 0
    report(rig.judge().require(), 0.0)


def with_nulls(body: bytes) -> bytes:
    """Every second coin without a price, every third with nothing but its id and price, one row that is none."""
    rows = json.loads(body)
    for number, row in enumerate(rows):
        if number % 2:
            row["current_price"] = None
        elif number % 3 == 0:
            rows[number] = {name: value if name in ("id", "current_price") else None for name, value in row.items()}
    return json.dumps([*rows, None]).encode()


def test_of_a_page_with_nulls_the_good_rows_are_kept(running: Running, report: Report) -> None:
    rig, poller = running
    poller.wait_ready()
    before = poller.metric("rows_rejected", source="coingecko", reason="no_price")
    rig.sandbox.script.add(Rule(path=COINGECKO, rewrite=with_nulls, times=2))
    assert rig.sandbox.script.wait_fired(2, timeout=180)
    poller.wait_polls(1, source="coingecko")
    rig.sandbox.script.clear()
    assert poller.metric("rows_rejected", source="coingecko", reason="no_price") >= before + 2 * 5
    assert poller.metric("rows_rejected", source="coingecko", reason="bad_row") >= 2
    report(rig.judge().require(), poller.wait_polls(1, source="coingecko"))


def test_stale_prices_are_kept_with_the_time_that_the_upstream_gives_them(running: Running, report: Report) -> None:
    rig, poller = running
    poller.wait_ready()
    bodies: list[bytes] = []

    def the_first(body: bytes) -> bytes:
        bodies.append(body)
        return bodies[0]

    rig.sandbox.script.add(Rule(path=COINGECKO, rewrite=the_first, times=3))
    assert rig.sandbox.script.wait_fired(3, timeout=180)
    rig.sandbox.script.clear()
    seconds = poller.wait_polls(1, source="coingecko")
    report(rig.judge().require(), seconds)


def test_an_upstream_that_is_slower_than_the_interval_skips_slots_and_piles_nothing_up(
    running: Running, report: Report
) -> None:
    rig, poller = running
    poller.wait_ready()
    again = ("coingecko: polled again", "slots missed since")
    asked, missed, outages = len(rig.sandbox.ledger), poller.missed()["coingecko"], len(poller.said(*again))
    rig.sandbox.script.add(Rule(path=COINGECKO, delay=1.2))
    poller.wait_missed(missed + 4, source="coingecko")
    rig.sandbox.script.clear()
    seconds = poller.wait_polls(1, source="coingecko")
    said = poller.wait_said(*again, times=outages + 1)
    assert "did not answer within" in said
    requests = [entry for entry in rig.sandbox.ledger.entries(since=asked) if entry.upstream == "coingecko"]
    assert len(requests) <= poller.missed()["coingecko"] - missed + 3
    report(rig.judge().require(), seconds)


def test_an_upstream_that_is_away_is_one_outage_in_the_log_with_its_length(running: Running, report: Report) -> None:
    rig, poller = running
    poller.wait_ready()
    outages = len(poller.said("coingecko: polled again"))
    missed = poller.missed()["coingecko"]
    rig.sandbox.pause()
    poller.wait_missed(missed + 3, source="coingecko")
    rig.sandbox.resume()
    seconds = poller.wait_polls(1, source="coingecko")
    lines = list(poller.said("coingecko: polled again")[outages:])
    assert len(lines) == 1
    assert int(lines[0].split("; ")[1].split(" ")[0]) >= 3
    report(rig.judge().require(), seconds)


@pytest.mark.long
def test_a_gate_is_left_alone_for_a_minute(rig: Rig, report: Report) -> None:
    poller = rig.start()
    poller.wait_polls(2)
    fault = coingecko("gate", WAITS, status=403, times=1)
    rig.sandbox.script.add(fault.rule)
    poller.wait_reason(*fault.words)
    seconds = poller.wait_polls(1)
    report(rig.judge().require(), seconds)
    assert silence_after_fault(rig, fault) >= 59_900
