"""`--once` and `--dry-run`: one poll, an exit code for cron, and nothing on standard output that is no record."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.service import Loop
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import iso
from cryptoproxy.errors import OperatorError, TransientError
from cryptoproxy.producer.alone import asking, checks, once
from cryptoproxy.producer.alone.once import Once
from cryptoproxy.producer.feeds.fetch import Fetcher
from cryptoproxy.producer.feeds.stream import websocket
from cryptoproxy.producer.wiring import Poller
from cryptoproxy.sandbox import Rule, Sandbox
from cryptoproxy.upstreams import sources_of, streams_of

COINS = 5


@pytest.fixture
def texts(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    return {
        "COINGECKO_BASE_URL": sandbox.base_url("coingecko"),
        "BINANCE_BASE_URL": sandbox.base_url("binance"),
        "COINGECKO_CALLS_PER_MINUTE": "0",
        "COINGECKO_TOP_N": str(COINS),
        "KAFKA_PRODUCER_BATCH_INTERVAL": "3600",
        "BINANCE_INTERVAL": "3600",
        "OUTBOX_DIR": str(tmp_path / "outbox"),
        "KAFKA_BROKERS_HOST_PORT": "127.0.0.1:1",
        "AWS_S3_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_S3_ACCESS_KEY": "key",
        "AWS_S3_SECRET_KEY": "secret",
    }


Drain = Callable[[Loop], None]


def delivers(poller: Poller, drain: str) -> Drain:
    def run(loop: Loop) -> None:
        while loop.running:
            for entry in poller.outbox.oldest(drain):
                poller.outbox.done(drain, entry)
            loop.wait(0.01)

    return run


def idles(loop: Loop) -> None:
    while not loop.wait(0.05):
        pass


@pytest.fixture
def run_once(texts: dict[str, str]) -> Callable[..., int]:
    """Its exit code; both drains deliver unless told otherwise."""

    def run(
        *,
        kafka: bool = True,
        s3: bool = True,
        change: Callable[[Poller], None] = lambda poller: None,
        lease_seconds: float = 180,
    ) -> int:
        poller = Poller(Settings.from_texts(texts), alone=True)
        poller.publisher.run = delivers(poller, "kafka") if kafka else idles  # type: ignore[method-assign]
        poller.archiver.run = delivers(poller, "s3") if s3 else idles  # type: ignore[method-assign]
        change(poller)
        seconds = 180.0 if kafka and s3 else 0.5
        return Once(poller, deliver_seconds=seconds, lease_seconds=lease_seconds).run()

    return run


def names(texts: dict[str, str], folder: str) -> list[str]:
    return sorted(path.name for path in (Path(texts["OUTBOX_DIR"]) / folder).iterdir())


def test_polled_and_delivered_is_0(run_once: Callable[..., int], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        assert run_once() == 0
    assert f"{COINS} records fetched from coingecko for " in caplog.text


def test_a_slot_that_was_polled_already_is_0_and_asks_nothing(
    run_once: Callable[..., int], sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    run_once()
    asked = len(sandbox.ledger)
    with caplog.at_level("INFO"):
        assert run_once() == 0
    assert len(sandbox.ledger) == asked
    assert "coingecko was polled for" in caplog.text


def test_a_poll_that_failed_is_1(
    run_once: Callable[..., int], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(asking, "SLOT_SECONDS", 0.3)
    sandbox.script.add(Rule(status=503))
    assert run_once() == 1
    assert "coingecko: not polled: coingecko answered 503" in caplog.text


@pytest.mark.parametrize(("kafka", "s3", "left"), [(False, True, "kafka"), (True, False, "s3")])
def test_what_one_drain_did_not_take_is_1_and_waits_on_disk(
    run_once: Callable[..., int],
    texts: dict[str, str],
    caplog: pytest.LogCaptureFixture,
    kafka: bool,
    s3: bool,
    left: str,
) -> None:
    assert run_once(kafka=kafka, s3=s3) == 1
    assert "waits on disk" in caplog.text
    assert len(names(texts, left)) == 1
    assert names(texts, "s3" if left == "kafka" else "kafka") == []
    assert run_once() == 0, "the next run delivers it, in the same slot"
    assert names(texts, left) == []


def test_a_stop_before_all_is_delivered_is_1(run_once: Callable[..., int]) -> None:
    def stop_when_polled(poller: Poller) -> None:
        keep = poller.outbox.keep

        def keep_and_stop(*args: object, **kwargs: object) -> object:
            entry = keep(*args, **kwargs)  # type: ignore[arg-type]
            poller.service.stop()
            return entry

        poller.outbox.keep = keep_and_stop  # type: ignore[method-assign,assignment]

    assert run_once(kafka=False, change=stop_when_polled) == 1


def test_a_bug_with_one_source_does_not_keep_the_others_from_being_polled(
    run_once: Callable[..., int], texts: dict[str, str], sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    texts["SOURCES"] = "coingecko,binance"

    def break_coingecko(poller: Poller) -> None:
        poller.sources[0].calls = lambda: 1 / 0  # type: ignore[method-assign,assignment,return-value]

    assert run_once(change=break_coingecko) == 1
    assert "nobody foresaw" in caplog.text
    assert any(entry.upstream == "binance" and "ticker" in entry.target for entry in sandbox.ledger.entries())


def test_a_full_outbox_is_1_and_spends_no_call(
    run_once: Callable[..., int], texts: dict[str, str], sandbox: Sandbox
) -> None:
    texts["OUTBOX_MAX_SIZE"] = "1KiB"
    assert run_once() == 1
    assert len(sandbox.ledger) == 0


def test_beside_a_poller_of_the_same_folder_it_is_refused(run_once: Callable[..., int], texts: dict[str, str]) -> None:
    poller = Poller(Settings.from_texts(texts), alone=True)
    try:
        with pytest.raises(OperatorError, match="is in use by process"):
            run_once()
    finally:
        poller.outbox.close()


class FakeLease:
    """``turns`` is how often it is asked before this process may poll; ``other`` who polls instead."""

    def __init__(self, *, turns: int = 0, other: str | None = None) -> None:
        self.turns = turns
        self.other = other

    def run(self, loop: Loop) -> None:
        idles(loop)

    def may_poll(self) -> bool:
        self.turns -= 1
        return self.other is None and self.turns < 0

    def taken_by(self) -> str | None:
        return self.other


def with_lease(lease: FakeLease) -> Callable[[Poller], None]:
    def change(poller: Poller) -> None:
        poller.lease = lease  # type: ignore[assignment]
        poller._publish_state = idles  # type: ignore[method-assign]

    return change


def test_where_another_poller_is_active_nothing_is_polled_but_what_waits_is_delivered(
    run_once: Callable[..., int], texts: dict[str, str], sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    run_once(kafka=False)
    asked = len(sandbox.ledger)
    texts["KAFKA_PRODUCER_BATCH_INTERVAL"] = "0.1"
    assert run_once(change=with_lease(FakeLease(other="elsewhere:7 polls since 10:00"))) == 1
    assert "another poller is active (elsewhere:7 polls since 10:00)" in caplog.text
    assert len(sandbox.ledger) == asked
    assert names(texts, "kafka") == []


def test_it_polls_when_it_has_the_lease(run_once: Callable[..., int], sandbox: Sandbox) -> None:
    assert run_once(change=with_lease(FakeLease(turns=3))) == 0
    assert len(sandbox.ledger) == 1


def test_where_nobody_can_tell_who_polls_it_polls_all_the_same_and_says_so(
    run_once: Callable[..., int], sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    assert run_once(change=with_lease(FakeLease(turns=10**9)), lease_seconds=0.2) == 0
    assert "polls without knowing whether another poller is active" in caplog.text
    assert len(sandbox.ledger) == 1


def test_stopped_before_it_knows_who_polls_it_asks_nothing(
    run_once: Callable[..., int], sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    def change(poller: Poller) -> None:
        with_lease(FakeLease(turns=10**9))(poller)
        poller.service.stop()

    assert run_once(change=change) == 1
    assert "stopped before it was known who polls" in caplog.text
    assert len(sandbox.ledger) == 0


def test_it_needs_no_port_that_a_poller_on_this_machine_may_have(
    run_once: Callable[..., int], texts: dict[str, str]
) -> None:
    texts["PYTHON_PRODUCER_SERVER_PORT"] = "1"
    assert run_once() == 0


def test_a_named_asset_that_is_not_there_is_said_and_1_though_the_others_are_delivered(
    run_once: Callable[..., int], texts: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    texts |= {"SOURCES": "coingecko,binance,bybit-linear", "COINGECKO_IDS": "bitcoin,notacoin,ETH"}
    texts |= {"BINANCE_SYMBOLS": "BTCUSDT,GONEUSDT", "BYBIT_SYMBOLS": "BTCUSDT,NOPEUSDT"}
    texts["BYBIT_BASE_URL"] = texts["BINANCE_BASE_URL"].replace("/binance", "/bybit")
    with caplog.at_level("INFO"):
        assert run_once() == 1
    for source, asset in (
        ("coingecko", "notacoin"),
        ("coingecko", "ETH"),
        ("binance", "GONEUSDT"),
        ("bybit-linear", "NOPEUSDT"),
    ):
        assert f"{source}: {asset} is no record (absent): asked for by" in caplog.text
    assert "coingecko: no records: 2 absent" in caplog.text
    for source in ("coingecko", "binance", "bybit-linear"):
        assert f"1 records fetched from {source} for " in caplog.text


def test_pairs_whose_quote_only_the_list_tells_are_not_kept_without_it_and_are_the_next_time(
    run_once: Callable[..., int], texts: dict[str, str], sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    texts |= {"SOURCES": "binance", "BINANCE_SYMBOLS": "*", "BINANCE_INTERVAL": "0.1"}
    texts["BINANCE_WEIGHT_PER_MINUTE"] = "0"  # else its plan makes slots longer
    rule = Rule(path="/binance/api/v3/exchangeInfo", status=503)
    sandbox.script.add(rule)
    assert run_once() == 1
    assert "binance: no records: " in caplog.text
    assert "is no record (no_quote)" in caplog.text
    sandbox.script.clear()
    assert run_once() == 0
    caplog.clear()
    sandbox.script.add(rule)
    assert run_once() == 0, "what the list told is on disk"
    assert "no_quote" not in caplog.text


def test_a_symbol_that_one_market_of_bybit_has_is_not_absent_in_the_others(
    run_once: Callable[..., int], texts: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    texts |= {"SOURCES": "bybit-linear,bybit-inverse", "BYBIT_SYMBOLS": "BTCUSDT,ETHUSDT,BTCUSD"}
    texts["BYBIT_BASE_URL"] = texts["BINANCE_BASE_URL"].replace("/binance", "/bybit")
    assert run_once() == 0
    assert "absent" not in caplog.text


class Output(io.BytesIO):
    """Standard output as bytes."""

    @property
    def buffer(self) -> io.BytesIO:
        return self


def test_a_dry_run_prints_records_as_json_lines_and_keeps_and_sends_nothing(
    texts: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    texts["SOURCES"] = "coingecko,binance"
    out = Output()
    monkeypatch.setattr(sys, "stdout", out)
    assert once.dry_run(Settings.from_texts(texts)) == 0
    records = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [record["source"] for record in records] == ["coingecko"] * COINS + ["binance"] * 2
    assert not (Path(texts["OUTBOX_DIR"]) / "kafka").exists()


def test_a_dry_run_of_which_a_source_failed_is_1_and_prints_the_others(
    texts: dict[str, str], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts["SOURCES"] = "coingecko,binance"
    monkeypatch.setattr(asking, "SLOT_SECONDS", 0.3)
    sandbox.script.add(Rule(path="/coingecko/", status=500))
    out = Output()
    monkeypatch.setattr(sys, "stdout", out)
    assert once.dry_run(Settings.from_texts(texts)) == 1
    assert len(out.getvalue().splitlines()) == 2


@pytest.mark.parametrize("name", ["coingecko", "binance", "bybit-linear"])
def test_the_loop_s_connection_is_made_before_its_first_poll_unless_its_upstream_wants_to_be_left_alone(
    texts: dict[str, str], sandbox: Sandbox, name: str
) -> None:
    texts |= {"SOURCES": name, "BYBIT_BASE_URL": sandbox.base_url("bybit")}
    poller = Poller(Settings.from_texts(texts), alone=True)
    source, fetcher = poller.sources[0], Fetcher()
    poller._prepare(source, fetcher, lambda seconds: True)
    (line,) = fetcher._lines
    assert line.task.result(180) is None
    assert line.is_idle()
    assert len(sandbox.ledger) == 0
    fetcher.close()
    poller.budgets[source.upstream].ban(60, "banned")
    fetcher = Fetcher()
    poller._prepare(source, fetcher, lambda seconds: True)
    assert not fetcher._lines
    poller.outbox.close()


def test_beside_a_poller_of_the_same_folder_a_dry_run_is_refused_and_leaves_its_budget_alone(
    texts: dict[str, str], sandbox: Sandbox
) -> None:
    texts["COINGECKO_CALLS_PER_MINUTE"] = "5"
    poller = Poller(Settings.from_texts(texts), alone=True)
    poller.budgets["coingecko"].take(1)
    kept = (Path(texts["OUTBOX_DIR"]) / "budget" / "coingecko.json").read_bytes()
    try:
        with pytest.raises(OperatorError, match=f"in use by process {os.getpid()}.*cryptoproxy tail"):
            once.dry_run(Settings.from_texts(texts))
    finally:
        poller.outbox.close()
    assert len(sandbox.ledger) == 0
    assert (Path(texts["OUTBOX_DIR"]) / "budget" / "coingecko.json").read_bytes() == kept


def test_a_dry_run_without_an_upstream_says_each_attempt_and_its_cause(
    texts: dict[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(asking, "SLOT_SECONDS", 2.0)
    texts |= {"COINGECKO_CALLS_PER_MINUTE": "5", "COINGECKO_BASE_URL": "https://no-such-host.invalid/api/v3"}
    assert once.dry_run(Settings.from_texts(texts)) == 1
    attempt, end = (text for text in caplog.messages if text.startswith("coingecko: "))
    assert "no-such-host.invalid" in attempt
    assert "tried again in" in attempt
    assert end.startswith("coingecko: not polled: no-such-host.invalid")


def check(texts: dict[str, str]) -> str:
    settings = Settings.from_texts(texts)
    (source,) = sources_of(settings.upstreams)
    return checks.check_upstream(settings, source)


@pytest.mark.parametrize("name", ["coingecko", "binance", "bybit-linear"])
def test_a_check_asks_the_upstream_once_and_counts_it(texts: dict[str, str], sandbox: Sandbox, name: str) -> None:
    texts |= {"SOURCES": name, "COINGECKO_CALLS_PER_MINUTE": "5", "BYBIT_BASE_URL": sandbox.base_url("bybit")}
    before = check(texts)
    assert f"{name} was answered with " in before
    assert len(sandbox.ledger) == 1
    assert before.rpartition("budget: ")[2] != check(texts).rpartition("budget: ")[2]


def test_a_check_beside_a_running_poller_sends_nothing_and_tells_what_that_one_polled_last(
    texts: dict[str, str], sandbox: Sandbox
) -> None:
    texts |= {"SOURCES": "bybit-spot,bybit-linear", "BYBIT_BASE_URL": sandbox.base_url("bybit")}
    settings = Settings.from_texts(texts)
    source = sources_of(settings.upstreams)[0]
    poller = Poller(settings, alone=True)
    slot_ms = SystemClock().now_ms() // 60_000 * 60_000
    try:
        with pytest.raises(TransientError, match=r"bybit-spot never, bybit-linear never\..*`cryptoproxy status`"):
            checks.check_upstream(settings, source)
        poller.outbox.advance_last_slot("bybit-spot", slot_ms)
        with pytest.raises(TransientError, match=f"bybit-spot for {iso(slot_ms)}, bybit-linear never"):
            checks.check_upstream(settings, source)
        poller.outbox.advance_last_slot("bybit-linear", slot_ms)
        said = checks.check_upstream(settings, source)
        assert f"not asked beside a poller, which answers for it (process {os.getpid()})" in said
        assert f"polled last: bybit-spot for {iso(slot_ms)}, bybit-linear for {iso(slot_ms)}" in said
    finally:
        poller.outbox.close()
    assert len(sandbox.ledger) == 0


def test_a_check_beside_a_poller_that_misses_its_slots_says_since_when(texts: dict[str, str]) -> None:
    poller = Poller(Settings.from_texts(texts), alone=True)
    poller.outbox.advance_last_slot("coingecko", SystemClock().now_ms() - 3 * 3_600_000)
    try:
        with pytest.raises(TransientError, match=r"polled last: coingecko for 20.*misses slots, or stands by"):
            check(texts)
    finally:
        poller.outbox.close()


def test_a_check_names_what_is_wrong_with_address_or_key(texts: dict[str, str], sandbox: Sandbox) -> None:
    sandbox.script.add(Rule(status=401))
    with pytest.raises(OperatorError, match="COINGECKO_API_KEY"):
        check(texts)
    with pytest.raises(TransientError, match=r"no-such-host\.invalid"):
        check(texts | {"COINGECKO_BASE_URL": "https://no-such-host.invalid/api/v3"})


def test_a_check_of_a_stream_makes_its_connection_and_asks_for_the_time(
    texts: dict[str, str], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "HANDSHAKE_SECONDS", 180.0)
    monkeypatch.setattr(checks, "CHECK_SECONDS", 180.0)
    texts |= {"SOURCES": "binance.trade", "BINANCE_STREAM_SYMBOLS": "BTCUSDT"}
    texts["BINANCE_WS_URL"] = sandbox.base_url("binance").replace("http", "ws", 1)
    (stream,) = streams_of(Settings.from_texts(texts).upstreams)
    assert "and what mends it answered" in checks.check_stream(Settings.from_texts(texts), stream)
    texts["BINANCE_WS_URL"] = "ws://no-such-host.invalid"
    (stream,) = streams_of(Settings.from_texts(texts).upstreams)
    with pytest.raises(TransientError, match=r"no-such-host\.invalid"):
        checks.check_stream(Settings.from_texts(texts), stream)


@pytest.mark.parametrize(("sources", "code"), [("binance.trade", 1), ("coingecko,binance.trade", 0)])
def test_a_stream_has_no_polls_and_that_is_said(
    texts: dict[str, str], run_once: Callable[..., int], caplog: pytest.LogCaptureFixture, sources: str, code: int
) -> None:
    texts |= {"SOURCES": sources, "BINANCE_STREAM_SYMBOLS": "BTCUSDT"}
    for attempt in (lambda: once.dry_run(Settings.from_texts(texts)), run_once):
        caplog.clear()
        assert attempt() == code
        assert "binance.trade: a stream, which has no polls" in caplog.text


def test_a_dry_run_says_on_standard_error_what_is_absent_and_is_1(
    texts: dict[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    texts["COINGECKO_IDS"] = "bitcoin,notacoin"
    out = Output()
    monkeypatch.setattr(sys, "stdout", out)
    assert once.dry_run(Settings.from_texts(texts)) == 1
    assert [json.loads(line)["asset_id"] for line in out.getvalue().splitlines()] == ["bitcoin"]
    assert "coingecko: notacoin is no record (absent): asked for by COINGECKO_IDS, not in the answer" in caplog.text


def test_a_dry_run_guesses_no_quote_and_keeps_nothing_of_what_it_does_not_know(
    texts: dict[str, str], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts |= {"SOURCES": "binance", "BINANCE_SYMBOLS": "*"}
    sandbox.script.add(Rule(path="/binance/api/v3/exchangeInfo", status=503))
    out = Output()
    monkeypatch.setattr(sys, "stdout", out)
    once.dry_run(Settings.from_texts(texts))
    quotes = {record["asset_id"]: record["quote"] for record in map(json.loads, out.getvalue().splitlines())}
    assert quotes["BTCUSDT"] == "USDT"
    assert {quote for asset, quote in quotes.items() if asset.endswith(("USD", "EUR"))} == {"UNKNOWN"}
    assert not (Path(texts["OUTBOX_DIR"]) / "symbols").exists()
