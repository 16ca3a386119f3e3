"""What the door gives for people to look at, of a real index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from cryptoproxy.common.clients import elastic
from cryptoproxy.datasets import ALERT, BOOK, CANDLE, TICKER, TRADE, Candle, Ticker, iso
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, MINUTE_MS
from cryptoproxy.engines.stack import Endpoints
from cryptoproxy.queries import NothingFound, Queries
from cryptoproxy.queries.elastic.engine import Elastic
from cryptoproxy.serve.road.engine import Engine
from cryptoproxy.serve.road.midnights import Midnights
from cryptoproxy.serve.views import chart, flowing
from tests.integration.conftest import make_world, remove_indices
from tests.integration.queries.filled import Stopped, index_records

END_MS = 1_795_824_000_000 - 1_795_824_000_000 % HOUR_MS
MISSING = 130
"""The minute before the end that has no bar."""
DAYS = range(END_MS - END_MS % DAY_MS - 5 * DAY_MS, END_MS - END_MS % DAY_MS - DAY_MS, DAY_MS)


def minute(number: int) -> Candle:
    """The bar that begins so many minutes before the end; each differs from its neighbours."""
    begin_ms, price = END_MS - number * MINUTE_MS, 100.0 + number % 17 + number / 1000
    return replace(
        CANDLE.example, interval="1m", timestamp=iso(begin_ms), fetched_at=iso(begin_ms + MINUTE_MS), open=price,
        close=price + 0.25, high=price + 1.5, low=price - 1.125, base_volume=number / 4, quote_volume=float(number),
        trades=number,
    )  # fmt: skip


def midnights() -> Iterator[Ticker]:
    """The second is of a poll, which tells a time of its own; of the third a chart told no market cap."""
    for stamp, cap in zip(DAYS, (2e12, 2e12, None, 2e12), strict=True):
        polled = {"interval_ms": MINUTE_MS, "last_updated": iso(stamp - 900)} if stamp == DAYS[1] else {}
        point = {"interval_ms": DAY_MS, "last_updated": None, "market_cap": cap, "volume_24h": 0.1 + 0.2}
        yield replace(TICKER.example, timestamp=iso(stamp), fetched_at=iso(END_MS), **point | polled)


@pytest.fixture(scope="module")
def queries(endpoints: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Queries]:
    world = make_world(endpoints, tmp_path_factory.mktemp("views"))
    world.set_up(TICKER, CANDLE, BOOK, TRADE, ALERT)
    settings = world.settings.elasticsearch
    client = elastic.client(settings)
    index_records(client, settings, CANDLE, [minute(number) for number in range(1, 301) if number != MISSING])
    index_records(client, settings, TICKER, midnights())
    moments = [iso(END_MS - number * 1000) for number in range(1, 6)]
    for dataset in (BOOK, TRADE, ALERT):
        times = [{"timestamp": each, "fetched_at": iso(END_MS)} for each in moments]
        more = {"trade": [{"trade_id": str(number)} for number in range(5)], "alert": [{"since": each} for each in moments]}  # fmt: skip
        records = [replace(dataset.example, **time, **extra) for time, extra in zip(times, more.get(dataset.name, [{}] * 5), strict=True)]  # fmt: skip
        index_records(client, settings, dataset, records)
    yield Queries.of(settings, client, clock=Stopped(END_MS))
    remove_indices(settings)
    client.close()


def test_bars_of_a_picture_are_those_of_candles(queries: Queries):
    which = {"assets": CANDLE.example.asset_id, "source": CANDLE.example.source, "since": "5h"}
    whole = {row.bar.begin_ms: row.bar for row in queries.candles("1h", **which)}
    points = list(chart.chart(queries, **which, points=5))
    assert [point.share for point in points] == [1.0, 1.0, pytest.approx(59 / 60), 1.0, 1.0]
    for point in points:
        if point.share == 1:
            told = whole[point.bar.begin_ms]
            assert point.bar[:5] == told[:5]
            assert point.bar[5:8] == pytest.approx(told[5:8])
    assert {point.made_of for point in points} == {"1m candles"}


def test_a_picture_has_no_more_bars_than_it_has_room_for(queries: Queries):
    which = {"assets": CANDLE.example.asset_id, "since": "5h"}
    for points in (5, 60, 300, 2000):
        answer = chart.chart(queries, **which, points=points)
        assert 5 <= len(answer.held()) <= min(points, 299) + 1
        assert answer.covers.last_ms == END_MS
    assert ["of 1 bars parts are missing" in each for each in chart_notes(queries, which)] == [True]


def test_points_of_a_chart_are_those_that_a_chart_told(queries: Queries):
    one = TICKER.example
    index = Midnights([Engine(lambda: Elastic(queries.searches))])
    found = index.find(one.source, one.asset_id, one.quote, [*DAYS, END_MS])
    assert found == ([(stamp, one.price, 2e12, 0.1 + 0.2) for stamp in (DAYS[0], DAYS[3])], "es")


def chart_notes(queries: Queries, which: dict[str, str]) -> list[str]:
    answer = chart.chart(queries, **which, points=5)
    answer.held()
    return answer.notes


def test_indicators_of_a_picture_are_those_of_its_bars(queries: Queries):
    points = list(chart.chart(queries, assets=CANDLE.example.asset_id, since="5h", points=300, names="sma:3"))
    closes = [point.bar.close for point in points]
    assert points[1].values["sma_3"] is None
    assert points[9].values["sma_3"] == pytest.approx(sum(closes[7:10]) / 3)


@pytest.mark.parametrize("asked", [{}, {"assets": "a,b,c,d,e,f,g"}, {"assets": "a", "points": 1}])
def test_a_picture_of_nothing_or_too_much_is_refused(queries: Queries, asked: dict[str, str]):
    with pytest.raises(ValueError, match="must"):
        chart.chart(queries, **asked)


def test_what_is_not_there_is_not_found(queries: Queries):
    for answer in (chart.chart(queries, assets="nothing"), flowing.book(queries, assets="nothing"),
                   flowing.tape(queries, assets="nothing")):  # fmt: skip
        with pytest.raises(NothingFound):
            answer.held()


def test_the_newest_book_has_its_levels_with_their_sums(queries: Queries, tmp_path: Path):
    example = BOOK.example
    levels = flowing.book(queries, assets=example.asset_id).held()
    assert [(each.side, each.price, each.size) for each in levels] == [
        *(("bid", *each) for each in example.bids), *(("ask", *each) for each in example.asks),
    ]  # fmt: skip
    assert levels[1].sum_quote == pytest.approx(sum(price * size for price, size in example.bids[:2]))
    assert levels[0].book.timestamp == iso(END_MS - 1000)


def test_trades_and_alerts_come_the_newest_first(queries: Queries):
    for answer in (flowing.tape(queries, assets=TRADE.example.asset_id, top=3), flowing.alerts(queries, top=3)):
        assert [row.timestamp for row in answer.held()] == [iso(END_MS - number * 1000) for number in (1, 2, 3)]
        assert answer.covers.last_ms == END_MS - 1000
