"""The loop that judges, where Kafka is away in the middle of something."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from kafka import TopicPartition
from kafka import errors as kafka_errors
from prometheus_client import CollectorRegistry

from cryptoproxy.common.metrics import WatchMetrics
from cryptoproxy.common.retry import Backoff
from cryptoproxy.common.service import Health, Loop
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import TICKER, from_iso, key
from cryptoproxy.errors import OperatorError, TransientError
from cryptoproxy.watch.clock import SteadyClock
from cryptoproxy.watch.engine import Engine, _Coming
from cryptoproxy.watch.judge import Judge
from cryptoproxy.watch.rulebook.reading import read
from cryptoproxy.watch.sharing.places import Inputs
from cryptoproxy.watch.sharing.share import Share

RULE = "rules:\n  r:\n    when: {above: %d}\n"


class Away:
    """Brokers that do not tell where the topics end, until they do."""

    back = False

    def partitions_for_topic(self, topic: str) -> set[int]:
        return {0}

    def end_offsets(self, partitions: list[Any]) -> dict[Any, int]:
        if not self.back:
            raise kafka_errors.KafkaTimeoutError("no answer")
        return dict.fromkeys(partitions, 7)

    def close(self, **_: Any) -> None: ...


def test_new_rules_are_in_force_everywhere_or_nowhere_and_are_not_forgotten(tmp_path: Path):
    path = tmp_path / "watch.yaml"
    path.write_text(RULE % 1)
    before = read(path)
    away = Away()
    engine = Engine(
        kafka=Settings.from_texts({}).kafka, path=path, rules=before, shares=cast("Any", None),
        make=cast("Any", None), connect=lambda **_: away, health=Health(),
        metrics=WatchMetrics(CollectorRegistry()), now_ms=lambda: 0, catch_up=lambda: None, prepare=lambda _: None,
    )  # fmt: skip
    renewed: list[Any] = []
    engine._live[0] = cast("Any", SimpleNamespace(renew=lambda rules, *_: renewed.append(rules)))
    path.write_text(RULE % 1_000)
    with pytest.raises(kafka_errors.KafkaError):
        engine._look_at_rules()
    assert (engine.rules, renewed) == (before, [])
    away.back = True
    engine._look_at_rules()
    assert renewed == [engine.rules]
    assert engine.rules == read(path) != before


def judging(folder: Path, *, now_ms: int) -> tuple[Engine, Judge, TopicPartition]:
    """An engine with one share and no Kafka."""
    path = folder / "watch.yaml"
    path.write_text(RULE % 1)
    rules, place = read(path), TopicPartition("crypto-data", 0)
    judge = Judge(rules)
    engine = Engine(
        kafka=Settings.from_texts({}).kafka, path=path, rules=rules, shares=cast("Any", SimpleNamespace(count=1)),
        make=cast("Any", None), connect=cast("Any", None), health=Health(), metrics=WatchMetrics(CollectorRegistry()),
        now_ms=lambda: now_ms, catch_up=lambda: None, prepare=lambda _: None,
    )  # fmt: skip
    share = SimpleNamespace(
        judge=judge, places={place: 0}, judged=lambda _: None,
        follow=lambda called, record: judge.follow(called, record.key.decode(), None),
    )  # fmt: skip
    engine._live[0] = cast("Any", share)
    engine._inputs = cast("Any", SimpleNamespace(called={place.topic: "ticker"}))
    engine._decode = {place.topic: judge.decoders["ticker"].decode}
    return engine, judge, place


def test_a_clock_that_is_slow_is_said(tmp_path: Path):
    at = from_iso(TICKER.example.timestamp)
    for now_ms, slow in ((at - 11 * 60_000, True), (at - 9 * 60_000, False)):
        engine, judge, place = judging(tmp_path, now_ms=now_ms)
        judge.begin(now_ms)
        record = SimpleNamespace(key=key(TICKER.example).encode(), value=TICKER.codec.encode(TICKER.example), offset=0)
        engine._take(place, cast("Any", [record]))
        engine._look_at_clock(1)
        assert ("clock" in engine._health.reasons()) is slow
        assert bool(judge.found) is not slow
        engine._look_at_clock(1)
        assert not engine._health.reasons()


@pytest.mark.parametrize("value", [b"[" * 3000 + b"]" * 3000, b'{"more":' + b"[" * 3000, b"\xff", b"", None])
def test_what_is_no_record_is_counted_and_ends_nothing(tmp_path: Path, value: bytes | None):
    engine, judge, place = judging(tmp_path, now_ms=0)
    good = TICKER.codec.encode(TICKER.example)
    named = key(TICKER.example).encode()
    engine._take(place, [SimpleNamespace(key=named, value=each, offset=at) for at, each in enumerate((value, good))])
    assert (engine._live[0].places[place], len(judge.found)) == (2, 1)
    assert engine._metrics.unreadable._value.get() == 1


def test_a_clock_that_was_slow_at_the_start_is_right_once_the_machine_s_is(monkeypatch: pytest.MonkeyPatch):
    machine = 1_000_000
    monkeypatch.setattr(time, "time_ns", lambda: machine * 1_000_000)
    monkeypatch.setattr(time, "monotonic", lambda: 7.0)
    steady = SteadyClock()
    machine += 3_600_000
    assert steady.now_ms() == 1_000_000, "a step of the machine's clock is none of it"
    assert steady.stamp_ms() == 1_000_000, "brokers would refuse the other"
    steady.catch_up()
    assert steady.now_ms() == machine
    machine -= 3_600_000
    steady.catch_up()
    assert steady.now_ms() == machine + 3_600_000, "it never goes back"
    assert steady.stamp_ms() == machine


class Sent:
    """A consumer that knows of each partition the time at which its newest record was sent."""

    def __init__(self, *times: int) -> None:
        self.times = times

    def partitions_for_topic(self, topic: str) -> set[int]:
        return set(range(len(self.times)))

    def offsets_for_times(self, moments: dict[TopicPartition, int]) -> dict[TopicPartition, Any]:
        return {each: 7 if self.times[each.partition] >= moment else None for each, moment in moments.items()}

    def close(self, **_: Any) -> None: ...


@pytest.mark.parametrize(
    ("sent", "slow"),
    [((60, 60, 60), True), ((60, -5), True), ((60, 0, 0), False), ((9, 9), False), ((-60, -60), False), ((), False)],
)
def test_nobody_takes_a_share_by_a_clock_that_is_slow(tmp_path: Path, sent: tuple[int, ...], slow: bool):
    now_ms, asked = 1_000 * 60_000, []
    path = tmp_path / "watch.yaml"
    path.write_text(RULE % 1)
    share = Share(
        Settings.from_texts({}).kafka, 0, count=1, ledger=cast("Any", SimpleNamespace(open=dict)), rules=read(path),
        now_ms=lambda: now_ms, catch_up=lambda: asked.append(1),
    )  # fmt: skip
    brokers = Sent(*(now_ms + minutes * 60_000 for minutes in sent))
    assert share._is_slow(Inputs(share._kafka, share.judge.rules, brokers), brokers) is slow
    if slow:
        with pytest.raises(OperatorError, match="clock, 1970-01-01T16:40"):
            share.bring_back(lambda: brokers, lambda: True)
        assert asked == [1], "the machine's clock may have been set meanwhile"


def share_of(path: Path, known: dict[str, bytes]) -> Share:
    path.write_text(RULE % 1)
    return Share(
        Settings.from_texts({}).kafka, 0, count=1, ledger=cast("Any", SimpleNamespace(open=lambda: known, discard=list)),
        rules=read(path), now_ms=lambda: 1_000 * 60_000, catch_up=lambda: None,
    )  # fmt: skip


def test_what_another_has_written_into_the_ledger_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    pack, whole, other = msgspec.msgpack.encode, "binance:BTCUSDT:USDT", "binance:ETHUSDT:USDT"
    first = share_of(tmp_path / "watch.yaml", {})
    first.judge.follow("ticker", whole, "BTC")
    good = first.judge.dump(first.judge.assets[whole])
    told = {"mark": next(iter(first.judge.rules.rules.values())).mark, "open": True, "since": 7, "last_open": 7}
    odd = [b"", b"\xc1", pack(1), pack([]), pack({}), pack({"mark": 1}), pack({**good, "followed": {"ticker": [1, 2]}})]
    known = {f"asset:binance:ODD{at}:USDT": value for at, value in enumerate(odd)}
    known |= {f"case:r:binance:ODD{at}:USDT": value for at, value in enumerate(odd)}
    known |= {"asset:odd": pack(good), "case:odd": pack(told), "kept": b"\xc1", "told": pack(["crypto-data"])}
    known |= {f"asset:{whole}": pack(good), f"asset:{other}": pack(good), f"case:r:{whole}": pack(told)}
    share = share_of(tmp_path / "watch.yaml", known)
    share.bring_back(Sent, lambda: True)
    assert share.judge.assets.keys() == {whole, other}
    assert [case.open for asset in share.judge.assets.values() for case in asset.cases] == [True, False]
    assert not share.judge.silent
    said = {record.getMessage().partition(" cannot be read")[0].split()[-1] for record in caplog.records}
    assert {"told", "kept", "odd", "case:r:binance:ODD1:USDT", "asset:binance:ODD0:USDT"} <= said


def test_a_share_that_did_not_come_back_judges_nothing(caplog: pytest.LogCaptureFixture):
    def bring_back(*_: Any) -> None:
        raise ZeroDivisionError("of nobody's making")

    closed: list[bool] = []
    share = SimpleNamespace(number=3, bring_back=bring_back, close=lambda: closed.append(True))
    coming = _Coming(cast("Any", share), cast("Any", None), Backoff(cap=10.0), 0.0)
    coming.thread.join()
    assert "ZeroDivisionError: of nobody's making" in str(coming.error)
    assert closed == [True]
    assert "did not come back" in caplog.text


def test_at_a_stop_it_says_what_could_not_be_kept_and_lets_the_group_go(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine, _, _ = judging(tmp_path, now_ms=0)
    shares = SimpleNamespace(kept=threading.Event())
    engine._shares = cast("Any", shares)

    def keep() -> None:
        assert not shares.kept.is_set()
        raise TransientError("no broker answers")

    engine._live = {3: cast("Any", SimpleNamespace(keep=keep, close=lambda: None))}
    stop = threading.Event()
    stop.set()
    engine.run(Loop("engine", stop))
    assert shares.kept.is_set()
    assert "share 3 is not kept: no broker answers" in caplog.text
