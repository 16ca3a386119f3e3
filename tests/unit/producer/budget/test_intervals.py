"""Which intervals fit into the quotas."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptoproxy.common.settings import Settings, kinds
from cryptoproxy.errors import OperatorError
from cryptoproxy.producer.budget import Demand, Intervals, demand_of, fit
from cryptoproxy.producer.budget.intervals import ALLOWED_MS
from cryptoproxy.producer.budget.windows import WINDOWS
from cryptoproxy.upstreams import sources_of, upstreams_of
from cryptoproxy.upstreams.base import Limits, Polling, Priority

DEMO = {"COINGECKO_PLAN": "demo", "COINGECKO_API_KEY": "a-key"}


def limits(upstream: str, texts: dict[str, str] | None = None) -> Limits:
    return upstreams_of(Settings.from_texts(texts or {}).upstreams)[upstream].limits


def coingecko(cost: int, interval: float, texts: dict[str, str] | None = None) -> Intervals:
    return fit([Demand(source="coingecko", cost=cost, interval=interval)], limits("coingecko", texts))


def binance(interval: float, texts: dict[str, str] | None = None) -> Intervals:
    demand = Demand(source="binance", cost=80, interval=interval, call_cost=80)
    return fit([demand], limits("binance", texts))


def bybit(interval: float, texts: dict[str, str] | None = None) -> Intervals:
    names = ("bybit-linear", "bybit-inverse", "bybit-spot")
    return fit([Demand(source=name, cost=1, interval=interval) for name in names], limits("bybit", texts))


def test_60_s_all_month_against_10000_calls_is_stretched_and_said() -> None:
    made = coingecko(1, 60, DEMO)
    assert made.by_source == {"coingecko": 288}
    assert 31 * 86_400 / 288 <= 9_500, "a twentieth is left for retries"
    (line,) = made.lines
    for word in ("coingecko is polled every 288 s, not every 60 s", "44640 calls", "10000"):
        assert word in line
    for setting in ("COINGECKO_INTERVAL=288", "COINGECKO_CALLS_PER_MONTH"):
        assert setting in line


def test_50_coins_each_30_s_fit_into_5_calls_a_minute() -> None:
    assert coingecko(1, 30) == Intervals({"coingecko": 30}, [])


def test_the_top_1000_each_30_s_do_not() -> None:
    made = coingecko(4, 30)
    assert made.by_source == {"coingecko": 64}, "4 of 5 calls in any minute, so each poll goes out at its slot"
    assert "COINGECKO_CALLS_PER_MINUTE" in made.lines[0]


def test_a_poll_larger_than_a_minute_allows_is_planned_by_its_mean() -> None:
    (interval,) = coingecko(40, 60).by_source.values()
    assert 600 <= interval <= 720


def test_the_whole_binance_market_each_second_fits_into_6000() -> None:
    assert binance(1) == Intervals({"binance": 1}, [])


def test_with_3000_it_is_stretched_to_2_s() -> None:
    made = binance(1, {"BINANCE_WEIGHT_PER_MINUTE": "3000"})
    assert made.by_source == {"binance": 2}
    assert "BINANCE_INTERVAL=2" in made.lines[0]
    assert "BINANCE_WEIGHT_PER_MINUTE" in made.lines[0]


def test_three_bybit_markets_each_second_fit() -> None:
    assert bybit(1).lines == []


def test_sources_that_share_an_upstream_are_stretched_alike_with_a_line_each() -> None:
    made = bybit(1, {"BYBIT_CALLS_PER_5S": "10"})
    assert len(set(made.by_source.values())) == 1
    assert made.by_source["bybit-spot"] > 1
    assert [line.split()[0] for line in made.lines] == ["bybit-linear", "bybit-inverse", "bybit-spot"]


def test_no_limit_stretches_nothing() -> None:
    assert binance(0.1, {"BINANCE_WEIGHT_PER_MINUTE": "0"}) == Intervals({"binance": 0.1}, [])


def test_no_sources_need_no_plan() -> None:
    assert fit([], limits("coingecko")) == Intervals({}, [])


def test_a_quota_for_less_than_one_poll_a_day_is_a_persons_to_mend() -> None:
    with pytest.raises(OperatorError, match="Raise COINGECKO_CALLS_PER_MONTH, or"):
        coingecko(1, 60, {"COINGECKO_CALLS_PER_MONTH": "20"})


def test_a_call_that_no_minute_allows_is_a_persons_to_mend() -> None:
    with pytest.raises(OperatorError, match="one call costs 80 weight, BINANCE_WEIGHT_PER_MINUTE allows 50"):
        binance(1, {"BINANCE_WEIGHT_PER_MINUTE": "50"})


def test_every_interval_to_stretch_to_could_be_set_as_well() -> None:
    for ms in ALLOWED_MS:
        assert kinds.interval().parse(f"{ms / 1000:g}") == ms / 1000


@given(
    st.lists(st.tuples(st.integers(1, 100), st.sampled_from(ALLOWED_MS)), min_size=1, max_size=4),
    st.integers(1, 6000),
    st.sampled_from([0, 10_000, 500_000]),
)
def test_what_is_planned_fits_and_nothing_is_polled_more_often_than_wanted(
    wants: list[tuple[int, int]], per_minute: int, per_month: int
) -> None:
    texts = {"COINGECKO_CALLS_PER_MINUTE": str(per_minute), "COINGECKO_CALLS_PER_MONTH": str(per_month)}
    demands = [
        Demand(source=f"source-{number}", cost=cost, interval=ms / 1000) for number, (cost, ms) in enumerate(wants)
    ]
    try:
        made = fit(demands, limits("coingecko", texts))
    except OperatorError:
        return
    intervals = [made.by_source[demand.source] for demand in demands]
    assert all(interval >= demand.interval for interval, demand in zip(intervals, demands, strict=True))
    assert all(round(interval * 1000) in ALLOWED_MS for interval in intervals)
    stretched = [demand for demand in demands if made.by_source[demand.source] != demand.interval]
    assert len(made.lines) == len(stretched)

    def uses(seconds: float) -> float:
        return sum(demand.cost * seconds / interval for interval, demand in zip(intervals, demands, strict=True))

    assert uses(WINDOWS["minute"].length_ms / 1000) <= per_minute
    if per_month:
        assert uses(31 * 86_400) <= per_month


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({"COINGECKO_TOP_N": "50"}, (1, 1)),
        ({"COINGECKO_TOP_N": "1000"}, (4, 1)),
        ({"SOURCES": "binance", "BINANCE_SYMBOLS": "*"}, (80, 80)),
        ({"SOURCES": "bybit-spot"}, (1, 1)),
    ],
)
def test_what_a_source_costs_is_asked_of_the_source(texts: dict[str, str], expected: tuple[int, int]) -> None:
    (source,) = sources_of(Settings.from_texts(texts).upstreams)
    demand = demand_of(source, Polling(make=lambda: source, interval=30))
    assert (demand.source, demand.interval) == (texts.get("SOURCES", "coingecko"), 30)
    assert (demand.cost, demand.call_cost) == expected


def candles(cost: int, interval: float, call_cost: int = 2) -> Demand:
    return Demand(
        source="binance.candle-1m",
        cost=cost,
        interval=interval,
        call_cost=call_cost,
        fixed=True,
        priority=Priority.LIVE,
    )


def market(cost: int, interval: float) -> Demand:
    return Demand(source="coingecko.market", cost=cost, interval=interval, priority=Priority.LIVE)


WHOLE_MARKET = Demand(source="binance", cost=80, interval=1, call_cost=80)


def test_tickers_are_planned_as_if_there_were_nothing_else() -> None:
    alone = fit([WHOLE_MARKET], limits("binance"))
    both = fit([candles(200, 60), WHOLE_MARKET], limits("binance"))
    assert both.by_source == {**alone.by_source, "binance.candle-1m": 60}
    assert both.use[Priority.TICKERS] == alone.use[Priority.TICKERS]
    assert both.lines == []
    assert both.use[Priority.LIVE]["minute"] == 207, "by its mean in a window of 62 s"


def test_bars_that_do_not_fit_beside_the_tickers_are_refused_since_each_of_them_counts() -> None:
    with pytest.raises(OperatorError, match=r"binance\.candle-1m: what must not be polled less often does not fit"):
        fit([WHOLE_MARKET, candles(1_000, 60)], limits("binance"))
    assert fit([candles(1_000, 60)], limits("binance")).by_source == {"binance.candle-1m": 60}


def test_what_may_wait_is_stretched_and_the_tickers_are_not() -> None:
    tickers = Demand(source="coingecko", cost=1, interval=60)
    made = fit([tickers, market(3, 60)], limits("coingecko"))
    assert made.by_source["coingecko"] == 60
    assert made.by_source["coingecko.market"] > 60
    (line,) = made.lines
    assert line.startswith("coingecko.market is polled every ")
    assert "COINGECKO_INTERVAL" not in line, "that is the tickers'"
    assert fit([tickers, market(3, 600)], limits("coingecko")).lines == [], "three calls may wait for room one by one"


def test_a_call_for_which_the_tickers_never_leave_room_is_refused() -> None:
    with pytest.raises(OperatorError, match="BINANCE_WEIGHT_PER_MINUTE"):
        fit(
            [WHOLE_MARKET, candles(400, 86_400, call_cost=400)],
            limits("binance", {"BINANCE_WEIGHT_PER_MINUTE": "6000"}),
        )
