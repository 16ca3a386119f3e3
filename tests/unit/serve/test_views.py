"""What the door gives for people to look at: prices from memory, and whether it works."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import STATS, iso, key
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, MINUTE_MS, Span
from cryptoproxy.errors import TransientError
from cryptoproxy.queries import periods
from cryptoproxy.sandbox.app import Sandbox
from cryptoproxy.serve.road.newest import Newest
from cryptoproxy.serve.views import chart
from cryptoproxy.serve.views.working import BrokerView, Working, aged, budget, polled
from tests.unit.serve.conftest import NOW_MS, Road, StandingClock


@pytest.fixture
def road(standing: tuple[Sandbox, StandingClock]):
    made = Road.made(*standing)
    made.poll("coingecko", "bybit-linear")
    made.start()
    yield made
    made.stop()


def rows(road: Road, question: str) -> list[dict[str, Any]]:
    answer = road.get(f"/v1/{question}")
    assert answer.status_code == 200, answer.text
    return answer.json()["rows"]


def test_prices_are_those_that_were_polled(road: Road):
    found = {row["asset_id"]: row for row in rows(road, "prices?source=coingecko&limit=1000")}
    theirs = road.theirs("coingecko", "coins/markets?vs_currency=usd&per_page=50&precision=full").json()
    assert {each["id"]: each["current_price"] for each in theirs} == {
        name: row["price"] for name, row in found.items() if name in {each["id"] for each in theirs}
    }


def test_prices_are_searched_and_in_order(road: Road):
    caps = [row["market_cap"] for row in rows(road, "prices?source=coingecko&sort=-market_cap&top=10")]
    assert caps == sorted(caps, reverse=True)
    assert len(caps) == 10
    assert {row["asset_id"] for row in rows(road, "prices?source=coingecko&search=BITC")} >= {"bitcoin"}
    changes = [row["change_24h"] for row in rows(road, "prices?source=bybit-linear&sort=change_24h&top=5")]
    assert changes == sorted(changes), "fractions of Bybit are percent here"


@pytest.mark.parametrize(
    ("question", "status", "words"),
    [
        ("prices?sort=colour", 400, "none of"),
        ("prices?search=zzzzzz", 404, "no asset"),
        ("prices?source=coingecko&limit=3", 400, "more than 3 rows"),
    ],
)
def test_what_is_no_question_is_refused_with_a_word(road: Road, question: str, status: int, words: str):
    answer = road.get(f"/v1/{question}")
    assert answer.status_code == status
    assert words in answer.json()["error"]


def test_who_asks_for_it_old_gets_it_old(road: Road, standing: tuple[Sandbox, StandingClock]):
    clock = standing[1]
    clock.ms += HOUR_MS
    try:
        assert road.get("/v1/prices?source=coingecko&top=1").status_code == 503
        assert road.get("/v1/prices?source=coingecko&top=1", headers={"X-Max-Age": "999999999"}).status_code == 200
        states = {row["name"]: row["state"] for row in rows(road, "working") if row["kind"] == "source"}
        assert states == {"coingecko": "late", "bybit-linear": "late"}
    finally:
        clock.ms -= HOUR_MS


def test_it_is_told_who_is_behind(road: Road):
    found = {(row["kind"], row["name"]): row["state"] for row in rows(road, "working")}
    assert found["source", "coingecko"] == "ok"
    assert found["indexer", "ticker"] == "ok"
    assert found["indexer", "candle"] == "late"
    assert found["poller", "poller"] == "away", "none has told that it polls"


def test_the_state_topic_tells_of_polls_streams_and_budgets():
    state = {"door": b"{}", "slot:coingecko.market": b"%d" % (NOW_MS - 5000), "slot:odd": b"x",
             "stream:binance.trade": b'{"told_ms":%d}' % (NOW_MS - 400_000), "stream:odd": b"{"}  # fmt: skip
    assert {(each.name, each.state, each.age_ms) for each in polled(state, NOW_MS)} == {
        ("coingecko.market", "", 5000),
        ("binance.trade", "late", 400_000),
    }
    counts = (
        b'{"counts":{"windows":{"minute":[[%d,5],[%d,100]]},"months":{"2026-11":7},"ban":{"until_ms":%d,"why":"418"}}}'
    )
    told = list(budget("binance", "weight", {"minute": 100, "month": 0}, counts % (NOW_MS - 90_000, NOW_MS - 1000, NOW_MS + 9000), NOW_MS))  # fmt: skip
    assert [(each.count, each.state) for each in told] == [(100, "late"), (7, "late"), (None, "away")]
    for odd in (b"garbage", b'{"counts":[]}', b'{"counts":null}', b'{"counts":{"ban":{"until_ms":"soon"}}}'):
        assert list(budget("binance", "weight", {"minute": 1}, odd, NOW_MS)) == []


def test_age_is_judged_by_the_interval_where_there_is_one():
    assert aged("source", "a", NOW_MS - 100_000, 60_000, NOW_MS).state == "ok"
    assert aged("source", "a", NOW_MS - 200_000, 60_000, NOW_MS).state == "late"
    assert aged("source", "a", NOW_MS + 5, None, NOW_MS).age_ms == 0


def test_brokers_that_are_away_are_a_line_and_are_not_asked_by_each_who_looks():
    asked = []

    def away() -> BrokerView:
        asked.append(1)
        raise TransientError("no broker answers")

    clock = StandingClock()
    working = Working(Settings.from_texts({}), Newest(), clock, brokers=away)
    for _ in range(3):
        assert [(each.kind, each.state) for each in working.answer()] == [("brokers", "away")]
    assert len(asked) == 1


def test_stats_are_the_newest_of_each_asset_and_who_moves_most_comes_first(road: Road):
    def told(asset_id: str, **more: Any) -> Any:
        stats = replace(STATS.example, asset_id=asset_id, **more)
        return SimpleNamespace(topic=STATS.topic, key=key(stats).encode(), value=STATS.codec.encode(stats))

    calm = told("calm", volatility_24h=1.0, volatility_1h=None)
    old, new = (told("wild", fetched_at=iso(NOW_MS + number), price=1.0 + number) for number in range(2))
    assert road.get("/v1/stats").status_code == 404
    broken = SimpleNamespace(topic=STATS.topic, key=b"x", value=b"{}")
    other = SimpleNamespace(topic="crypto.trades", key=b"x", value=b"{}")
    assert road.standing.take([calm, new, old, broken, other]) == 1
    assert [(row["asset_id"], row["price"]) for row in rows(road, "stats")] == [("wild", 2.0), ("calm", 69123.12)]
    assert [row["asset_id"] for row in rows(road, "stats?assets=calm&top=1")] == ["calm"]
    road.standing.take([SimpleNamespace(topic=STATS.topic, key=new.key, value=None)])
    assert [row["asset_id"] for row in rows(road, "stats")] == ["calm"]


def test_a_slow_broker_holds_up_the_one_who_asks_it_and_no_other():
    asked, answered = threading.Event(), threading.Event()

    def slow() -> BrokerView:
        asked.set()
        assert answered.wait(60)
        return BrokerView({}, {"ticker": 0})

    working = Working(Settings.from_texts({}), Newest(), StandingClock(), brokers=slow)
    first = threading.Thread(target=lambda: list(working.answer()))
    first.start()
    assert asked.wait(60)
    assert "has not answered yet" in next(each.words for each in working.answer())
    answered.set()
    first.join()
    assert [each.kind for each in working.answer()] == ["poller", "indexer"]


@pytest.mark.parametrize(
    ("length_ms", "points", "step"),
    [(HOUR_MS, 400, "1m"), (DAY_MS, 400, "5m"), (30 * DAY_MS, 360, "2h"), (30 * DAY_MS, 720, "1h"), (9999 * DAY_MS, 2, "1mo")],
)  # fmt: skip
def test_the_step_of_a_picture_follows_from_its_span(length_ms: int, points: int, step: str):
    assert chart.steps_for(Span(NOW_MS - length_ms, NOW_MS), points)[0].text == step


def test_a_bar_of_which_parts_are_missing_tells_how_much_is_there():
    def end(name: str, value: float) -> dict[str, Any]:
        return {"hits": {"hits": [{"fields": {name: [value]}}]}}

    step = {
        "key": NOW_MS - NOW_MS % HOUR_MS, "doc_count": 45, "open": end("open", 1.0), "close": end("close", 2.0),
        "high": {"value": 3.0}, "low": {"value": 0.5}, "base_volume": {"value": 9.0}, "base_volume_there": {"value": 45},
        "quote_volume": {"value": 9.0}, "quote_volume_there": {"value": 44}, "trades": {"value": 12.0},
        "trades_there": {"value": 45},
    }  # fmt: skip
    answer = {"aggregations": {"steps": {"buckets": [step]}}}
    ((bar, share),) = chart.told(answer, periods.interval("1h"), MINUTE_MS)
    assert share == 0.75
    assert (bar.open, bar.high, bar.low, bar.close) == (1.0, 3.0, 0.5, 2.0)
    assert (bar.base_volume, bar.quote_volume, bar.trades) == (9.0, None, 12)


def test_a_lag_that_may_not_be_looked_at_is_said_to_be_unknown():
    view = BrokerView({"door": b"{}"}, {}, "no right to describe the group")
    working = Working(Settings.from_texts({}), Newest(), StandingClock(), brokers=lambda: view)
    (line,) = working.answer()
    assert (line.kind, line.state) == ("indexer", "")
    assert "no right" in line.words
