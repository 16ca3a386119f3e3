"""What only a person can mend is asked again less and less often, told all the same, and over when it is mended."""

from __future__ import annotations

from pathlib import Path

import pytest

from cryptoproxy.errors import CryptoProxyError, OperatorError
from cryptoproxy.producer.budget import Budget
from cryptoproxy.producer.feeds.poll import PollOnce
from cryptoproxy.producer.feeds.refused import LONGEST_SECONDS
from cryptoproxy.upstreams.base import Call, Limits, Response, Source
from cryptoproxy.upstreams.binance.tickers import Binance
from cryptoproxy.upstreams.bybit.tickers import Bybit
from cryptoproxy.upstreams.coingecko.tickers import CoinGecko
from tests.unit.producer.budget.hand_clock import HandClock
from tests.unit.producer.fakes import FakeBudget, FakeSource, FakeUpstream, HandLoop, Metrics

WRONG_KEY = OperatorError("wrong key", remedy="Set it")


class Slots:
    """Slot after slot of one source; ``answer`` is what its upstream says until something else is put there."""

    def __init__(self, source: Source, answer: Response, budget: FakeBudget | Budget | None = None) -> None:
        self.clock = HandClock()
        self.upstream = FakeUpstream(clock=self.clock, seconds=0.01)
        self.upstream.get = self._get  # type: ignore[method-assign]
        self.answer = answer
        self.asked: list[Call] = []
        self.once = PollOnce(
            source,
            budget=budget or FakeBudget(),  # type: ignore[arg-type]
            get=self._get,
            clock=self.clock,
            metrics=Metrics(),
            timeout=10,
        )
        self._wait = HandLoop(self.clock).wait

    def _get(self, call: Call, *, timeout: float) -> Response:
        self.asked.append(call)
        return self.answer

    def poll(self, seconds: float = 1.0) -> str:
        """What the slot under way was missed for; "" when it was polled. Then it is over."""
        slot_ms = self.clock.now_ms()
        try:
            self.once.poll(slot_ms, slot_ms + round(seconds * 1000), self._wait)
        except CryptoProxyError as error:
            return str(error)
        else:
            return ""
        finally:
            self.clock.turn(slot_ms / 1000 + seconds - self.clock.now_ms() / 1000)


def refusing(status: int = 401) -> FakeSource:
    return FakeSource(refusals={status: WRONG_KEY})


@pytest.mark.parametrize(("seconds", "most"), [(1, 15), (60, 9), (300, 20)])
def test_it_is_asked_less_and_less_often_and_each_slot_tells_why(seconds: float, most: int) -> None:
    slots = Slots(refusing(), Response(401, {}, b""))
    told = {slots.poll(seconds) for _ in range(round(3600 / seconds))}
    assert told == {"wrong key. Set it"}
    assert 2 <= len(slots.asked) <= most
    assert slots.once.budget.taken == len(slots.asked)  # type: ignore[attr-defined]


def test_the_waits_double_slot_by_slot() -> None:
    slots = Slots(refusing(), Response(401, {}, b""))
    asked = []
    for _ in range(16):
        slots.poll()
        asked.append(len(slots.asked))
    assert [number for number in range(16) if asked[number] > (asked[number - 1] if number else 0)] == [0, 2, 6, 14]


def test_it_is_over_by_itself_within_a_quarter_of_an_hour_and_the_next_one_begins_anew() -> None:
    slots = Slots(refusing(), Response(401, {}, b""))
    for _ in range(7200):
        slots.poll()
    slots.answer = Response(200, {}, b"bitcoin:3")
    missed = 0
    while slots.poll():
        missed += 1
    assert missed <= LONGEST_SECONDS
    assert slots.poll() == ""
    slots.answer = Response(401, {}, b"")
    asked = len(slots.asked)
    assert [bool(slots.poll()) for _ in range(3)] == [True] * 3
    assert len(slots.asked) == asked + 2, "one slot is left out after the first refusal"


def test_what_a_person_has_changed_is_asked_at_once() -> None:
    source = refusing()
    slots = Slots(source, Response(401, {}, b""))
    source.calls = lambda turn=None: [Call("page", headers={"key": "old"})]  # type: ignore[method-assign]
    for _ in range(7):
        slots.poll()
    asked = len(slots.asked)
    assert slots.poll()
    assert len(slots.asked) == asked
    source.calls = lambda turn=None: [Call("page", headers={"key": "new"})]  # type: ignore[method-assign]
    slots.answer = Response(200, {}, b"bitcoin:3")
    assert slots.poll() == ""


def test_of_a_poll_of_which_a_later_page_is_refused_no_page_is_asked() -> None:
    source = FakeSource(pages=2, refusals={400: WRONG_KEY})
    slots = Slots(source, Response(200, {}, b"bitcoin:3"))

    def get(call: Call, *, timeout: float) -> Response:
        slots.asked.append(call)
        return slots.answer if call.url == "page-0" else Response(400, {}, b"")

    slots.once.get = get
    assert [slots.poll(), slots.poll()] == ["wrong key. Set it"] * 2
    assert [call.url for call in slots.asked] == ["page-0", "page-1"]


def test_how_long_it_asks_for_is_obeyed_by_all_of_that_upstream(tmp_path: Path) -> None:
    limits = Limits(upstream="coingecko", unit="calls", interval_setting="POLL_INTERVAL")
    slots = Slots(refusing(), Response(401, {"retry-after": "600s"}, b""))
    budget = slots.once.budget = Budget(limits, tmp_path, clock=slots.clock)
    assert slots.poll() == "wrong key. Set it"
    assert budget.ban_ends_in() == pytest.approx(600, abs=2)
    assert "wrong key" in budget.ban_reason()
    for _ in range(598):
        assert slots.poll() == "wrong key. Set it", "it is one outage, and told in one way"
    assert len(slots.asked) == 1
    slots.answer = Response(200, {}, b"bitcoin:3")
    assert "" in {slots.poll() for _ in range(5)}


def test_a_list_of_symbols_is_left_alone_as_well_and_polls_go_on() -> None:
    slots = Slots(refusing(404), Response(404, {}, b""))
    for _ in range(10):
        with pytest.raises(OperatorError, match="wrong key"):
            slots.once.ask(Call("list"), slots.clock.now_ms() + 60_000, slots._wait)
        slots.clock.turn(10)
    assert len(slots.asked) == 2
    slots.answer = Response(200, {}, b"bitcoin:3")
    assert slots.poll() == ""


BYBIT = b'{"retCode":%d,"retMsg":"no","result":{}}'
COINGECKO = b'{"status":{"error_code":%d,"error_message":"no"}}'
REFUSALS = [
    *[(source, Response(status, {}, b'{"error":"no"}')) for status in (302, 400, 401, 404, 407, 410, 422, 451)
      for source in (CoinGecko, Binance, lambda: Bybit("linear"))],
    *[(CoinGecko, Response(status, {}, COINGECKO % code)) for status in (400, 401, 403) for code in (10002, 10005, 10010)],
    (Binance, Response(400, {}, b'{"code":-1104,"msg":"no"}')),
    *[(lambda: Bybit("spot"), Response(200, {}, BYBIT % code)) for code in (10001, 10003, 10017, 10024, 99)],
]  # fmt: skip


@pytest.mark.parametrize(("make", "answer"), REFUSALS)
def test_every_upstreams_refusal_for_a_person_is_of_that_kind(make: object, answer: Response) -> None:
    slots = Slots(make(), answer)  # type: ignore[operator]
    told = [slots.poll() for _ in range(60)]
    assert told[0]
    assert set(told) == {told[0]}
    assert len(slots.asked) <= 6
