"""One poll: whole or nothing, within its slot, each attempt counted in the budget before it is sent."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from cryptoproxy.common.settings.catalogue import Upstreams
from cryptoproxy.common.settings.loading import load_section
from cryptoproxy.datasets import CANDLE, MAX_RECORD_BYTES, Feed, iso
from cryptoproxy.errors import OperatorError, TransientError
from cryptoproxy.producer.budget import Budget
from cryptoproxy.producer.feeds.fetch import ClockError
from cryptoproxy.producer.feeds.poll import Polled, PollOnce, SlotMissedError
from cryptoproxy.producer.outbox import Entry, Outbox
from cryptoproxy.producer.outbox.entry import NO_SLOT
from cryptoproxy.upstreams import upstreams_of
from cryptoproxy.upstreams.base import (
    BannedError,
    Call,
    CutError,
    IncompleteError,
    Poll,
    Priority,
    RefusedError,
    Response,
    Source,
)
from cryptoproxy.upstreams.binance.tickers import Binance
from cryptoproxy.upstreams.bybit.tickers import Bybit
from cryptoproxy.upstreams.coingecko.tickers import CoinGecko
from tests.unit.producer.budget.hand_clock import HandClock
from tests.unit.producer.fakes import FakeBudget, FakeSource, FakeUpstream, HandLoop, Metrics, Step

SLOT_MS = 60_000
PAGE = b"bitcoin:3,ether:2"


class Asked:
    """A poll of a fake upstream in time that stands still but for requests and waits."""

    def __init__(
        self,
        *steps: Step,
        source: FakeSource | None = None,
        waits: tuple[float, ...] = (),
        seconds: float = 0.1,
        timeout: float = 10,
    ) -> None:
        self.clock = HandClock()
        self.slot_ms = self.clock.now_ms()
        self.end_ms = self.slot_ms + SLOT_MS
        self.loop = HandLoop(self.clock)
        self.upstream = FakeUpstream(*steps, clock=self.clock, seconds=seconds)
        self.budget = FakeBudget(list(waits))
        self.metrics = Metrics()
        self.once = PollOnce(
            source or FakeSource(),
            budget=self.budget,
            get=self.upstream.get,
            clock=self.clock,
            metrics=self.metrics,
            timeout=timeout,
        )

    def poll(self) -> Polled:
        return self.once.poll(self.slot_ms, self.end_ms, self.loop.wait)

    def missed(self) -> SlotMissedError:
        with pytest.raises(SlotMissedError) as caught:
            self.poll()
        return caught.value

    @property
    def seconds(self) -> float:
        return (self.clock.now_ms() - self.slot_ms) / 1000


def content(polled: Polled) -> bytes:
    (part,) = polled.parts
    return part.content


def test_a_poll_is_its_records_bytes_and_what_it_took() -> None:
    asked = Asked(b"bitcoin:3,dead:0")
    polled = asked.poll()
    lines = content(polled).decode().splitlines()
    assert [json.loads(line)["asset_id"] for line in lines] == ["bitcoin"]
    assert content(polled).endswith(b"\n")
    assert polled.records == 1
    assert [(row.asset_id, row.reason) for row in polled.rejected] == [("dead", "no_price")]
    assert polled.response_bytes == len(b"bitcoin:3,dead:0")
    assert polled.seconds == pytest.approx(0.1)
    assert polled.arrived == asked.clock.monotonic()
    assert json.loads(lines[0])["fetch_delay_ms"] == 100
    assert asked.once.calls == 1


def test_an_error_is_mended_within_the_slot_with_growing_waits_and_each_attempt_is_counted() -> None:
    asked = Asked(TransientError("503"), TransientError("503"), TransientError("503"), PAGE)
    assert asked.poll().records == 2
    assert asked.budget.taken == 4
    assert len(asked.loop.waits) == 3
    assert 0.1 <= asked.loop.waits[0] <= 0.2
    assert asked.loop.waits[2] > asked.loop.waits[0]
    assert asked.metrics.value("upstream_calls_total", upstream="coingecko", status="none") == 3
    assert asked.metrics.value("upstream_calls_total", upstream="coingecko", status="200") == 1


def test_what_is_not_fetched_by_the_end_of_the_slot_is_missed_with_the_last_error_as_its_reason() -> None:
    asked = Asked(*[TransientError(f"error {number}") for number in range(1000)], seconds=0)
    error = asked.missed()
    assert error.reason == "failed"
    assert str(error).startswith("error ")
    assert asked.seconds <= 60
    assert max(asked.loop.waits) <= 10
    assert len(asked.upstream.asked) < 20


def test_no_answer_is_waited_for_beyond_the_slot() -> None:
    asked = Asked(seconds=1000)
    assert "did not answer within" in str(asked.missed())
    assert asked.seconds == pytest.approx(60, abs=0.2)
    assert all(timeout <= 10 for _, timeout in asked.upstream.asked)
    assert asked.upstream.asked[-1][1] < 10


def test_an_answer_after_the_end_of_the_slot_does_not_count() -> None:
    asked = Asked(PAGE)

    def late() -> bytes:
        asked.clock.turn(60)
        return PAGE

    asked.upstream.steps = [late]
    error = asked.missed()
    assert error.reason == "late"
    assert "answered 0.1 s after the slot's end" in str(error)


def test_a_slot_that_is_over_sends_nothing() -> None:
    asked = Asked(PAGE)
    asked.clock.turn(60)
    assert asked.missed().reason == "late"
    assert not asked.upstream.asked


def test_a_wall_clock_that_is_set_back_meanwhile_does_not_make_the_slot_longer() -> None:
    asked = Asked()

    def step_back() -> Exception:
        asked.clock.step(-3600)
        return TransientError("503")

    asked.upstream.steps = [step_back, *[TransientError("503")] * 1000]
    began = asked.clock.monotonic()
    asked.missed()
    assert asked.clock.monotonic() - began <= 60


def test_the_budget_is_waited_for_within_the_slot() -> None:
    asked = Asked(PAGE, waits=(5.0, 2.0))
    assert asked.poll().records == 2
    assert asked.loop.waits == [5.0, 2.0]


def test_a_budget_that_grants_nothing_within_the_slot_misses_it_at_once() -> None:
    asked = Asked(PAGE, waits=(75.0,))
    error = asked.missed()
    assert error.reason == "budget"
    assert "no budget left" in str(error)
    assert "75 s" in str(error)
    assert not asked.upstream.asked
    assert asked.loop.waits == []


def test_the_few_tries_that_a_budget_has_are_spread_over_the_slot() -> None:
    asked = Asked(*[TransientError("502")] * 1000)
    asked.budget.left_for_retries = 3
    error = asked.missed()
    assert (error.reason, str(error)) == ("failed", "502")
    assert asked.budget.taken == 4
    assert [round(wait) for wait in asked.loop.waits] == [6, 13, 30]


def test_five_bad_seconds_do_not_cost_the_slot_of_a_small_budget() -> None:
    asked = Asked()
    asked.budget.left_for_retries = 3

    def answer() -> object:
        return PAGE if asked.seconds > 5 else TransientError("502")

    asked.upstream.steps = [answer] * 10
    assert asked.poll().records == 2
    assert asked.seconds < 15


def test_a_budget_that_has_nothing_for_retries_gives_up_with_the_real_error() -> None:
    asked = Asked(TransientError("502"), PAGE)
    asked.budget.left_for_retries = 0
    assert str(asked.missed()) == "502"
    assert asked.budget.taken == 1


def test_of_a_poll_of_many_pages_the_spare_calls_are_counted_not_the_tries() -> None:
    asked = Asked(b"a:1", *[TransientError("502")] * 1000, source=FakeSource(pages=3))
    asked.budget.left_for_retries = 2
    asked.missed()
    assert len(asked.upstream.asked) == 4, "pages 1 and 2, and page 2 twice more"


def test_each_attempt_that_failed_is_said_with_its_cause_but_not_again_and_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked = Asked(*[TransientError("Could not resolve host")] * 1000)
    asked.missed()
    lines = [text for text in caplog.messages if "Could not resolve host; tried again in" in text]
    assert 2 <= len(lines) <= 7
    assert lines[0].startswith("coingecko: ")


def test_where_attempts_that_failed_have_used_the_budget_up_their_cause_is_told() -> None:
    asked = Asked(TransientError("Could not resolve host"), PAGE)
    asked.budget.left_for_retries = 0
    asked.missed()
    asked.budget.waits = [75.0]
    error = asked.missed()
    assert error.reason == "failed"
    assert str(error) == "Could not resolve host; the next call is granted in 75 s"
    asked.budget.waits = []
    asked.poll()
    asked.budget.waits = [75.0]
    assert asked.missed().reason == "budget", "the attempt before has worked, so now it is the budget"


def test_retry_after_within_the_slot_is_obeyed_and_the_slot_saved() -> None:
    source = FakeSource(refusals={429: RefusedError("429", retry_after=20)})
    asked = Asked(Response(429, {}, b""), PAGE, source=source)
    assert asked.poll().records == 2
    assert asked.budget.bans == [(20, "429")]
    assert asked.budget.least == 60
    assert asked.budget.answers == 1
    assert asked.seconds > 20


def test_retry_after_beyond_the_slot_misses_it_and_holds_for_the_next_ones() -> None:
    source = FakeSource(refusals={429: RefusedError("429", retry_after=90)})
    asked = Asked(Response(429, {}, b""), PAGE, source=source)
    error = asked.missed()
    assert error.reason == "banned"
    assert "coingecko asked us to wait (429); the next call is granted in 90 s" in str(error)
    assert asked.budget.bans == [(90, "429")]
    assert len(asked.upstream.asked) == 1


def test_a_busy_server_that_names_a_time_is_waited_for_and_is_no_refusal() -> None:
    source = FakeSource(refusals={503: TransientError("503", retry_after=7)})
    asked = Asked(Response(503, {}, b""), PAGE, source=source)
    assert asked.poll().records == 2
    assert (asked.budget.bans, asked.budget.least) == ([(7, "503")], 0)


def test_a_ban_ends_the_poll_at_once() -> None:
    source = FakeSource(refusals={418: BannedError("418", retry_after=120)})
    asked = Asked(Response(418, {}, b""), PAGE, source=source)
    error = asked.missed()
    assert error.reason == "banned"
    assert "asked us to wait (418)" in str(error)
    assert asked.budget.bans == [(120, "418")]
    assert len(asked.upstream.asked) == 1


def test_a_200_that_was_cut_is_asked_for_again_unless_what_came_is_a_refusal() -> None:
    cut = CutError("cut", had=Response(200, {}, b"bitc"))
    assert Asked(cut, PAGE).poll().records == 2
    source = FakeSource(refusals={200: BannedError("banned", retry_after=120)})
    asked = Asked(cut, PAGE, source=source)
    assert asked.missed().reason == "banned"
    assert asked.budget.bans == [(120, "banned")]
    assert len(asked.upstream.asked) == 1


def test_of_several_pages_only_those_that_failed_are_asked_for_again() -> None:
    asked = Asked(b"a:1", TransientError("503"), b"b:2", b"c:3", source=FakeSource(pages=3))
    assert [json.loads(line)["asset_id"] for line in content(asked.poll()).splitlines()] == ["a", "b", "c"]
    assert [url for url, _ in asked.upstream.asked] == ["page-0", "page-1", "page-1", "page-2"]


def test_a_poll_is_all_its_pages_or_nothing() -> None:
    asked = Asked(b"a:1", *[TransientError("503")] * 1000, source=FakeSource(pages=2))
    asked.missed()
    assert [url for url, _ in asked.upstream.asked].count("page-0") == 1


def test_after_garbage_on_one_page_all_pages_are_asked_for_again() -> None:
    asked = Asked(b"a:1", b"garbage", b"a:2", b"b:2", source=FakeSource(pages=2))
    assert [json.loads(line)["price"] for line in content(asked.poll()).splitlines()] == [2, 2]
    assert [url for url, _ in asked.upstream.asked] == ["page-0", "page-1", "page-0", "page-1"]


def test_of_an_answer_that_is_not_whole_only_the_pages_to_blame_are_asked_for_again() -> None:
    source = FakeSource(pages=3)
    read, gaps = source.read, [(1,), (1, 2)]

    def incomplete(*args: object, **kwargs: object) -> Poll:
        if gaps:
            raise IncompleteError("page 2 is empty", pages=gaps.pop(0))
        return read(*args, **kwargs)  # type: ignore[arg-type]

    source.read = incomplete  # type: ignore[method-assign,assignment]
    asked = Asked(b"a:1", b"", b"c:3", b"", b"b:2", b"c:4", source=source)
    assert [json.loads(line)["asset_id"] for line in content(asked.poll()).splitlines()] == ["a", "b", "c"]
    assert [url for url, _ in asked.upstream.asked] == [f"page-{page}" for page in (0, 1, 2, 1, 1, 2)]


def test_a_gap_to_the_end_of_the_slot_is_a_missed_slot_that_says_so() -> None:
    source = FakeSource()

    def incomplete(*args: object, **kwargs: object) -> Poll:
        raise IncompleteError("page 2 has 0 of 250 coins", pages=(0,))

    source.read = incomplete  # type: ignore[method-assign,assignment]
    error = Asked(source=source, seconds=0).missed()
    assert (error.reason, str(error)) == ("failed", "page 2 has 0 of 250 coins")


def test_garbage_to_the_end_of_the_slot_is_a_missed_slot() -> None:
    error = Asked(*[b"garbage"] * 1000).missed()
    assert (error.reason, str(error)) == ("failed", "not what it speaks")


def test_an_operators_fault_is_not_tried_again() -> None:
    source = FakeSource(refusals={401: OperatorError("wrong key", remedy="Set it")})
    asked = Asked(Response(401, {}, b""), PAGE, source=source)
    with pytest.raises(OperatorError, match="wrong key"):
        asked.poll()
    assert len(asked.upstream.asked) == 1


@pytest.mark.parametrize("off", [-31, 31])
def test_a_date_that_is_too_far_from_our_clock_is_told_and_nothing_kept(off: float) -> None:
    from cryptoproxy.sandbox.wire import http_date

    asked = Asked()
    asked.upstream.steps = [Response(200, {"date": http_date(asked.slot_ms, off)}, PAGE)]
    with pytest.raises(ClockError, match="31 s behind" if off > 0 else "31 s ahead of"):
        asked.poll()


def test_what_the_upstream_says_is_used_goes_to_the_budget() -> None:
    asked = Asked(Response(200, {"used": "4711"}, PAGE))
    asked.poll()
    assert asked.budget.reports == [4711]


def test_a_stop_ends_a_wait_at_once() -> None:
    asked = Asked(TransientError("503"), PAGE)
    asked.loop.stopped = True
    assert asked.missed().reason == "stopped"


def test_a_record_that_the_contract_refuses_is_left_out_and_counted() -> None:
    polled = Asked(f"good:1,{'x' * MAX_RECORD_BYTES}:2".encode()).poll()
    assert polled.records == 1
    assert len(polled.rejected) == 1


def test_a_poll_of_which_the_contract_refuses_every_record_is_a_missed_slot() -> None:
    error = Asked(f"{'x' * MAX_RECORD_BYTES}:2".encode()).missed()
    assert (error.reason, "not a single record: xxx" in str(error)) == ("failed", True)


def test_one_call_by_itself_has_the_same_rules() -> None:
    asked = Asked(PAGE, waits=(3.0,))
    answer = asked.once.ask(Call("list"), asked.end_ms, asked.loop.wait)
    assert answer.body == PAGE
    assert asked.loop.waits == [3.0]
    assert asked.budget.taken == 1


def test_records_tell_the_interval_they_were_polled_at_and_none_where_none_is_planned() -> None:
    asked = Asked(b"bitcoin:3", b"bitcoin:3")
    planned = asked.once.poll(asked.slot_ms, asked.end_ms, asked.loop.wait, interval_ms=30_000)
    assert json.loads(content(planned))["interval_ms"] == 30_000
    assert "interval_ms" not in json.loads(content(asked.poll()))


REFUSALS = [
    (Binance(), Response(429, {}, b'{"code":-1003,"msg":"Too many requests."}')),
    (Binance(), Response(202, {"x-amzn-waf-action": "challenge"}, b"")),
    (CoinGecko(), Response(429, {"retry-after": "0"}, b"Throttled")),
    (CoinGecko(), Response(429, {"retry-after": "1"}, b"Throttled")),
    (Bybit("linear"), Response(200, {}, b'{"retCode":10006,"retMsg":"Too many visits!"}')),
    (Bybit("linear"), Response(405, {"content-type": "text/html"}, b"<html><title>Human Verification</title>")),
]


@pytest.mark.parametrize("interval", [5, 60, 300])
@pytest.mark.parametrize(("source", "refusal"), REFUSALS)
def test_an_upstream_that_refuses_for_hours_is_asked_less_and_less_and_never_more_often_than_one_that_serves(
    source: Source, refusal: Response, interval: int, tmp_path: Path
) -> None:
    clock = HandClock()
    loop, begun = HandLoop(clock), clock.monotonic()
    upstream = upstreams_of(Upstreams(**load_section(Upstreams, {}, [])))[source.upstream]
    budget = Budget(upstream.limits, tmp_path, clock=clock, boot="boot")
    asked: list[float] = []

    def get(call: Call, *, timeout: float) -> Response:
        asked.append(clock.monotonic() - begun)
        return refusal

    once = PollOnce(source, budget=budget, get=get, clock=clock, metrics=Metrics(), timeout=10)
    while clock.monotonic() - begun < 3 * 3600:
        slot_ms = clock.now_ms() // (interval * 1000) * interval * 1000
        with pytest.raises(SlotMissedError):
            once.poll(slot_ms, slot_ms + interval * 1000, loop.wait)
        clock.turn((slot_ms + interval * 1000 - clock.now_ms()) / 1000)
    gaps = [after - before for before, after in itertools.pairwise(asked)]
    told = refusal.headers.get("retry-after") == "1" or refusal.status == 200
    assert all(gap >= 60 for gap in gaps[1 if told else 0 :])
    assert gaps[-1] >= 900
    assert len(asked) < 25


class Bars(FakeSource):
    """Of two days, as a poll right after midnight may give them."""

    feed = Feed("binance", "candle", "1m")

    def read(self, bodies: Sequence[bytes], *, slot_ms: int, fetched_at_ms: int) -> Poll:
        times = ("2026-11-21T00:00:00.000Z", "2026-11-20T23:59:00.000Z")
        return Poll([replace(CANDLE.example, timestamp=each, fetched_at=iso(fetched_at_ms)) for each in times], [])


def test_bars_tell_no_interval_and_come_after_the_tickers_in_the_budget() -> None:
    asked = Asked(b"", source=Bars())
    polled = asked.once.poll(asked.slot_ms, asked.end_ms, asked.loop.wait, interval_ms=60_000)
    assert all(b"interval_ms" not in part.content for part in polled.parts)
    assert asked.budget.priorities == [Priority.LIVE]
    tickers = Asked(PAGE)
    tickers.poll()
    assert tickers.budget.priorities == [Priority.TICKERS]


def test_a_poll_of_two_days_is_two_entries_and_its_slot_is_done_with_the_last_one(tmp_path: Path) -> None:
    polled = Asked(b"", source=Bars()).poll()
    assert polled.records == 2
    with closing(Outbox(tmp_path, max_bytes=1 << 20)) as outbox:
        told: list[Entry] = []
        polled.keep(outbox, before_drains=told.append)
        first, last = outbox.oldest("kafka")
        assert [iso(entry.begin_ms) for entry in (first, last)] == [
            "2026-11-20T23:59:00.000Z",
            "2026-11-21T00:00:00.000Z",
        ]
        assert (first.slot_ms, last.slot_ms) == (NO_SLOT, polled.slot_ms)
        assert told == [last]
        assert outbox.last_slot("binance.candle-1m") == polled.slot_ms


def test_a_poll_without_a_record_is_kept_for_its_slot(tmp_path: Path) -> None:
    polled = Polled(Feed("coingecko"), SLOT_MS, [], [], 0.1, 1.0, 2)
    with closing(Outbox(tmp_path, max_bytes=1 << 20)) as outbox:
        polled.keep(outbox)
        (entry,) = outbox.oldest("s3")
        assert (entry.slot_ms, entry.begin_ms, entry.records) == (SLOT_MS, SLOT_MS, 0)
