"""What the door answers from the road is what the upstream itself answers, field by field."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from cryptoproxy.datasets import iso
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS
from cryptoproxy.errors import TransientError
from cryptoproxy.queries.scope import Scope
from cryptoproxy.serve.houses.house import Shelf, linked
from cryptoproxy.serve.reply import Reply, takes_gzip
from cryptoproxy.serve.upstream.seam import Fetched, NotFetchedError
from tests.conftest import PATIENCE, wait_until
from tests.unit.serve.conftest import NOW_MS, HeldPast, Road

Make = Callable[..., Road]
HOUR = NOW_MS - NOW_MS % HOUR_MS
TODAY = NOW_MS - NOW_MS % DAY_MS

SAME = [
    ("coingecko", "ping", {}),
    ("coingecko", "coins/markets", {"vs_currency": "usd", "per_page": "20"}),
    ("coingecko", "coins/markets", {"vs_currency": "usd", "per_page": "10", "page": "3", "order": "market_cap_desc"}),
    ("coingecko", "coins/markets", {"vs_currency": "USD", "per_page": "50", "precision": "full"}),
    ("coingecko", "coins/markets", {"vs_currency": "usd", "ids": "ethereum,bitcoin", "price_change_percentage": "24h,1h"}),
    ("coingecko", "coins/markets", {"vs_currency": "usd", "per_page": "5", "precision": "3", "unknown": "x"}),
    ("binance", "api/v3/ping", {}),
    ("binance", "api/v3/time", {}),
    ("binance", "api/v3/ticker/24hr", {}),
    ("binance", "api/v3/ticker/24hr", {"symbol": "BTCUSDT"}),
    ("binance", "api/v3/ticker/24hr", {"symbols": '["ETHUSDT","BTCUSDT"]'}),
    ("binance", "api/v3/ticker/24hr", {"type": "MINI"}),
    ("binance", "api/v3/ticker/24hr", {"type": "MINI", "symbol": "BTCUSDT"}),
    ("binance", "api/v3/ticker/bookTicker", {}),
    ("binance", "api/v3/ticker/bookTicker", {"symbols": '["ETHUSDT","BTCUSDT"]'}),
    ("binance", "api/v3/ticker/bookTicker", {"symbol": "BTCUSDT"}),
    ("binance", "api/v3/ticker/24hr", {"symbol": "NOTHING"}),
    ("binance", "api/v3/ticker/24hr", {"symbol": "BTCUSDT", "symbols": '["BTCUSDT"]'}),
    ("bybit", "v5/market/time", {}),
    ("bybit", "v5/market/tickers", {"category": "linear"}),
    ("bybit", "v5/market/tickers", {"category": "inverse"}),
    ("bybit", "v5/market/tickers", {"category": "spot", "symbol": "BTCUSDT"}),
    ("bybit", "v5/market/tickers", {"category": "linear", "symbol": "NOTHING"}),
    ("bybit", "v5/market/tickers", {"category": "nowhere"}),
    ("bybit", "v5/market/tickers", {}),
]  # fmt: skip
PREFIX = {"coingecko": "/coingecko/api/v3/", "binance": "/binance/", "bybit": "/bybit/"}


@pytest.fixture(scope="module")
def polled(standing) -> Road:  # type: ignore[no-untyped-def]
    sandbox, clock = standing
    road = Road.made(sandbox, clock)
    road.poll()
    road.walk("binance.candle-1h", "BTCUSDT", HOUR - 40 * HOUR_MS)
    road.walk("bybit-linear.candle-1h", "BTCUSDT", HOUR - 40 * HOUR_MS)
    road.walk("bybit-inverse.candle-1h", "BTCUSD", HOUR - 40 * HOUR_MS)
    road.walk("coingecko", "bitcoin", TODAY - 200 * DAY_MS)
    road.start()
    yield road
    road.stop()


@pytest.mark.parametrize(("upstream", "path", "params"), SAME)
def test_an_answer_of_the_road_is_the_upstreams_own(polled: Road, upstream: str, path: str, params: dict[str, str]):
    ours = polled.get(f"{PREFIX[upstream]}{path}", params=params)
    theirs = polled.theirs(upstream, path, params=params)
    assert (ours.status_code, ours.json()) == (theirs.status_code, theirs.json())
    assert ours.headers["X-Data-Source"] in (f"road/{upstream}", "door")


PRICES = [
    {"ids": "bitcoin", "vs_currencies": "usd"},
    {"ids": "ethereum,bitcoin", "vs_currencies": "usd", "include_last_updated_at": "true"},
    {"ids": "bitcoin", "vs_currencies": "usd", "include_24hr_change": "True", "precision": "full"},
]


@pytest.mark.parametrize("params", PRICES)
def test_a_simple_price_is_coingeckos(polled: Road, params: dict[str, str]):
    ours = polled.get("/coingecko/api/v3/simple/price/", params=params)
    assert ours.json() == polled.theirs("coingecko", "simple/price", params=params).json()


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("global", {}),
        ("search/trending", {}),
        ("exchanges", {}),
        ("exchanges", {"per_page": "7", "page": "1"}),
        ("coins/bitcoin/ohlc", {"vs_currency": "usd", "days": "1"}),
        ("coins/ethereum/ohlc/", {"vs_currency": "USD", "days": "7"}),
    ],
)
def test_what_is_polled_beside_the_prices_is_answered_as_it_came(road: Make, path: str, params: dict[str, str]):
    found = road(COINGECKO_CANDLE_IDS="bitcoin,ethereum")
    for feed in ("coingecko.market", "coingecko.candle-30m", "coingecko.candle-4h"):
        found.keep(feed)
    ours = found.get(f"/coingecko/api/v3/{path}", params=params)
    assert ours.json() == found.theirs("coingecko", path, params=params).json()
    assert ours.headers["X-Data-Source"] == "road/coingecko"


def test_caps_and_volumes_of_a_simple_price_are_those_of_the_markets(polled: Road):
    """CoinGecko tells them with their decimals here, and in whole units in the markets, which are polled."""
    params = {"ids": "bitcoin", "vs_currencies": "usd", "include_market_cap": "true", "include_24hr_vol": "true"}
    ours, theirs = (each.json()["bitcoin"] for each in (
        polled.get("/coingecko/api/v3/simple/price", params=params),
        polled.theirs("coingecko", "simple/price", params=params),
    ))  # fmt: skip
    assert list(ours) == list(theirs)
    assert ours == {name: round(value) if "_" in name else value for name, value in theirs.items()}


KLINES = [
    {"startTime": str(HOUR - 30 * HOUR_MS), "limit": "20"},
    {"startTime": str(HOUR - 30 * HOUR_MS + 1), "endTime": str(HOUR - 20 * HOUR_MS)},
    {"endTime": str(HOUR - 1), "limit": "12"},
    {"startTime": str(HOUR - 5 * HOUR_MS), "endTime": str(HOUR - 5 * HOUR_MS)},
    {"startTime": str(NOW_MS + DAY_MS)},
]


@pytest.mark.parametrize("bounds", KLINES)
def test_closed_klines_are_binances(polled: Road, bounds: dict[str, str]):
    params = {"symbol": "BTCUSDT", "interval": "1h", **bounds}
    ours = polled.get("/binance/api/v3/klines", params=params)
    assert ours.json() == polled.theirs("binance", "api/v3/klines", params=params).json()
    assert ours.headers["X-Data-Source"] == "index/binance"
    assert "detail" not in ours.headers["Cache-Status"]


class Unasked:
    """Bars where looking for them would be in vain, and long."""

    name = "es"

    def intervals(self, scope: object) -> object:
        raise AssertionError(scope)


def test_the_earliest_bar_is_the_upstreams_and_not_the_first_that_is_here(road: Make):
    """So python-binance asks where a history begins."""
    found = road(through=True)
    found.past = Unasked()
    asked, get = [], found.through.get
    found.through.get = lambda *question: asked.append(question) or get(*question)
    params = {"symbol": "BTCUSDT", "interval": "1h", "startTime": "0", "limit": "1"}
    for end_ms in (NOW_MS, NOW_MS - 5):
        found.get("/binance/api/v3/klines", params={**params, "endTime": str(end_ms)})
    assert asked == [("binance", "api/v3/klines", params)] * 2, "by clocks of two clients it is one question"
    ours = found.get("/binance/api/v3/klines", params=params)
    assert ours.json() == found.theirs("binance", "api/v3/klines", params=params).json()
    assert ours.headers["X-Data-Source"] == "through/binance"


def test_klines_in_microseconds(polled: Road):
    params = {"symbol": "BTCUSDT", "interval": "1h", "startTime": str(HOUR - 30 * HOUR_MS), "limit": "3"}
    headers = {"X-MBX-TIME-UNIT": "MICROSECOND"}
    ours = polled.get("/binance/api/v3/klines", params=params, headers=headers)
    assert ours.json() == polled.theirs("binance", "api/v3/klines", params=params, headers=headers).json()


def test_the_open_kline_is_left_out_and_that_is_said(polled: Road):
    params = {"symbol": "BTCUSDT", "interval": "1h", "limit": "6"}
    ours = polled.get("/binance/api/v3/klines", params=params)
    assert ours.json()[-5:] == polled.theirs("binance", "api/v3/klines", params=params).json()[:-1]
    assert "detail=open-bar-left-out" in ours.headers["Cache-Status"]


@pytest.mark.parametrize(("category", "symbol"), [("linear", "BTCUSDT"), ("inverse", "BTCUSD")])
@pytest.mark.parametrize(
    "bounds",
    [
        {"start": str(HOUR - 30 * HOUR_MS + 1), "limit": "7"},
        {"start": str(HOUR - 9 * HOUR_MS), "end": str(HOUR - 3 * HOUR_MS)},
        {"end": str(HOUR - 1), "limit": "5"},
    ],
)
def test_closed_bars_are_bybits(polled: Road, category: str, symbol: str, bounds: dict[str, str]):
    params = {"category": category, "symbol": symbol, "interval": "60", **bounds}
    ours = polled.get("/bybit/v5/market/kline", params=params)
    assert ours.json() == polled.theirs("bybit", "v5/market/kline", params=params).json()


def chart_of(begin_ms: int, end_ms: int, **more: str) -> dict[str, str]:
    return {"vs_currency": "usd", "from": str(begin_ms // 1000), "to": str(end_ms // 1000), **more}


CHART = "coins/bitcoin/market_chart/range"


@pytest.mark.parametrize(
    "asked",
    [
        chart_of(TODAY - 150 * DAY_MS, TODAY - 20 * DAY_MS),
        chart_of(TODAY - 120 * DAY_MS - 1000, TODAY - 1000, precision="full"),
        chart_of(TODAY - 9 * DAY_MS, TODAY - 2 * DAY_MS + HOUR_MS, interval="daily", vs_currency="USD"),
    ],
)
def test_a_chart_of_past_days_is_coingeckos(polled: Road, asked: dict[str, str]):
    ours = polled.get(f"/coingecko/api/v3/{CHART}", params=asked)
    assert ours.json() == polled.theirs("coingecko", CHART, params=asked).json()
    assert len(ours.json()["prices"]) > 1
    assert ours.headers["X-Data-Source"] == "index/coingecko"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (chart_of(TODAY - 150 * DAY_MS, NOW_MS), "ends with a point of now"),
        (chart_of(TODAY - 20 * DAY_MS, TODAY - 10 * DAY_MS), "points of its hours"),
        (chart_of(TODAY - 20 * DAY_MS, TODAY - 10 * DAY_MS, interval="hourly"), "points of its hours"),
        (chart_of(TODAY - 150 * DAY_MS, TODAY - DAY_MS, precision="2"), "kept in full"),
        (chart_of(TODAY - 201 * DAY_MS, TODAY - DAY_MS), "of 201 days the road has 200"),
        (chart_of(TODAY - 150 * DAY_MS, TODAY - DAY_MS, vs_currency="eur"), "of 150 days the road has 0"),
        (chart_of(TODAY - 3 * DAY_MS + 1000, TODAY - 3 * DAY_MS + 2000, interval="daily"), "no such days"),
        ({"vs_currency": "usd", "from": "2026-01-01", "to": "2026-09-01"}, "moments in seconds"),
    ],
)
def test_no_point_of_a_chart_is_made_up(polled: Road, asked: dict[str, str], words: str):
    answer = polled.get(f"/coingecko/api/v3/{CHART}", params=asked)
    assert answer.status_code == 404
    assert words in answer.json()["error"]


def test_a_poll_of_midnight_is_no_point_of_a_chart(road: Make):
    found = road(through=True)
    asked = chart_of(TODAY - 5 * DAY_MS, TODAY - DAY_MS, interval="daily")
    price = found.newest.ticker("coingecko", "bitcoin", "USD")
    found.past.hold([msgspec.structs.replace(price, timestamp=iso(TODAY - 3 * DAY_MS))])
    found.walk("coingecko", "bitcoin", TODAY - 5 * DAY_MS)
    answer = found.get(f"/coingecko/api/v3/{CHART}", params=asked)
    assert answer.headers["X-Data-Source"] == "through/coingecko"
    assert answer.json() == found.theirs("coingecko", CHART, params=asked).json()


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("klines", {}),
        ("klines", {"symbol": ""}),
        ("klines", {"symbol": "BTC USDT", "interval": "1h"}),
        ("klines", {"symbol": "BTCUSDT"}),
        ("klines", {"symbol": "BTCUSDT", "interval": "1x"}),
        ("klines", {"symbol": "BTCUSDT", "interval": "1h", "limit": "0"}),
        ("klines", {"symbol": "BTCUSDT", "interval": "1h", "startTime": "None"}),
    ],
)
def test_binances_refusals(polled: Road, path: str, params: dict[str, str]):
    ours = polled.get(f"/binance/api/v3/{path}", params=params)
    theirs = polled.theirs("binance", f"api/v3/{path}", params=params)
    assert (ours.status_code, ours.json()["code"]) == (theirs.status_code, theirs.json()["code"])


@pytest.mark.parametrize(
    "params",
    [{"symbol": "BTCUSDT", "interval": "7"}, {"interval": "60"}, {"symbol": "BTCUSDT", "interval": "60", "limit": "0"}],
)
def test_bybits_refusals(polled: Road, params: dict[str, str]):
    ours = polled.get("/bybit/v5/market/kline", params=params)
    assert ours.json() == polled.theirs("bybit", "v5/market/kline", params=params).json()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("coins/markets", 422),
        ("simple/price", 422),
        ("coins/bitcoin/ohlc?days=1", 422),
        ("coins/bitcoin/market_chart?vs_currency=usd", 422),
    ],
)
def test_coingeckos_refusals(polled: Road, path: str, status: int):
    ours = polled.get(f"/coingecko/api/v3/{path}")
    assert ours.status_code == status
    assert ours.json()["error"].startswith("Missing parameter")
    assert ours.headers["Access-Control-Allow-Origin"] == "*"


def test_a_price_is_told_with_eight_decimals(polled: Road):
    ours = polled.get("/binance/api/v3/ticker/price", params={"symbol": "BTCUSDT"}).json()
    row = polled.theirs("binance", "api/v3/ticker/24hr", params={"symbol": "BTCUSDT"}).json()
    assert ours == {"symbol": "BTCUSDT", "price": row["lastPrice"]}


@pytest.mark.parametrize("params", [{}, {"symbols": '["BTCUSDT","XMRBTC","ETHBTC"]'}, {"symbol": "XMRBTC"}])
def test_pairs_that_are_halted_have_their_price_as_well(polled: Road, params: dict[str, str]):
    """No record tells of them, and a list without them is not the upstream's."""
    ours = polled.get("/binance/api/v3/ticker/price", params=params)
    assert ours.json() == polled.theirs("binance", "api/v3/ticker/price", params=params).json()
    assert ours.headers["X-Data-Source"] == "road/binance"


def test_the_whole_markets_prices_are_gathered_once_for_each_change(polled: Road, monkeypatch: pytest.MonkeyPatch):
    gathered: list[str] = []
    tickers = polled.newest.tickers
    monkeypatch.setattr(polled.newest, "tickers", lambda source: gathered.append(source) or tickers(source))
    for changes in (1, 2):
        polled.poll("binance")
        first, second = (polled.get("/binance/api/v3/ticker/price").json() for _ in range(2))
        assert first == second == polled.theirs("binance", "api/v3/ticker/price").json()
        assert gathered == ["binance"] * changes


def test_the_book_ticker_is_a_part_of_the_tickers_row(polled: Road):
    ours = polled.get("/binance/api/v3/ticker/bookTicker", params={"symbol": "ETHUSDT"}).json()
    row = polled.theirs("binance", "api/v3/ticker/24hr", params={"symbol": "ETHUSDT"}).json()
    assert ours == {name: row[name] for name in ("symbol", "bidPrice", "bidQty", "askPrice", "askQty")}


def test_what_clients_ask_for_at_their_start(polled: Road):
    for kind in ("fapi", "dapi"):
        found = polled.get(f"/binance/{kind}/v1/exchangeInfo").json()
        assert (found["symbols"], found["serverTime"]) == ([], NOW_MS)
    assert polled.get("/binance/sapi/v1/system/status").json() == {"status": 0, "msg": "normal"}


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/coingecko/api/v3/coins/list", {"error"}),
        ("/coingecko/api/v3/simple/price?ids=no-such-coin&vs_currencies=usd", {"error"}),
        ("/coingecko/api/v3/coins/markets?vs_currency=eur", {"error"}),
        ("/coingecko/api/v3/coins/markets?vs_currency=usd&per_page=250", {"error"}),
        ("/coingecko/api/v3/coins/markets?vs_currency=usd&per_page=5&sparkline=true", {"error"}),
        ("/binance/api/v3/depth?symbol=BTCUSDT", {"code", "msg"}),
        ("/binance/fapi/v1/klines", {"code", "msg"}),
        ("/bybit/v5/market/orderbook", {"retCode", "retMsg", "result", "retExtInfo", "time"}),
    ],
)
def test_what_is_not_carried_is_refused_in_the_upstreams_shape(polled: Road, path: str, shape: set[str]):
    ours = polled.get(path)
    assert ours.status_code == (200 if path.startswith("/bybit/") else 404)
    assert ours.json().get("retCode", 10001) == 10001
    assert set(ours.json()) == shape
    assert ours.headers["X-Data-Source"] == "door"


def test_what_the_road_lacks_is_read_through(road: Make):
    found = road(through=True)
    for upstream, path, params in [
        ("coingecko", "coins/list", {}),
        ("coingecko", "coins/markets", {"vs_currency": "eur", "per_page": "3"}),
        ("binance", "api/v3/exchangeInfo", {"symbol": "BTCUSDT"}),
        ("binance", "api/v3/klines", {"symbol": "BTCUSDT", "interval": "1h", "limit": "3"}),
        ("binance", "api/v3/depth", {"symbol": "NOTHING"}),
        ("bybit", "v5/market/instruments-info", {"category": "linear"}),
    ]:
        ours = found.get(f"{PREFIX[upstream]}{path}", params=params)
        theirs = found.theirs(upstream, path, params=params)
        assert (ours.status_code, ours.json()) == (theirs.status_code, theirs.json())
        assert ours.headers["X-Data-Source"] == f"through/{upstream}"
        assert "fwd=miss" in ours.headers["Cache-Status"]
    assert len(found.through.asked) == 6


def test_identical_questions_at_once_are_one(road: Make):
    found = road(through=True, polled=False)
    found.through.gate.clear()
    statuses: list[int] = []

    def ask() -> None:
        statuses.append(found.get("/coingecko/api/v3/coins/list").status_code)

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for each in threads:
        each.start()
    wait_until(lambda: len(found.through.asked) == 1)
    found.through.gate.set()
    for each in threads:
        each.join()
    assert statuses == [200] * 20
    assert len(found.through.asked) < 20


def test_how_old_an_answer_is(road: Make):
    found = road()
    path = "/coingecko/api/v3/simple/price?ids=bitcoin&vs_currencies=usd"
    found.clock.ms += 20_000
    fresh = found.get(path).headers
    assert fresh["Age"] == "20"
    assert fresh["Last-Modified"] == "Fri, 20 Nov 2026 10:00:30 GMT"
    assert fresh["Cache-Control"] == "public, max-age=40"
    assert fresh["Cache-Status"] == "cryptoproxy; hit; ttl=40"
    assert fresh["X-Data-As-Of"] < "2026-11-20T10:00:31"
    found.clock.ms += 130_000
    late = found.get(path).headers
    assert (late["Cache-Control"], late["Cache-Status"]) == (
        "public, max-age=0",
        "cryptoproxy; hit; ttl=-90; detail=stale-upstream",
    )
    refused = found.get(f"{path}&max_age=60")
    assert refused.status_code == 503
    assert refused.json()["status"]["error_code"] == 503
    assert found.get(path, headers={"X-Max-Age": "60"}).status_code == 503
    found.clock.ms += 200_000
    assert found.get(path).status_code == 503
    assert found.get(f"{path}&max_age=100000").status_code == 200
    assert found.get("/binance/api/v3/ticker/price?symbol=BTCUSDT").json()["code"] == -1001
    assert "retCode" in found.get("/bybit/v5/market/tickers?category=spot").json()


def test_a_known_answer_is_not_sent_again(road: Make):
    found = road()
    path = "/binance/api/v3/ticker/24hr"
    first = found.get(path)
    assert first.headers["Content-Encoding"] == "gzip"
    tag = first.headers["ETag"]
    again = found.get(path, headers={"If-None-Match": f'"other", {tag}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["Age"] == "0"
    plain = found.get(path, headers={"Accept-Encoding": "identity"})
    assert plain.headers["ETag"] != tag
    assert plain.json() == first.json()
    found.clock.ms += 60_000
    found.poll("binance")
    assert found.get(path, headers={"If-None-Match": tag}).status_code in (200, 304)


def test_the_past_on_the_topic_never_stands_for_now(road: Make):
    found = road()
    now = found.newest.ticker("coingecko", "bitcoin", "USD")
    found.newest.take(msgspec.structs.replace(now, price=1.0, timestamp="2026-11-01T00:00:00.000Z"))
    assert found.newest.ticker("coingecko", "bitcoin", "USD") is now


def test_a_price_of_the_past_is_never_the_only_one(road: Make):
    """What history brings of a coin that is not polled."""
    found = road()
    midnight = msgspec.structs.replace(
        found.newest.ticker("coingecko", "bitcoin", "USD"),
        asset_id="forgotten",
        timestamp="2026-11-20T00:00:00.000Z",
        fetch_delay_ms=36_000_000,
        interval_ms=DAY_MS,
    )
    found.newest.take(midnight)
    assert found.newest.ticker("coingecko", "forgotten", "USD") is None


def test_a_pair_that_is_not_polled_any_more_is_not_there(road: Make):
    found = road()
    gone = msgspec.structs.replace(found.newest.ticker("binance", "BTCUSDT"), asset_id="GONEUSDT", symbol="GONEUSDT")
    found.newest.take(gone)
    assert found.newest.ticker("binance", "GONEUSDT") is not None
    for _ in range(4):
        found.clock.ms += 60_000
        found.poll("binance")
    assert found.newest.ticker("binance", "GONEUSDT") is None
    assert "GONEUSDT" not in {each.asset_id for each in found.newest.tickers("binance")}


class Away:
    """Elasticsearch while it is away."""

    name = "es"

    def intervals(self, scope: object) -> object:
        raise TransientError("no answer")


@pytest.mark.parametrize("through", [True, False])
def test_bars_are_read_through_or_refused_while_the_index_is_away(road: Make, through: bool):
    found = road(through=through)
    found.past = Away()
    for path, body in [
        ("/binance/api/v3/klines?symbol=BTCUSDT&interval=1h&limit=3", "code"),
        ("/bybit/v5/market/kline?category=linear&symbol=BTCUSDT&interval=60", "retCode"),
    ]:
        answer = found.get(path)
        assert answer.status_code == (200 if through else 503)
        assert through or (body in answer.json() and answer.headers["Retry-After"])
    assert found.get("/binance/api/v3/ticker/price?symbol=BTCUSDT").status_code == 200


def test_who_asks_for_bars_does_not_wait_for_an_index_that_is_frozen(road: Make):
    begun, go, asked = threading.Event(), threading.Event(), []

    class Frozen(Away):
        def intervals(self, scope: object) -> object:
            asked.append(scope)
            if len(asked) > 1:  # the first question has found that it is away
                begun.set()
                assert go.wait(PATIENCE)
            return super().intervals(scope)

    found = road()
    found.past = Frozen()
    path = "/binance/api/v3/klines?symbol=BTCUSDT&interval=1h&limit=3"
    assert found.get(path).status_code == 503
    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(found.get, path)
        assert begun.wait(PATIENCE)
        assert [found.get(path).status_code for _ in range(20)] == [503] * 20
        go.set()
        assert waits.result().status_code == 503
    assert len(asked) == 2
    found.past = HeldPast()
    assert found.get(path).status_code == 404, "it answers again"


def test_the_lake_is_asked_by_one_at_a_time(road: Make):
    found = road()
    found.walk("binance.candle-1h", "BTCUSDT", HOUR - 8 * HOUR_MS)
    asked, alone = found.past.intervals, threading.Lock()

    def one(scope: Scope) -> object:
        assert alone.acquire(blocking=False)
        try:
            time.sleep(0)
            return asked(scope)
        finally:
            alone.release()

    found.past.name, found.past.intervals = "lake", one
    path = f"/binance/api/v3/klines?symbol=BTCUSDT&interval=1h&startTime={HOUR - 6 * HOUR_MS}&limit="
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(found.get, [f"{path}{n % 4 + 1}" for n in range(40)]))
    assert {(each.status_code, each.headers["X-Data-Source"]) for each in answers} == {(200, "lake/binance")}


@pytest.mark.parametrize("limited", [True, False])
def test_closed_bars_are_given_while_the_open_one_cannot_be_asked_for(road: Make, limited: bool):
    def refuse(*_: object) -> None:
        raise NotFetchedError("not now", limited=limited)

    found = road(through=True)
    found.walk("binance.candle-1h", "BTCUSDT", HOUR - 8 * HOUR_MS)
    found.through.get = refuse
    path = "/binance/api/v3/klines?symbol=BTCUSDT&interval=1h"
    ours = found.get(f"{path}&limit=6")
    assert len(ours.json()) == 6
    assert ours.json()[-1][0] == HOUR - HOUR_MS
    assert "detail=open-bar-left-out" in ours.headers["Cache-Status"]
    for more in (f"&limit=6&endTime={HOUR - 4 * HOUR_MS}", "&limit=9", "&startTime=0&limit=1"):
        assert found.get(path + more).status_code == (429 if limited else 503), "more than the open one is missing"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFetchedError("no budget", limited=True, retry_after=17.2), 429),
        (NotFetchedError("nobody who may ask"), 503),
        (NotFetchedError("no such path", unknown=True), 404),
    ],
)
def test_what_cannot_be_read_through_is_said_in_the_upstreams_shape(road: Make, error: NotFetchedError, status: int):
    def refuse(*_: object) -> None:
        raise error

    found = road(through=True)
    found.through.get = refuse
    gecko = found.get("/coingecko/api/v3/coins/list")
    binance = found.get("/binance/api/v3/exchangeInfo")
    bybit = found.get("/bybit/v5/market/instruments-info?category=linear")
    assert {gecko.status_code, binance.status_code} == {status}
    assert bybit.status_code == (503 if status == 503 else 200)
    assert (status == 429) == ("X-Bapi-Limit-Reset-Timestamp" in bybit.headers)
    assert binance.json()["code"] == {429: -1003, 503: -1001, 404: -1020}[status]
    assert bybit.json()["retCode"] == {429: 10006, 503: 10016, 404: 10001}[status]
    if status == 404:
        assert gecko.json() == {"error": str(error)}
    else:
        assert gecko.json()["status"]["error_code"] == status
        assert gecko.headers["Retry-After"] == ("17" if status == 429 else "5")


def test_a_stale_answer_that_was_read_through_is_marked(road: Make):
    found = road(through=True)
    get = found.through.get
    found.through.get = lambda *asked: get(*asked)._replace(age=100.0, fresh=30.0, stale="it does not answer")
    answer = found.get("/coingecko/api/v3/coins/list")
    assert answer.headers["Cache-Status"] == "cryptoproxy; fwd=miss; ttl=-70; detail=stale-upstream"
    assert (answer.headers["Age"], answer.headers["Cache-Control"]) == ("100", "public, max-age=0")
    assert found.get("/coingecko/api/v3/coins/list?max_age=60").status_code == 503


@pytest.mark.parametrize(
    ("path", "status", "shape"),
    [
        ("/binance/api/v3/avgPrice?symbol=BTCUSDT", 404, {"code", "msg"}),
        ("/coingecko/api/v3/exchange_rates", 404, {"error"}),
        (
            "/bybit/v5/market/funding/history?category=linear",
            200,
            {"retCode", "retMsg", "result", "retExtInfo", "time"},
        ),
    ],
)
def test_a_page_for_people_is_said_in_the_upstreams_shape(road: Make, path: str, status: int, shape: set[str]):
    """Binance and Bybit say of a path that they do not know what no client reads."""
    found = road(through=True)
    found.through.get = lambda *_: Fetched(404, {"content-type": "text/html"}, b"<h2>404 Not found</h2>", 0.0)
    answer = found.get(path)
    assert (answer.status_code, set(answer.json())) == (status, shape)


def test_what_is_not_polled_any_more_is_read_through(road: Make):
    """Its last answer stays on the topic for ever."""
    found = road(through=True)
    paths = [
        "/coingecko/api/v3/coins/markets?vs_currency=usd&per_page=2",
        "/binance/api/v3/ticker/24hr?symbol=BTCUSDT",
        "/bybit/v5/market/tickers?category=linear&symbol=BTCUSDT",
    ]
    assert {found.get(path).headers["X-Data-Source"].partition("/")[0] for path in paths} == {"road"}
    found.clock.ms += 600_000
    for path in paths:
        answer = found.get(path)
        assert answer.status_code == 200
        assert answer.headers["X-Data-Source"].startswith("through/")

    def nobody(*_: object) -> None:
        raise NotFetchedError("nobody who may ask")

    found.through.get = nobody
    for path in paths:
        assert found.get(path).status_code == 503
        assert found.get(f"{path}&max_age=100000").headers["X-Data-Source"].startswith("road/")


def test_how_old_an_answer_may_be_is_set_by_dataset(road: Make):
    found = road(SERVE_MAX_AGE="2m", SERVE_MAX_AGES="market=20m,candle=1h", COINGECKO_CANDLE_IDS="bitcoin")
    for feed in ("coingecko.market", "coingecko.candle-30m"):
        found.keep(feed)
    paths = {
        "ticker": "coins/markets?vs_currency=usd&per_page=5",
        "market": "global",
        "candle": "coins/bitcoin/ohlc?vs_currency=usd&days=1",
    }

    def refused() -> set[str]:
        answers = {name: found.get(f"/coingecko/api/v3/{path}") for name, path in paths.items()}
        assert {each.status_code for each in answers.values()} <= {200, 503}
        return {name for name, each in answers.items() if each.status_code == 503}

    assert refused() == set()
    for minutes, old in ((3, {"ticker"}), (18, {"ticker", "market"}), (40, set(paths))):
        found.clock.ms += minutes * 60_000
        assert refused() == old


def test_a_pair_that_an_old_answer_lacks_may_be_there_by_now(road: Make):
    found = road(through=True)
    assert found.get("/binance/api/v3/ticker/price?symbol=NEWUSDT").status_code == 400
    asked = len(found.through.asked)
    found.clock.ms += 600_000
    found.get("/binance/api/v3/ticker/price?symbol=NEWUSDT")
    found.get("/bybit/v5/market/tickers?category=linear&symbol=NEWUSDT")
    assert len(found.through.asked) == asked + 2


def test_pairs_are_not_chosen_by_a_status_that_tickers_do_not_tell(road: Make):
    found = road(through=True)
    answer = found.get("/binance/api/v3/ticker/price?symbolStatus=HALT")
    assert answer.headers["X-Data-Source"].startswith("through/")


def test_a_row_without_a_name_is_none(road: Make):
    found = road()
    rows = b'[{"symbol":"BTCUSDT","lastPrice":"1"},{"lastPrice":"2"},7]'
    found.newest.take_answer("binance", "api/v3/ticker/24hr", {}, rows, found.clock.ms + 1)
    assert found.get("/binance/api/v3/ticker/24hr").json() == [{"symbol": "BTCUSDT", "lastPrice": "1"}]


def test_what_nobody_foresaw_is_said_in_the_upstreams_shape(road: Make, caplog: pytest.LogCaptureFixture):
    found = road()
    found.newest.answers = None
    answer = found.get("/binance/api/v3/ticker/24hr")
    assert (answer.status_code, answer.json()["code"]) == (500, -1000)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "nobody foresaw" in caplog.text


def test_questions_do_not_wait_without_end(road: Make, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("cryptoproxy.serve.houses.house.MOST_WAITING", 2)
    found = road(through=True)
    found.through.gate.clear()
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(found.get, f"/binance/api/v3/depth?symbol={each}") for each in ("BTCUSDT", "ETHUSDT")]
        wait_until(lambda: len(found.through.asked) == 2, what="two are asked")
        refused = found.get("/binance/api/v3/depth?symbol=BNBUSDT")
        assert (refused.status_code, refused.json()["code"]) == (429, -1003)
        assert refused.headers["Retry-After"] == "5"
        found.through.gate.set()
        assert {each.result().status_code for each in waiting} == {200}
    assert found.get("/binance/api/v3/depth?symbol=BNBUSDT").status_code == 200


def test_questions_count_in_what_replies_are_kept_for():
    shelf = Shelf(most_bytes=10_000)
    made: list[str] = []
    for place in [*(f"{each}{'x' * 1_000}" for each in range(20)), f"0{'x' * 1_000}"]:
        shelf.get(place, 1, lambda place=place: made.append(place) or Reply(b"{}"))
    assert len(made) == 21


def test_microseconds_are_never_answered_in_milliseconds(road: Make):
    found = road(through=True)
    asked = {"X-MBX-TIME-UNIT": "microsecond"}
    zoned = found.get("/binance/api/v3/klines?symbol=BTCUSDT&interval=1d&timeZone=8", headers=asked)
    assert (zoned.status_code, zoned.json()["code"]) == (400, -1100)
    assert found.get("/binance/api/v3/depth?symbol=BTCUSDT", headers=asked).status_code == 400
    found.past = Away()
    assert found.get("/binance/api/v3/klines?symbol=BTCUSDT&interval=1h", headers=asked).status_code == 503
    assert found.through.asked == []


def test_options_are_read_through(road: Make):
    found = road(through=True)
    found.get("/bybit/v5/market/tickers?category=option&baseCoin=BTC")
    assert found.through.asked == ["bybit/v5/market/tickers"]


def test_bars_of_another_length_are_not_those_that_are_polled(road: Make):
    found = road(through=True)
    asked = {"vs_currency": "usd", "days": "30", "precision": "full"}
    found.newest.take_answer("coingecko", "coins/bitcoin/ohlc", asked, b"[[1,2,3,4,5]]", found.clock.ms)
    path = "/coingecko/api/v3/coins/bitcoin/ohlc?vs_currency=usd&days=30"
    assert found.get(path).json() == [[1, 2, 3, 4, 5]]
    assert found.get(f"{path}&interval=daily").headers["X-Data-Source"].startswith("through/")


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [("gzip, deflate", True), ("gzip;q=0.5", True), ("gzip;q=0", False), ("gzip; q=0.0, identity", False), ("", False)],
)
def test_who_does_not_take_gzip_gets_none(accepted: str, packed: bool):
    assert takes_gzip(accepted.encode()) == packed


def test_what_an_upstream_does_not_know_makes_no_question_of_its_own(road: Make):
    """CoinGecko and Bybit pass it over, Binance refuses it."""
    found = road(through=True, polled=False)
    for path in (
        "/binance/api/v3/ping?x=1",
        "/binance/api/v3/exchangeInfo?x=1",
        "/binance/api/v3/depth?symbol=BTCUSDT&y=2",
    ):
        answer = found.get(path)
        if "ping" not in path:
            assert (answer.status_code, answer.json()["code"]) == (400, -1101)
    assert found.get("/binance/api/v3/depth?symbol=BTCUSDT&y=2").json()["msg"] == (
        "Too many parameters; expected '1' and received '2'."
    )
    assert found.through is not None
    assert found.through.asked == []


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("", ""),
        ('<https://api.coingecko.com/api/v3/exchanges>; rel="last"', ""),
        (
            '<https://api.coingecko.com/api/v3/exchanges?page=2&x_cg_demo_api_key=CG-1>; rel="next", '
            '<https://api.coingecko.com/api/v3/exchanges?page=9>; rel="last"',
            '<?page=2>; rel="next", <?page=9>; rel="last"',
        ),
    ],
)
def test_links_to_other_pages_do_not_lead_past_the_door(theirs: str, ours: str):
    assert linked(theirs) == ours


@pytest.mark.parametrize("number", ["9" * 5000, "%C2%B2", "%EF%BC%91", "-1", "1e9"], ids=lambda each: each[:9])
@pytest.mark.parametrize(
    "path",
    [
        "/bybit/v5/market/kline?category=linear&symbol=BTCUSDT&interval=1&start=",
        "/bybit/v5/market/kline?category=linear&symbol=BTCUSDT&interval=1&limit=",
        "/bybit/v5/market/orderbook?category=linear&symbol=BTCUSDT&limit=",
        "/binance/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=",
        "/coingecko/api/v3/coins/markets?vs_currency=usd&page=",
        "/coingecko/api/v3/exchanges?per_page=",
        "/v1/latest?top=",
    ],
)
def test_what_is_no_number_is_no_fault_of_ours(polled: Road, path: str, number: str):
    answer = polled.get(f"{path}{number}")
    assert answer.status_code != 500
    assert "was not understood" not in answer.text
