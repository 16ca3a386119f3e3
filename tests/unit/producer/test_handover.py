"""What a new active poller takes over from the one before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from cryptoproxy.common.settings import Settings
from cryptoproxy.errors import OperatorError, TransientError
from cryptoproxy.producer.handover import Handover, budget_key, slot_key
from cryptoproxy.producer.outbox import Outbox
from tests.unit.producer.fakes import keep_poll

KAFKA = Settings.from_texts({}).kafka


class FakeBudget:
    def __init__(self) -> None:
        self.merged: list[bytes] = []

    def merge(self, state: bytes) -> None:
        self.merged.append(state)

    def state(self) -> bytes:
        return b"state"


class Bench:
    def __init__(self, folder: Path) -> None:
        self.outbox = Outbox(folder, max_bytes=1 << 20)
        self.budgets = {"coingecko": FakeBudget(), "binance": FakeBudget()}
        self.state: dict[str, bytes] = {}
        self.handover = Handover(
            KAFKA,
            self.budgets,  # type: ignore[arg-type]
            ["coingecko", "binance"],
            self.outbox,
            read=lambda: self.state,
        )


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.outbox.close()


def test_budgets_and_last_slots_are_taken_over(bench: Bench) -> None:
    bench.state = {budget_key("coingecko"): b"state", slot_key("coingecko"): b"60000", slot_key("gone"): b"1"}
    bench.handover.take_over()
    assert bench.budgets["coingecko"].merged == [b"state"]
    assert bench.budgets["binance"].merged == []
    assert bench.outbox.last_slot("coingecko") == 60_000
    assert bench.outbox.last_slot("binance") is None


@pytest.mark.parametrize("odd", [b"9" * 5000, b"9" * 15, b"-1", b"\xc2\xb2", b"", b"soon"], ids=lambda each: each[:9])
def test_a_slot_that_is_none_is_none(bench: Bench, odd: bytes) -> None:
    """Anybody may write to a topic, and what stands there would end each poller that takes over."""
    bench.state = {slot_key("coingecko"): odd, slot_key("binance"): b"60000"}
    bench.handover.take_over()
    assert bench.outbox.last_slot("coingecko") is None
    assert bench.outbox.last_slot("binance") == 60_000


def test_a_later_slot_of_ones_own_stays(bench: Bench) -> None:
    keep_poll(bench.outbox, 120_000, "coingecko", b"{}\n")
    bench.state = {slot_key("coingecko"): b"60000"}
    bench.handover.take_over()
    assert bench.outbox.last_slot("coingecko") == 120_000


def test_what_is_no_slot_is_passed_over(bench: Bench) -> None:
    bench.state = {slot_key("coingecko"): b"yesterday"}
    bench.handover.take_over()
    assert bench.outbox.last_slot("coingecko") is None


def test_a_topic_that_cannot_be_read_is_for_the_lease_to_try_again(bench: Bench) -> None:
    def away() -> Mapping[str, bytes]:
        raise TransientError("no broker")

    bench.handover._read = away
    with pytest.raises(TransientError):
        bench.handover.take_over()


def test_a_disk_that_refuses_is_the_operators_and_not_the_end_of_the_process(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: str, slot_ms: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bench.outbox, "advance_last_slot", full)
    bench.state = {slot_key("coingecko"): b"60000"}
    with pytest.raises(OperatorError, match="No space left"):
        bench.handover.take_over()


def test_what_it_tells_a_successor_is_the_last_slot_kept(bench: Bench) -> None:
    assert bench.handover.states["slot:coingecko"]() == b""
    keep_poll(bench.outbox, 60_000, "coingecko", b"{}\n")
    assert bench.handover.states["slot:coingecko"]() == b"60000"
