from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from rich.console import Console

from cryptoproxy.consumer.backfill.progress import Display, Marks, Totals
from cryptoproxy.consumer.backfill.replay import GRACE_MS, Rate, Replay
from cryptoproxy.consumer.backfill.targets import Sent
from cryptoproxy.datasets.times import Span
from cryptoproxy.errors import OperatorError
from cryptoproxy.lake.form import Fault, Stored
from cryptoproxy.lake.raw import RawForm
from tests.conftest import wait_until
from tests.unit.consumer.backfill.lake import HOUR_MS, NOW_MS, TEN, MemoryStore, record

SPAN = Span(TEN - 2 * HOUR_MS, TEN + 2 * HOUR_MS)


class FakeTarget:
    """Keeps what it gets; ends the replay at a record of this slot."""

    def __init__(self, *, ends_at: int | None = None, refuses: str = "") -> None:
        self.sent: list[str] = []
        self.sizes: list[int] = []
        self.begun = 0
        self._ends_at = ends_at
        self._refuses = refuses

    def begin(self) -> None:
        self.begun += 1

    def send(self, records: Sequence[Stored]) -> Sent:
        if any(each.slot_ms == self._ends_at for each in records):
            raise OperatorError("the end", remedy="Go on")
        self.sent += [each.id for each in records]
        self.sizes.append(len(records))
        refused = [Fault(each.key, each.number, "no", "refused") for each in records if each.id == self._refuses]
        return Sent(len(records) - len(refused), 0, refused)

    def close(self) -> None: ...


class Bench:
    def __init__(self, folder: Path) -> None:
        self.store = MemoryStore()
        self.folder = folder
        self.said = io.StringIO()
        self.now_ms = NOW_MS
        self.waits: list[float] = []
        for hour in range(3):
            for source in ("binance", "coingecko"):
                slot = TEN - HOUR_MS + hour * HOUR_MS
                self.store.put_records(*(record(f"a{n}", slot_ms=slot, source=source) for n in range(5)))

    def run(
        self,
        target: FakeTarget,
        *,
        rate: float | None = None,
        sources: list[str] | None = None,
        in_flight: int = 1,
    ) -> Totals:
        return Replay(
            RawForm(self.store),  # type: ignore[arg-type]
            target,
            Marks(self.folder, {"task": 1}),
            Rate(rate, monotonic=lambda: 0.0),
            Display("replay", Console(file=self.said)),
            portion=3,
            in_flight=in_flight,
            now_ms=lambda: self.now_ms,
            wait=self.waits.append,
        ).run(SPAN, sources)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_all_is_sent_in_portions_the_oldest_first(bench: Bench) -> None:
    target = FakeTarget()
    assert bench.run(target) == Totals(read=30, written=30)
    assert len(set(target.sent)) == 30
    assert target.sizes == [3, 2] * 6
    slots = [int(each.rpartition(":")[2]) for each in target.sent]
    assert slots == sorted(slots)
    assert target.begun == 1
    assert not list(bench.folder.iterdir())


def test_one_source_alone(bench: Bench) -> None:
    assert bench.run(FakeTarget(), sources=["binance"]).read == 15


def test_a_source_that_the_lake_does_not_know_is_a_mistake(bench: Bench) -> None:
    with pytest.raises(OperatorError, match=r"nothing of coingeko\. It knows binance, coingecko"):
        bench.run(FakeTarget(), sources=["coingeko"])


def test_with_several_portions_under_way_every_record_is_sent_once(bench: Bench) -> None:
    target = FakeTarget()
    assert bench.run(target, in_flight=4) == Totals(read=30, written=30)
    assert sorted(target.sent) == sorted(set(target.sent))
    assert len(target.sent) == 30


def test_an_interrupted_replay_goes_on_after_the_last_finished_hour(bench: Bench) -> None:
    first = FakeTarget(ends_at=TEN)
    with pytest.raises(OperatorError):
        bench.run(first)
    assert len(first.sent) == 10
    second = FakeTarget()
    assert bench.run(second) == Totals(read=30, written=30)
    assert not set(first.sent) & set(second.sent)
    assert len(second.sent) == 20
    assert "goes on after 2 hours" in bench.said.getvalue()


def test_an_hour_that_may_still_grow_is_read_again(bench: Bench) -> None:
    bench.now_ms = TEN + HOUR_MS + GRACE_MS  # one ms later it would be complete
    with pytest.raises(OperatorError):
        bench.run(FakeTarget(ends_at=TEN + HOUR_MS))
    again = FakeTarget()
    bench.run(again)
    assert len(again.sent) == 20


def test_poison_is_named_and_counted_and_the_rest_goes_on(bench: Bench) -> None:
    key = bench.store.put_records(record("late", slot_ms=TEN + 60_000))
    bench.store.content[key] = b"no gzip"
    totals = bench.run(FakeTarget(refuses=f"binance:a3:USD:{TEN}"))
    assert totals == Totals(read=30, written=29, poison=2)
    assert f"poison: {key}: damaged_object" in bench.said.getvalue()
    assert "line 4: no: refused" in bench.said.getvalue()


def test_the_rate_holds_it_back(bench: Bench) -> None:
    target = FakeTarget()
    bench.run(target, rate=2)
    assert max(target.sizes) == 2
    assert bench.waits
    assert bench.waits[-1] == pytest.approx((30 - 2) / 2)  # its clock stands still


class DamagedAfterTheFirstHour:
    """An archive of one good record, and hours after it of which nothing can be read."""

    def __init__(self, hours: int) -> None:
        self._hours = [SPAN.begin_ms + number * HOUR_MS for number in range(hours)]
        self.replay: Replay | None = None
        self.seen_at_the_last: list[str] = []

    def sources(self) -> list[str]:
        return ["coingecko"]

    def hours(self, source: str, span: Span) -> list[int]:
        return self._hours

    def records(self, source: str, span: Span, report: Callable[[Fault], None]) -> Iterator[Stored]:
        assert self.replay is not None
        number = self._hours.index(span.begin_ms)
        if number == 0:
            yield Stored("an:id:USD:1", span.begin_ms, "", b"{}", "key", 1)
            return
        if number == 1:
            under_way = self.replay._under_way
            wait_until(lambda: not under_way or under_way[0].sent.done())  # type: ignore[union-attr]
        if number == len(self._hours) - 1:
            self.seen_at_the_last = [type(each).__name__ for each in self.replay._under_way]
        report(Fault(f"key-{number}", None, "damaged_object", "cut"))


def test_what_has_arrived_is_marked_and_what_is_damaged_said_though_nothing_more_is_sent(tmp_path: Path) -> None:
    archive, said = DamagedAfterTheFirstHour(4), io.StringIO()
    replay = archive.replay = Replay(
        archive, FakeTarget(), Marks(tmp_path, {"task": 1}), Rate(None, monotonic=lambda: 0.0),
        Display("replay", Console(file=said)), portion=3, in_flight=2, now_ms=lambda: NOW_MS,
    )  # fmt: skip
    totals = replay.run(Span(SPAN.begin_ms, SPAN.begin_ms + 4 * HOUR_MS), None)
    assert archive.seen_at_the_last == []
    assert (totals.read, totals.poison) == (1, 3)
    assert "key-1" in said.getvalue()
